/** The appliance's HTTP face over some slices, without a socket: what a test of the API talks to. */
import { createAuth } from '../../appliance/auth/auth.ts';
import type { BoundOperation } from '../../appliance/core/operation.ts';
import type { Core } from '../../appliance/core/services.ts';
import { createHttp } from '../../appliance/http.ts';
import type { Audit } from '../../appliance/http/execute.ts';

export interface Answer {
  status: number;
  /** Parsed JSON, whatever the test expects it to be; null without a body. */
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into answers of all operations
  body: any;
  headers: Headers;
}

export interface Door {
  /** Asks as root on the local socket. `path` below `/api/v1`. */
  ask(method: string, path: string, options?: { body?: unknown; headers?: Record<string, string> }): Promise<Answer>;
  /** Asks over the network with a token that allows only `permissions`; without any as a stranger. */
  askAs(permissions: string[] | undefined, method: string, path: string, body?: unknown): Promise<Answer>;
  /** The answer as it is, for streams. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
}

export function openDoor(core: Core, parts: { operations: BoundOperation[]; audit?: Audit; health?: () => Promise<{ isHealthy: boolean }>; metrics?: () => Promise<string> }): Door {
  const auth = createAuth(core);
  const make = createHttp({
    core, auth, audit: parts.audit ?? (() => {}), operations: [...auth.operations, ...parts.operations], pages: [], version: '0.0.0', isSecure: false,
    health: parts.health ?? (async () => ({ isHealthy: true })), metrics: parts.metrics ?? (async () => ''),
  });
  const [local, network] = [make('local'), make('network')];
  const request = (method: string, body: unknown, headers: Record<string, string> = {}): RequestInit => ({
    method, headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers }, ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const door: Door = {
    ask: async (method, path, { body, headers } = {}) => read(await local.request(`/api/v1${path}`, request(method, body, headers))),
    async askAs(permissions, method, path, body) {
      if (!permissions) return read(await network.request(`/api/v1${path}`, request(method, body)));
      const { body: made } = await door.ask('POST', '/tokens', { body: { name: `test-${Math.random()}`, permissions } });
      return read(await network.request(`/api/v1${path}`, request(method, body, { authorization: `Bearer ${made.token}` })));
    },
    fetch: async (path, init) => local.request(path, init),
  };
  return door;
}

async function read(response: Response): Promise<Answer> {
  const text = await response.text();
  return { status: response.status, body: text === '' ? null : JSON.parse(text), headers: response.headers };
}
