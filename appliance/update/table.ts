/** Tables of the update slice: a wish only. What is installed stands in the slots and in the files that cross between versions. */
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';

/** Where updates come from and when they are installed: one row once somebody has said so. */
export const updatePolicyTable = sqliteTable('update_policy', {
  id: integer().primaryKey(),
  source: text(),
  install: text({ enum: ['by-hand', 'in-window'] }).notNull(),
  window: text().notNull(),
  generation: integer().notNull(),
});
