/** Who this host is: one row, made at the first start. */
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';

export const hostTable = sqliteTable('host', {
  id: text().primaryKey(),
  createdAt: integer().notNull(),
  /** When the health check last proved that the database can be written. */
  checkedAt: integer().notNull(),
});
