/**
 * Events: what people should know of, in their words, with what to do next.
 *
 * `info` tells what happened. A `warning` or `error` may be a trouble that lasts: noticed again while it lasts, it stays one
 * row with a count (`rules.judgeNotice`); `settle` ends it, and the next notice is a new row. With `isStanding` it
 * is shown as a warning until it is settled.
 */
import { and, desc, eq, isNull, sql } from 'drizzle-orm';
import type { Clock } from '../core/clock.ts';
import type { Database, Tx } from '../core/db.ts';
import type { Journal } from '../core/journal.ts';
import type { About } from '../core/task.ts';
import { judgeNotice, subjectOf } from './rules.ts';
import { deliveryTable, eventTable } from './table.ts';

export type EventRow = typeof eventTable.$inferSelect;

export interface NewEvent {
  severity: EventRow['severity'];
  /** Stable, for programs: `<kind>.<what>`. */
  code: string;
  /** What happened, a whole sentence. */
  message: string;
  /** What to do next, a whole sentence; none where nothing is to be done. */
  nextStep?: string;
  about: About[];
  /** It lasts until `settle` is called. */
  isStanding?: boolean;
}

export interface Events {
  event(tx: Tx, event: NewEvent): void;
  /** The trouble of that code about the things with these ids is over. Does nothing if there is none. */
  settle(tx: Tx, code: string, ids: string[]): void;
  /** Troubles that last, the latest first. */
  troubles(): EventRow[];
}

export function createEvents({ database, journal, clock }: { database: Database; journal: Journal; clock: Clock }): Events {
  const tell = (tx: Tx, id: number, what: 'created' | 'updated') => journal.observed(tx, { kind: 'event', id: String(id), what });

  /** Beyond every number that somebody was told, also when the events themselves were removed with the history. */
  const nextSeq = sql<number>`(select 1 + max(coalesce((select max(seq) from ${eventTable}), 0), coalesce((select max(position) from ${deliveryTable}), 0)))`;

  const insert = (tx: Tx, event: NewEvent, at: number) => {
    const { severity, code, message, about, nextStep, isStanding = false } = event;
    const values = { at, lastAt: at, count: 1, severity, code, message, nextStep: nextStep || null, about, subject: subjectOf(about), isStanding, endedAt: null, seq: nextSeq };
    tell(tx, tx.sql.insert(eventTable).values(values).returning({ id: eventTable.id }).get().id, 'created');
  };

  const newest = (tx: Tx, code: string, about: { id: string }[]) =>
    tx.sql.select().from(eventTable).where(and(eq(eventTable.code, code), eq(eventTable.subject, subjectOf(about)))).orderBy(desc(eventTable.id)).limit(1).get();

  return {
    troubles: () => database.sql.select().from(eventTable).where(and(eventTable.isStanding, isNull(eventTable.endedAt))).orderBy(desc(eventTable.id)).all(),
    event(tx, event) {
      const at = clock.now();
      const known = event.severity === 'info' ? undefined : newest(tx, event.code, event.about);
      const verdict = judgeNotice(known, { at, message: event.message });
      if (verdict === 'insert') return insert(tx, event, at);
      if (verdict === 'skip' || !known) return;
      const { severity, message, nextStep, about } = event;
      const isNews = known.severity !== severity || known.message !== message;
      tx.sql.update(eventTable).set({ severity, message, nextStep: nextStep || null, about, lastAt: at, count: known.count + 1, ...(isNews && { seq: nextSeq }) }).where(eq(eventTable.id, known.id)).run();
      tell(tx, known.id, 'updated');
    },
    settle(tx, code, ids) {
      const subject = subjectOf(ids.map((id) => ({ id })));
      const open = tx.sql.select({ id: eventTable.id }).from(eventTable).where(and(eq(eventTable.code, code), eq(eventTable.subject, subject), isNull(eventTable.endedAt))).all();
      for (const { id } of open) {
        tx.sql.update(eventTable).set({ endedAt: clock.now(), seq: nextSeq }).where(eq(eventTable.id, id)).run();
        tell(tx, id, 'updated');
      }
    },
  };
}
