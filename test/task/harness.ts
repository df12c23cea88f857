/**
 * Every task through every power cut.
 *
 * A case says how to set a site up, which task to start, and what to look at afterwards. The harness first runs it undisturbed and notes
 * each instant at which a cut would matter (`TaskProbe`); then, for each of them, it plays the same again on a fresh
 * host, stops the service dead right there, opens it anew on the same database and the same host, and expects the same end.
 * Then it makes each step fail, before and after it has acted, and expects everything undone; and cuts the power during the
 * undoing, too.
 *
 *   checkTask(test, { name: 'vm.start', open, prepare, begin, observe })
 *
 * Time is virtual, the host simulated (test/world), database and files real. Used by the task tests of every slice.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { Problem } from '../../appliance/core/problem.ts';
import type { TaskProbe } from '../../appliance/core/task.ts';
import { createVirtualClock, type VirtualClock } from '../world/clock.ts';
import { openTestCore, type TestCore } from '../world/core.ts';
import { createSimulatedHost, createSimulatedWorld, type HostOptions, type SimulatedHost, type SimulatedWorld } from '../world/world.ts';

/** One life of the service: from its start to its kill. */
export interface Life {
  core: TestCore;
  world: SimulatedWorld;
  host: SimulatedHost;
  clock: VirtualClock;
  /** Aborts with the life: what it started must end. */
  signal: AbortSignal;
}

export interface TaskCase<S> {
  name: string;
  /** Opens the slices on this life's core and world, as `app.ts` does. */
  open(life: Life): S | Promise<S>;
  /** What must be there before the task starts. Its own tasks end before it resolves (see `settle`). */
  prepare?(site: S, life: Life): Promise<void>;
  /** Starts the task in one commit; returns its id. */
  begin(site: S, life: Life): string;
  /** All that matters afterwards, as plain data. Ids are replaced by their order of appearance. */
  observe(site: S, life: Life): unknown;
  /** What a failure leaves: by default what was there before. A step without undo that fails after it has acted leaves its effect. */
  undone?(ends: { before: unknown; after: unknown; point: Point }): unknown;
  /** No step has an undo: a cut while nothing is undone is tried once, not at each instant of it. */
  hasNoUndo?: boolean;
  host?: Omit<HostOptions, 'clock' | 'statePath'>;
}

export type Point = Parameters<TaskProbe['at']>[0];
/**
 * `at` counts all instants; `own` those of the task itself, and is -1 at those of tasks that it starts: these come between in another
 * order each time, which is all the same to a power cut, but not to who wants to fail one certain step.
 */
type Meet = (point: Point, at: number, own: number) => 'pass' | 'cut' | 'fail';

const nameOf = ({ step, when }: Point) => `${when} "${step}"`;

type Uvu = (name: string, run: () => Promise<void>) => void;

/** Registers the cases of one task with uvu. */
export function checkTask<S>(test: Uvu, task: TaskCase<S>): void {
  test(`${task.name} ends the same after a power cut at any instant`, () => checkKills(task));
  test(`${task.name} undoes what it did when a step fails, also over a power cut`, () => checkFailures(task));
}

/** The first of them alone. */
export async function checkKills<S>(task: TaskCase<S>): Promise<void> {
  const undisturbed = await play(task, () => 'pass');
  assert.is(undisturbed.state, 'done', `${task.name} does not end well even undisturbed: ${undisturbed.problem}`);
  for (const [index, point] of undisturbed.points.entries()) {
    const cut = await play(task, (_point, at) => (at === index ? 'cut' : 'pass'));
    assert.is(cut.state, 'done', `${task.name} cut ${nameOf(point)}: ${cut.problem}`);
    assert.equal(cut.after, undisturbed.after, `${task.name} cut ${nameOf(point)}`);
  }
}

async function checkFailures<S>(task: TaskCase<S>): Promise<void> {
  const undisturbed = await play(task, () => 'pass');
  const ownPoints = ({ kind, points }: Outcome) => points.filter((point) => point.kind === kind);
  const failing = ownPoints(undisturbed).map((point, index) => ({ point, index })).filter(({ point }) => point.when !== 'marked');
  for (const { point, index } of failing) {
    const expected = task.undone?.({ ...undisturbed, point }) ?? undisturbed.before;
    const failed = await play(task, (_point, _at, own) => (own === index ? 'fail' : 'pass'));
    assert.is(failed.state, 'failed', `${task.name} failing ${nameOf(point)}`);
    assert.equal(failed.after, expected, `${task.name} failing ${nameOf(point)}`);
    if (point.when !== 'done') continue; // the undoing of a step that had acted undoes all that the others do, and more
    const count = ownPoints(failed).length;
    const end = task.hasNoUndo ? Math.min(index + 2, count) : count;
    for (let undoing = index + 1; undoing < end; undoing++) {
      const cut = await play(task, (_point, _at, own) => (own === index ? 'fail' : own === undoing ? 'cut' : 'pass'));
      assert.equal([cut.state, cut.after], ['failed', expected], `${task.name} failing ${nameOf(point)}, cut at instant ${undoing}`);
    }
  }
}

interface Outcome {
  kind: string;
  state: string;
  problem: string;
  points: Point[];
  before: unknown;
  after: unknown;
}

/** Hundreds of databases are made and synced. Killing a process loses nothing of a file in memory, so that is where they lie. */
const quickFolder = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** One whole run on a fresh host; `meet` decides what happens at each instant. */
async function play<S>(task: TaskCase<S>, meet: Meet): Promise<Outcome> {
  const statePath = mkdtempSync(join(quickFolder, 'bothy-task-'));
  const clock = createVirtualClock();
  const host = createSimulatedHost({ clock, statePath, ...task.host });
  const points: Point[] = [];
  let isWatching = false;
  let kind = '';
  let ownCount = 0;
  const lives: Lived[] = [];
  const live = () => {
    const life = openLife({ host, clock, statePath }, async (point) => {
      if (!isWatching) return;
      kind ||= point.kind; // the task is met before those that it starts
      const verdict = meet(point, points.push(point) - 1, point.kind === kind ? ownCount++ : -1);
      if (verdict === 'fail') throw new Problem('unavailable', 'This step was made to fail.');
      if (verdict === 'cut') await life.kill();
    });
    lives.push(life);
    return life;
  };
  try {
    const first = live();
    const site = await task.open(first);
    await task.prepare?.(site, first);
    await settle(first);
    await clock.advance(quietMs);
    const before = plain(await task.observe(site, first), statePath);
    isWatching = true;
    const id = task.begin(site, first);
    await waitFor(clock, () => first.signal.aborted || (isEnded(first, id) && isIdle(first)), `${task.name} ends`);
    const last = first.signal.aborted ? live() : first;
    const lastSite = last === first ? site : await task.open(last);
    if (last !== first) last.core.tasks.resume();
    await waitFor(clock, () => isEnded(last, id) && isIdle(last), `${task.name} ends after the cut`);
    await clock.advance(quietMs);
    const row = last.core.tasks.get(id);
    return { kind: row?.kind ?? '', state: row?.state ?? 'gone', problem: JSON.stringify(row?.problem), points, before, after: plain(await task.observe(lastSite, last), statePath) };
  } finally {
    for (const life of lives) if (!life.signal.aborted) life.end();
    rmSync(statePath, { recursive: true, force: true, maxRetries: 5 }); // what a killed life had begun may still make a file
  }
}

export interface Lived extends Life {
  /** `kill -9`: from now on nothing of this life is heard or acts. Never resolves, as the step that meets it. */
  kill(): Promise<never>;
  end(): void;
}

export function openLife({ host, clock, statePath }: { host: SimulatedHost; clock: VirtualClock; statePath: string }, meet: TaskProbe['at']): Lived {
  const ending = new AbortController();
  const forever = new Promise<never>(() => {});
  const probe: TaskProbe = { at: (point) => (ending.signal.aborted ? forever : meet(point)) };
  const core = openTestCore({ statePath, clock, probe });
  const world = createSimulatedWorld(host);
  const end = () => {
    ending.abort();
    world.hypervisor.close().catch(() => {});
    core.database.close();
  };
  return { core, world, host, clock, signal: ending.signal, end, kill: () => { end(); return forever; } };
}

const isEnded = ({ core }: Life, id: string) => ['done', 'failed', 'cancelled'].includes(core.tasks.get(id)?.state ?? '');

const isIdle = ({ core }: Life) => core.tasks.list({ limit: 1, isActive: true }).length === 0;

/** Waits until no task of this life runs. */
export async function settle(life: Life): Promise<void> {
  const { clock, signal } = life;
  await waitFor(clock, () => signal.aborted || isIdle(life), 'all tasks end');
}

/** Time for reconcilers and guests to come to rest. */
const quietMs = 10_000;
const longestWaitMs = 60_000;

/** Lets virtual time pass beside real work on files, until `isTrue`. */
export async function waitFor(clock: VirtualClock, isTrue: () => boolean, what: string): Promise<void> {
  for (const startedAt = performance.now(); !isTrue(); await clock.advance(50)) {
    if (performance.now() - startedAt > longestWaitMs) throw new Error(`never came: ${what}`);
  }
}

const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/** As JSON, with ids by their order of appearance and without the place of this run. */
function plain(value: unknown, statePath: string): unknown {
  const order = new Map<string, string>();
  const text = (JSON.stringify(value) ?? 'null').replaceAll(statePath, '');
  return JSON.parse(text.replace(uuid, (id) => {
    const known = order.get(id) ?? `id-${order.size + 1}`;
    order.set(id, known);
    return known;
  }));
}
