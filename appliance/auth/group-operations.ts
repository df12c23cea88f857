/** The verbs of groups: see, make, change and delete them. Who joins a group gets what it holds. */
import * as z from 'zod';
import { type Actor, read, write } from '../core/operation.ts';
import { Problem } from '../core/problem.ts';
import type { GroupRow } from './groups.ts';
import { requireOwn } from './guard.ts';
import { GroupCreateInput, GroupEditInput, GroupInput, GroupOutput, GroupPage } from './schema.ts';
import type { AuthServices } from './services.ts';
import { fullName } from './user-operations.ts';

function showGroup({ groups }: AuthServices, { id, name, description, roles, createdAt, generation }: GroupRow): z.input<typeof GroupOutput> {
  return { id, name, description, roles, members: groups.memberNames(id), createdAt, generation };
}

function memberIds({ people }: AuthServices, names: readonly string[] | undefined): string[] | undefined {
  return names?.map((name, index) => {
    const user = people.userById(name) ?? people.userByName(fullName(name));
    if (!user) throw new Problem('invalid-input', `There is no user "${name}".`, { errors: [{ path: `members.${index}`, message: 'There is no such user.' }] });
    return user.id;
  });
}

/** What its members hold by it, on everything or on single things. */
function requireOwnAll(services: AuthServices, actor: Actor, group: GroupRow | undefined, roles: readonly string[]): void {
  requireOwn(actor, services.roles.permissionsOf([...roles, ...(group?.roles ?? []), ...(group ? services.assignments.rolesOfGroup(group.id) : [])]));
}

export const groupList = read<AuthServices>()({
  id: 'group.list', method: 'GET', path: '/groups', permission: 'user.read', summary: 'List groups',
  input: z.object({}), output: GroupPage,
  run: (services) => ({ items: services.groups.all().map((group) => showGroup(services, group)), next: null }),
});

export const groupGet = read<AuthServices>()({
  id: 'group.get', method: 'GET', path: '/groups/{group}', permission: 'user.read', summary: 'Show a group',
  input: GroupInput, output: GroupOutput,
  run: (services, _call, { group }) => showGroup(services, services.groups.require(group)),
});

export const groupCreate = write<AuthServices>()({
  id: 'group.create', method: 'POST', path: '/groups', permission: 'user.edit', status: 201, summary: 'Create a group of users',
  input: GroupCreateInput, output: GroupOutput,
  run(services, tx, { name, description, roles, members }) {
    if (services.groups.find(name)) throw new Problem('name-taken', `There is already a group "${name}". Choose another name.`, { errors: [{ path: 'name', message: 'This name is taken.' }] });
    services.roles.requireAll(roles, 'roles');
    requireOwnAll(services, tx.call.actor, undefined, roles);
    return showGroup(services, services.groups.insert(tx, name, { description, roles, members: memberIds(services, members) }));
  },
});

export const groupEdit = write<AuthServices>()({
  id: 'group.edit', method: 'PATCH', path: '/groups/{group}', permission: 'user.edit', status: 200, summary: 'Change the members or the roles of a group',
  input: GroupEditInput, output: GroupOutput,
  generation: ({ groups }, { group }) => groups.require(group).generation,
  run(services, tx, { group: ref, description, roles, members }) {
    const group = services.groups.require(ref);
    services.roles.requireAll(roles ?? [], 'roles');
    requireOwnAll(services, tx.call.actor, group, roles ?? []);
    return showGroup(services, services.groups.update(tx, group, { description, roles, members: memberIds(services, members) }));
  },
});

export const groupDelete = write<AuthServices>()({
  id: 'group.delete', method: 'DELETE', path: '/groups/{group}', permission: 'user.edit', status: 204, summary: 'Delete a group; its members lose what they held by it',
  input: GroupInput, output: z.null(),
  generation: ({ groups }, { group }) => groups.require(group).generation,
  run(services, tx, { group: ref }) {
    const group = services.groups.require(ref);
    requireOwnAll(services, tx.call.actor, group, []);
    services.groups.remove(tx, group);
    return null;
  },
});

export const groupOperations = [groupList, groupGet, groupCreate, groupEdit, groupDelete];
