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
import { mkdtempSync, rmSync } from 'node:fs';
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
  /** What is expected after a failure: by default what was there before. */
  undone?(before: unknown): unknown;
  /** Steps that may fail after they have acted without being undone: what they did stays and is right. */
  host?: Omit<HostOptions, 'clock' | 'statePath'>;
}

type Point = Parameters<TaskProbe['at']>[0];
type Meet = (point: Point, index: number) => 'pass' | 'cut' | 'fail';

const nameOf = ({ step, when }: Point) => `${when} "${step}"`;

interface Uvu {
  (name: string, run: () => Promise<void>): void;
}

/** Registers the cases of one task with uvu. */
export function checkTask<S>(test: Uvu, task: TaskCase<S>): void {
  test(`${task.name} ends the same after a power cut at any instant`, () => checkKills(task));
  test(`${task.name} undoes what it did when a step fails, also over a power cut`, () => checkFailures(task));
}

async function checkKills<S>(task: TaskCase<S>): Promise<void> {
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
  const expected = task.undone?.(undisturbed.before) ?? undisturbed.before;
  const failing = undisturbed.points.map((point, index) => ({ point, index })).filter(({ point }) => point.when !== 'marked');
  for (const { point, index } of failing) {
    const failed = await play(task, (_point, at) => (at === index ? 'fail' : 'pass'));
    assert.is(failed.state, 'failed', `${task.name} failing ${nameOf(point)}`);
    assert.equal(failed.after, expected, `${task.name} failing ${nameOf(point)}`);
    for (let undoing = index + 1; undoing < failed.points.length; undoing++) {
      const cut = await play(task, (_point, at) => (at === index ? 'fail' : at === undoing ? 'cut' : 'pass'));
      assert.equal([cut.state, cut.after], ['failed', expected], `${task.name} failing ${nameOf(point)}, cut at instant ${undoing}`);
    }
  }
}

interface Outcome {
  state: string;
  problem: string;
  points: Point[];
  before: unknown;
  after: unknown;
}

/** One whole run on a fresh host; `meet` decides what happens at each instant. */
async function play<S>(task: TaskCase<S>, meet: Meet): Promise<Outcome> {
  const statePath = mkdtempSync(join(tmpdir(), 'bothy-task-'));
  const clock = createVirtualClock();
  const host = createSimulatedHost({ clock, statePath, ...task.host });
  const points: Point[] = [];
  let isCut = false;
  let isWatching = false;
  const probe: TaskProbe = {
    async at(point) {
      if (!isWatching) return;
      const verdict = meet(point, points.push(point) - 1);
      if (verdict === 'fail') throw new Problem('unavailable', 'This step was made to fail.');
      if (verdict !== 'cut') return;
      isCut = true;
      await new Promise(() => {});
    },
  };
  const lives: Life[] = [];
  const live = () => {
    const life: Life = { core: openTestCore({ statePath, clock, probe }), world: createSimulatedWorld(host), host, clock };
    lives.push(life);
    return life;
  };
  try {
    const first = live();
    const site = await task.open(first);
    await task.prepare?.(site, first);
    const before = plain(await task.observe(site, first), statePath);
    isWatching = true;
    const id = task.begin(site, first);
    await clock.until(() => isCut || isEnded(first, id), `${task.name} ends`);
    const last = isCut ? live() : first;
    const lastSite = isCut ? await reopen(task, first, last) : site;
    await clock.until(() => isEnded(last, id), `${task.name} ends after the cut`);
    await settle(last);
    const row = last.core.tasks.get(id);
    return { state: row?.state ?? 'gone', problem: JSON.stringify(row?.problem), points, before, after: plain(await task.observe(lastSite, last), statePath) };
  } finally {
    for (const { core } of lives) core.database.close();
    rmSync(statePath, { recursive: true, force: true });
  }
}

/** `kill -9` and a new start: nothing of the old life is told, and it hears nothing more. */
async function reopen<S>(task: TaskCase<S>, first: Life, next: Life): Promise<S> {
  await first.world.hypervisor.close();
  const site = await task.open(next);
  next.core.tasks.resume();
  return site;
}

const isEnded = ({ core }: Life, id: string) => ['done', 'failed', 'cancelled'].includes(core.tasks.get(id)?.state ?? '');

/** Waits until no task of this life runs. */
export async function settle({ core, clock }: Life): Promise<void> {
  await clock.until(() => core.tasks.list({ limit: 1, isActive: true }).length === 0, 'all tasks end');
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
