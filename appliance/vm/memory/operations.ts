/** Suspending to disk, and letting go of what was suspended; a start goes on from it (`startVm`). */
import { newId } from '../../core/id.ts';
import { startTask } from '../../core/operation.ts';
import { Problem } from '../../core/problem.ts';
import { allow } from '../answers.ts';
import { aboutVm } from '../power/operations.ts';
import type { Vm } from '../rows.ts';
import { VmRef } from '../schema.ts';
import type { VmServices } from '../services.ts';
import { requireNoSnapshotTask } from '../snapshot/operations.ts';
import { neededBytes, requireRoom } from './files.ts';

export const vmSuspend = startTask<VmServices>()({
  id: 'vm.suspend', method: 'POST', path: '/vms/{vm}/suspend', permission: 'vm.operate', summary: 'Suspend a VM to disk: it goes on later where it stands',
  input: VmRef,
  prepare(services, _call, { vm: ref }) {
    const vm = services.rows.require(ref);
    allow('suspend', vm);
    return requireRoom(services, bytesOf(vm));
  },
  run(services, tx, { vm: ref }) {
    const vm = services.rows.require(ref);
    allow('suspend', vm);
    requireSavable(services, vm);
    services.facts.enter(tx, vm.id, 'powering-down', 'suspend');
    const disks = services.rows.disks(vm.id).map(({ diskId }) => diskId);
    return services.tasks.start(tx, 'vm.suspend', { vm: vm.id, disks, file: `memory-${newId()}.save`, bytes: bytesOf(vm), wasPaused: vm.fact.state === 'paused' }, aboutVm(vm));
  },
});

const bytesOf = (vm: Vm) => neededBytes(vm.fact.running?.memoryBytes ?? vm.memoryBytes);

function requireSavable(services: VmServices, vm: Vm): void {
  if (vm.pool !== null) throw new Problem('wrong-state', `${vm.name} is one of a pool: it is as its template again when it is given back, so it is not suspended. Shut it down.`);
  if (vm.fact.state === 'paused' && vm.fact.reason !== 'user') throw new Problem('wrong-state', `${vm.name} stands still because something went wrong. Resume it first, or power it off.`);
  requireNoSnapshotTask(services, vm);
}

export const vmDiscardMemory = startTask<VmServices>()({
  id: 'vm.discard-memory', method: 'POST', path: '/vms/{vm}/discard-memory', permission: 'vm.operate', summary: 'Discard the memory of a suspended VM: it is down then, as after a power cut',
  input: VmRef,
  run(services, tx, { vm: ref }) {
    const vm = services.rows.require(ref);
    allow('discard-memory', vm);
    const { saved } = vm.fact;
    services.facts.enter(tx, vm.id, 'powering-down', 'discard-memory');
    return services.tasks.start(tx, 'vm.discard-memory', { vm: vm.id, file: saved && saved.snapshot === null ? saved.file : null }, aboutVm(vm));
  },
});

export const memoryOperations = [vmSuspend, vmDiscardMemory];
