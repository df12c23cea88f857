/** The tables of the mechanisms: journal, change feed, tasks, idempotency keys. Times are milliseconds since the epoch. */
import { blob, index, integer, primaryKey, real, sqliteTable, text } from 'drizzle-orm/sqlite-core';

/** Every change of a site table, one row a transaction: what peers replicate, and the history of every wish. */
export const journalTable = sqliteTable('journal', {
  seq: integer().primaryKey({ autoIncrement: true }),
  /** Version of the writer's lease; 0 on a host that has no peers. */
  epoch: integer().notNull(),
  at: integer().notNull(),
  actor: text().notNull(),
  operation: text().notNull(),
  requestId: text(),
  changes: text({ mode: 'json' }).$type<SiteChange[]>().notNull(),
}, (table) => [index('journal_by_age').on(table.at), index('journal_by_actor').on(table.actor)]);

/** Which row of the journal tells of what, so that the history of one thing is found without reading all of it. */
export const journalObjectTable = sqliteTable('journal_object', {
  objectId: text().notNull(),
  kind: text().notNull(),
  seq: integer().notNull(),
  /** What it was called then; of a thing that is gone, what it was called last. */
  name: text(),
  isGone: integer({ mode: 'boolean' }).notNull(),
}, (table) => [primaryKey({ columns: [table.objectId, table.kind, table.seq] }), index('journal_object_by_seq').on(table.seq), index('journal_object_by_kind').on(table.kind, table.seq)]);

export interface SiteChange {
  kind: string;
  id: string;
  what: 'created' | 'updated' | 'deleted';
  /** The whole row afterwards; null when deleted. */
  after: unknown;
}

/** The change feed: what a reader may want to read again. Bounded; a reader that is too late is told to resync. */
export const changeTable = sqliteTable('change', {
  seq: integer().primaryKey({ autoIncrement: true }),
  at: integer().notNull(),
  kind: text().notNull(),
  objectId: text().notNull(),
  what: text({ enum: ['created', 'updated', 'deleted'] }).notNull(),
});

export const taskTable = sqliteTable(
  'task',
  {
    id: text().primaryKey(),
    kind: text().notNull(),
    state: text({ enum: ['pending', 'running', 'unwinding', 'done', 'failed', 'cancelled'] }).notNull(),
    input: text({ mode: 'json' }).$type<unknown>().notNull(),
    /** What the steps have learnt so far, for the steps that follow and for undo. */
    memory: text({ mode: 'json' }).$type<Record<string, unknown>>().notNull(),
    /** Index of the step to do next, or to undo next. */
    marker: integer().notNull(),
    stepNames: text({ mode: 'json' }).$type<string[]>().notNull(),
    isCancelRequested: integer({ mode: 'boolean' }).notNull(),
    /** 0 to 1 over the whole task, and what is being done now. */
    progress: real().notNull(),
    message: text().notNull(),
    problem: text({ mode: 'json' }).$type<unknown>(),
    actor: text().notNull(),
    operation: text().notNull(),
    requestId: text(),
    about: text({ mode: 'json' }).$type<{ kind: string; id: string; name: string }[]>().notNull(),
    createdAt: integer().notNull(),
    startedAt: integer(),
    endedAt: integer(),
  },
  (table) => [index('task_by_state').on(table.state, table.createdAt)],
);

/** Answers to writes that carried an Idempotency-Key, so that a repeat gets the same answer and acts once. */
export const idempotencyTable = sqliteTable(
  'idempotency',
  {
    actor: text().notNull(),
    key: text().notNull(),
    /** SHA-256 of operation and input. */
    fingerprint: text().notNull(),
    status: integer().notNull(),
    headers: text({ mode: 'json' }).$type<Record<string, string>>().notNull(),
    body: blob({ mode: 'buffer' }).$type<Buffer>().notNull(),
    at: integer().notNull(),
  },
  (table) => [primaryKey({ columns: [table.actor, table.key] }), index('idempotency_by_age').on(table.at)],
);
