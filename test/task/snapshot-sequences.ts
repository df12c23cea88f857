/**
 * Snapshots in any order under a hail of kills: the guest writes, snapshots are taken, previewed, committed, undone and deleted, and the
 * service dies at any instant of any of it. A VM may run (`mayRun`, simulated parts): then the service also dies before and after each call of libvirt, the guest
 * goes on writing while it is dead, and the power may go before it comes back. After each step everything that can be seen or gone back to is hashed and compared with a
 * model that knows nothing of layers; and every file, its metadata and its header must be what the database says.
 *
 * Used with the simulated image tool (quick, test/task) and with qemu-img (test/contract). A failure names its seed.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { systemClock } from '../../appliance/core/clock.ts';
import type { TaskProbe } from '../../appliance/core/task.ts';
import { snapshotCommit, snapshotCreate, snapshotDelete, snapshotPreview, snapshotUndo, vmDelete, vmPowerOff, vmStart } from '../../appliance/vm/operations.ts';
import { templateCreate, templateVm } from '../../appliance/vm/template/operations.ts';
import type { ImageTool } from '../../appliance/world.ts';
import { createVirtualClock } from '../world/clock.ts';
import type { GuestWrite } from '../world/guest-disk.ts';
import type { HypervisorCall } from '../world/hypervisor.ts';
import { createSimulatedHost, type SimulatedHost } from '../world/world.ts';
import { type Lived, openLife, settle } from './harness.ts';
import { blockBytes, chainFaults, guestWrites, liveFaults, runningGuestWrites, type Shown, shownBy } from './snapshot-site.ts';
import { begin, carryOut, makeVm, openVmSite, perform, type VmSite } from './vm-site.ts';

export interface Parts {
  /** qemu-img in place of the simulated tool. */
  imageTool?: ImageTool;
  write: GuestWrite;
  steps: number;
  mayRun?: boolean;
  /** The VM's disks lie on the images of a template. */
  isThin?: boolean;
}

const vm = 'web-1';
const diskBytes = 2 ** 20;
const blocks = diskBytes / blockBytes;
/** In the first blocks of a template's images. */
const templateValue = 77;
/** So many kills in ten steps, on average. */
const killsInTen = 5;

/** Small, seeded, good enough to choose by (mulberry32). */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Blocks of both disks. */
type Content = Uint8Array[];

interface Model {
  present: Content;
  snapshots: Map<string, Content>;
  before: Content | null;
  previewed: string;
  /** Snapshots that were being taken when the service died, with what they hold if they were taken afterwards. */
  late: Map<string, { content: Content; late: Content }>;
}

const copyOf = (content: Content): Content => content.map((disk) => disk.slice());
const hashOf = (content: Content) => content.map((disk) => {
  const bytes = Buffer.alloc(diskBytes);
  disk.forEach((value, block) => { bytes.fill(value, block * blockBytes, (block + 1) * blockBytes); });
  return createHash('sha256').update(bytes).digest('hex').slice(0, 12);
});
const shownOf = ({ present, snapshots, before }: Model): Shown => ({
  present: hashOf(present), snapshots: Object.fromEntries([...snapshots].map(([name, content]) => [name, hashOf(content)])), before: before && hashOf(before),
});

interface Play {
  host: SimulatedHost;
  statePath: string;
  life: Lived;
  site: VmSite;
  /** The instant of the next task at which the service dies, counted from 1; 0 for none. */
  killAt: number;
  kills: number;
  mayRun: boolean;
}

type Random = ReturnType<typeof randomOf>;

/** One sequence; resolves to the number of kills. */
export async function playSequence(seed: number, parts: Parts): Promise<number> {
  const random = randomOf(seed);
  const statePath = mkdtempSync(join(tmpdir(), 'bothy-sequence-'));
  const play = await start(statePath, parts);
  const first = new Uint8Array(blocks).fill(parts.isThin ? templateValue : 0, 0, 2);
  const model: Model = { present: [first, first.slice()], snapshots: new Map(), before: null, previewed: '', late: new Map() };
  const done: string[] = [];
  try {
    for (let step = 0; step < parts.steps; step++) {
      done.push(await takeStep(play, model, { random, parts, step }));
      const where = `seed ${seed}: ${done.join(', ')}`;
      // A start that meets a power cut may end there: its guest is gone.
      const mayFail = done.some((each) => each.endsWith(powerCut)) ? 'vm.start' : '';
      const failed = play.life.core.tasks.list({ limit: 1000 }).filter(({ kind, state }) => state !== 'done' && kind !== mayFail);
      assert.equal(failed.map(({ kind, state, problem }) => [kind, state, problem]), [], where);
      assert.equal(settledBy(await shownBy(play.site, vm, play.life.world.imageTool), model), shownOf(model), where);
      assert.equal([...(await chainFaults(play.site, vm)), ...liveFaults(play.site, play.host, vm)], [], where);
    }
    return play.kills;
  } finally {
    play.life.end();
    rmSync(statePath, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function start(statePath: string, parts: Parts): Promise<Play> {
  const clock = createVirtualClock();
  const host = createSimulatedHost({ clock, statePath });
  const play = { host, statePath, killAt: 0, kills: 0, mayRun: parts.mayRun ?? false } as Play; // life and site follow
  await live(play, parts);
  makeVm(play.site, { disks: [{ sizeBytes: diskBytes }, { sizeBytes: diskBytes, format: 'raw' }] });
  await settle(play.life);
  if (parts.isThin) await layOnTemplate(play, parts);
  return play;
}

/** The same VM again, made from a template of itself. */
async function layOnTemplate({ site, life }: Play, { write }: Parts): Promise<void> {
  for (const disk of [0, 1]) for (const block of [0, 1]) await guestWrites(site, { vm, disk, block, value: templateValue, write });
  await carryOut(site, life, templateCreate, { vm, name: 'origin' });
  await carryOut(site, life, vmDelete, { vm });
  await settle(life);
  perform(site, templateVm, { template: 'origin', name: vm });
  await settle(life);
}

async function live(play: Play, { imageTool }: Parts): Promise<void> {
  const { host, statePath } = play;
  const meet = async () => {
    if (play.killAt === 0 || --play.killAt > 0) return;
    play.kills++;
    void life.core.tasks.stop(); // what it has begun dies with it, as its children do
    await life.kill();
  };
  const probe: TaskProbe['at'] = meet;
  const life: Lived = openLife({ host, clock: host.clock as Lived['clock'], statePath }, probe);
  life.world.control.watch(async (call) => { if (play.mayRun && changing.has(call)) await meet(); });
  if (imageTool) Object.assign(life.world, { imageTool });
  play.life = life;
  play.site = await openVmSite(life);
}

const changing = new Set<string>(['create', 'destroy', 'suspend', 'resume', 'stackLayers', 'mergeLayer', 'endMerge'] satisfies HypervisorCall[]);

const powerCut = ', then the power';

const isRunning = ({ host }: Play) => host.libvirt.domains().some(({ state }) => state === 'running');

/** The guest writes a block of each disk, or, while the service is dead, of one. */
async function write(play: Play, content: Content, { random, parts, disks }: { random: Random; parts: Parts; disks: number[] }): Promise<void> {
  for (const disk of disks) {
    const [block, value] = [random(blocks), 1 + random(255)];
    if (isRunning(play)) await runningGuestWrites(play.host, { vm, disk, block, value });
    else await guestWrites(play.site, { vm, disk, block, value, write: parts.write });
    content[disk]?.fill(value, block, block + 1);
  }
}

/** A snapshot that was being taken may hold what the guest wrote while the service was dead, or not; what it holds, it holds from then on. */
function settledBy(shown: Shown, model: Model): Shown {
  for (const [name, { content, late }] of model.late) if (model.snapshots.has(name)) model.snapshots.set(name, String(shown.snapshots[name]) === String(hashOf(late)) ? late : content);
  model.late.clear();
  return shown;
}

/** While the service is dead. */
async function meanwhile(play: Play, model: Model, options: { random: Random; parts: Parts; name: string | undefined }): Promise<string> {
  if (!isRunning(play)) return '';
  const content = model.present;
  const late = copyOf(content);
  await write(play, late, { ...options, disks: [options.random(2)] });
  model.present = late;
  if (options.name !== undefined) model.late.set(options.name, { content: copyOf(content), late: copyOf(late) });
  if (options.random(2) === 0) return '';
  play.host.cutPower();
  return powerCut;
}

/** One thing that somebody does, with all that it begins, over a kill perhaps; says what it was. */
async function takeStep(play: Play, model: Model, { random, parts, step }: { random: Random; parts: Parts; step: number }): Promise<string> {
  await write(play, model.present, { random, parts, disks: [0, 1] });
  const deed = choose(model, random, { step, mayRun: play.mayRun, isRunning: isRunning(play) });
  play.killAt = random(10) < killsInTen ? 1 + random(play.mayRun ? 16 : 9) : 0;
  const wish = play.killAt;
  let then = '';
  deed.change(model);
  begin(play.site, deed.record, { vm, ...deed.input });
  await settle(play.life);
  if (play.life.signal.aborted) {
    await systemClock.sleep(20); // the dead one's last writes
    then = await meanwhile(play, model, { random, parts, name: deed.record === snapshotCreate ? deed.input['name'] : undefined });
    await live(play, parts);
    play.life.core.tasks.resume();
    await settle(play.life);
  }
  play.killAt = 0;
  await (play.host.clock as Lived['clock']).advance(61_000); // reconcilers look, and clear up what a kill has left
  return `${deed.record.id} ${Object.values(deed.input).join()}${wish ? ` killed at ${wish}${then}` : ''}`;
}

interface Deed {
  record: Parameters<typeof begin>[1];
  input: Record<string, string>;
  change(model: Model): void;
}

function choose(model: Model, random: Random, { step, mayRun, isRunning: runs }: { step: number; mayRun: boolean; isRunning: boolean }): Deed {
  const names = [...model.snapshots.keys()];
  const name = names[random(names.length || 1)];
  if (runs && model.before) return power(vmPowerOff);
  if (runs) {
    const running = [take(`s${step}`), take(`s${step}`), power(vmPowerOff), ...(name === undefined ? [] : [remove(name), remove(name), remove(name)])];
    return running[random(running.length)] ?? take(`s${step}`);
  }
  if (mayRun && random(3) === 0) return power(vmStart);
  if (model.before) return random(2) === 0 ? commit(model.previewed) : undo(model.previewed);
  const deeds: Deed[] = [take(`s${step}`)];
  if (name !== undefined) deeds.push(take(`s${step}`), preview(name), preview(name), remove(name));
  return deeds[random(deeds.length)] ?? take(`s${step}`);
}

const power = (record: Deed['record']): Deed => ({ record, input: {}, change: () => {} });
const take = (name: string): Deed => ({ record: snapshotCreate, input: { name }, change: (model) => void model.snapshots.set(name, copyOf(model.present)) });
const remove = (snapshot: string): Deed => ({ record: snapshotDelete, input: { snapshot }, change: (model) => void model.snapshots.delete(snapshot) });
const preview = (snapshot: string): Deed => ({
  record: snapshotPreview, input: { snapshot },
  change(model) {
    model.before = model.present;
    model.present = copyOf(model.snapshots.get(snapshot) ?? []);
    model.previewed = snapshot;
  },
});
const commit = (snapshot: string): Deed => ({ record: snapshotCommit, input: { snapshot }, change(model) { model.before = null; } });
const undo = (snapshot: string): Deed => ({
  record: snapshotUndo, input: { snapshot },
  change(model) {
    model.present = model.before ?? model.present;
    model.before = null;
  },
});
