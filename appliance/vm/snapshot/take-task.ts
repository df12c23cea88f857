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
 * The guest agent stills the file systems meanwhile. Where it cannot, the snapshot is taken without it, and says so.
 */
import { Problem } from '../../core/problem.ts';
import type { Tx } from '../../core/db.ts';
import { type AnyTask, defineTask, type Outcome, type StepContext } from '../../core/task.ts';
import { HypervisorError } from '../../world.ts';
import { isDisconnected, isNoDomain, persist } from '../domain.ts';
import { chainOfDisk } from './live-chain.ts';
import { readRunning } from '../definition/running.ts';
import type { VmServices } from '../services.ts';
import { type LayersInput, layersInput, locksOf, makeLayers } from './layers.ts';
import { holderOf, type SnapshotRow } from './snapshots.ts';

/** Why the agent could not still the guest, in libvirt's words. */
interface Memory {
  unquiet: string;
}

type Context = StepContext<LayersInput, Memory>;
type Consistency = SnapshotRow['consistency'];

export function takeSnapshotTask(services: VmServices): AnyTask {
  const { storage } = services;
  return defineTask<LayersInput, Memory>({
    kind: 'vm.snapshot', input: layersInput, canCancel: true,
    locks: ({ vm, layers }) => locksOf(vm, layers.map(({ disk }) => disk)),
    steps: [
      makeLayers(services, (disk) => storage.requireDisk(disk).volumeId),
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
    snapshots.update(tx, snapshots.get(snapshot.id) ?? snapshot, { state: 'ok' });
    snapshots.stand(tx, input.vm, { snapshotId: snapshot.id, before: null });
    const name = rows.find(input.vm)?.name ?? '';
    if (memory.unquiet !== undefined) activity.event(tx, {
      severity: 'warning', code: 'snapshot.not-quiet', message: `The snapshot "${snapshot.name}" of ${name} was taken without stilling its file systems: ${memory.unquiet}`,
      nextStep: 'Going back to it is like starting after a power cut: the guest checks its file systems. Look at the guest agent, and take another one if that matters.',
      about: [{ kind: 'vm', id: input.vm, name }],
    });
    return;
  }
  for (const { disk, volume } of input.layers) {
    if (findDisk(disk)?.volumeId !== volume) { layers.unlock(tx, disk); continue; }
    layers.release(tx, disk, holderOf(snapshot.id));
    layers.startCollapse(tx, disk); // unlocks it at its end
  }
  snapshots.remove(tx, snapshot);
}

/** All disks in the caller's commit; may be repeated. */
function stack({ storage }: VmServices, tx: Tx, { snapshot, layers }: LayersInput): void {
  for (const { disk, volume } of layers) {
    const { volumeId } = storage.requireDisk(disk);
    if (volumeId !== volume) storage.layers.stack(tx, disk, { volumeId: volume, on: volumeId, holder: holderOf(snapshot) });
  }
}

function changeOver(services: VmServices, { input, signal, origin }: Context): Promise<Partial<Memory>> {
  return persist(services, 'The running guest could not be changed over to the new layers', signal, async () => {
    const live = await look(services, input);
    if (live?.isDone) return {};
    const note = (consistency: Consistency) => services.database.write(origin, (tx) => {
      const snapshot = services.snapshots.get(input.snapshot);
      if (snapshot) services.snapshots.update(tx, snapshot, { consistency });
      stack(services, tx, input);
      return {};
    });
    // Ended before anything was written down, it has left its disks as they are to be kept; ended meanwhile, nobody knows how.
    if (!live) return services.snapshots.get(input.snapshot)?.consistency === 'stopped' ? {} : note('crash');
    const unquiet = live.hasAgent ? await tryQuiet(services, input, { live, note }) : undefined;
    if (live.hasAgent && unquiet === undefined) return {};
    note('crash');
    await services.hypervisor.stackLayers(input.vm, live.wanted, { isQuiet: false });
    return unquiet === undefined ? {} : { unquiet };
  });
}

interface Live {
  /** Path of the new layer, by target. */
  wanted: Record<string, string>;
  isDone: boolean;
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
    isDone: disks.every(({ path, top }) => path === top),
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
