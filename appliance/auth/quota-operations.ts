/** The verbs of quotas: see, set and take away how much somebody's VMs and disks may take; and everybody sees what is left of theirs. */
import * as z from 'zod';
import { read, write } from '../core/operation.ts';
import { Problem } from '../core/problem.ts';
import { holderOf } from './assignment-operations.ts';
import { overParts } from './quota-rules.ts';
import type { QuotaRow } from './quotas.ts';
import { QuotaCreateInput, QuotaEditInput, QuotaInput, type QuotaOutput, QuotaOutput as Output, QuotaPage } from './quota-schema.ts';
import type { AuthServices } from './services.ts';

function show({ quotas }: AuthServices, row: QuotaRow): z.input<typeof QuotaOutput> {
  const { id, userId, mode, gracePercent, vcpus, memoryBytes, diskBytes, generation, createdAt } = row;
  const [name, used] = [quotas.holderName(row), quotas.used(row)];
  return { id, user: userId === null ? null : name, group: userId === null ? name : null, mode, gracePercent, vcpus, memoryBytes, diskBytes, used, over: overParts(row, used), generation, createdAt };
}

function requireQuota({ quotas }: AuthServices, id: string): QuotaRow {
  const row = quotas.find(id);
  if (!row) throw new Problem('not-found', 'There is no such quota; someone may have taken it away already.');
  return row;
}

const byName = (left: z.input<typeof QuotaOutput>, right: z.input<typeof QuotaOutput>) => (left.group ?? left.user ?? '').localeCompare(right.group ?? right.user ?? '');

export const quotaList = read<AuthServices>()({
  id: 'quota.list', method: 'GET', path: '/quotas', permission: 'user.read', summary: 'List quotas, and how much of them is taken',
  input: z.object({}), output: QuotaPage,
  run: (services) => ({ items: services.quotas.all().map((row) => show(services, row)).sort(byName), next: null }),
});

export const quotaOwn = read<AuthServices>()({
  id: 'quota.own', method: 'GET', path: '/own-quotas', permission: 'self.edit', summary: 'Show how much one\'s own VMs and disks may take, and how much they take',
  input: z.object({}), output: QuotaPage,
  run: (services, { actor }) => ({ items: services.quotas.ofUser(actor.id).map((row) => show(services, row)).sort(byName), next: null }),
});

export const quotaCreate = write<AuthServices>()({
  id: 'quota.create', method: 'POST', path: '/quotas', permission: 'user.edit', status: 201, summary: 'Limit how much the VMs and disks of a user or a group may take',
  input: QuotaCreateInput, output: Output,
  run(services, tx, { user, group, ...wish }) {
    const holder = holderOf(services, { user, group });
    const isThere = services.quotas.all().some(({ userId, groupId }) => userId === holder.userId && groupId === holder.groupId);
    if (isThere) throw new Problem('name-taken', `${user ?? group} has a quota already. Change that one.`, { errors: [{ path: user === undefined ? 'group' : 'user', message: 'There is a quota already.' }] });
    return show(services, services.quotas.insert(tx, holder, wish));
  },
});

export const quotaEdit = write<AuthServices>()({
  id: 'quota.edit', method: 'PATCH', path: '/quotas/{quota}', permission: 'user.edit', status: 200, summary: 'Change a quota',
  input: QuotaEditInput, output: Output,
  generation: (services, { quota }) => requireQuota(services, quota).generation,
  run(services, tx, { quota, ...changes }) {
    const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
    return show(services, services.quotas.update(tx, requireQuota(services, quota), given));
  },
});

export const quotaDelete = write<AuthServices>()({
  id: 'quota.delete', method: 'DELETE', path: '/quotas/{quota}', permission: 'user.edit', status: 204, summary: 'Take a quota away: its holder is limited no longer',
  input: QuotaInput, output: z.null(),
  generation: (services, { quota }) => requireQuota(services, quota).generation,
  run(services, tx, { quota }) {
    services.quotas.remove(tx, requireQuota(services, quota));
    return null;
  },
});

export const quotaOperations = [quotaList, quotaOwn, quotaCreate, quotaEdit, quotaDelete];
