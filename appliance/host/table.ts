/** Who this host is: one row, made at the first start. */
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';

export const hostTable = sqliteTable('host', {
  id: text().primaryKey(),
  createdAt: integer().notNull(),
  /** When the health check last proved that the database can be written. */
  checkedAt: integer().notNull(),
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
