/** The whole appliance on a simulated World, set up and signed in, spoken to through its HTTP face without a socket. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Hono } from 'hono';
import { type App, createApp } from '../../appliance/app.ts';
import type { Role } from '../../appliance/auth/rules.ts';
import { systemClock } from '../../appliance/core/clock.ts';
import { silentLog } from '../../appliance/core/log.ts';
import type { TaskProbe } from '../../appliance/core/task.ts';
import { createSimulatedHost, createSimulatedWorld, type HostOptions, type SimulatedHost, type SimulatedWorld } from './world.ts';

export interface Reply<T = Record<string, unknown>> {
  status: number;
  headers: Headers;
  body: T;
}

export interface TestApp {
  app: App;
  host: SimulatedHost;
  world: SimulatedWorld;
  door: Hono;
  statePath: string;
  /** One request as the administrator; JSON in and out. */
  send<T = Record<string, unknown>>(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Reply<T>>;
  /** A bearer token of a new user with these roles. */
  tokenFor(roles: Role[]): Promise<string>;
  /** Sends and waits for the task that it starts; throws when the task does not end `done`. */
  carryOut(method: string, path: string, body?: unknown): Promise<void>;
  /** The service dies at once and starts again on the same machine and state. */
  killAndRestart(probe?: TaskProbe): Promise<TestApp>;
  /** The service ends in order; its state stays. */
  end(): Promise<void>;
  close(): Promise<void>;
}

export const adminPassword = 'correct horse battery';

export interface TestAppOptions extends Partial<HostOptions> {
  host?: SimulatedHost;
  probe?: TaskProbe;
  keysPath?: string;
  watchdog?: { isWanted: boolean; patienceMs: number };
  /** The service takes itself for one that listens beyond loopback, and has a certificate. Nothing listens. */
  isSecure?: boolean;
  /** What it takes for the address that it listens on. */
  listen?: string;
}

export async function openTestApp(options: TestAppOptions = {}): Promise<TestApp> {
  const statePath = options.statePath ?? mkdtempSync(join(tmpdir(), 'bothy-app-'));
  const host = options.host ?? createSimulatedHost({ clock: systemClock, ...options, statePath });
  const world = createSimulatedWorld(host);
  const config = { statePath, listen: { host: options.listen ?? (options.isSecure ? '192.0.2.1' : '127.0.0.1'), port: 0 }, viewerPorts: { first: 45_900, last: 45_903 }, libvirtUri: 'test', accel: 'auto' as const, managesHost: true, watchdog: options.watchdog ?? { isWanted: false, patienceMs: 60_000 }, keysPath: options.keysPath ?? join(statePath, 'no-keys'), logLevel: 'error' as const, version: '0.0.0' };
  const app = createApp({ config, log: silentLog, world, ...(options.probe && { probe: options.probe }) });
  const stopping = new AbortController();
  const running = app.start(stopping.signal);
  await app.haveLooked(stopping.signal);
  const door = app.http('network');
  const token = await administratorToken(app);
  const stop = async () => {
    stopping.abort();
    await running;
    await app.close();
  };
  const kill = () => {
    stopping.abort(); // its timers would keep the test alive
    running.catch(() => {});
    app.core.tasks.stop().catch(() => {}); // its database is closed: nothing of it is noted
  };
  return assemble({ app, host, world, door, statePath, keysPath: config.keysPath, watchdog: config.watchdog, isSecure: options.isSecure ?? false }, token, { stop, kill });
}

async function administratorToken(app: App): Promise<string> {
  const local = app.http('local');
  const response = await local.request('http://bothy/api/v1/tokens', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ name: `test ${Math.random()}` }) });
  const { token } = (await response.json()) as { token: string };
  return token;
}

type Opened = Pick<TestApp, 'app' | 'host' | 'world' | 'door' | 'statePath'> & { keysPath: string; watchdog: { isWanted: boolean; patienceMs: number }; isSecure: boolean };

function assemble(opened: Opened, token: string, { stop, kill }: { stop(): Promise<void>; kill(): void }): TestApp {
  const { app, door, host, statePath } = opened;
  const send: TestApp['send'] = async <T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const response = await door.request(`http://bothy${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: (text === '' ? null : JSON.parse(text)) as T };
  };
  return {
    ...opened,
    send,
    async tokenFor(roles) {
      const { permissionsOf } = await import('../../appliance/auth/rules.ts');
      const { body } = await send<{ token: string }>('POST', '/api/v1/tokens', { name: `as ${roles.join()} ${Math.random()}`, permissions: [...permissionsOf(roles)] });
      return body.token;
    },
    async carryOut(method, path, body) {
      const reply = await send<{ id: string }>(method, path, body);
      if (reply.status !== 202) throw new Error(`${method} ${path}: ${reply.status} ${JSON.stringify(reply.body)}`);
      const row = await app.core.tasks.ended(reply.body.id);
      if (row.state !== 'done') throw new Error(`${row.kind} ended ${row.state}: ${JSON.stringify(row.problem)}`);
    },
    async killAndRestart(probe) {
      await opened.world.hypervisor.close(); // the dead hear nothing
      await opened.world.watchdog.close();
      app.core.database.close();
      kill();
      return openTestApp({ host, statePath, keysPath: opened.keysPath, isSecure: opened.isSecure, watchdog: opened.watchdog, ...(probe && { probe }) });
    },
    end: stop,
    async close() {
      await stop();
      rmSync(statePath, { recursive: true, force: true });
    },
  };
}
