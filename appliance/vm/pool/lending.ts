/**
 * Who gets which VM of a pool, decided in one transaction: of two who ask for the last one, one gets it and the other waits.
 *
 *   free -> taken (started if it does not run, its user may use it) -> given back, or shut down -> made as it was -> free
 *
 * Whoever asks is written down first and then served in order; so a newcomer never overtakes one who waits. Called by the verbs and, when
 * something has become free, by `reconcile.ts`.
 */
import type { Tx } from '../../core/db.ts';
import type { PoolMember, PoolRow } from './pools.ts';
import { powerOffVm, startVm } from '../power/operations.ts';
import type { Vm } from '../rows.ts';
import { vmCan } from '../rules.ts';
import type { VmServices } from '../services.ts';

export interface Lendable {
  member: PoolMember;
  vm: Vm;
}

/** Its VMs with what is known of them. */
export function membersOf({ pools, rows }: VmServices, { id }: Pick<PoolRow, 'id'>): Lendable[] {
  return pools.members(id).flatMap((member) => {
    const vm = rows.find(member.vmId);
    return vm ? [{ member, vm }] : [];
  });
}

/** Those that can be given to somebody, the running ones first. */
export function freeOf(services: VmServices, pool: PoolRow): Lendable[] {
  if (pool.isDeleting) return [];
  const isReady = ({ member, vm }: Lendable) => {
    if (member.userId !== null || vm.fact.isDeleting || member.templateId !== pool.templateId) return false;
    if (vm.fact.state === 'up' || vm.fact.state === 'powering-up') return true;
    return vm.fact.state === 'down' && !member.isDirty && services.storage.disks(services.rows.disks(vm.id).map(({ diskId }) => diskId)).every(({ state }) => state === 'ok');
  };
  const running = ({ vm }: Lendable) => Number(vm.fact.state === 'up') * 2 + Number(vm.fact.state === 'powering-up');
  return membersOf(services, pool).filter(isReady).sort((one, other) => running(other) - running(one) || one.member.number - other.member.number);
}

const holding = (member: PoolMember, userId: string) => ({ userId, role: 'vm-user' as const, kind: 'vm' as const, objectId: member.vmId });

/** Gives free VMs to those who wait, in their order. */
export function serve(services: VmServices, tx: Tx, pool: PoolRow): void {
  const { pools, access, host } = services;
  const free = freeOf(services, pool);
  for (const { userId } of pools.requests(pool.id)) {
    if (!access.isUser(userId)) {
      pools.dropRequest(tx, pool.id, userId);
      continue;
    }
    const next = free.shift();
    if (!next) return;
    pools.dropRequest(tx, pool.id, userId);
    pools.setMember(tx, next.member, { userId });
    access.give(tx, holding(next.member, userId));
    if (vmCan('start', next.vm.fact) && !host.isLeaving()) startVm(services, tx, next.vm);
  }
}

/** Nobody has it any more. One that runs is ended; what was written is dropped once it is down. */
export function release(services: VmServices, tx: Tx, { member, vm }: Lendable): void {
  const { pools, access } = services;
  if (member.userId !== null) access.takeBack(tx, holding(member, member.userId));
  pools.setMember(tx, member, { userId: null });
  if (vmCan('power-off', vm.fact)) powerOffVm(services, tx, vm);
}
