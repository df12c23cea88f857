/** The verbs of users: see, make, change and delete them. Somebody who may sign in as administrator is always left. */
import * as z from 'zod';
import { read, write } from '../core/operation.ts';
import { Problem } from '../core/problem.ts';
import { requireNotAbove, requireOwn } from './guard.ts';
import { hashPassword, unmatchableHash } from './password.ts';
import type { People, UserRow } from './people.ts';
import { UserCreateInput, UserEditInput, UserInput, UserOutput, UserPage } from './schema.ts';
import type { AuthServices } from './services.ts';

export const fullName = (name: string) => (name.includes('@') ? name : `${name}@internal`);

export function showUser({ people, groups, signIns, factors }: AuthServices, user: UserRow): z.input<typeof UserOutput> {
  const { id, name, roles, createdAt, generation } = user;
  const until = signIns.lockedUntil(id);
  return { id, name, roles, groups: groups.of(id).map((group) => group.name), hasPassword: people.hasPassword(user), hasTotp: factors.isOn(id), isLocked: until !== undefined, lockedUntil: until === undefined || until === Number.POSITIVE_INFINITY ? null : until, createdAt, generation };
}

export function requireUser(people: People, ref: string): UserRow {
  const user = people.userById(ref) ?? people.userByName(fullName(ref));
  if (!user) throw new Problem('not-found', `There is no user "${ref}".`);
  return user;
}

/** The hash to keep; `undefined` when none was given. */
async function wantedHash({ password, passwordHash }: { password?: string | undefined; passwordHash?: string | undefined }): Promise<string | undefined> {
  return password === undefined ? passwordHash : hashPassword(password);
}

function requireOther(people: People, user: UserRow): void {
  if (people.hasAdministrator() && !people.hasAdministrator(user.id)) throw new Problem('in-use', `${user.name} is the only administrator who can sign in. Make another one first.`);
}

export const userList = read<AuthServices>()({
  id: 'user.list', method: 'GET', path: '/users', permission: 'user.read', summary: 'List users',
  input: z.object({}), output: UserPage,
  run: (services) => ({ items: services.people.users().map((user) => showUser(services, user)), next: null }),
});

export const userGet = read<AuthServices>()({
  id: 'user.get', method: 'GET', path: '/users/{user}', permission: 'user.read', summary: 'Show a user',
  input: UserInput, output: UserOutput,
  run: (services, _call, { user }) => showUser(services, requireUser(services.people, user)),
});

export const userCreate = write<AuthServices>()({
  id: 'user.create', method: 'POST', path: '/users', permission: 'user.edit', status: 201, summary: 'Create a user',
  input: UserCreateInput, output: UserOutput,
  async prepare({ signIns }, _call, input) {
    if (input.password !== undefined) signIns.requireGood(input.password, fullName(input.name));
    return { hash: await wantedHash(input) };
  },
  run(services, tx, { name: given, roles }, { hash }) {
    const { people } = services;
    services.roles.requireAll(roles, 'roles');
    requireOwn(tx.call.actor, services.roles.permissionsOf(roles));
    const name = fullName(given);
    if (people.userByName(name)) throw new Problem('name-taken', `There is already a user "${name}". Choose another name.`, { errors: [{ path: 'name', message: 'This name is taken.' }] });
    const user = people.addUser(tx, { name, roles, passwordHash: hash ?? unmatchableHash });
    if (people.hasAdministrator()) people.dropSetupCode(tx);
    return showUser(services, user);
  },
});

export const userEdit = write<AuthServices>()({
  id: 'user.edit', method: 'PATCH', path: '/users/{user}', permission: 'user.edit', status: 200, summary: 'Change the roles or the password of a user',
  input: UserEditInput, output: UserOutput,
  generation: ({ people }, { user }) => requireUser(people, user).generation,
  async prepare({ people, signIns }, _call, input) {
    if (input.password !== undefined) signIns.requireGood(input.password, requireUser(people, input.user).name);
    return { hash: await wantedHash(input) };
  },
  run(services, tx, { user: ref, roles }, { hash }) {
    const { people } = services;
    const user = requireUser(people, ref);
    requireNotAbove(people, tx.call.actor, user);
    if (roles) {
      services.roles.requireAll(roles, 'roles');
      requireOwn(tx.call.actor, services.roles.permissionsOf(roles));
    }
    if (roles && !roles.includes('administrator')) requireOther(people, user);
    const after = roles ? people.setRoles(tx, user, roles) : user;
    const last = hash === undefined ? after : people.setPassword(tx, after, hash, tx.call.actor.credential);
    if (hash !== undefined) services.signIns.clear(tx, user);
    if (people.hasAdministrator()) people.dropSetupCode(tx);
    return showUser(services, last);
  },
});

export const userDelete = write<AuthServices>()({
  id: 'user.delete', method: 'DELETE', path: '/users/{user}', permission: 'user.edit', status: 204, summary: 'Delete a user with their sessions and tokens',
  input: UserInput, output: z.null(),
  generation: ({ people }, { user }) => requireUser(people, user).generation,
  run({ people }, tx, { user: ref }) {
    const user = requireUser(people, ref);
    requireNotAbove(people, tx.call.actor, user);
    requireOther(people, user);
    people.removeUser(tx, user);
    return null;
  },
});

export const userOperations = [userList, userGet, userCreate, userEdit, userDelete];
