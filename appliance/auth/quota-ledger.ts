/** What counts for whom: one row for each VM, disk and snapshot that a user has made, with what it takes. It follows from the journal of the things themselves. */
import { and, eq, inArray, sql } from 'drizzle-orm';
import type { Tx } from '../core/db.ts';
import type { ObjectRef } from '../core/objects.ts';
import type { Core } from '../core/services.ts';
import { type Amounts, nothing } from './quota-rules.ts';
import { memberTable, quotaChargeTable, userTable } from './table.ts';

export type ChargeRow = typeof quotaChargeTable.$inferSelect;

/** Whose limits are meant: a user's, or those of all members of a group together. */
export interface QuotaHolder {
  userId: string | null;
  groupId: string | null;
}

export function createLedger({ database: { sql: db } }: Pick<Core, 'database'>) {
  const { kind, objectId, userId: payer, vcpus, memoryBytes, diskBytes } = quotaChargeTable;
  const sum = (column: typeof vcpus | typeof memoryBytes | typeof diskBytes) => sql<number>`coalesce(sum(${column}), 0)`;
  const is = (object: ObjectRef) => and(eq(kind, object.kind), eq(objectId, object.id));
  return {
    find: (object: ObjectRef): ChargeRow | undefined => db.select().from(quotaChargeTable).where(is(object)).get(),
    isUser: (id: string): boolean => db.select({ id: userTable.id }).from(userTable).where(eq(userTable.id, id)).get() !== undefined,
    put(tx: Tx, row: ChargeRow): void {
      tx.sql.insert(quotaChargeTable).values(row).onConflictDoUpdate({ target: [kind, objectId], set: row }).run();
    },
    drop: (tx: Tx, row: ChargeRow): void => void tx.sql.delete(quotaChargeTable).where(is({ kind: row.kind, id: row.objectId })).run(),
    used({ userId, groupId }: QuotaHolder): Amounts {
      const members = db.select({ id: memberTable.userId }).from(memberTable).where(eq(memberTable.groupId, groupId ?? ''));
      return db.select({ vcpus: sum(vcpus), memoryBytes: sum(memoryBytes), diskBytes: sum(diskBytes) }).from(quotaChargeTable)
        .where(userId === null ? inArray(payer, members) : eq(payer, userId)).get() ?? nothing;
    },
  };
}
