/**
 * The verbs of power. Each puts the VM in its passing state in the commit that starts the task, so a second request at the
 * same time finds that state and is refused.
 */
import { startTask } from '../../core/operation.ts';
import { Problem } from '../../core/problem.ts';
import { allow } from '../answers.ts';
import type { Vm } from '../rows.ts';
import type { VmVerb } from '../rules.ts';
import { VmRef } from '../schema.ts';
import type { VmServices } from '../services.ts';

type PowerTx = Parameters<VmServices['facts']['enter']>[0];

const givesWay = new Set(['vm.start', 'vm.restore', 'vm.suspend']);

export const aboutVm = ({ id, name }: Pick<Vm, 'id' | 'name'>) => [{ kind: 'vm', id, name }];

/** Starts a VM that is down, or lets one go on that is suspended to disk; for the request as well as for autostart. */
export function startVm(services: VmServices, tx: PowerTx, vm: Vm): string {
  const { saved } = vm.fact;
  services.pools.noteStart(tx, vm);
  services.facts.enter(tx, vm.id, 'powering-up', saved ? 'restore' : 'start');
  const disks = services.rows.disks(vm.id).map(({ diskId }) => diskId);
  if (saved) return services.tasks.start(tx, 'vm.restore', { vm: vm.id, disks, saved }, aboutVm(vm));
  return services.tasks.start(tx, 'vm.start', { vm: vm.id, disks }, aboutVm(vm));
}

/** Asks the guest; for the request as well as for a host that shuts down. */
export function shutDownVm(services: VmServices, tx: PowerTx, vm: Vm): string {
  services.facts.enter(tx, vm.id, 'powering-down', 'shutdown');
  return services.tasks.start(tx, 'vm.shutdown', { vm: vm.id }, aboutVm(vm));
}

/** Ends the guest at once; a start or a suspension that is under way gives up. */
export function powerOffVm(services: VmServices, tx: PowerTx, vm: Vm): string {
  for (const task of services.tasks.list({ limit: 10, isActive: true, about: vm.id })) {
    if (givesWay.has(task.kind) && !task.isCancelRequested) services.tasks.cancel(tx, task.id);
  }
  services.facts.enter(tx, vm.id, 'powering-down', 'power-off');
  return services.tasks.start(tx, 'vm.power-off', { vm: vm.id }, aboutVm(vm));
}

export const vmStart = startTask<VmServices>()({
  id: 'vm.start', method: 'POST', path: '/vms/{vm}/start', permission: 'vm.operate', summary: 'Start a VM',
  input: VmRef,
  run(services, tx, { vm: ref }) {
    const vm = requireFor(services, 'start', ref);
    if (services.host.isLeaving()) throw new Problem('wrong-state', 'The host is being shut down or restarted. Cancel that task first, or start the VM when the host is back.');
    return startVm(services, tx, vm);
  },
});

export const vmShutdown = startTask<VmServices>()({
  id: 'vm.shutdown', method: 'POST', path: '/vms/{vm}/shutdown', permission: 'vm.operate', summary: 'Ask the guest to shut down',
  input: VmRef,
  run: (services, tx, { vm }) => shutDownVm(services, tx, requireFor(services, 'shutdown', vm)),
});

export const vmPowerOff = startTask<VmServices>()({
  id: 'vm.power-off', method: 'POST', path: '/vms/{vm}/power-off', permission: 'vm.operate', summary: 'Power a VM off at once',
  input: VmRef,
  run: (services, tx, { vm }) => powerOffVm(services, tx, requireFor(services, 'power-off', vm)),
});

export const vmReboot = startTask<VmServices>()({
  id: 'vm.reboot', method: 'POST', path: '/vms/{vm}/reboot', permission: 'vm.operate', summary: 'Reboot the guest',
  input: VmRef,
  run: (services, tx, { vm }) => plain(services, tx, 'reboot', vm),
});

export const vmReset = startTask<VmServices>()({
  id: 'vm.reset', method: 'POST', path: '/vms/{vm}/reset', permission: 'vm.operate', summary: 'Reset a VM at once, as its reset button does',
  input: VmRef,
  run: (services, tx, { vm }) => plain(services, tx, 'reset', vm),
});

export const vmPause = startTask<VmServices>()({
  id: 'vm.pause', method: 'POST', path: '/vms/{vm}/pause', permission: 'vm.operate', summary: 'Pause a VM',
  input: VmRef,
  run: (services, tx, { vm }) => plain(services, tx, 'pause', vm),
});

export const vmResume = startTask<VmServices>()({
  id: 'vm.resume', method: 'POST', path: '/vms/{vm}/resume', permission: 'vm.operate', summary: 'Resume a paused VM',
  input: VmRef,
  run: (services, tx, { vm }) => plain(services, tx, 'resume', vm),
});

function requireFor({ rows }: VmServices, verb: VmVerb, ref: string): Vm {
  const vm = rows.require(ref);
  allow(verb, vm);
  return vm;
}

/** A verb without a passing state. */
function plain(services: VmServices, tx: PowerTx, verb: VmVerb, ref: string): string {
  const vm = requireFor(services, verb, ref);
  return services.tasks.start(tx, `vm.${verb}`, { vm: vm.id }, aboutVm(vm));
}

export const powerOperations = [vmStart, vmShutdown, vmPowerOff, vmReboot, vmReset, vmPause, vmResume];
