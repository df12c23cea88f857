/**
 * The verbs of roles on single things. Who holds `access.edit` on a thing gives others what they hold on it themselves, and no more;
 * to whom may not see it, it is not there.
 */
import { and, eq, or, type SQL } from 'drizzle-orm';
import * as z from 'zod';
import type { ObjectRef } from '../core/objects.ts';
import { type Actor, read, write } from '../core/operation.ts';
import { Problem } from '../core/problem.ts';
import type { AssignmentRow, Holder } from './assignments.ts';
import { requireOwnOn } from './guard.ts';
import { appliesTo, type ObjectKindName, readPermissionOf } from './rules.ts';
import { AssignmentCreateInput, AssignmentInput, AssignmentListInput, AssignmentOutput, AssignmentPage } from './schema.ts';
import type { AuthServices } from './services.ts';
import { assignmentTable } from './table.ts';
import { fullName } from './user-operations.ts';

type Shown = z.input<typeof AssignmentOutput>;

function showAssignment({ objects }: AuthServices, { assignment, user, group }: { assignment: AssignmentRow; user: string | null; group: string | null }): Shown {
  const { id, role, kind, objectId, createdAt } = assignment;
  return { id, user, group, role, kind, objectId, object: objects.nameOf({ kind, id: objectId }) ?? objectId, createdAt };
}

const words: Record<ObjectKindName, string> = { vm: 'VM', template: 'template', pool: 'pool', disk: 'disk', 'storage-domain': 'storage domain', network: 'network' };

/** The thing on which the actor may give roles. */
function requireObject({ objects }: AuthServices, actor: Actor, kind: ObjectKindName, ref: string): ObjectRef {
  const id = objects.find(kind, ref);
  if (id === undefined || !actor.reach.on(readPermissionOf[kind], { kind, id })) {
    throw new Problem('not-found', `There is no ${words[kind]} "${ref}". It may have been deleted or renamed.`, { errors: [{ path: 'object', message: 'There is no such thing.' }] });
  }
  if (!actor.reach.on('access.edit', { kind, id })) throw new Problem('forbidden', `${actor.name} may not give roles on it: it needs the permission "access.edit" there.`);
  return { kind, id };
}

export function holderOf({ people, groups }: AuthServices, { user: userRef, group: groupRef }: { user?: string | undefined; group?: string | undefined }): Holder {
  if (userRef !== undefined) {
    const user = people.userById(userRef) ?? people.userByName(fullName(userRef));
    if (!user) throw new Problem('invalid-input', `There is no user "${userRef}".`, { errors: [{ path: 'user', message: 'There is no such user.' }] });
    return { userId: user.id, groupId: null };
  }
  const group = groupRef === undefined ? undefined : groups.find(groupRef);
  if (!group) throw new Problem('invalid-input', `There is no group "${groupRef}".`, { errors: [{ path: 'group', message: 'There is no such group.' }] });
  return { userId: null, groupId: group.id };
}

export const assignmentList = read<AuthServices>()({
  id: 'assignment.list', method: 'GET', path: '/assignments', permission: 'access.read', scope: 'each', summary: 'List who holds which role on which thing',
  input: AssignmentListInput, output: AssignmentPage,
  run(services, { actor }, { kind, object }) {
    const id = kind !== undefined && object !== undefined ? (services.objects.find(kind, object) ?? object) : object;
    const filters: (SQL | undefined)[] = [kind && eq(assignmentTable.kind, kind), id === undefined ? undefined : eq(assignmentTable.objectId, id)];
    const visible = actor.reach.anyRows('access.read', assignmentTable.objectId);
    const condition = and(...filters, visible && or(visible, eq(assignmentTable.userId, actor.id)));
    return { items: services.assignments.list(condition).map((row) => showAssignment(services, row)), next: null };
  },
});

export const assignmentCreate = write<AuthServices>()({
  id: 'assignment.create', method: 'POST', path: '/assignments', permission: 'access.edit', scope: 'each', status: 201, summary: 'Give a user or a group a role on one thing',
  input: AssignmentCreateInput, output: AssignmentOutput,
  run(services, tx, { role, kind, object: ref, ...whom }) {
    const { assignments, roles } = services;
    const object = requireObject(services, tx.call.actor, kind, ref);
    roles.requireAll([role], 'role');
    const permissions = roles.permissionsOfRole(role);
    if (![...permissions].some((permission) => appliesTo(permission, kind))) {
      throw new Problem('invalid-input', `The role "${role}" allows nothing on a ${words[kind]}. Choose another one.`, { errors: [{ path: 'role', message: 'It allows nothing here.' }] });
    }
    requireOwnOn(tx.call.actor, permissions, object);
    const wish = { ...holderOf(services, whom), role, kind, objectId: object.id };
    const row = assignments.find(wish) ?? assignments.insert(tx, wish);
    assignments.tell(tx, row);
    const [made] = assignments.list(eq(assignmentTable.id, row.id));
    if (!made) throw new Error('what was just made is there');
    return showAssignment(services, made);
  },
});

export const assignmentDelete = write<AuthServices>()({
  id: 'assignment.delete', method: 'DELETE', path: '/assignments/{assignment}', permission: 'access.edit', scope: 'each', status: 204, summary: 'Take a role on one thing back',
  input: AssignmentInput, output: z.null(),
  run(services, tx, { assignment: id }) {
    const { actor } = tx.call;
    const row = services.assignments.byId(id);
    if (!row || !actor.reach.on('access.edit', { kind: row.kind, id: row.objectId })) throw new Problem('not-found', 'There is no such assignment; someone may have taken it back already.');
    requireOwnOn(actor, services.roles.permissionsOfRole(row.role), { kind: row.kind, id: row.objectId });
    services.assignments.remove(tx, row);
    services.assignments.tell(tx, row);
    return null;
  },
});

export const assignmentOperations = [assignmentList, assignmentCreate, assignmentDelete];
