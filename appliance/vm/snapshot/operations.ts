/**
 * The verbs of snapshots. Each locks the disks in the commit that starts its task, so of two that come at the same time one is refused, and a
 * disk that is uploaded, enlarged or read is told instead of waited for.
 */
import type * as z from 'zod';
import type { Tx } from '../../core/db.ts';
import { newId } from '../../core/id.ts';
import { read, startTask, write } from '../../core/operation.ts';
import { Problem } from '../../core/problem.ts';
import { allow } from '../answers.ts';
import { deviceSlots } from '../definition/device-xml.ts';
import { faultsOf, plainHardware } from '../definition/hardware.ts';
import { neededBytes, requireRoom } from '../memory/files.ts';
import { aboutVm } from '../power/operations.ts';
import type { Vm } from '../rows.ts';
import type { VmVerb } from '../rules.ts';
import { mostSnapshots, snapshotFault } from './rules.ts';
import { VmRef } from '../schema.ts';
import { diskBytesOf } from './layers.ts';
import { memoryFault } from './memory-rules.ts';
import { SnapshotCreateInput, SnapshotEditInput, SnapshotListOutput, SnapshotOutput, SnapshotPreviewInput, SnapshotRef } from './schema.ts';
import type { VmServices } from '../services.ts';
import { holderOf, previewHolder, type SnapshotRow } from './snapshots.ts';

function shown({ storage, snapshots }: VmServices, row: SnapshotRow): z.input<typeof SnapshotOutput> {
  const { id, name, description, parentId, state, consistency, createdAt, config, memory } = row;
  const place = snapshots.present(row.vmId);
  return {
    id, name, description, parent: parentId, state, consistency, createdAt, isPreviewed: place.before !== null && place.snapshotId === id,
    memory: memory && { bytes: memory.bytes, heldMs: memory.heldMs }, vcpus: config.hardware.vcpus, memoryBytes: config.hardware.memoryBytes,
    disks: storage.disks(config.disks.map(({ diskId }) => diskId)).map((disk) => ({ id: disk.id, name: disk.name })),
  };
}

export const snapshotList = read<VmServices>()({
  id: 'snapshot.list', method: 'GET', path: '/vms/{vm}/snapshots', permission: 'vm.read', summary: 'List the snapshots of a VM',
  input: VmRef, output: SnapshotListOutput,
  run(services, _call, { vm: ref }) {
    const { id } = services.rows.require(ref);
    const { snapshotId: current, before } = services.snapshots.present(id);
    return { items: services.snapshots.of(id).map((row) => shown(services, row)), next: null, current, beforePreview: before && { parent: before.snapshotId } };
  },
});

export const snapshotGet = read<VmServices>()({
  id: 'snapshot.get', method: 'GET', path: '/vms/{vm}/snapshots/{snapshot}', permission: 'vm.read', summary: 'Show a snapshot of a VM',
  input: SnapshotRef, output: SnapshotOutput,
  run: (services, _call, { vm, snapshot }) => shown(services, services.snapshots.require(services.rows.require(vm), snapshot)),
});

export const snapshotCreate = startTask<VmServices>()({
  id: 'snapshot.create', method: 'POST', path: '/vms/{vm}/snapshots', permission: 'vm.snapshot', summary: 'Take a snapshot of a VM',
  input: SnapshotCreateInput,
  async prepare(services, _call, { vm: ref, memory }) {
    if (memory) await requireRoom(services, requireMemory(services, services.rows.require(ref)).bytes);
  },
  run(services, tx, { vm: ref, name, description, memory: withMemory }) {
    const { rows, snapshots, clock } = services;
    const vm = requireFor(services, 'snapshot', ref);
    if (vm.pool !== null) throw new Problem('wrong-state', `${vm.name} is one of a pool: what it writes is dropped when it shuts down, so there is nothing to keep. Make a VM of your own from the template.`);
    const place = requireNoPreview(services, vm);
    const count = snapshots.of(vm.id).length;
    if (count >= mostSnapshots) throw new Problem('wrong-state', `${vm.name} has ${count} snapshots, and more would make it slow. Delete some first.`);
    snapshots.requireFreeName(vm.id, name);
    const id: string = newId<'snapshot'>();
    const memory = withMemory ? { memory: requireMemory(services, vm) } : {};
    const row: SnapshotRow = { id, vmId: vm.id, parentId: place.snapshotId, name, description, state: 'creating', consistency: 'stopped', config: snapshots.configOf(vm), memory: null, createdAt: clock.now() };
    snapshots.insert(tx, row, diskBytesOf(services, vm.id) + (memory.memory?.bytes ?? 0));
    const layers = rows.disks(vm.id).map(({ diskId }) => ({ disk: lock(services, tx, diskId), volume: newId<'volume'>() }));
    return services.tasks.start(tx, 'vm.snapshot', { vm: vm.id, snapshot: id, layers, ...memory }, about(services, vm, layers.map(({ disk }) => disk)));
  },
});

export const snapshotEdit = write<VmServices>()({
  id: 'snapshot.edit', method: 'PATCH', path: '/vms/{vm}/snapshots/{snapshot}', permission: 'vm.snapshot', status: 200, summary: 'Rename or describe a snapshot',
  input: SnapshotEditInput, output: SnapshotOutput,
  run(services, tx, { vm: ref, snapshot, name, description }) {
    const vm = services.rows.require(ref);
    const row = services.snapshots.require(vm, snapshot);
    if (name !== undefined) services.snapshots.requireFreeName(vm.id, name, row.id);
    return shown(services, services.snapshots.update(tx, row, { name: name ?? row.name, description: description ?? row.description }));
  },
});

export const snapshotDelete = startTask<VmServices>()({
  id: 'snapshot.delete', method: 'DELETE', path: '/vms/{vm}/snapshots/{snapshot}', permission: 'vm.snapshot', summary: 'Delete a snapshot; the VM keeps its present state',
  input: SnapshotRef,
  run(services, tx, { vm: ref, snapshot }) {
    const vm = requireFor(services, 'delete-snapshot', ref);
    const row = requireReady(services, vm, { ref: snapshot, verb: 'delete' });
    requireNoPreview(services, vm);
    const disks = services.storage.disks(row.config.disks.map(({ diskId }) => diskId)).map(({ id }) => lock(services, tx, id));
    for (const disk of disks) services.storage.layers.release(tx, disk, holderOf(row.id));
    services.variables.drop(tx, holderOf(row.id));
    services.snapshots.update(tx, row, { state: 'deleting' });
    return services.tasks.start(tx, 'vm.delete-snapshot', { vm: vm.id, snapshot: row.id, disks, file: row.memory?.file ?? null }, about(services, vm, disks));
  },
});

export const snapshotPreview = startTask<VmServices>()({
  id: 'snapshot.preview', method: 'POST', path: '/vms/{vm}/snapshots/{snapshot}/preview', permission: 'vm.snapshot', summary: 'Go back to a snapshot for a try; what was there is kept until that is committed',
  input: SnapshotPreviewInput,
  run(services, tx, { vm: ref, snapshot, memory }) {
    const vm = requireFor(services, 'preview-snapshot', ref);
    const row = requireReady(services, vm, { ref: snapshot, verb: 'preview' });
    const withMemory = memory && row.memory !== null;
    if (withMemory) requireSameDisks(services, vm, row);
    requireNoPreview(services, vm);
    requireNics(services, vm, row);
    requireFitThen(services, vm, row);
    const layers = row.config.disks.map(({ diskId }) => ({ disk: lock(services, tx, diskId), volume: newId<'volume'>() }));
    return services.tasks.start(tx, 'vm.preview-snapshot', { vm: vm.id, snapshot: row.id, layers, withMemory }, about(services, vm, layers.map(({ disk }) => disk)));
  },
});

export const snapshotCommit = startTask<VmServices>()({
  id: 'snapshot.commit', method: 'POST', path: '/vms/{vm}/snapshots/{snapshot}/commit', permission: 'vm.snapshot', summary: 'Go on from the snapshot that is previewed; what was there before is deleted',
  input: SnapshotRef,
  run: (services, tx, input) => endPreview(services, tx, 'commit', input),
});

export const snapshotUndo = startTask<VmServices>()({
  id: 'snapshot.undo', method: 'POST', path: '/vms/{vm}/snapshots/{snapshot}/undo', permission: 'vm.snapshot', summary: 'End the preview of a snapshot; what was there before is there again',
  input: SnapshotRef,
  run: (services, tx, input) => endPreview(services, tx, 'undo', input),
});

function endPreview(services: VmServices, tx: Tx, verb: 'commit' | 'undo', { vm: ref, snapshot }: z.output<typeof SnapshotRef>): string {
  const vm = requireFor(services, `${verb}-snapshot`, ref);
  const { saved } = vm.fact;
  if (saved && saved.snapshot === null) throw new Problem('wrong-state', `${vm.name} is suspended. Discard its memory first, or start it and shut it down.`);
  const row = services.snapshots.require(vm, snapshot);
  const place = services.snapshots.present(vm.id);
  if (place.before === null || place.snapshotId !== row.id) throw new Problem('wrong-state', `${vm.name} does not preview the snapshot "${row.name}". Preview it first.`);
  const disks = services.rows.disks(vm.id).map(({ diskId }) => diskId).filter((disk) => services.storage.layers.held(disk, previewHolder(vm.id)));
  for (const disk of disks) lock(services, tx, disk);
  return services.tasks.start(tx, `vm.${verb}-snapshot`, { vm: vm.id, snapshot: row.id, disks }, about(services, vm, disks));
}

// ------------------------------------------------------------------------------------------------ what must be so

function requireFor(services: VmServices, verb: VmVerb, ref: string): Vm {
  const vm = services.rows.require(ref);
  allow(verb, vm);
  requireNoSnapshotTask(services, vm);
  return vm;
}

/** The file that its memory goes to. Throws what is against that. */
function requireMemory({ rows }: VmServices, vm: Vm) {
  const { fact: { state, reason, running } } = vm;
  const fault = memoryFault({
    name: vm.name, state, reason, tpm: running?.hardware.tpm ?? 'none', passedThrough: Object.values(running?.hostDevices ?? {}),
    disks: rows.disks(vm.id).map(({ diskId }) => diskId), pluggedDisks: running?.disks ?? [],
  });
  if (fault) throw new Problem('wrong-state', fault, { errors: [{ path: 'memory', message: 'Its memory cannot be part of it.' }] });
  return { file: `memory-${newId()}.save`, bytes: neededBytes(running?.memoryBytes ?? vm.memoryBytes), wasPaused: state === 'paused' };
}

/** The guest in the memory knows the disks of then, and no others. */
function requireSameDisks({ rows, storage }: VmServices, vm: Vm, { name, config }: SnapshotRow): void {
  const then = new Set(config.disks.map(({ diskId }) => diskId));
  const [later] = storage.disks(rows.disks(vm.id).map(({ diskId }) => diskId).filter((disk) => !then.has(disk)));
  if (later) throw new Problem('wrong-state', `The disk "${later.name}" came after the snapshot "${name}", so the memory of then does not know it. Detach it first, or go back without the memory.`, { errors: [{ path: 'memory', message: 'It does not know all disks.' }] });
}

/** One at a time: each changes what the next one would start from. */
export function requireNoSnapshotTask({ snapshots, storage, rows }: VmServices, vm: Vm): void {
  const busy = snapshots.of(vm.id).find(({ state }) => state === 'creating' || state === 'deleting');
  if (busy) throw new Problem('wrong-state', `The snapshot "${busy.name}" of ${vm.name} is being ${busy.state === 'creating' ? 'taken' : 'deleted'}. Wait for its task to end.`);
  const locked = storage.disks(rows.disks(vm.id).map(({ diskId }) => diskId)).find(({ state }) => state === 'locked');
  if (locked) throw new Problem('wrong-state', `The disk "${locked.name}" is being changed or filled. Wait for that to end, or cancel its task or upload.`);
}

function requireReady({ snapshots }: VmServices, vm: Vm, { ref, verb }: { ref: string; verb: 'preview' | 'delete' }): SnapshotRow {
  const row = snapshots.require(vm, ref);
  const fault = snapshotFault(verb, row);
  if (fault) throw new Problem('wrong-state', fault);
  return row;
}

function requireNoPreview({ snapshots }: VmServices, vm: Vm) {
  const place = snapshots.present(vm.id);
  if (place.before === null) return place;
  const name = snapshots.get(place.snapshotId ?? '')?.name ?? '';
  throw new Problem('wrong-state', `${vm.name} previews the snapshot "${name}". Commit or undo that first.`);
}

/** Its network interfaces come back with their addresses. */
function requireNics({ rows }: VmServices, vm: Vm, { name, config }: SnapshotRow): void {
  const own = new Set(rows.nics(vm.id).map(({ mac }) => mac));
  const taken = config.nics.find(({ mac }) => !own.has(mac) && rows.hasMac(mac));
  if (taken) throw new Problem('in-use', `In the snapshot "${name}" ${vm.name} has the MAC address ${taken.mac}, which another VM has now. Change it there first.`);
  if (rows.disks(vm.id).length + config.nics.length > deviceSlots) throw new Problem('wrong-state', `${vm.name} has no port left for the network interfaces of the snapshot "${name}". Detach a disk first.`);
}

/** Disks that came later stay, and must have a bus that the machine of then has. */
function requireFitThen({ rows }: VmServices, vm: Vm, { name, config }: SnapshotRow): void {
  const then = new Map(config.disks.map(({ diskId, settings }) => [diskId, settings.bus]));
  const buses = rows.disks(vm.id).map(({ diskId, settings }) => then.get(diskId) ?? settings.bus);
  const { vcpus, memoryBytes, firmware, hardware } = config.hardware;
  const [fault] = faultsOf({ ...plainHardware, ...hardware, vcpus, memoryBytes, firmware, buses });
  if (fault) throw new Problem('wrong-state', `The disks that ${vm.name} has got since do not fit what it was at the snapshot "${name}". ${fault.message}`);
}

function lock({ storage }: VmServices, tx: Tx, disk: string): string {
  return storage.layers.lock(tx, disk).id;
}

function about({ storage }: VmServices, vm: Vm, disks: string[]) {
  return [...aboutVm(vm), ...storage.disks(disks).map(({ id, name }) => ({ kind: 'disk', id, name }))];
}

export const snapshotOperations = [snapshotList, snapshotGet, snapshotCreate, snapshotEdit, snapshotDelete, snapshotPreview, snapshotCommit, snapshotUndo];
