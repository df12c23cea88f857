/**
 * Roles on single things: the rows, and what follows from changes of the things themselves. Who makes a VM or a disk without holding as
 * much on all of them becomes its owner in the same commit; what is deleted takes its assignments along.
 */
import { and, asc, eq, type SQL } from 'drizzle-orm';
import type { Tx } from '../core/db.ts';
import { newId } from '../core/id.ts';
import type { SiteChange } from '../core/table.ts';
import type { ObjectRef } from '../core/objects.ts';
import type { Actor, Call } from '../core/operation.ts';
import type { Core } from '../core/services.ts';
import { type ObjectKindName, objectKinds, ownerRoles } from './rules.ts';
import { assignmentTable, groupTable, userTable } from './table.ts';

export type AssignmentRow = typeof assignmentTable.$inferSelect;
export type Assignments = ReturnType<typeof createAssignments>;
export type Holder = { userId: string; groupId: null } | { userId: null; groupId: string };
export type NewAssignment = Holder & { role: string; kind: ObjectKindName; objectId: string };

export function createAssignments({ database, journal, clock }: Core) {
  const { sql: db } = database;
  const holderIs = ({ userId, groupId }: Holder) => (userId === null ? eq(assignmentTable.groupId, groupId) : eq(assignmentTable.userId, userId));
  const find = (wish: NewAssignment) => db.select().from(assignmentTable)
    .where(and(holderIs(wish), eq(assignmentTable.kind, wish.kind), eq(assignmentTable.objectId, wish.objectId), eq(assignmentTable.role, wish.role))).get();
  const insert = (tx: Tx, wish: NewAssignment): AssignmentRow => {
    const row = { id: newId<'assignment'>(), ...wish, createdAt: clock.now() };
    tx.sql.insert(assignmentTable).values(row).run();
    journal.site(tx, { kind: 'assignment', id: row.id, what: 'created', after: row });
    return row;
  };
  const remove = (tx: Tx, { id }: AssignmentRow) => {
    tx.sql.delete(assignmentTable).where(eq(assignmentTable.id, id)).run();
    journal.site(tx, { kind: 'assignment', id, what: 'deleted', after: null });
  };
  const on = ({ kind, id }: ObjectRef) => and(eq(assignmentTable.kind, kind as ObjectKindName), eq(assignmentTable.objectId, id));

  journal.onSite((tx, change) => {
    if (!isObjectKind(change.kind)) return;
    if (change.what === 'deleted') for (const row of tx.sql.select().from(assignmentTable).where(on(change)).all()) remove(tx, row);
    const owner = change.what === 'created' ? newOwner(tx, change) : undefined;
    if (owner && tx.sql.select({ id: userTable.id }).from(userTable).where(eq(userTable.id, owner.actor.id)).get()) {
      insert(tx, { userId: owner.actor.id, groupId: null, role: owner.role, kind: change.kind as ObjectKindName, objectId: change.id });
    }
  });

  return {
    find, insert, remove,
    /** Who may see the thing learns that something about it is otherwise: a page of it fetches itself again. */
    tell: (tx: Tx, { kind, objectId }: AssignmentRow) => journal.observed(tx, { kind, id: objectId, what: 'updated' }),
    byId: (id: string) => db.select().from(assignmentTable).where(eq(assignmentTable.id, id)).get(),
    /** With the names of who holds them, in the order in which they were made. */
    list: (condition: SQL | undefined) => db.select({ assignment: assignmentTable, user: userTable.name, group: groupTable.name }).from(assignmentTable)
      .leftJoin(userTable, eq(userTable.id, assignmentTable.userId)).leftJoin(groupTable, eq(groupTable.id, assignmentTable.groupId))
      .where(condition).orderBy(asc(assignmentTable.createdAt), asc(assignmentTable.id)).all(),
    rolesOfGroup: (groupId: string): string[] => db.selectDistinct({ role: assignmentTable.role }).from(assignmentTable).where(eq(assignmentTable.groupId, groupId)).all().map(({ role }) => role),
  };
}

const isObjectKind = (kind: string): kind is ObjectKindName => (objectKinds as readonly string[]).includes(kind);

/** What was made by a request belongs to who made it. */
function newOwner(tx: Tx, { kind }: SiteChange): { actor: Actor; role: string } | undefined {
  const { actor } = (tx as Tx & { call?: Call }).call ?? {}; // the transaction of an operation carries its call
  const role = ownerRoles[kind];
  return actor && role && !actor.permissions.has(`${kind}.edit`) ? { actor, role } : undefined;
}
