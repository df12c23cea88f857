/** Who may come in. `user` and `token` are wishes that peers share; `session` and `setup` belong to this host. */
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';
import type { Role } from './rules.ts';

export const userTable = sqliteTable('user', {
  id: text().primaryKey(),
  /** With its directory: `admin@internal`. */
  name: text().notNull().unique(),
  /** `scrypt$N$r$p$salt$hash`, base64. */
  passwordHash: text().notNull(),
  roles: text({ mode: 'json' }).$type<Role[]>().notNull(),
  generation: integer().notNull(),
  createdAt: integer().notNull(),
});

export const sessionTable = sqliteTable('session', {
  id: text().primaryKey(),
  /** SHA-256 of the secret in the cookie. */
  secretHash: text().notNull().unique(),
  userId: text().notNull().references(() => userTable.id, { onDelete: 'cascade' }),
  from: text().notNull(),
  createdAt: integer().notNull(),
  lastSeenAt: integer().notNull(),
  expiresAt: integer().notNull(),
});

export const tokenTable = sqliteTable('token', {
  id: text().primaryKey(),
  name: text().notNull().unique(),
  secretHash: text().notNull().unique(),
  userId: text().references(() => userTable.id, { onDelete: 'cascade' }),
  /** What it may do at most; null means all that its owner may do. */
  permissions: text({ mode: 'json' }).$type<string[] | null>(),
  createdAt: integer().notNull(),
  expiresAt: integer(),
  lastUsedAt: integer(),
});

/** One row until the first password is set: the code that the console shows. */
export const setupTable = sqliteTable('setup', {
  code: text().primaryKey(),
  createdAt: integer().notNull(),
});
