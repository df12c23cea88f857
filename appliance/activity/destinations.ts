/** Where events are sent, and how far each destination has got: what is kept of them, and which events wait. No events are copied. */
import { and, count, desc, eq, gt, gte, inArray, like, lt, ne, not, or, type SQL, sql } from 'drizzle-orm';
import type { Tx } from '../core/db.ts';
import { newId } from '../core/id.ts';
import { Problem } from '../core/problem.ts';
import type { Core } from '../core/services.ts';
import { type Batch, tell } from './delivery-rules.ts';
import { batchSize, type Destination, type DestinationSecrets, type DestinationSettings, type EventGroup, groupWords, longestWaitMs, missingSecrets, mostWaiting, secretNames, severitiesFrom, settingNames } from './destination-rules.ts';
import { deliveryTable, destinationTable, eventTable } from './table.ts';

export type DestinationRow = typeof destinationTable.$inferSelect;
export type DeliveryRow = typeof deliveryTable.$inferSelect;
export type DestinationWish = Omit<DestinationRow, 'id' | 'generation' | 'createdAt'>;

/** Of the trouble of a destination, and of its end: that is for the page, as others are told of the trouble that it is over. */
export const failedCode = 'destination.failed';
export const recoveredCode = 'destination.recovered';

export type Destinations = ReturnType<typeof createDestinations>;

export interface Waiting extends Batch {
  /** Of the last that is done with when this is delivered. */
  end: number;
  oldestAt: number;
}

export const wholeOf = ({ kind, settings, secrets }: Pick<DestinationRow, 'kind' | 'settings' | 'secrets'>): Destination => ({ kind, ...settings, ...secrets });

/** What was said among `fields`, apart from what is secret. */
export function partsOf(fields: Record<string, unknown>): { settings: DestinationSettings; secrets: DestinationSecrets } {
  const pick = (names: readonly string[]) => Object.fromEntries(names.flatMap((name) => (fields[name] === undefined || fields[name] === null ? [] : [[name, fields[name]]])));
  return { settings: pick(settingNames), secrets: pick(secretNames) };
}

export function createDestinations({ database, journal, clock }: Core) {
  const find = (ref: string): DestinationRow | undefined => database.sql.select().from(destinationTable).where(or(eq(destinationTable.id, ref), eq(destinationTable.name, ref))).get();
  const latest = () => database.sql.select({ seq: sql<number>`coalesce(max(${eventTable.seq}), 0)` }).from(eventTable).get()?.seq ?? 0;
  const fresh = (destinationId: string): DeliveryRow => ({ destinationId, position: latest(), failures: 0, failingSince: null, lastTryAt: null, lastDeliveredAt: null, problem: null });
  const put = (tx: Tx, row: DeliveryRow) => tx.sql.insert(deliveryTable).values(row).onConflictDoUpdate({ target: deliveryTable.destinationId, set: row }).run();
  const delivery = (id: string): DeliveryRow => database.sql.select().from(deliveryTable).where(eq(deliveryTable.destinationId, id)).get() ?? fresh(id);
  return {
    find, delivery,
    all: (): DestinationRow[] => database.sql.select().from(destinationTable).orderBy(destinationTable.name).all(),
    require(ref: string): DestinationRow {
      const row = find(ref);
      if (!row) throw new Problem('not-found', `There is no destination "${ref}". It may have been deleted or renamed.`);
      return row;
    },
    insert(tx: Tx, wish: DestinationWish): DestinationRow {
      const row = { ...wish, id: newId<'destination'>(), generation: 1, createdAt: clock.now() };
      tx.sql.insert(destinationTable).values(row).run();
      put(tx, fresh(row.id));
      journal.site(tx, { kind: 'destination', id: row.id, what: 'created', after: row });
      return row;
    },
    /** What happened while it was off is passed over. */
    update(tx: Tx, before: DestinationRow, wish: DestinationWish): DestinationRow {
      const row = { ...before, ...wish, generation: before.generation + 1 };
      tx.sql.update(destinationTable).set(row).where(eq(destinationTable.id, row.id)).run();
      if (row.isEnabled !== before.isEnabled) put(tx, { ...fresh(row.id), lastDeliveredAt: delivery(row.id).lastDeliveredAt });
      journal.site(tx, { kind: 'destination', id: row.id, what: 'updated', after: row });
      return row;
    },
    remove(tx: Tx, { id }: DestinationRow): void {
      tx.sql.delete(destinationTable).where(eq(destinationTable.id, id)).run();
      journal.site(tx, { kind: 'destination', id, what: 'deleted', after: null });
    },
    note(tx: Tx, row: DeliveryRow): void {
      put(tx, row);
      journal.observed(tx, { kind: 'destination', id: row.destinationId, what: 'updated' });
    },
    canSend: (row: DestinationRow) => row.isEnabled && missingSecrets(wholeOf(row)).length === 0,
    waitingCount: (row: DestinationRow) => Math.min(mostWaiting, database.sql.select({ events: count() }).from(eventTable).where(isFor(row, delivery(row.id).position, clock.now())).get()?.events ?? 0),
    /** The next events for it; `undefined` when there is nothing to send. */
    waiting(row: DestinationRow): Waiting | undefined {
      const { position } = delivery(row.id);
      const start = startOf(row, position);
      const events = database.sql.select().from(eventTable).where(isFor(row, start, clock.now())).orderBy(eventTable.seq).limit(batchSize[row.kind]).all();
      const [oldest, last] = [events[0], events.at(-1)];
      if (!oldest || !last) return undefined;
      return { events: events.map(tell), leftOut: countLeftOut(row, position, oldest.seq), isTest: false, end: last.seq, oldestAt: oldest.lastAt };
    },
  };

  /** Of more than may wait the oldest are passed over. */
  function startOf(row: DestinationRow, position: number): number {
    const first = database.sql.select({ seq: eventTable.seq }).from(eventTable).where(isFor(row, position, clock.now())).orderBy(desc(eventTable.seq)).limit(1).offset(mostWaiting - 1).get();
    return first ? first.seq - 1 : position;
  }

  function countLeftOut(row: DestinationRow, position: number, before: number): number {
    return database.sql.select({ events: count() }).from(eventTable).where(and(concerns(row, position), lt(eventTable.seq, before))).get()?.events ?? 0;
  }
}

const hasWord = (words: readonly string[]): SQL | undefined => or(...words.map((word) => like(eventTable.code, `${word}.%`)));

function isOfGroup(group: EventGroup): SQL | undefined {
  if (group !== 'host') return hasWord(groupWords[group]);
  const others = hasWord(Object.values(groupWords).flat());
  return others && not(others);
}

/** Severity and kind as the destination wants them, and not its own trouble: it would be told of itself. */
function concerns({ id, severity, kinds }: Pick<DestinationRow, 'id' | 'severity' | 'kinds'>, position: number): SQL | undefined {
  const isOwn = and(eq(eventTable.code, failedCode), eq(eventTable.subject, id));
  return and(gt(eventTable.seq, position), inArray(eventTable.severity, severitiesFrom(severity)), kinds.length > 0 ? or(...kinds.map(isOfGroup)) : undefined, sql`not ${isOwn}`, ne(eventTable.code, recoveredCode));
}

const isFor = (row: DestinationRow, position: number, now: number): SQL | undefined => and(concerns(row, position), gte(eventTable.lastAt, now - longestWaitMs));

