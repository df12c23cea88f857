/** Pressing the keys of a guest from outside, for what a browser keeps for itself and for programs. */
import { startTask } from '../../core/operation.ts';
import { allow } from '../answers.ts';
import { aboutVm } from '../power/operations.ts';
import { SendKeysInput } from '../schema.ts';
import type { VmServices } from '../services.ts';

/** Chords that a browser keeps for itself, or that a person has no key for. */
export const usualChords = ['ctrl+alt+delete', 'ctrl+alt+backspace', 'alt+tab', 'alt+f4', 'ctrl+alt+f1', 'ctrl+alt+f2', 'ctrl+alt+f7', 'win', 'print', 'alt+sysrq+s', 'alt+sysrq+b'] as const;

export const vmSendKeys = startTask<VmServices>()({
  id: 'vm.send-keys', method: 'POST', path: '/vms/{vm}/keys', permission: 'vm.console', summary: 'Press keys of a VM',
  input: SendKeysInput,
  run({ rows, tasks, life }, tx, { vm: ref, keys }) {
    const vm = rows.require(ref);
    allow('send-keys', vm);
    return tasks.start(tx, 'vm.send-keys', { vm: vm.id, keys, life }, aboutVm(vm));
  },
});
