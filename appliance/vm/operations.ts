/** The verbs of VMs as wishes: make, see, change and delete them. Verbs of power, devices and consoles lie beside this file. */
import { questionOf } from '../activity/sample-query.ts';
import { type Operation, read, startTask, write } from '../core/operation.ts';
import { Problem } from '../core/problem.ts';
import { allow, answerOf, requireFit } from './answers.ts';
import { safeWish } from './cloud-init/password.ts';
import { mergeCloudInit } from './cloud-init/settings.ts';
import { consoleOperations } from './console/operations.ts';
import { addDisk, addNic, deviceOperations, requireOn } from './device/operations.ts';
import { completeHardware, pickHardware, systemDefaults } from './definition/hardware.ts';
import { vmDiscardChanges } from './device/discard-operations.ts';
import { vmTrim } from './guest/operations.ts';
import { vmSendKeys } from './console/keys-operations.ts';
import { memoryOperations } from './memory/operations.ts';
import { requirePassing } from './pass/operations.ts';
import { aboutVm, powerOperations } from './power/operations.ts';
import { snapshotClone, vmClone } from './clone/operations.ts';
import { hasChangesAtOnce } from './rules.ts';
import { requireNoSnapshotTask, snapshotOperations } from './snapshot/operations.ts';
import { VmCreateInput, VmDeleteInput, VmEditInput, VmListInput, VmListOutput, VmOutput, VmRef } from './schema.ts';
import { VmHistoryInput, VmHistoryOutput, VmStatsInput, VmStatsOutput } from './observe/schema.ts';
import type { VmRow } from './rows.ts';
import { keptStartup, splitStartup } from './power/startup.ts';
import type { VmServices } from './services.ts';

export { vmConsoleFile, vmConsole, vmScreenshot } from './console/operations.ts';
export { cdromChange, diskAttach, diskDetach, diskEdit, nicAdd, nicEdit, nicRemove } from './device/operations.ts';
export { vmDiscardChanges } from './device/discard-operations.ts';
export { snapshotCommit, snapshotCreate, snapshotDelete, snapshotEdit, snapshotGet, snapshotList, snapshotPreview, snapshotUndo } from './snapshot/operations.ts';
export { snapshotClone, vmClone } from './clone/operations.ts';
export { passDevice, passedDevices, passedDevicesOfAll, withdrawDevice } from './pass/operations.ts';
export { vmTrim } from './guest/operations.ts';
export { vmSendKeys } from './console/keys-operations.ts';
export { vmDiscardMemory, vmSuspend } from './memory/operations.ts';
export { vmPause, vmPowerOff, vmReboot, vmReset, vmResume, vmShutdown, vmStart } from './power/operations.ts';

export const vmList = read<VmServices>()({
  id: 'vm.list', method: 'GET', path: '/vms', permission: 'vm.read', scope: 'each', summary: 'List VMs',
  input: VmListInput, output: VmListOutput,
  run({ rows, foreignDomains }, { actor }, query) {
    const found = rows.page(query, actor.reach.rows('vm.read', 'vm', rows.idColumn));
    const items = found.slice(0, query.limit);
    return { items, next: found.length > items.length ? (items.at(-1)?.name ?? null) : null, foreignDomains: foreignDomains() };
  },
});

export const vmGet = read<VmServices>()({
  id: 'vm.get', method: 'GET', path: '/vms/{vm}', permission: 'vm.read', summary: 'Show a VM',
  input: VmRef, output: VmOutput,
  run: (services, _call, { vm }) => answerOf(services, services.rows.require(vm)),
});

export const vmCreate = write<VmServices>()({
  id: 'vm.create', method: 'POST', path: '/vms', permission: 'vm.create', status: 201, summary: 'Create a VM',
  input: VmCreateInput, output: VmOutput,
  prepare: (_services, _call, { cloudInit }) => safeWish(cloudInit),
  run(services, tx, { disks, nics, hostDevices, cloudInit: _kept, ...wanted }, cloudInit) {
    const { actor } = tx.call;
    const { name, description, vcpus, memoryBytes, bootOrder, cdrom, autostart } = wanted;
    if (cdrom !== null) services.storage.isoPath(cdrom, actor);
    if (wanted.floppy) services.storage.isoPath(wanted.floppy, actor);
    const startup = keptStartup(services.rows, splitStartup(wanted).startup);
    const hardware = completeHardware(wanted);
    const firmware = wanted.firmware ?? systemDefaults(hardware.os).firmware;
    const id = services.rows.insert(tx, { name, description, vcpus, memoryBytes, firmware, hardware, bootOrder, cdrom, autostart, startup }, (vmId) => {
      const vm = { id: vmId, name, hardware };
      for (const [index, disk] of disks.entries()) addDisk(services, tx, vm, disk, `disks.${index}`);
      for (const [index, nic] of nics.entries()) addNic(services, tx, vm, nic, `nics.${index}`);
      for (const { device } of hostDevices) services.passes.add(tx, vm, device);
    });
    if (hostDevices.length > 0) requirePassing(actor);
    requireFit(services, id);
    if (cloudInit) services.cloudInits.set(tx, id, mergeCloudInit(undefined, cloudInit));
    return answerOf(services, services.rows.require(id));
  },
});

export const vmEdit = write<VmServices>()({
  id: 'vm.edit', method: 'PATCH', path: '/vms/{vm}', permission: 'vm.edit', status: 200, summary: 'Change a VM',
  input: VmEditInput, output: VmOutput,
  generation: ({ rows }, { vm }) => rows.require(vm).generation,
  run(services, tx, { vm: ref, ...changes }) {
    const vm = services.rows.require(ref);
    allow('edit', vm);
    if (changes.name !== undefined && changes.name !== vm.name && vm.fact.state === 'saved') throw new Problem('wrong-state', `${vm.name} is suspended, and goes on under the name that it had. Start it, then rename it.`);
    const { startup, rest } = splitStartup(changes);
    const hardware = pickHardware(changes);
    if (hardware.floppy && hardware.floppy !== vm.hardware.floppy) services.storage.isoPath(hardware.floppy, tx.call.actor);
    const own = Object.fromEntries(Object.entries(rest).filter(([name, value]) => value !== undefined && !(name in hardware)));
    const given: Partial<VmRow> = { ...own, ...(Object.keys(hardware).length > 0 && { hardware: { ...vm.hardware, ...hardware } }) };
    if (Object.keys(startup).length > 0) given.startup = keptStartup(services.rows, startup, vm);
    if (Object.keys(given).length > 0) services.rows.update(tx, vm.id, given);
    requireFit(services, vm.id);
    const after = services.rows.require(vm.id);
    const { running } = vm.fact;
    if (running && hasChangesAtOnce(after, running)) services.tasks.start(tx, 'vm.apply', { vm: vm.id }, aboutVm(after));
    return answerOf(services, after);
  },
});

export const vmDelete = startTask<VmServices>()({
  id: 'vm.delete', method: 'DELETE', path: '/vms/{vm}', permission: 'vm.delete', summary: 'Delete a VM',
  input: VmDeleteInput,
  generation: ({ rows }, { vm }) => rows.require(vm).generation,
  run(services, tx, { vm: ref, keepDisks }) {
    const vm = services.rows.require(ref);
    allow('delete', vm);
    requireNoSnapshotTask(services, vm);
    if (keepDisks && services.snapshots.of(vm.id).length > 0) throw new Problem('in-use', `${vm.name} has snapshots, which lie in its disks. Delete them first, or delete the disks, too.`);
    if (!keepDisks) for (const { diskId } of services.rows.disks(vm.id)) requireOn(tx.call.actor, 'disk.delete', { kind: 'disk', id: diskId });
    services.facts.note(tx, vm.id, { isDeleting: true });
    return services.tasks.start(tx, 'vm.delete', { vm: vm.id, keepDisks }, aboutVm(vm));
  },
});

export const vmStats = read<VmServices>()({
  id: 'vm.stats', method: 'GET', path: '/vms/{vm}/stats', permission: 'vm.read', summary: 'Show what a VM has used in the last half hour',
  input: VmStatsInput, output: VmStatsOutput,
  run({ rows, stats, reconcilers }, _call, { vm: ref, since }) {
    const { readings, isDue } = stats.look(rows.require(ref).id);
    if (isDue) reconcilers.wake('vm.sample');
    return { items: readings.filter(({ at }) => at > since), since: readings[0]?.at ?? null };
  },
});

export const vmHistory = read<VmServices>()({
  id: 'vm.history', method: 'GET', path: '/vms/{vm}/history', permission: 'vm.read', summary: 'Show what a VM has used, over hours or years',
  input: VmHistoryInput, output: VmHistoryOutput,
  run({ rows, activity, clock }, _call, { vm: ref, of, ...input }) {
    const vm = rows.require(ref);
    const kind = of === undefined ? 'vm' : rows.disks(vm.id).some(({ diskId }) => diskId === of) ? 'disk' : 'nic';
    if (kind === 'nic' && !rows.nics(vm.id).some(({ id }) => id === of)) throw new Problem('not-found', `${vm.name} has no disk and no NIC with that id. It may have been removed.`);
    return activity.samples.read({ kind, id: of ?? vm.id, ...questionOf(input, clock.now()) });
  },
});

export const vmOperations: Operation<VmServices>[] = [
  vmList, vmGet, vmCreate, vmEdit, vmDiscardChanges, vmDelete, vmStats, vmHistory, ...powerOperations, ...memoryOperations, vmSendKeys, vmTrim, ...deviceOperations, ...snapshotOperations, snapshotClone, vmClone, ...consoleOperations,
] as Operation<VmServices>[]; // each record was checked where it was made; the list forgets its input types
