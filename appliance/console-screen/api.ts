/** The appliance's API by the local socket: what the screen reads, does and follows. It has no right and no rule of its own. */
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import type { ProblemJson } from '../core/problem.ts';
import { deadline } from '../core/clock.ts';

/** The service answered: it cannot be done, and why. */
export class Refused extends Error {}
/** The service does not answer. */
export class Away extends Error {}

export interface BoxApi {
  /** One request below `/api/v1`; throws `Refused` or `Away`. */
  ask<T>(method: string, path: string, body?: object): Promise<T>;
  /** Calls `onChange` with the kind of each thing that changes, until the stream ends. */
  follow(onChange: (kind: string) => void, signal: AbortSignal): Promise<void>;
}

const answerMs = 20_000;

/** `seat` is where the person sits, for the audit trail: `tty1`. */
export function createSocketApi(socketPath: string, seat: string): BoxApi {
  const open = (method: string, path: string, { body, signal }: { body?: string; signal: AbortSignal }) => new Promise<IncomingMessage>((resolve, reject) => {
    const headers = { 'bothy-console': seat, ...(body !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }) };
    // A connection for each: one that is used again may be closed by the service at the very moment at which the next request is sent.
    const outgoing: ClientRequest = request({ socketPath, method, path: `/api/v1${path}`, headers, signal, agent: false }, resolve);
    outgoing.on('error', (error) => reject(new Away(error.message, { cause: error })));
    outgoing.end(body);
  });
  return {
    async ask<T>(method: string, path: string, body?: object) {
      const signal = deadline(answerMs);
      const answer = await open(method, path, { signal, ...(body && { body: JSON.stringify(body) }) });
      return readAnswer<T>(answer.statusCode ?? 0, await textOf(answer));
    },
    async follow(onChange, signal) {
      const answer = await open('GET', '/changes', { signal });
      if (answer.statusCode !== 200) throw new Away(`the change feed answered ${answer.statusCode}`);
      await readChanges(answer, onChange);
    },
  };
}

export function readAnswer<T>(status: number, text: string): T {
  const value = text === '' ? null : JSON.parse(text);
  if (status >= 400) {
    const { detail, errors } = value as ProblemJson; // every error of the API is a problem
    throw new Refused([detail, ...(errors ?? []).map(({ message }) => message).filter((message) => message !== detail)].join(' '));
  }
  return value as T; // the caller names the answer of its own request
}

async function textOf(answer: IncomingMessage): Promise<string> {
  try {
    answer.setEncoding('utf8');
    let text = '';
    for await (const part of answer) text += part;
    return text;
  } catch (error) {
    throw new Away('the answer broke off', { cause: error });
  }
}

/** Server-sent events: only their kinds matter here. */
export async function readChanges(stream: AsyncIterable<Uint8Array | string>, onChange: (kind: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  let pending = '';
  try {
    for await (const part of stream) {
      pending += typeof part === 'string' ? part : decoder.decode(part, { stream: true });
      const events = pending.split('\n\n');
      pending = events.pop() ?? '';
      for (const event of events) {
        if (/^event: resync$/m.test(event)) onChange('host');
        const data = /^data: (\{.+\})$/m.exec(event)?.[1];
        const kind = data && (JSON.parse(data) as { kind?: string }).kind;
        if (kind) onChange(kind);
      }
    }
  } catch {
    // The service has gone: the stream ends either way.
  }
}
