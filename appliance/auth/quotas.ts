/**
 * Quotas: how much the VMs, disks and snapshots of a user, or of all members of a group together, may take.
 *
 * A thing counts for the user who made it. What it takes is read from its row as the journal gets it, in the very transaction that makes or
 * changes it: whichever verb that is, it cannot pass by, and of two at once the second sees what the first took. A verb whose growth is
 * carried out later by a task says so beforehand (`take`); tasks themselves are never refused.
 */
import { eq, inArray, or } from 'drizzle-orm';
import type { Tx } from '../core/db.ts';
import { newId } from '../core/id.ts';
import type { ObjectRef } from '../core/objects.ts';
import type { Call } from '../core/operation.ts';
import { Problem } from '../core/problem.ts';
import type { Core } from '../core/services.ts';
import type { SiteChange } from '../core/table.ts';
import { type ChargeRow, createLedger, type QuotaHolder } from './quota-ledger.ts';
import { type Amounts, amountsOf, nothing, overParts, quotaKinds, refusal, refusedParts } from './quota-rules.ts';
import { groupTable, memberTable, quotaTable, userTable } from './table.ts';

export type QuotaRow = typeof quotaTable.$inferSelect;
export type QuotaWish = Pick<QuotaRow, 'mode' | 'vcpus' | 'memoryBytes' | 'diskBytes' | 'gracePercent'>;
export type Quotas = ReturnType<typeof createQuotas>;

/** Called in the transaction in which it may have become so. */
export type QuotaListener = (tx: Tx, state: { holder: ObjectRef & { name: string }; isOver: boolean }) => void;

/** The call of the request whose transaction it is; none for a task or a reconciler. */
const callOf = (tx: Tx): Call | undefined => (tx as Tx & { call?: Call }).call; // the transaction of an operation carries it

export function createQuotas(core: Core) {
  const { journal, clock } = core;
  const ledger = createLedger(core);
  const listeners: QuotaListener[] = [];
  const reader = createReader(core);
  const tell = (tx: Tx, quota: QuotaRow, isOver = overParts(quota, ledger.used(quota)).length > 0) => {
    const holder = { kind: quota.userId === null ? 'group' : 'user', id: quota.userId ?? quota.groupId ?? '', name: reader.holderName(quota) };
    for (const listener of listeners) listener(tx, { holder, isOver });
  };
  const put = (tx: Tx, row: ChargeRow, before: Amounts) => {
    ledger.put(tx, row);
    for (const quota of reader.ofUser(row.userId)) {
      if (callOf(tx)) requireWithin(quota, { name: reader.holderName(quota), used: ledger.used(quota), growth: minus(row, before) });
      tell(tx, quota);
    }
  };
  const drop = (tx: Tx, row: ChargeRow) => {
    ledger.drop(tx, row);
    for (const quota of reader.ofUser(row.userId)) tell(tx, quota);
  };
  const follow = (tx: Tx, { kind, id, what, after }: SiteChange) => {
    if (kind === 'group') for (const quota of reader.ofGroup(id)) tell(tx, quota);
    if (!quotaKinds.has(kind)) return;
    const known = ledger.find({ kind, id });
    if (what === 'deleted') return known && drop(tx, known);
    const amounts = amountsOf(kind, after);
    const userId = known?.userId ?? (what === 'created' ? callOf(tx)?.actor.id : undefined);
    if (amounts && userId !== undefined && ledger.isUser(userId)) put(tx, { kind, objectId: id, userId, ...amounts }, known ?? nothing);
  };
  journal.onSite(follow);
  const note = (tx: Tx, row: QuotaRow, what: SiteChange['what']) => {
    journal.site(tx, { kind: 'quota', id: row.id, what, after: what === 'deleted' ? null : { name: reader.holderName(row), ...row } });
    tell(tx, row, what === 'deleted' ? false : undefined);
    return row;
  };
  return {
    ...reader,
    used: ledger.used,
    insert(tx: Tx, holder: QuotaHolder, wish: QuotaWish): QuotaRow {
      return note(tx, tx.sql.insert(quotaTable).values({ id: newId<'quota'>(), ...holder, ...wish, generation: 1, createdAt: clock.now() }).returning().get(), 'created');
    },
    update(tx: Tx, row: QuotaRow, wish: Partial<QuotaWish>): QuotaRow {
      return note(tx, tx.sql.update(quotaTable).set({ ...wish, generation: row.generation + 1 }).where(eq(quotaTable.id, row.id)).returning().get() ?? row, 'updated');
    },
    remove(tx: Tx, row: QuotaRow): void {
      tx.sql.delete(quotaTable).where(eq(quotaTable.id, row.id)).run();
      note(tx, row, 'deleted');
    },
    /** What a task is about to make of a thing that is there: refused now, or counted from now on. */
    take(tx: Tx, object: ObjectRef, amounts: Partial<Amounts>): void {
      const known = ledger.find(object);
      if (known) put(tx, { ...known, ...amounts }, known);
    },
    onChange: (listener: QuotaListener) => void listeners.push(listener),
  };
}

function createReader({ database: { sql: db } }: Core) {
  const groupsOf = (userId: string) => db.select({ id: memberTable.groupId }).from(memberTable).where(eq(memberTable.userId, userId));
  return {
    all: (): QuotaRow[] => db.select().from(quotaTable).all(),
    find: (id: string): QuotaRow | undefined => db.select().from(quotaTable).where(eq(quotaTable.id, id)).get(),
    /** Those that hold for a user: the own one, and those of the groups. */
    ofUser: (userId: string): QuotaRow[] => db.select().from(quotaTable).where(or(eq(quotaTable.userId, userId), inArray(quotaTable.groupId, groupsOf(userId)))).all(),
    ofGroup: (groupId: string): QuotaRow[] => db.select().from(quotaTable).where(eq(quotaTable.groupId, groupId)).all(),
    holderName({ userId, groupId }: QuotaHolder): string {
      const user = userId === null ? undefined : db.select({ name: userTable.name }).from(userTable).where(eq(userTable.id, userId)).get();
      return (user ?? db.select({ name: groupTable.name }).from(groupTable).where(eq(groupTable.id, groupId ?? '')).get())?.name ?? '';
    },
  };
}

const minus = (left: Amounts, right: Amounts): Amounts => ({ vcpus: left.vcpus - right.vcpus, memoryBytes: left.memoryBytes - right.memoryBytes, diskBytes: left.diskBytes - right.diskBytes });

function requireWithin(quota: QuotaRow, { name, used, growth }: { name: string; used: Amounts; growth: Amounts }): void {
  const parts = refusedParts(quota, { used, growth });
  if (parts.length === 0) return;
  const reasons = parts.map((part) => refusal(part, { limit: quota[part] ?? 0, used: used[part], growth: growth[part], gracePercent: quota.gracePercent }));
  const errors = parts.flatMap((part) => (part === 'diskBytes' ? [] : [{ path: part, message: 'More than the quota has left.' }]));
  throw new Problem('over-quota', `The quota of ${name} ${reasons.join('. It ')}. Delete what is no longer needed, or ask an administrator for more.`, errors.length > 0 ? { errors } : {});
}
