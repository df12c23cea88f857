/** Verbs that the guest agent carries out. */
import { startTask } from '../../core/operation.ts';
import { Problem } from '../../core/problem.ts';
import { allow } from '../answers.ts';
import { aboutVm } from '../power/operations.ts';
import { VmRef } from '../schema.ts';
import type { VmServices } from '../services.ts';

export const vmTrim = startTask<VmServices>()({
  id: 'vm.trim', method: 'POST', path: '/vms/{vm}/trim', permission: 'vm.operate', summary: 'Give back the room that the guest no longer needs',
  input: VmRef,
  run({ rows, tasks }, tx, { vm: ref }) {
    const vm = rows.require(ref);
    allow('trim', vm);
    if (!vm.fact.hasAgent) throw new Problem('wrong-state', `No guest agent answers in ${vm.name}. Install the package qemu-guest-agent there, and start it.`);
    return tasks.start(tx, 'vm.trim', { vm: vm.id }, aboutVm(vm));
  },
});
