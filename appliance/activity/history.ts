/**
 * Keeps history bounded: ended tasks, events, the audit trail, kept answers and the changes of the configuration. Nobody is told of what is pruned, it is old.
 *
 * Works in small bites, because the database is synchronous: a bite of 500 rows holds the process up for some milliseconds.
 */
import { and, desc, inArray, isNotNull, lt, or, sql } from 'drizzle-orm';
import type { Clock } from '../core/clock.ts';
import type { Database, Sql } from '../core/db.ts';
import { idempotencyTable, taskTable } from '../core/table.ts';
import { forgetEntries, forgetRows, lastForgotten } from './config-prune.ts';
import type { WantedHistory } from './history-settings.ts';
import { auditTable, eventTable } from './table.ts';

const dayMs = 86_400_000;

/** How old and how many at most, where people have no say. */
export const bounds = {
  tasks: { ageMs: 90 * dayMs, rows: 5_000 },
  audit: { rows: 100_000 },
  answers: { ageMs: dayMs },
} as const;

export type Kept = Pick<WantedHistory, 'eventDays' | 'mostEvents' | 'auditDays' | 'configDays' | 'mostConfigChanges'>;

const biteRows = 500;

type Bite = (sql: Sql, now: number, kept: Kept) => number;

const pruneTasks: Bite = (db, now) => {
  const { ageMs, rows } = bounds.tasks;
  const beyond = db.select({ endedAt: taskTable.endedAt }).from(taskTable).where(isNotNull(taskTable.endedAt)).orderBy(desc(taskTable.endedAt)).limit(1).offset(rows).get();
  const oldest = Math.max(now - ageMs, beyond?.endedAt == null ? 0 : beyond.endedAt + 1);
  const ids = db.select({ id: taskTable.id }).from(taskTable).where(lt(taskTable.endedAt, oldest)).limit(biteRows);
  return db.delete(taskTable).where(inArray(taskTable.id, ids)).run().changes;
};

/** Ids grow with time, so "beyond the newest N" is "below the largest id minus N". */
const pruneEvents: Bite = (db, now, { eventDays, mostEvents }) => {
  const newest = db.select({ id: sql<number>`coalesce(max(${eventTable.id}), 0)` }).from(eventTable).get()?.id ?? 0;
  const isOld = or(lt(eventTable.lastAt, now - eventDays * dayMs), lt(eventTable.id, newest - mostEvents + 1));
  const isOver = or(sql`not ${eventTable.isStanding}`, isNotNull(eventTable.endedAt));
  const ids = db.select({ id: eventTable.id }).from(eventTable).where(and(isOld, isOver)).limit(biteRows);
  return db.delete(eventTable).where(inArray(eventTable.id, ids)).run().changes;
};

const pruneAudit: Bite = (db, now, { auditDays }) => {
  const newest = db.select({ id: sql<number>`coalesce(max(${auditTable.id}), 0)` }).from(auditTable).get()?.id ?? 0;
  const ids = db.select({ id: auditTable.id }).from(auditTable)
    .where(or(lt(auditTable.at, now - auditDays * dayMs), lt(auditTable.id, newest - bounds.audit.rows + 1))).limit(biteRows);
  return db.delete(auditTable).where(inArray(auditTable.id, ids)).run().changes;
};

const pruneAnswers: Bite = (db, now) => db.delete(idempotencyTable).where(lt(idempotencyTable.at, now - bounds.answers.ageMs)).run().changes;

const pruneEntries: Bite = (db, now, kept) => forgetEntries(db, lastForgotten(db, now, kept), biteRows);
const pruneChanges: Bite = (db, now, kept) => forgetRows(db, lastForgotten(db, now, kept), biteRows);

export async function pruneHistory({ database, clock }: { database: Database; clock: Clock }, kept: Kept, signal: AbortSignal): Promise<void> {
  for (const bite of [pruneTasks, pruneEvents, pruneAudit, pruneAnswers, pruneEntries, pruneChanges]) {
    for (let removed = biteRows; removed >= biteRows; ) {
      removed = database.write({ actor: 'system', operation: 'history' }, (tx) => bite(tx.sql, clock.now(), kept));
      await clock.sleep(1, signal);
    }
  }
}
