/** The storage slice alone on a simulated host, with its HTTP face; `restart` is `kill -9` and a new start on the same state. */
import type { NewEvent } from '../../appliance/activity/events.ts';
import type { Clock } from '../../appliance/core/clock.ts';
import type { TaskProbe } from '../../appliance/core/task.ts';
import type { TaskRow } from '../../appliance/core/task-rows.ts';
import { createStorage, type Storage } from '../../appliance/storage/storage.ts';
import type { Use } from '../../appliance/storage/users.ts';
import type { World } from '../../appliance/world.ts';
import { openTestCore, type TestCore } from './core.ts';
import { createSimulatedDisk, type SimulatedDisk } from './disk-space.ts';
import { type Answer, type Door, openDoor } from './door.ts';
import { noSamples } from './samples.ts';
import { createSimulatedImageTool, type SimulatedImageTool } from './image-tool.ts';

export interface StorageSite {
  core: TestCore;
  storage: Storage;
  door: Door;
  disk: SimulatedDisk;
  tool: SimulatedImageTool;
  /** Events that were told and not settled, by code. */
  events: Map<string, NewEvent>;
  /** Uses by disk id or ISO name. */
  uses: Map<string, Use[]>;
  ask: Door['ask'];
  /** Sends raw bytes. */
  put(path: string, body: BodyInit | Uint8Array | null, headers?: Record<string, string>): Promise<Answer>;
  /** Waits for the task that an answer started and returns how it ended. */
  ended(answer: Answer): Promise<TaskRow>;
  /** Asks, and waits for the task, which must end well. */
  carryOut(method: string, path: string, body?: unknown): Promise<void>;
  /** Waits until no task runs. */
  settled(): Promise<void>;
  restart(options?: { probe?: TaskProbe }): Promise<StorageSite>;
  close(): Promise<void>;
}

interface Kept {
  disk: SimulatedDisk;
  tool: SimulatedImageTool;
  imageTool: World['imageTool'];
  gauge: World['disk'];
  uses: Map<string, Use[]>;
  clock?: Clock;
}

export interface StorageSiteOptions {
  clock?: Clock;
  probe?: TaskProbe;
  /** Real parts in place of the simulated ones. */
  imageTool?: World['imageTool'];
  gauge?: World['disk'];
}

export async function openStorageSite(options: StorageSiteOptions = {}): Promise<StorageSite> {
  const disk = createSimulatedDisk();
  const tool = createSimulatedImageTool(disk);
  const kept: Kept = { disk, tool, imageTool: options.imageTool ?? tool, gauge: options.gauge ?? disk, uses: new Map(), ...(options.clock && { clock: options.clock }) };
  return live(openTestCore(options), kept);
}

async function live(core: TestCore, kept: Kept): Promise<StorageSite> {
  const events = new Map<string, NewEvent>();
  const activity = {
    event: (_tx: unknown, event: NewEvent) => void events.set(event.code, event),
    settle: (_tx: unknown, code: string) => void events.delete(code),
    samples: noSamples,
  };
  const storage = createStorage({ ...core, world: { imageTool: kept.imageTool, disk: kept.gauge }, activity });
  storage.registerUsage((_kind, idOrName) => kept.uses.get(idOrName) ?? []);
  core.tasks.resume();
  const stopping = new AbortController();
  const watching = core.reconcilers.start(stopping.signal);
  const door = openDoor(core, storage);
  await core.reconcilers.haveLooked();
  const ended = (answer: Answer) => core.tasks.ended(answer.body.id);
  return {
    core, storage, door, events, ended, disk: kept.disk, tool: kept.tool, uses: kept.uses, ask: door.ask,
    async put(path, body, headers = {}) {
      const init = { method: 'PUT', body, headers: { ...(body instanceof Uint8Array && { 'content-length': String(body.length) }), ...headers }, duplex: 'half' } as RequestInit; // undici's option for streams
      const response = await door.fetch(`/api/v1${path}`, init);
      return { status: response.status, headers: response.headers, body: await response.json() };
    },
    async carryOut(method, path, body) {
      const answer = await door.ask(method, path, { body });
      if (answer.status !== 202) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
      const row = await ended(answer);
      if (row.state !== 'done') throw new Error(`${row.kind} ended ${row.state}: ${JSON.stringify(row.problem)}`);
    },
    async settled() {
      for (let rows = core.tasks.list({ limit: 100, isActive: true }); rows.length > 0; rows = core.tasks.list({ limit: 100, isActive: true })) {
        for (const { id } of rows) await core.tasks.ended(id);
      }
    },
    async restart(options = {}) {
      stopping.abort();
      core.database.close();
      await watching.catch(() => {});
      return live(core.reopen({ ...options, ...(kept.clock && { clock: kept.clock }) }), kept);
    },
    async close() {
      stopping.abort();
      await watching;
      await core.close();
    },
  };
}
