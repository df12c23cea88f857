/**
 * Who may come in, and what they may do. Users, tokens, groups, roles and assignments are wishes that peers share; `session` and `setup`
 * belong to this host.
 */
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core';
import type { quotaModes } from './quota-rules.ts';
import type { ObjectKindName, Permission } from './rules.ts';

export const userTable = sqliteTable('user', {
  id: text().primaryKey(),
  /** With its directory: `admin@internal`. */
  name: text().notNull().unique(),
  /** `scrypt$N$r$p$salt$hash`, base64. */
  passwordHash: text().notNull(),
  /** Names of the roles on the whole appliance. */
  roles: text({ mode: 'json' }).$type<string[]>().notNull(),
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

/** What wrong passwords have led to on this host. */
export const signInFactTable = sqliteTable('sign_in_fact', {
  userId: text().primaryKey().references(() => userTable.id, { onDelete: 'cascade' }),
  /** In a row. */
  wrongTries: integer().notNull(),
  lockedAt: integer(),
});

/** One row at most: the rules of signing in, once somebody has changed them. */
export const signInRuleTable = sqliteTable('sign_in_rule', {
  id: text({ enum: ['only'] }).primaryKey(),
  minimumLength: integer().notNull(),
  lockAfter: integer().notNull(),
  lockMinutes: integer().notNull(),
  idleMinutes: integer().notNull(),
  generation: integer().notNull(),
});

/** The second factor of a user: begun, and once a code has confirmed it, asked for. */
export const totpTable = sqliteTable('totp', {
  userId: text().primaryKey().references(() => userTable.id, { onDelete: 'cascade' }),
  /** Base 32, as it is: a code can be checked only with it. */
  secret: text().notNull(),
  confirmedAt: integer(),
  /** The half minute of the last code that was used. */
  lastStep: integer().notNull(),
  /** SHA-256 of the recovery codes that are left. */
  recoveryHashes: text({ mode: 'json' }).$type<string[]>().notNull(),
});

/** One row until the first password is set: the code that the console shows. */
export const setupTable = sqliteTable('setup', {
  code: text().primaryKey(),
  createdAt: integer().notNull(),
});

/** Roles that were made here; the others are in `rules.ts`. The name is what refers to one, so it stays. */
export const roleTable = sqliteTable('role', {
  name: text().primaryKey(),
  description: text().notNull(),
  permissions: text({ mode: 'json' }).$type<Permission[]>().notNull(),
  generation: integer().notNull(),
  createdAt: integer().notNull(),
});

export const groupTable = sqliteTable('user_group', {
  id: text().primaryKey(),
  name: text().notNull().unique(),
  description: text().notNull(),
  /** Of its members on the whole appliance. */
  roles: text({ mode: 'json' }).$type<string[]>().notNull(),
  generation: integer().notNull(),
  createdAt: integer().notNull(),
});

export const memberTable = sqliteTable('user_group_member', {
  groupId: text().notNull().references(() => groupTable.id, { onDelete: 'cascade' }),
  userId: text().notNull().references(() => userTable.id, { onDelete: 'cascade' }),
}, (table) => [primaryKey({ columns: [table.groupId, table.userId] }), index('user_group_of').on(table.userId)]);

/** A role on one thing, for a user or a group: exactly one of the two. It goes with whichever of the three goes. */
export const assignmentTable = sqliteTable('role_assignment', {
  id: text().primaryKey(),
  userId: text().references(() => userTable.id, { onDelete: 'cascade' }),
  groupId: text().references(() => groupTable.id, { onDelete: 'cascade' }),
  role: text().notNull(),
  kind: text().$type<ObjectKindName>().notNull(),
  objectId: text().notNull(),
  createdAt: integer().notNull(),
}, (table) => [
  uniqueIndex('role_assignment_user').on(table.userId, table.kind, table.objectId, table.role),
  uniqueIndex('role_assignment_group').on(table.groupId, table.kind, table.objectId, table.role),
  index('role_assignment_object').on(table.kind, table.objectId),
]);

/** How much the VMs and disks of a user, or of all members of a group together, may take: exactly one of the two. Null: no limit. */
export const quotaTable = sqliteTable('quota', {
  id: text().primaryKey(),
  userId: text().unique().references(() => userTable.id, { onDelete: 'cascade' }),
  groupId: text().unique().references(() => groupTable.id, { onDelete: 'cascade' }),
  mode: text().$type<(typeof quotaModes)[number]>().notNull(),
  vcpus: integer(),
  memoryBytes: integer(),
  diskBytes: integer(),
  /** How far beyond the limit is still allowed. */
  gracePercent: integer().notNull(),
  generation: integer().notNull(),
  createdAt: integer().notNull(),
});

/** For whom a VM or a disk counts, and what it takes. It follows from the journal of the things, so it has no rows of its own there. */
export const quotaChargeTable = sqliteTable('quota_charge', {
  kind: text().notNull(),
  objectId: text().notNull(),
  userId: text().notNull().references(() => userTable.id, { onDelete: 'cascade' }),
  vcpus: integer().notNull(),
  memoryBytes: integer().notNull(),
  diskBytes: integer().notNull(),
}, (table) => [primaryKey({ columns: [table.kind, table.objectId] }), index('quota_charge_by_user').on(table.userId)]);
