/**
 * Taking a snapshot: a new layer on each disk, and what lay on top until now is kept in the snapshot's name.
 *
 *   a VM that is down    the layers go on top with the end of the task, in one commit
 *   one that runs        written down as on top -> QEMU changes over to all of them at one instant -> end
 *
 * In that order because of power cuts: the new layers are empty until QEMU writes to them, so to open them on top is right before the change as well as after it.
 * The other way round, what the guest writes after the change would lie in files that nobody opens. How far it came is asked of libvirt, whose chain is
 * QEMU's own. When it fails after they were written down, they are merged away like those of any snapshot.
 *
 * With the guest's memory it goes as `take-memory.ts` says.
 *
 * The guest agent stills the file systems meanwhile. Where it cannot, the snapshot is taken without it, and says so.
 */
import { Problem } from '../../core/problem.ts';
import type { Tx } from '../../core/db.ts';
import { type AnyTask, defineTask, type Outcome, type StepContext } from '../../core/task.ts';
import { HypervisorError } from '../../world.ts';
import { isDisconnected, isNoDomain, persist } from '../domain.ts';
import { chainOfDisk } from './live-chain.ts';
import { removeMemory, requireRoom } from '../memory/files.ts';
import { waitForOther } from '../memory/suspend-task.ts';
import { readRunning } from '../definition/running.ts';
import type { VmServices } from '../services.ts';
import { diskBytesOf, keepVariables, type LayersInput, layersInput, locksOf, makeLayers } from './layers.ts';
import { holderOf, type SnapshotRow } from './snapshots.ts';
import { type LiveLayers, type SnapshotMemory, takeWithMemory } from './take-memory.ts';

/** Why the agent could not still the guest, in libvirt's words. */
interface Memory {
  unquiet: string;
  taken: Pick<SnapshotMemory, 'bytes' | 'heldMs'>;
}

const hour = 3_600_000;

type Context = StepContext<LayersInput, Memory>;
type Consistency = SnapshotRow['consistency'];

export function takeSnapshotTask(services: VmServices): AnyTask {
  const { storage } = services;
  return defineTask<LayersInput, Memory>({
    kind: 'vm.snapshot', input: layersInput, canCancel: true,
    locks: ({ vm, layers }) => locksOf(vm, layers.map(({ disk }) => disk)),
    steps: [
      { name: 'Look for room', timeoutMs: 60_000, do: async ({ input, taskId }) => { if (input.memory) await requireRoom(services, input.memory.bytes, taskId); } },
      makeLayers(services, (disk) => storage.requireDisk(disk).volumeId),
      keepVariables(services, ({ snapshot }) => holderOf(snapshot)),
      { name: 'Write its memory', timeoutMs: 2 * hour, do: (context) => withMemory(services, context), undo: (context) => withoutMemory(services, context) },
      { name: 'Change a running guest over to them', timeoutMs: 180_000, do: (context) => changeOver(services, context) },
    ],
    finished: (tx, outcome) => end(services, tx, outcome),
  });
}

function end(services: VmServices, tx: Tx, { state, input, memory }: Outcome<LayersInput, Memory>): void {
  const { storage: { layers, findDisk }, snapshots, rows, activity } = services;
  const snapshot = snapshots.get(input.snapshot);
  if (!snapshot) return;
  if (state === 'done') {
    stack(services, tx, input);
    for (const { disk } of input.layers) layers.unlock(tx, disk);
    const { memory: wish } = input;
    const kept = wish && memory.taken ? { file: wish.file, wasPaused: wish.wasPaused, ...memory.taken } : null;
    snapshots.update(tx, snapshots.get(snapshot.id) ?? snapshot, { state: 'ok', memory: kept }, kept ? { diskBytes: diskBytesOf(services, input.vm) + kept.bytes } : {});
    letGoOfHeld(services, tx, input);
    snapshots.stand(tx, input.vm, { snapshotId: snapshot.id, before: null });
    const name = rows.find(input.vm)?.name ?? '';
    if (memory.unquiet !== undefined) activity.event(tx, {
      severity: 'warning', code: 'snapshot.not-quiet', message: `The snapshot "${snapshot.name}" of ${name} was taken without stilling its file systems: ${memory.unquiet}`,
      nextStep: 'Going back to it is like starting after a power cut: the guest checks its file systems. Look at the guest agent, and take another one if that matters.',
      about: [{ kind: 'vm', id: input.vm, name }],
    });
    return;
  }
  letGoOfHeld(services, tx, input);
  for (const { disk, volume } of input.layers) {
    const isOnTop = findDisk(disk)?.volumeId === volume;
    if (!isOnTop && !layers.of(disk).some(({ id }) => id === volume)) { layers.unlock(tx, disk); continue; }
    if (isOnTop) layers.release(tx, disk, holderOf(snapshot.id));
    layers.startCollapse(tx, disk); // unlocks it at its end
  }
  snapshots.remove(tx, snapshot);
}

/** libvirt has let it go on, or says otherwise at the next look. */
function letGoOfHeld({ facts, reconcilers }: VmServices, tx: Tx, { vm, memory }: LayersInput): void {
  if (!memory) return;
  facts.note(tx, vm, { heldFrom: null });
  tx.afterCommit(() => reconcilers.wake('vm.observe'));
}

/** All disks in the caller's commit; may be repeated. */
function stack({ storage }: VmServices, tx: Tx, { snapshot, layers }: LayersInput): void {
  for (const { disk, volume } of layers) {
    const { volumeId } = storage.requireDisk(disk);
    if (volumeId !== volume) storage.layers.stack(tx, disk, { volumeId: volume, on: volumeId, holder: holderOf(snapshot) });
  }
}

async function withMemory(services: VmServices, context: Context): Promise<Partial<Memory>> {
  const { input, signal } = context;
  const { memory: wish } = input;
  if (!wish) return {};
  const steps = { look: () => look(services, input), note: () => writeDown(services, context, 'crash'), takeBack: () => takeBack(services, context) };
  return persist(services, 'The memory of the guest could not be written', signal, async () => ({ taken: await takeWithMemory(services, context, wish, steps) }));
}

function takeBack({ database, storage }: VmServices, { input: { snapshot, layers }, origin }: Context): void {
  database.write(origin, (tx) => {
    for (const { disk, volume } of layers) if (storage.requireDisk(disk).volumeId === volume) storage.layers.goBack(tx, disk, holderOf(snapshot));
  });
}

async function withoutMemory(services: VmServices, { input: { vm, memory }, signal }: Context): Promise<void> {
  if (!memory) return;
  await persist(services, 'The memory of the guest could not be let go', signal, async () => {
    await waitForOther(services, vm, signal);
    await removeMemory(services.statePath, vm, memory.file);
  });
}

async function changeOver(services: VmServices, context: Context): Promise<Partial<Memory>> {
  const { input, signal } = context;
  if (input.memory) return {};
  const note = (consistency: Consistency) => writeDown(services, context, consistency);
  return persist(services, 'The running guest could not be changed over to the new layers', signal, async () => {
    const live = await look(services, input);
    if (live?.isDone) return {};
    // Ended before anything was written down, it has left its disks as they are to be kept; ended meanwhile, nobody knows how.
    if (!live) return services.snapshots.get(input.snapshot)?.consistency === 'stopped' ? {} : note('crash');
    const unquiet = live.hasAgent ? await tryQuiet(services, input, { live, note }) : undefined;
    if (live.hasAgent && unquiet === undefined) return {};
    note('crash');
    await services.hypervisor.stackLayers(input.vm, live.wanted, { isQuiet: false });
    return unquiet === undefined ? {} : { unquiet };
  });
}

function writeDown(services: VmServices, { input, origin }: Context, consistency: Consistency): Partial<Memory> {
  services.database.write(origin, (tx) => {
    const snapshot = services.snapshots.get(input.snapshot);
    if (snapshot) services.snapshots.update(tx, snapshot, { consistency });
    services.variables.keep(tx, holderOf(input.snapshot), input.vm);
    stack(services, tx, input);
  });
  return {};
}

interface Live extends LiveLayers {
  hasAgent: boolean;
}

/** `undefined` when the guest does not run, or has ended: then the disks are as it left them. */
async function look({ hypervisor, storage }: VmServices, { vm, layers }: LayersInput): Promise<Live | undefined> {
  const [domain] = (await hypervisor.domains()).filter(({ uuid }) => uuid === vm);
  if (!domain || domain.state === 'shut-off' || domain.state === 'crashed') return undefined;
  const xml = await hypervisor.domainXml(vm).catch(unlessGone);
  if (xml === undefined) return undefined;
  const disks = layers.flatMap(({ disk, volume }) => {
    const chain = chainOfDisk(xml, disk);
    return chain ? [{ target: chain.target, path: storage.layers.path(disk, volume), top: chain.layers[0] }] : [];
  });
  return {
    wanted: Object.fromEntries(disks.map(({ target, path }) => [target, path])),
    isDone: disks.every(({ path, top }) => path === top), isBegun: disks.some(({ path, top }) => path === top),
    hasAgent: domain.state === 'running' && readRunning(xml).hasAgent === true,
  };
}

function unlessGone(error: unknown): undefined {
  if (!isNoDomain(error)) throw error;
}

/** With the agent's help; resolves to why it did not help, `undefined` when the guest has changed over. */
async function tryQuiet(services: VmServices, input: LayersInput, { live, note }: { live: Live; note(consistency: Consistency): unknown }): Promise<string | undefined> {
  note('quiet');
  try {
    await services.hypervisor.stackLayers(input.vm, live.wanted, { isQuiet: true });
    return undefined;
  } catch (error) {
    if (!(error instanceof HypervisorError) || isDisconnected(error)) throw error;
    const after = await look(services, input);
    if (!after) throw new Problem('wrong-state', 'The guest ended while the snapshot was taken. Take it again.');
    return after.isDone ? undefined : error.message;
  }
}
