/** Local groups: what a group holds, all its members hold. */
import { asc, eq, inArray, or } from 'drizzle-orm';
import type { Tx } from '../core/db.ts';
import { newId } from '../core/id.ts';
import { Problem } from '../core/problem.ts';
import type { Core } from '../core/services.ts';
import { groupTable, memberTable, userTable } from './table.ts';

export type GroupRow = typeof groupTable.$inferSelect;
export type Groups = ReturnType<typeof createGroups>;

interface Wish {
  description?: string | undefined;
  roles?: string[] | undefined;
  /** Ids of users. */
  members?: string[] | undefined;
}

export function createGroups({ database, journal, clock }: Core) {
  const { sql: db } = database;
  const find = (ref: string) => db.select().from(groupTable).where(or(eq(groupTable.id, ref), eq(groupTable.name, ref))).get();
  const memberIds = (groupId: string) => db.select({ id: memberTable.userId }).from(memberTable).where(eq(memberTable.groupId, groupId)).all().map(({ id }) => id);
  const setMembers = (tx: Tx, groupId: string, members: string[]) => {
    tx.sql.delete(memberTable).where(eq(memberTable.groupId, groupId)).run();
    for (const userId of new Set(members)) tx.sql.insert(memberTable).values({ groupId, userId }).run();
  };
  const tell = (tx: Tx, row: GroupRow, what: 'created' | 'updated') => journal.site(tx, { kind: 'group', id: row.id, what, after: { ...row, members: memberIds(row.id) } });
  return {
    find, memberIds,
    require(ref: string): GroupRow {
      const group = find(ref);
      if (!group) throw new Problem('not-found', `There is no group "${ref}".`);
      return group;
    },
    all: (): GroupRow[] => db.select().from(groupTable).orderBy(asc(groupTable.name)).all(),
    /** Of the user with that id. */
    of: (userId: string): GroupRow[] => db.select().from(groupTable)
      .where(inArray(groupTable.id, db.select({ id: memberTable.groupId }).from(memberTable).where(eq(memberTable.userId, userId)))).all(),
    memberNames: (groupId: string): string[] => db.select({ name: userTable.name }).from(userTable).innerJoin(memberTable, eq(memberTable.userId, userTable.id))
      .where(eq(memberTable.groupId, groupId)).orderBy(asc(userTable.name)).all().map(({ name }) => name),
    insert(tx: Tx, name: string, { description = '', roles = [], members = [] }: Wish): GroupRow {
      const row = { id: newId<'group'>(), name, description, roles, generation: 1, createdAt: clock.now() };
      tx.sql.insert(groupTable).values(row).run();
      setMembers(tx, row.id, members);
      tell(tx, row, 'created');
      return row;
    },
    update(tx: Tx, row: GroupRow, { description = row.description, roles = row.roles, members }: Wish): GroupRow {
      const after = { ...row, description, roles, generation: row.generation + 1 };
      tx.sql.update(groupTable).set(after).where(eq(groupTable.id, row.id)).run();
      if (members) setMembers(tx, row.id, members);
      tell(tx, after, 'updated');
      return after;
    },
    remove(tx: Tx, row: GroupRow): void {
      tx.sql.delete(groupTable).where(eq(groupTable.id, row.id)).run();
      journal.site(tx, { kind: 'group', id: row.id, what: 'deleted', after: null });
    },
  };
}
