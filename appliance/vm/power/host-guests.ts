/** VMs as the power of the host sees them: who runs, in which order they go, and the ordinary verbs by which they do. */
import type { Guests } from '../../host/guests.ts';
import { powerOffVm, shutDownVm, startVm } from './operations.ts';
import { shutdownOrder, vmCan, type VmState } from '../rules.ts';
import type { VmServices } from '../services.ts';

const alive: VmState[] = ['powering-up', 'up', 'paused', 'migrating', 'suspended', 'powering-down', 'unknown'];

export function hostGuests(services: VmServices): Guests {
  const { rows, tasks } = services;
  return {
    running: () => shutdownOrder(rows.withState(alive)).map(({ id, name, fact }) => ({ id, name, isLeaving: fact.state === 'powering-down' })),
    askDown(tx, id) {
      const vm = rows.find(id);
      if (vm?.fact.state === 'up' && vmCan('shutdown', vm.fact)) shutDownVm(services, tx, vm);
      // A guest that somebody paused must run to hear that it should shut down.
      const isHeld = vm?.fact.state === 'paused' && vm.fact.reason === 'user';
      const isResuming = isHeld && tasks.list({ limit: 5, isActive: true, about: id }).length > 0;
      if (vm && isHeld && !isResuming) tasks.start(tx, 'vm.resume', { vm: id }, [{ kind: 'vm', id, name: vm.name }]);
    },
    end(tx, id) {
      const vm = rows.find(id);
      if (vm && vmCan('power-off', vm.fact)) powerOffVm(services, tx, vm);
    },
    start(tx, id) {
      const vm = rows.find(id);
      if (vm && vmCan('start', vm.fact)) startVm(services, tx, vm);
    },
  };
}
