/** The verbs of devices of the host: seen, given, taken away. `pass/reconcile.ts` does what they wish. */
import * as z from 'zod';
import { type Actor, type Operation, read, write } from '../../core/operation.ts';
import { Problem } from '../../core/problem.ts';
import { allow, answerOf } from '../answers.ts';
import { VmOutput } from '../schema.ts';
import type { Vm } from '../rows.ts';
import type { VmServices } from '../services.ts';
import type { PassRow } from './passes.ts';
import { HostDevicesRef, PassDeviceInput, type PassedDevice, PassedDeviceList, WithdrawDeviceInput } from './schema.ts';

/** Who may change a VM may not take what is the host's for it. */
export function requirePassing({ name, permissions }: Actor): void {
  if (!permissions.has('host.pass-device')) throw new Problem('forbidden', `${name} may not give devices of the host to VMs: it needs the permission "host.pass-device". Ask who looks after the host.`);
}

/** The other half: what is the host's is given only to a VM that one may change. One that may not be seen is not there. */
function requireEditable({ rows }: VmServices, { reach }: Actor, ref: string): Vm {
  const vm = rows.require(ref);
  const object = { kind: 'vm', id: vm.id };
  if (!reach.on('vm.read', object)) throw new Problem('not-found', `There is no VM "${ref}". It may have been deleted or renamed.`);
  if (!reach.on('vm.edit', object)) throw new Problem('forbidden', `You may not change ${vm.name}: it needs the permission "vm.edit" on the VM. Ask who manages it.`);
  allow('edit', vm);
  return vm;
}

function shown({ rows, passes }: VmServices, { reach }: Actor, { id, vmId, rule }: PassRow): z.input<typeof PassedDevice> {
  const vm = rows.require(vmId);
  const isRunning = vm.fact.running !== null && vm.fact.state !== 'powering-up';
  const verdict = isRunning ? passes.verdicts.get(id) : undefined;
  const device = verdict && 'device' in verdict ? verdict.device : undefined;
  const holder = verdict?.state === 'taken' && reach.sees('vm.read', { kind: 'vm', id: verdict.holder.id }) ? verdict.holder : null;
  return {
    id, vm: { id: vm.id, name: vm.name }, device: rule, name: device?.name ?? '', place: device?.id ?? null,
    state: isRunning ? (verdict?.state ?? 'moving') : 'off',
    takenBy: holder && { id: holder.id, name: holder.name },
    ...(verdict?.state === 'failed' ? { message: verdict.message, nextStep: verdict.nextStep } : whyOf(verdict?.state, holder?.name)),
  };
}

function whyOf(state: string | undefined, holder: string | undefined): { message: string; nextStep: string } {
  if (state === 'waiting') return { message: 'It is not plugged in.', nextStep: 'Plug it in: the machine gets it at once.' };
  if (state !== 'taken') return { message: '', nextStep: '' };
  return { message: holder === undefined ? 'Another machine has it.' : `${holder} has it.`, nextStep: 'Take it away from that machine, or shut that down: then this one gets it at once.' };
}

export const passedDevices = read<VmServices>()({
  id: 'vm.host-devices', method: 'GET', path: '/vms/{vm}/host-devices', permission: 'vm.read', summary: 'List the devices of the host that a VM is to have',
  input: HostDevicesRef, output: PassedDeviceList,
  run: (services, { actor }, { vm }) => ({ items: services.passes.of(services.rows.require(vm).id).map((row) => shown(services, actor, row)), next: null }),
});

export const passedDevicesOfAll = read<VmServices>()({
  id: 'host.passed-devices', method: 'GET', path: '/passed-devices', permission: 'host.read', summary: 'List the devices of the host that VMs are to have',
  input: z.object({}), output: PassedDeviceList,
  run: (services, { actor }) => ({ items: services.passes.all().filter(({ vmId }) => actor.reach.sees('vm.read', { kind: 'vm', id: vmId })).map((row) => shown(services, actor, row)), next: null }),
});

export const passDevice = write<VmServices>()({
  id: 'vm.pass-device', method: 'POST', path: '/vms/{vm}/host-devices', permission: 'host.pass-device', status: 201, summary: 'Give a device of the host to a VM',
  input: PassDeviceInput, output: VmOutput,
  generation: ({ rows }, { vm }) => rows.require(vm).generation,
  run(services, tx, { vm: ref, device }) {
    const vm = requireEditable(services, tx.call.actor, ref);
    services.passes.add(tx, vm, device);
    services.rows.touch(tx, vm.id);
    return answerOf(services, services.rows.require(vm.id));
  },
});

export const withdrawDevice = write<VmServices>()({
  id: 'vm.withdraw-device', method: 'DELETE', path: '/vms/{vm}/host-devices/{device}', permission: 'vm.edit', status: 200, summary: 'Take a device of the host away from a VM',
  input: WithdrawDeviceInput, output: VmOutput,
  generation: ({ rows }, { vm }) => rows.require(vm).generation,
  run(services, tx, { vm: ref, device }) {
    const vm = services.rows.require(ref);
    allow('edit', vm);
    if (!services.passes.of(vm.id).some(({ id }) => id === device)) throw new Problem('not-found', `${vm.name} is not to have that device. It may have been taken away. Look at its devices again.`);
    services.passes.remove(tx, vm.id, device);
    services.rows.touch(tx, vm.id);
    return answerOf(services, services.rows.require(vm.id));
  },
});

export const passOperations: Operation<VmServices>[] = [passedDevices, passedDevicesOfAll, passDevice, withdrawDevice] as Operation<VmServices>[]; // each record was checked where it was made
