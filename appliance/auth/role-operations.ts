/** The verbs of roles: see all, make own ones, change and delete those. The predefined ones stay as they are. */
import * as z from 'zod';
import { read, write } from '../core/operation.ts';
import { Problem } from '../core/problem.ts';
import { requireOwn } from './guard.ts';
import type { RoleRow } from './role-book.ts';
import { appliesTo, isPredefined, objectKinds, type Permission } from './rules.ts';
import { RoleCreateInput, RoleEditInput, RoleInput, RoleOutput, RolePage } from './schema.ts';
import type { AuthServices } from './services.ts';

const descriptions: Record<string, string> = {
  administrator: 'May do everything.',
  operator: 'Sees everything and operates all VMs, but changes nothing.',
  observer: 'Sees everything and changes nothing.',
  'vm-administrator': 'Makes, changes and operates all VMs, their disks and installation images.',
  'storage-administrator': 'Manages storage domains, disks and installation images.',
  'network-administrator': 'Manages networks.',
  'host-administrator': 'Manages the host: settings, power, updates.',
  'power-user': 'Makes own VMs and disks. What somebody makes, they own.',
  'vm-owner': 'Changes, operates and deletes a VM with its disks, and lets others use it.',
  'vm-user': 'Starts, stops and uses a VM.',
  'template-owner': 'Renames, describes, deletes and shares a template, and makes new versions and VMs from it.',
  'template-user': 'Makes VMs from a template.',
  'pool-owner': 'Changes, shares and deletes a pool, and sees and operates its VMs.',
  'pool-user': 'Takes a VM out of a pool and gives it back.',
  'disk-owner': 'Changes, fills and deletes a disk.',
  'disk-creator': 'Makes disks in a storage domain.',
  'network-user': 'Connects VMs to a network.',
};

function showRole({ roles }: AuthServices, name: string, row: RoleRow | undefined): z.input<typeof RoleOutput> {
  const permissions: Permission[] = [...roles.permissionsOfRole(name)];
  return {
    name, permissions, description: row?.description ?? descriptions[name] ?? '', isPredefined: isPredefined(name), generation: row?.generation ?? 1,
    kinds: objectKinds.filter((kind) => permissions.some((permission) => appliesTo(permission, kind))),
  };
}

function requireRole(services: AuthServices, name: string): { name: string; row: RoleRow | undefined } {
  const row = services.roles.find(name);
  if (!row && !isPredefined(name)) throw new Problem('not-found', `There is no role "${name}".`);
  return { name, row };
}

function requireOwnRole(services: AuthServices, name: string): RoleRow {
  const { row } = requireRole(services, name);
  if (!row) throw new Problem('wrong-state', `The role "${name}" is predefined and stays as it is. Make one of your own instead.`);
  return row;
}

/** Whoever may give roles on something must see what there is to give. */
export const roleList = read<AuthServices>()({
  id: 'role.list', method: 'GET', path: '/roles', permission: 'access.read', scope: 'each', summary: 'List roles and what they allow',
  input: z.object({}), output: RolePage,
  run: (services) => ({ items: services.roles.names().map((name) => showRole(services, name, services.roles.find(name))), next: null }),
});

export const roleGet = read<AuthServices>()({
  id: 'role.get', method: 'GET', path: '/roles/{role}', permission: 'access.read', scope: 'each', summary: 'Show a role and what it allows',
  input: RoleInput, output: RoleOutput,
  run(services, _call, { role }) {
    const { name, row } = requireRole(services, role);
    return showRole(services, name, row);
  },
});

export const roleCreate = write<AuthServices>()({
  id: 'role.create', method: 'POST', path: '/roles', permission: 'user.edit', status: 201, summary: 'Create a role',
  input: RoleCreateInput, output: RoleOutput,
  run(services, tx, { name, description, permissions }) {
    if (services.roles.names().includes(name)) throw new Problem('name-taken', `There is already a role "${name}". Choose another name.`, { errors: [{ path: 'name', message: 'This name is taken.' }] });
    requireOwn(tx.call.actor, permissions);
    return showRole(services, name, services.roles.insert(tx, { name, description, permissions }));
  },
});

export const roleEdit = write<AuthServices>()({
  id: 'role.edit', method: 'PATCH', path: '/roles/{role}', permission: 'user.edit', status: 200, summary: 'Change a role of your own making',
  input: RoleEditInput, output: RoleOutput,
  generation: (services, { role }) => requireRole(services, role).row?.generation,
  run(services, tx, { role, description, permissions }) {
    const row = requireOwnRole(services, role);
    requireOwn(tx.call.actor, [...row.permissions, ...(permissions ?? [])]);
    return showRole(services, role, services.roles.update(tx, row, { ...(description !== undefined && { description }), ...(permissions && { permissions }) }));
  },
});

export const roleDelete = write<AuthServices>()({
  id: 'role.delete', method: 'DELETE', path: '/roles/{role}', permission: 'user.edit', status: 204, summary: 'Delete a role that nobody holds',
  input: RoleInput, output: z.null(),
  run(services, tx, { role }) {
    const row = requireOwnRole(services, role);
    const holders = services.roles.holders(role);
    if (holders.length > 0) throw new Problem('in-use', `The role "${role}" is held by ${holders.slice(0, 5).join(', ')}${holders.length > 5 ? ` and ${holders.length - 5} more` : ''}. Take it from them first.`);
    services.roles.remove(tx, row);
    return null;
  },
});

export const roleOperations = [roleList, roleGet, roleCreate, roleEdit, roleDelete];
