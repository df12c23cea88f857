/** Who this host is: one row, made at the first start. */
import type { End } from './boot-rules.ts';
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';

export const hostTable = sqliteTable('host', {
  id: text().primaryKey(),
  createdAt: integer().notNull(),
  /** When the health check last proved that the database can be written. */
  checkedAt: integer().notNull(),
});

/** Each start of the machine that the service has seen, and how it ended. */
export const hostBootTable = sqliteTable('host_boot', {
  /** The kernel's. */
  bootId: text().primaryKey(),
  beganAt: integer().notNull(),
  /** When the service last noted that it was alive. */
  seenAt: integer().notNull(),
  /** When the service ended in order; null while it runs, and for ever when it was not asked to end. */
  leftAt: integer(),
  /** It ended because the system went down. */
  isPlanned: integer({ mode: 'boolean' }).notNull(),
  /** Judged at the start after it; null until then. */
  end: text().$type<End>(),
  endedAt: integer(),
  message: text(),
});

/** How people want this machine to be called and to tell the time: one row once somebody has said so. Null: left as it is. */
export const hostSettingsTable = sqliteTable('host_settings', {
  hostId: text().primaryKey().references(() => hostTable.id),
  hostname: text(),
  timeZone: text(),
  ntpServers: text({ mode: 'json' }).$type<string[]>(),
  /** Public keys of root. */
  sshKeys: text({ mode: 'json' }).$type<string[]>(),
  generation: integer().notNull(),
});

/** Certificates with their keys, PEM: one of our own, and one that people have given, which is then served. */
export const certificateTable = sqliteTable('certificate', {
  hostId: text().notNull().references(() => hostTable.id),
  isOwn: integer({ mode: 'boolean' }).primaryKey(),
  chain: text().notNull(),
  key: text().notNull(),
});
