/** The verbs of pools: made, seen, changed, deleted; a VM taken and given back. */
import type * as z from 'zod';
import type { Tx } from '../../core/db.ts';
import { newId } from '../../core/id.ts';
import { type Actor, type Call, type Operation, read, write } from '../../core/operation.ts';
import { Problem } from '../../core/problem.ts';
import { safeWish } from '../cloud-init/password.ts';
import { type CloudInit, mergeCloudInit } from '../cloud-init/settings.ts';
import { shownWindows } from '../cloud-init/windows/settings.ts';
import { requireOn } from '../device/operations.ts';
import { freeOf, membersOf, release, serve } from './lending.ts';
import { PoolCreateInput, PoolEditInput, PoolListInput, PoolListOutput, PoolOutput, PoolRef } from './schema.ts';
import type { PoolRow } from './pools.ts';
import type { VmServices } from '../services.ts';
import { nameOfTemplate } from '../template/templates.ts';

type CallTx = Tx & { call: Call };

function shown(services: VmServices, actor: Actor, { id, name, description, templateId, size, prestarted, cloudInit, isDeleting, generation, createdAt }: PoolRow): z.input<typeof PoolOutput> {
  const { pools, templates, access } = services;
  const pool = pools.require(id);
  const members = membersOf(services, pool);
  const taken = members.filter(({ member }) => member.userId !== null);
  const requests = pools.requests(id);
  const own = taken.find(({ member }) => member.userId === actor.id);
  const place = requests.findIndex(({ userId }) => userId === actor.id);
  const seesAll = actor.reach.sees('pool.edit', { kind: 'pool', id });
  return {
    id, name, description, template: nameOfTemplate(templates.find(templateId)), size, prestarted, isDeleting, cloudInit: shownCloudInit(cloudInit, seesAll),
    vms: members.length, free: freeOf(services, pool).length, taken: taken.length, waiting: requests.length,
    members: members.filter(({ vm }) => actor.reach.sees('vm.read', { kind: 'vm', id: vm.id })).map(({ vm }) => ({ id: vm.id, name: vm.name })),
    own: own ? { id: own.vm.id, name: own.vm.name } : null, place: place < 0 ? null : place + 1,
    holders: seesAll ? taken.map(({ member, vm }) => ({ vm: { id: vm.id, name: vm.name }, user: access.nameOf(member.userId ?? '') ?? '' })) : [], generation, createdAt,
  };
}

const shownCloudInit = (kept: CloudInit | null, mayEdit: boolean) => kept && { user: kept.user, hasPassword: kept.passwordHash !== null, sshKeys: kept.sshKeys, userData: mayEdit ? kept.userData : null, windows: shownWindows(kept.windows, mayEdit) };

export const poolList = read<VmServices>()({
  id: 'pool.list', method: 'GET', path: '/pools', permission: 'pool.read', scope: 'each', summary: 'List pools of VMs',
  input: PoolListInput, output: PoolListOutput,
  run: (services, { actor }) => ({ items: services.pools.list(actor.reach.rows('pool.read', 'pool', services.pools.idColumn)).map((row) => shown(services, actor, row)), next: null }),
});

export const poolGet = read<VmServices>()({
  id: 'pool.get', method: 'GET', path: '/pools/{pool}', permission: 'pool.read', summary: 'Show a pool of VMs',
  input: PoolRef, output: PoolOutput,
  run: (services, { actor }, { pool }) => shown(services, actor, services.pools.require(pool)),
});

export const poolCreate = write<VmServices>()({
  id: 'pool.create', method: 'POST', path: '/pools', permission: 'pool.create', status: 201, summary: 'Create a pool of VMs from a template',
  input: PoolCreateInput, output: PoolOutput,
  prepare: (_services, _call, { cloudInit }) => safeWish(cloudInit),
  run(services, tx, { name, description, template, size, prestarted }, cloudInit) {
    const { pools, clock } = services;
    pools.requireFreeName(name);
    const id = newId<'pool'>();
    pools.insert(tx, { id, name, description, templateId: requireTemplate(services, tx, template), size, prestarted, cloudInit: cloudInit ? mergeCloudInit(undefined, cloudInit) : null, isDeleting: false, generation: 1, createdAt: clock.now() });
    return changed(services, tx, id);
  },
});

export const poolEdit = write<VmServices>()({
  id: 'pool.edit', method: 'PATCH', path: '/pools/{pool}', permission: 'pool.edit', status: 200, summary: 'Change a pool of VMs',
  input: PoolEditInput, output: PoolOutput,
  generation: ({ pools }, { pool }) => pools.require(pool).generation,
  prepare: (_services, _call, { cloudInit }) => safeWish(cloudInit ?? undefined),
  run(services, tx, { pool: ref, description, template, size, prestarted, cloudInit: given }, wish) {
    const { pools } = services;
    const row = requireAlive(services, ref);
    const templateId = template === undefined ? row.templateId : requireTemplate(services, tx, template);
    const cloudInit = wish ? mergeCloudInit(row.cloudInit ?? undefined, wish) : given === null ? null : row.cloudInit;
    pools.edit(tx, row, { templateId, description: description ?? row.description, size: size ?? row.size, prestarted: prestarted ?? row.prestarted, cloudInit });
    if (given !== undefined) tellMembers(services, tx, row.id, cloudInit);
    return changed(services, tx, row.id);
  },
});

/** From the next start of each on. */
function tellMembers({ pools, cloudInits }: VmServices, tx: Tx, poolId: string, cloudInit: CloudInit | null): void {
  for (const { vmId } of pools.members(poolId)) {
    if (cloudInit) cloudInits.set(tx, vmId, cloudInit);
    else cloudInits.remove(tx, vmId);
  }
}

export const poolDelete = write<VmServices>()({
  id: 'pool.delete', method: 'DELETE', path: '/pools/{pool}', permission: 'pool.delete', status: 200, summary: 'Delete a pool with its VMs',
  input: PoolRef, output: PoolOutput,
  generation: ({ pools }, { pool }) => pools.require(pool).generation,
  run(services, tx, { pool: ref }) {
    const { pools } = services;
    const row = requireAlive(services, ref);
    const held = membersOf(services, row).filter(({ member }) => member.userId !== null).map(({ vm }) => vm.name);
    if (held.length > 0) throw new Problem('in-use', `Somebody has VMs of the pool "${row.name}": ${held.join(', ')}. Make it no larger than 0 and wait until they are given back, or power them off.`);
    for (const { userId } of pools.requests(row.id)) pools.dropRequest(tx, row.id, userId);
    pools.edit(tx, row, { isDeleting: true });
    return changed(services, tx, row.id);
  },
});

export const poolTake = write<VmServices>()({
  id: 'pool.take', method: 'POST', path: '/pools/{pool}/take', permission: 'pool.use', status: 200, summary: 'Take a VM out of a pool, or wait for one',
  input: PoolRef, output: PoolOutput,
  run(services, tx, { pool: ref }) {
    const { pools, access } = services;
    const { actor } = tx.call;
    const row = requireAlive(services, ref);
    if (!access.isUser(actor.id)) throw new Problem('forbidden', `${actor.name} is no user who could have a VM. Sign in as one.`);
    if (!pools.members(row.id).some(({ userId }) => userId === actor.id)) {
      pools.ask(tx, row.id, actor.id);
      serve(services, tx, row);
    }
    return changed(services, tx, row.id);
  },
});

export const poolGiveBack = write<VmServices>()({
  id: 'pool.give-back', method: 'POST', path: '/pools/{pool}/give-back', permission: 'pool.use', status: 200, summary: 'Give the VM back, or wait no longer; what was written to it is dropped',
  input: PoolRef, output: PoolOutput,
  run(services, tx, { pool: ref }) {
    const { pools } = services;
    const row = pools.require(ref);
    pools.dropRequest(tx, row.id, tx.call.actor.id);
    const own = membersOf(services, row).find(({ member }) => member.userId === tx.call.actor.id);
    if (own) release(services, tx, own);
    return changed(services, tx, row.id);
  },
});

function requireAlive({ pools }: VmServices, ref: string): PoolRow {
  const row = pools.require(ref);
  if (row.isDeleting) throw new Problem('wrong-state', `The pool "${row.name}" is being deleted. Choose another one.`);
  return row;
}

/** Whoever makes a pool hands out what is in the template. */
function requireTemplate({ templates }: VmServices, { call: { actor } }: CallTx, ref: string): string {
  const row = templates.find(ref);
  if (!row || !actor.reach.on('template.read', { kind: 'template', id: row.id })) throw new Problem('not-found', `There is no template "${ref}". It may have been deleted or renamed.`, { errors: [{ path: 'template', message: 'There is no such template.' }] });
  requireOn(actor, 'template.use', { kind: 'template', id: row.id });
  return templates.requireFor('use', row.id).id;
}

function changed(services: VmServices, tx: CallTx, id: string): z.input<typeof PoolOutput> {
  tx.afterCommit(() => services.reconcilers.wake('vm.pools'));
  return shown(services, tx.call.actor, services.pools.require(id));
}

export const poolOperations: Operation<VmServices>[] = [poolList, poolGet, poolCreate, poolEdit, poolDelete, poolTake, poolGiveBack] as Operation<VmServices>[]; // each record was checked where it was made
