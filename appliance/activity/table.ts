/** What happened on this host, and who did what. Both belong to the host, are bounded, and are never changed by people. */
import { index, integer, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core';
import { type DestinationSecrets, type DestinationSettings, destinationKinds, type EventGroup, eventSeverities } from './destination-rules.ts';

export const eventTable = sqliteTable(
  'event',
  {
    id: integer().primaryKey({ autoIncrement: true }),
    /** Since when, and when it was last noticed. */
    at: integer().notNull(),
    lastAt: integer().notNull(),
    /** How often it was noticed. */
    count: integer().notNull(),
    severity: text({ enum: eventSeverities }).notNull(),
    /** Stable, for programs: `vm.paused-no-space`. */
    code: text().notNull(),
    message: text().notNull(),
    nextStep: text(),
    about: text({ mode: 'json' }).$type<{ kind: string; id: string; name: string }[]>().notNull(),
    /** Ids of `about`, sorted: with the code it says whether two notices are of one trouble. */
    subject: text().notNull(),
    /** The trouble is over; null while it lasts, and for what only happens. */
    endedAt: integer(),
    /** A trouble that lasts until it is settled. */
    isStanding: integer({ mode: 'boolean' }).notNull(),
    /** Grows with each change worth telling: where those who are told have got to. */
    seq: integer().notNull(),
  },
  (table) => [index('event_by_trouble').on(table.code, table.subject), index('event_by_age').on(table.at), uniqueIndex('event_by_seq').on(table.seq)],
);

export const auditTable = sqliteTable(
  'audit',
  {
    id: integer().primaryKey({ autoIncrement: true }),
    at: integer().notNull(),
    actor: text().notNull(),
    from: text().notNull(),
    operation: text().notNull(),
    subject: text({ mode: 'json' }).$type<Record<string, string>>().notNull(),
    /** `ok`, or the type of the problem: `forbidden`, `wrong-state`, ... */
    outcome: text().notNull(),
    requestId: text().notNull(),
    /** Equal refusals in a row, told as one. */
    count: integer().notNull(),
  },
  (table) => [index('audit_by_age').on(table.at)],
);

/** How long history is kept: one row once somebody has said so. */
export const historySettingsTable = sqliteTable('history_settings', {
  id: integer().primaryKey(),
  slotHours: integer().notNull(),
  minuteDays: integer().notNull(),
  hourDays: integer().notNull(),
  dayYears: integer().notNull(),
  eventDays: integer().notNull(),
  mostEvents: integer().notNull(),
  auditDays: integer().notNull(),
  configDays: integer().notNull(),
  mostConfigChanges: integer().notNull(),
  generation: integer().notNull(),
});

/** Where events are sent: wishes. */
export const destinationTable = sqliteTable('event_destination', {
  id: text().primaryKey(),
  name: text().notNull().unique(),
  kind: text({ enum: destinationKinds }).notNull(),
  isEnabled: integer({ mode: 'boolean' }).notNull(),
  severity: text({ enum: eventSeverities }).notNull(),
  /** None: all. */
  kinds: text({ mode: 'json' }).$type<EventGroup[]>().notNull(),
  settings: text({ mode: 'json' }).$type<DestinationSettings>().notNull(),
  /** As they are: they must be sent. Only root can read this file. */
  secrets: text({ mode: 'json' }).$type<DestinationSecrets>().notNull(),
  generation: integer().notNull(),
  createdAt: integer().notNull(),
});

/** How far each has got: facts of this host. */
export const deliveryTable = sqliteTable('event_delivery', {
  destinationId: text().primaryKey().references(() => destinationTable.id, { onDelete: 'cascade' }),
  /** `seq` of the last event that is done with. */
  position: integer().notNull(),
  /** In a row, and since when. */
  failures: integer().notNull(),
  failingSince: integer(),
  lastTryAt: integer(),
  lastDeliveredAt: integer(),
  problem: text({ mode: 'json' }).$type<{ message: string; nextStep: string } | null>(),
});
