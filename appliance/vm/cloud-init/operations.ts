/** The verbs of cloud-init: seen, set, taken away. Making VMs takes the same settings (`cloudInitField`). */
import type * as z from 'zod';
import { type Operation, read, write } from '../../core/operation.ts';
import { allow } from '../answers.ts';
import type { VmServices } from '../services.ts';
import { withoutPassword } from './password.ts';
import { CloudInitEditInput, CloudInitOutput, CloudInitRef } from './schema.ts';
import { mergeCloudInit } from './settings.ts';
import { shownWindows } from './windows/settings.ts';

function shown({ cloudInits }: VmServices, vmId: string, mayEdit: boolean): z.input<typeof CloudInitOutput> {
  const row = cloudInits.find(vmId);
  const { passwordHash, userData, networkConfig, windows, ...rest } = mergeCloudInit(row?.settings, {});
  return {
    isOn: row !== undefined, instanceId: row?.instanceId ?? '', ...rest, hasPassword: passwordHash !== null,
    userData: mayEdit ? userData : null, networkConfig: mayEdit ? networkConfig : null, hasOwnText: userData !== null || networkConfig !== null, windows: shownWindows(windows, mayEdit),
  };
}

export const cloudInitGet = read<VmServices>()({
  id: 'vm.cloud-init', method: 'GET', path: '/vms/{vm}/cloud-init', permission: 'vm.read', summary: 'Show what a VM is told by cloud-init',
  input: CloudInitRef, output: CloudInitOutput,
  run(services, { actor }, { vm: ref }) {
    const { id } = services.rows.require(ref);
    return shown(services, id, actor.reach.on('vm.edit', { kind: 'vm', id }));
  },
});

export const cloudInitEdit = write<VmServices>()({
  id: 'vm.edit-cloud-init', method: 'PATCH', path: '/vms/{vm}/cloud-init', permission: 'vm.edit', status: 200, summary: 'Set what a VM is told by cloud-init',
  input: CloudInitEditInput, output: CloudInitOutput,
  generation: ({ rows }, { vm }) => rows.require(vm).generation,
  prepare: (_services, _call, input) => withoutPassword(input),
  run(services, tx, { vm: ref, runAgain }, wish) {
    const vm = services.rows.require(ref);
    allow('edit', vm);
    services.cloudInits.set(tx, vm.id, mergeCloudInit(services.cloudInits.find(vm.id)?.settings, wish), { runAgain });
    services.rows.touch(tx, vm.id);
    return shown(services, vm.id, true);
  },
});

export const cloudInitRemove = write<VmServices>()({
  id: 'vm.remove-cloud-init', method: 'DELETE', path: '/vms/{vm}/cloud-init', permission: 'vm.edit', status: 200, summary: 'Give a VM nothing for cloud-init any more',
  input: CloudInitRef, output: CloudInitOutput,
  generation: ({ rows }, { vm }) => rows.require(vm).generation,
  run(services, tx, { vm: ref }) {
    const vm = services.rows.require(ref);
    allow('edit', vm);
    services.cloudInits.remove(tx, vm.id);
    services.rows.touch(tx, vm.id);
    return shown(services, vm.id, true);
  },
});

export const cloudInitOperations: Operation<VmServices>[] = [cloudInitGet, cloudInitEdit, cloudInitRemove] as Operation<VmServices>[]; // each record was checked where it was made
