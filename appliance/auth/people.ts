/**
 * The rows behind users, sessions and tokens, and turning a credential into an `Actor`. Secrets are looked up by hash.
 *
 * A session ends some time after its last use, 12 hours unless told otherwise, and 30 days after it began at the latest.
 */
import { asc, eq, lt } from 'drizzle-orm';
import type { Tx } from '../core/db.ts';
import { newId } from '../core/id.ts';
import { wholeReach } from '../core/objects.ts';
import type { Actor } from '../core/operation.ts';
import type { Core } from '../core/services.ts';
import { checkPassword, csrfTokenOf, hashSecret, newSecret, unmatchableHash } from './password.ts';
import type { Groups } from './groups.ts';
import { createReach } from './reach.ts';
import type { RoleBook } from './role-book.ts';
import { allPermissions, grantable, restrict } from './rules.ts';
import { createSetupCode } from './setup-code.ts';
import { sessionTable, tokenTable, userTable } from './table.ts';

export const longestSessionMs = 30 * 24 * 3_600_000;
/** `lastSeenAt` moves at most this often, so that reading a page does not write. */
const seenEveryMs = 5 * 60_000;

export type UserRow = typeof userTable.$inferSelect;

export interface SignedIn {
  actor: Actor;
  csrfToken?: string;
}

export type People = ReturnType<typeof createPeople>;

/** What a user may do by their roles and those of their groups; at most what `limit` allows. */
function createRights({ database: { sql }, objects, roles: book, groups }: PeopleDeps) {
  return (user: UserRow, limit: readonly string[] | null): Pick<Actor, 'permissions' | 'reach'> => {
    const own = groups.of(user.id);
    const permissions: ReadonlySet<string> = restrict(book.permissionsOf([...user.roles, ...own.flatMap(({ roles }) => roles)]), limit);
    if (grantable.every((permission) => permissions.has(permission))) return { permissions, reach: wholeReach(permissions) };
    const holder = { userId: user.id, groupIds: own.map(({ id }) => id), whole: permissions, limit, permissionsOfRole: book.permissionsOfRole };
    return { permissions, reach: createReach({ sql, objects }, holder) };
  };
}

/** Whether a token allows less than its owner may do, on anything; one of root's may do what an administrator may. */
function isLess(permissions: readonly string[] | null, owner: UserRow | undefined, rightsOf: ReturnType<typeof createRights>): boolean {
  const reach = owner && rightsOf(owner, null).reach;
  return permissions !== null && grantable.some((permission) => !permissions.includes(permission) && (!reach || reach.somewhere(permission)));
}

/** Root on this machine, through the local socket: everything is allowed. */
const everything: ReadonlySet<string> = new Set(allPermissions);
export const rootActor: Actor = { id: 'root', name: 'root@local', permissions: everything, reach: wholeReach(everything), credential: 'local' };

export interface PeopleDeps extends Core {
  roles: RoleBook;
  groups: Groups;
  /** After so long without use a session has ended. */
  idleMs(): number;
}

export function createPeople(deps: PeopleDeps) {
  const { database, clock, journal, log, roles: book } = deps;
  const { sql } = database;
  const rightsOf = createRights(deps);
  const userById = (id: string) => sql.select().from(userTable).where(eq(userTable.id, id)).get();
  /** What is only good to know must not stop anyone: on a full disk people must still see what is wrong. */
  const tryToNote = (operation: string, work: (tx: Tx) => void) => {
    try {
      database.write({ actor: 'system', operation }, work);
    } catch (error) {
      log.warn('the use of a credential could not be noted', { operation, error });
    }
  };
  const touch = (row: typeof sessionTable.$inferSelect) => {
    const now = clock.now();
    if (now - row.lastSeenAt < seenEveryMs) return;
    const expiresAt = Math.min(now + deps.idleMs(), row.createdAt + longestSessionMs);
    tryToNote('session.seen', (tx) => {
      tx.sql.update(sessionTable).set({ lastSeenAt: now, expiresAt }).where(eq(sessionTable.id, row.id)).run();
      tx.sql.delete(sessionTable).where(lt(sessionTable.expiresAt, now)).run();
    });
  };
  const noteUse = (row: typeof tokenTable.$inferSelect) => {
    const now = clock.now();
    if (row.lastUsedAt !== null && now - row.lastUsedAt < seenEveryMs) return;
    tryToNote('token.used', (tx) => tx.sql.update(tokenTable).set({ lastUsedAt: now }).where(eq(tokenTable.id, row.id)).run());
  };

  const hasAdministrator = (exceptId?: string) => sql.select().from(userTable).all()
    .some(({ id, roles, passwordHash }) => id !== exceptId && roles.includes('administrator') && passwordHash !== unmatchableHash);

  return {
    rightsOf,
    ...createSetupCode({ database, clock }, hasAdministrator),
    userById,
    userByName: (name: string) => sql.select().from(userTable).where(eq(userTable.name, name)).get(),
    users: (): UserRow[] => sql.select().from(userTable).orderBy(asc(userTable.name)).all(),
    hasPassword: ({ passwordHash }: UserRow) => passwordHash !== unmatchableHash,
    /** Whether that is the user's password, or its hash. */
    isPasswordOf: async (user: UserRow, { password, passwordHash }: { password?: string | undefined; passwordHash?: string | undefined }) =>
      (password === undefined ? passwordHash === user.passwordHash : checkPassword(password, user.passwordHash)),
    /** Whether some administrator can sign in, leaving one out: else the set-up code is the way in. */
    hasAdministrator,

    addUser(tx: Tx, user: { name: string; passwordHash: string; roles: string[] }): UserRow {
      const row: UserRow = { id: newId<'user'>(), ...user, generation: 1, createdAt: clock.now() };
      tx.sql.insert(userTable).values(row).run();
      journal.site(tx, { kind: 'user', id: row.id, what: 'created', after: row });
      return row;
    },

    setRoles(tx: Tx, user: UserRow, roles: string[]): UserRow {
      const after = { ...user, roles, generation: user.generation + 1 };
      tx.sql.update(userTable).set(after).where(eq(userTable.id, user.id)).run();
      journal.site(tx, { kind: 'user', id: user.id, what: 'updated', after });
      return after;
    },
    removeUser(tx: Tx, user: UserRow) {
      tx.sql.delete(userTable).where(eq(userTable.id, user.id)).run();
      journal.site(tx, { kind: 'user', id: user.id, what: 'deleted', after: null });
    },

    setPassword(tx: Tx, user: UserRow, passwordHash: string, keptSession: string) {
      const after = { ...user, passwordHash, generation: user.generation + 1 };
      tx.sql.update(userTable).set(after).where(eq(userTable.id, user.id)).run();
      for (const { id } of tx.sql.select({ id: sessionTable.id }).from(sessionTable).where(eq(sessionTable.userId, user.id)).all()) {
        if (id !== keptSession) tx.sql.delete(sessionTable).where(eq(sessionTable.id, id)).run();
      }
      journal.site(tx, { kind: 'user', id: user.id, what: 'updated', after });
      return after;
    },

    openSession(tx: Tx, user: UserRow, from: string) {
      const secret = newSecret();
      const now = clock.now();
      const row = { id: newId<'session'>(), secretHash: hashSecret(secret), userId: user.id, from, createdAt: now, lastSeenAt: now, expiresAt: now + deps.idleMs() };
      tx.sql.insert(sessionTable).values(row).run();
      journal.observed(tx, { kind: 'session', id: row.id, what: 'created' });
      return { id: row.id, secret, csrfToken: csrfTokenOf(secret), expiresAt: row.expiresAt };
    },

    /** Looking whether it still holds is no use of it. */
    bySession(secret: string, isUse = true): SignedIn | undefined {
      const row = sql.select().from(sessionTable).where(eq(sessionTable.secretHash, hashSecret(secret))).get();
      if (!row || row.expiresAt <= clock.now()) return undefined;
      const user = userById(row.userId);
      if (!user) return undefined;
      if (isUse) touch(row);
      return { actor: { id: user.id, name: user.name, ...rightsOf(user, null), credential: row.id }, csrfToken: csrfTokenOf(secret) };
    },

    isLimited: ({ userId, permissions }: { userId: string | null; permissions: readonly string[] | null }) => isLess(permissions, userId === null ? undefined : userById(userId), rightsOf),
    byToken(secret: string, isUse = true): SignedIn | undefined {
      const row = sql.select().from(tokenTable).where(eq(tokenTable.secretHash, hashSecret(secret))).get();
      if (!row || (row.expiresAt !== null && row.expiresAt <= clock.now())) return undefined;
      const user = row.userId === null ? undefined : userById(row.userId);
      if (row.userId !== null && !user) return undefined;
      if (isUse) noteUse(row);
      if (user) return { actor: { id: user.id, name: `${user.name} (${row.name})`, ...rightsOf(user, row.permissions), credential: row.id } };
      // A token made by root at the machine belongs to nobody and may do what an administrator may.
      const permissions: ReadonlySet<string> = restrict(book.permissionsOf(['administrator']), row.permissions);
      return { actor: { id: `token:${row.id}`, name: `token ${row.name}`, permissions, reach: wholeReach(permissions), credential: row.id } };
    },
  };
}
