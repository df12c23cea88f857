/**
 * The history of the configuration stays bounded: what is older than people want goes, except the last state of each thing that lives, because
 * its next change is told beside it. Such states are not listed; lists and pruning have one boundary.
 */
import { and, desc, eq, inArray, lt, lte, notExists, or, sql } from 'drizzle-orm';
import { alias } from 'drizzle-orm/sqlite-core';
import type { Sql } from '../core/db.ts';
import { journalObjectTable, journalTable } from '../core/table.ts';
import type { WantedHistory } from './history-settings.ts';

const dayMs = 86_400_000;

/** Number of the newest entry of the journal that is beyond what is kept; 0 when there is none. */
export function lastForgotten(db: Sql, now: number, { configDays, mostConfigChanges }: Pick<WantedHistory, 'configDays' | 'mostConfigChanges'>): number {
  const newest = db.select({ seq: sql<number>`coalesce(max(${journalTable.seq}), 0)` }).from(journalTable).get()?.seq ?? 0;
  const old = db.select({ seq: journalTable.seq }).from(journalTable).where(lt(journalTable.at, now - configDays * dayMs)).orderBy(desc(journalTable.at), desc(journalTable.seq)).limit(1).get();
  return Math.max(0, newest - mostConfigChanges, old?.seq ?? 0);
}

/** What nothing refers to any more: a newer state that is old, too, or the end of the thing. */
export function forgetEntries(db: Sql, boundary: number, most: number): number {
  const newer = alias(journalObjectTable, 'newer');
  const isReplaced = db.select({ seq: newer.seq }).from(newer).where(and(eq(newer.objectId, journalObjectTable.objectId), eq(newer.kind, journalObjectTable.kind), sql`${newer.seq} > ${journalObjectTable.seq}`, lte(newer.seq, boundary)));
  const rowids = db.select({ rowid: sql`rowid` }).from(journalObjectTable)
    .where(and(lte(journalObjectTable.seq, boundary), or(eq(journalObjectTable.isGone, true), sql`exists ${isReplaced}`))).limit(most);
  return db.delete(journalObjectTable).where(inArray(sql`rowid`, rowids)).run().changes;
}

/** Rows of the journal that hold nothing but such. */
export function forgetRows(db: Sql, boundary: number, most: number): number {
  const entries = db.select({ seq: journalObjectTable.seq }).from(journalObjectTable).where(eq(journalObjectTable.seq, journalTable.seq));
  const seqs = db.select({ seq: journalTable.seq }).from(journalTable).where(and(lte(journalTable.seq, boundary), notExists(entries))).limit(most);
  return db.delete(journalTable).where(inArray(journalTable.seq, seqs)).run().changes;
}
