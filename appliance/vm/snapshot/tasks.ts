/**
 * Going back to snapshots; `take-task.ts` takes them.
 *
 *   vm.preview-snapshot  a new layer on each layer of the snapshot -> the VM stands on it; what it had is kept for the undo
 *   vm.commit-snapshot   what was kept for the undo is let go
 *   vm.undo-snapshot     the VM has again what was kept; the layer of the preview is let go
 *
 * New layers lie beside what is in use until one commit of the database, together with the end of the task, puts them on top. So
 * whatever instant the power goes at, the VM has all its disks as they were or all as they are to be. What was let go is cleared
 * up afterwards, by tasks of storage.
 */
import * as z from 'zod';
import type { Tx } from '../../core/db.ts';
import { Problem } from '../../core/problem.ts';
import { type AnyTask, defineTask, type Outcome, type StepContext } from '../../core/task.ts';
import { findDomain, persist } from '../domain.ts';
import { holderOfVm } from '../firmware/variables.ts';
import { knownDisks } from '../memory/files.ts';
import type { VmServices } from '../services.ts';
import { keepVariables, type LayersInput, layersInput, locksOf, makeLayers } from './layers.ts';
import { takeSnapshotTask } from './take-task.ts';
import { holderOf, previewHolder, type SnapshotRow } from './snapshots.ts';
import type { SnapshotMemory } from './take-memory.ts';

const placeInput = z.object({ vm: z.string(), snapshot: z.string(), disks: z.array(z.string()) });
type PlaceInput = z.output<typeof placeInput>;

type Nothing = Record<string, never>;

export function snapshotTasks(services: VmServices): AnyTask[] {
  return [takeSnapshotTask(services), previewTask(services), placeTask(services, 'commit'), placeTask(services, 'undo')];
}

/** The rows say that it is down; only libvirt knows. */
function requireDown<I extends { vm: string }>(services: VmServices) {
  return {
    name: 'Make sure that it is down',
    timeoutMs: 60_000,
    do: ({ input, signal }: StepContext<I, Nothing>) => persist(services, 'The VM cannot be seen', signal, async () => {
      if (await findDomain(services, input.vm)) throw new Problem('wrong-state', 'The VM still runs. Shut it down, then try again.');
    }),
  };
}

const previewInput = layersInput.extend({ withMemory: z.boolean() });
type PreviewInput = z.output<typeof previewInput>;

function previewTask(services: VmServices): AnyTask {
  const { storage, snapshots, rows, variables } = services;
  const keptOf = (disk: string, { snapshot }: LayersInput) => {
    const kept = storage.layers.held(disk, holderOf(snapshot));
    if (!kept) throw new Problem('wrong-state', 'The snapshot no longer has this disk. Look at the snapshot, then try again.');
    return kept.id;
  };
  return defineTask<PreviewInput>({
    kind: 'vm.preview-snapshot', input: previewInput, canCancel: true,
    locks: ({ vm, layers }) => locksOf(vm, layers.map(({ disk }) => disk)),
    steps: [requireDown<PreviewInput>(services), makeLayers(services, keptOf), keepVariables(services, ({ vm }) => previewHolder(vm))],
    finished(tx, { state, input }) {
      const [vm, snapshot] = [rows.find(input.vm), snapshots.get(input.snapshot)];
      for (const { disk, volume } of input.layers) {
        if (state === 'done') storage.layers.stack(tx, disk, { volumeId: volume, on: keptOf(disk, input), holder: previewHolder(input.vm) });
        storage.layers.unlock(tx, disk);
      }
      if (state !== 'done' || !vm || !snapshot) return;
      snapshots.stand(tx, vm.id, { snapshotId: snapshot.id, before: { config: snapshots.configOf(vm), snapshotId: snapshots.present(vm.id).snapshotId } });
      rows.restore(tx, vm.id, snapshot.config);
      variables.copy(tx, holderOf(snapshot.id), holderOfVm(vm.id));
      if (input.withMemory && snapshot.memory) suspendAsThen(services, tx, snapshot, snapshot.memory);
    },
  });
}

/** Its next start goes on from the memory of the snapshot, which stays with that. */
function suspendAsThen(services: VmServices, tx: Tx, { id, vmId, createdAt }: SnapshotRow, { file, bytes, wasPaused }: SnapshotMemory): void {
  services.facts.enter(tx, vmId, 'saved', 'snapshot', { saved: { file, bytes, savedAt: createdAt, wasPaused, snapshot: id, disks: knownDisks(services, vmId) } });
}

function placeTask(services: VmServices, verb: 'commit' | 'undo'): AnyTask {
  const settle = verb === 'commit' ? goOn : goBack;
  return defineTask<PlaceInput>({
    kind: `vm.${verb}-snapshot`, input: placeInput, canCancel: true,
    locks: ({ vm, disks }) => locksOf(vm, disks),
    steps: [requireDown<PlaceInput>(services)],
    finished: (tx, outcome) => endPlace(services, tx, outcome, settle),
  });
}

type Settle = (services: VmServices, tx: Tx, input: PlaceInput) => void;

function endPlace(services: VmServices, tx: Tx, { state, input }: Outcome<PlaceInput, unknown>, settle: Settle): void {
  const { layers } = services.storage;
  if (state !== 'done') {
    for (const disk of input.disks) layers.unlock(tx, disk);
    return;
  }
  settle(services, tx, input);
  for (const disk of input.disks) layers.startCollapse(tx, disk); // unlocks it at its end
}

const goOn: Settle = ({ storage, snapshots, variables }, tx, { vm, disks }) => {
  for (const disk of disks) storage.layers.release(tx, disk, previewHolder(vm));
  variables.drop(tx, previewHolder(vm));
  snapshots.stand(tx, vm, { snapshotId: snapshots.present(vm).snapshotId, before: null });
};

const goBack: Settle = ({ storage, snapshots, rows, variables, facts }, tx, { vm, disks }) => {
  const { before } = snapshots.present(vm);
  if (!before) return;
  for (const disk of disks) storage.layers.goBack(tx, disk, previewHolder(vm));
  rows.restore(tx, vm, before.config);
  variables.move(tx, previewHolder(vm), holderOfVm(vm));
  if (rows.find(vm)?.fact.saved) facts.enter(tx, vm, 'down', 'memory-discarded'); // that of the snapshot, which was not used
  snapshots.stand(tx, vm, { snapshotId: before.snapshotId, before: null });
};
