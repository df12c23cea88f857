/** Site files that came, and what their disks were filled with. Both belong to this host. */
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';
import type { SiteFault } from './check.ts';

export const siteFileTable = sqliteTable('site_file', {
  id: text().primaryKey(),
  /**
   * refused: wrong, see `faults`. waiting: right, and somebody must say yes. applying -> applied | failed.
   * passed-over: a newer one came before anybody said yes.
   */
  state: text({ enum: ['refused', 'waiting', 'applying', 'applied', 'failed', 'passed-over'] }).notNull(),
  /** Where it came from, as people call it. */
  source: text().notNull(),
  /** Keyed hash of its text: the same file is taken once, and the hash tells nothing of its secrets. */
  digest: text().notNull(),
  /** Its content with every secret sealed; null when it was refused. */
  document: text({ mode: 'json' }).$type<unknown>(),
  faults: text({ mode: 'json' }).$type<SiteFault[]>().notNull(),
  /** Whether it came by itself (stick, boot) and not through the API. */
  isFound: integer({ mode: 'boolean' }).notNull(),
  actor: text().notNull(),
  task: text(),
  /** How often applying it has failed in a row. */
  failures: integer().notNull(),
  receivedAt: integer().notNull(),
  endedAt: integer(),
});

/** Disks that a site file makes with content: promised before the disk is made, so that a power cut leaves no doubt. */
export const siteContentTable = sqliteTable('site_content', {
  /** Name of the disk. */
  disk: text().primaryKey(),
  state: text({ enum: ['promised', 'filled'] }).notNull(),
  content: text({ mode: 'json' }).$type<{ url?: string | undefined; file?: string | undefined; sha256?: string | undefined; format: string }>().notNull(),
  at: integer().notNull(),
});
