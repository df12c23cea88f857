/** Nobody gives what they do not have, nor takes over whom may do more: the checks behind users, groups, roles and tokens. */
import type { ObjectRef } from '../core/objects.ts';
import type { Actor } from '../core/operation.ts';
import { Problem } from '../core/problem.ts';
import type { People, UserRow } from './people.ts';
import { appliesTo, type ObjectKindName, type Permission } from './rules.ts';

/** Throws `forbidden` unless the actor holds all of `wanted` on the whole appliance. */
export function requireOwn(actor: Actor, wanted: Iterable<string>): void {
  const beyond = [...wanted].filter((permission) => permission !== 'self.edit' && !actor.permissions.has(permission));
  if (beyond.length > 0) throw new Problem('forbidden', `You may not give what you do not have: ${beyond.join(', ')}.`);
}

/** The same for one thing; what cannot be held there does not count. */
export function requireOwnOn(actor: Actor, wanted: Iterable<Permission>, object: ObjectRef): void {
  const beyond = [...wanted].filter((permission) => appliesTo(permission, object.kind as ObjectKindName) && !actor.reach.on(permission, object));
  if (beyond.length > 0) throw new Problem('forbidden', `You may not give what you do not have on it: ${beyond.join(', ')}.`);
}

/** Whose password one sets, one can be. */
export function requireNotAbove(people: People, actor: Actor, user: UserRow): void {
  if (actor.id === user.id) return;
  const { permissions } = people.rightsOf(user, null);
  const beyond = [...permissions].filter((permission) => permission !== 'self.edit' && !actor.permissions.has(permission));
  if (beyond.length > 0) throw new Problem('forbidden', `${user.name} may do more than you. Ask an administrator.`);
}
