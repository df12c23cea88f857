/** The verbs of people: set up the appliance, sign in and out, tokens, the own password. */
import { and, desc, eq } from 'drizzle-orm';
import type { AnySQLiteColumn } from 'drizzle-orm/sqlite-core';
import * as z from 'zod';
import type { Tx } from '../core/db.ts';
import { newId } from '../core/id.ts';
import { type Actor, type Call, read, write } from '../core/operation.ts';
import { Problem } from '../core/problem.ts';
import { checkPassword, hashPassword, hashSecret, isSameSecret, newSecret, unmatchableHash } from './password.ts';
import { longestSessionMs, type People, type UserRow } from './people.ts';
import { allPermissions } from './rules.ts';
import type { AuthServices } from './services.ts';
import { ChangePasswordInput, LoginInput, NewTokenOutput, ResetPasswordInput, SessionItem, SessionOutput, SetupInput, TokenInput, TokenOutput } from './schema.ts';
import { sessionTable, tokenTable, userTable } from './table.ts';
import { assignmentOperations } from './assignment-operations.ts';
import { groupOperations } from './group-operations.ts';
import { quotaOperations } from './quota-operations.ts';
import { roleOperations } from './role-operations.ts';
import { signInOperations } from './sign-in-operations.ts';
import { totpOperations } from './totp-operations.ts';
import { userOperations } from './user-operations.ts';

/** The cookie is the browser's whole credential: no script can read it, no other site can send it. */
function setCookie(call: Call, secret: string, maxAgeSeconds: number): void {
  const secure = call.isSecure ? '; Secure' : '';
  call.answerHeaders.append('set-cookie', `bothy_session=${secret}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${maxAgeSeconds}${secure}`);
}

export const setupOperation = write<AuthServices>()({
  id: 'setup.complete', method: 'POST', path: '/setup', permission: 'public', status: 201,
  summary: 'Set the first password with the set-up code',
  input: SetupInput, output: SessionOutput,
  async prepare({ people, limit, signIns }, call, { code, password }) {
    const expected = people.setupCode();
    if (expected === undefined) throw new Problem('wrong-state', 'This appliance is already set up. Sign in instead.');
    const keys = ['setup', `setup:${call.from}`];
    limit.begin(keys);
    if (!isSameSecret(code.toUpperCase(), expected)) {
      throw new Problem('invalid-input', 'This is not the set-up code that the appliance shows.', { errors: [{ path: 'code', message: 'Look at the screen of the appliance, or run `bothy setup-code` on it.' }] });
    }
    limit.succeeded(keys);
    signIns.requireGood(password, firstUserName);
    return { passwordHash: await hashPassword(password) };
  },
  run({ people }, tx, _input, { passwordHash }) {
    if (!people.needsSetup()) throw new Problem('wrong-state', 'This appliance is already set up. Sign in instead.');
    const user = firstUser(people, tx, passwordHash);
    people.dropSetupCode(tx);
    return signIn(people, tx, user);
  },
});

const firstUserName = 'admin@internal';

/** A site file may have made the user without a password. */
function firstUser(people: People, tx: Tx, passwordHash: string): UserRow {
  const known = people.userByName(firstUserName);
  if (!known) return people.addUser(tx, { name: firstUserName, passwordHash, roles: ['administrator'] });
  return people.setPassword(tx, people.setRoles(tx, known, [...new Set([...known.roles, 'administrator'])]), passwordHash, '');
}

function signIn(people: People, tx: Parameters<People['openSession']>[0] & { call: Call }, user: UserRow) {
  const session = people.openSession(tx, user, tx.call.from);
  setCookie(tx.call, session.secret, longestSessionMs / 1000);
  return { id: session.id, user: user.name, permissions: [], csrfToken: session.csrfToken, expiresAt: session.expiresAt };
}

export const sessionCreate = write<AuthServices>()({
  id: 'session.create', method: 'POST', path: '/sessions', permission: 'public', status: 201,
  summary: 'Sign in',
  input: LoginInput, output: SessionOutput,
  /** A dry run counts as well: it must be no way to guess. */
  async prepare({ people, limit, signIns, factors }, call, { user: given, password, code }) {
    const name = given.includes('@') ? given : `${given}@internal`;
    const keys = [`address:${call.from}`, `user:${name}`];
    limit.begin(keys);
    const user = people.userByName(name);
    const isRight = await checkPassword(password, user?.passwordHash ?? unmatchableHash);
    if (user && !isRight) signIns.wrong(user);
    if (!user || !isRight) throw new Problem('unauthenticated', 'User or password is wrong.');
    signIns.requireOpen(user);
    if (factors.isOn(user.id) && code === undefined) throw new Problem('unauthenticated', 'This user signs in with a code, too. Type the six digits that the app shows.', { errors: [{ path: 'code', message: 'Type the six digits that the app shows.' }] });
    if (factors.isOn(user.id) && code !== undefined && !factors.isRight(user.id, code)) {
      signIns.wrong(user);
      throw new Problem('unauthenticated', 'This code is wrong or was used already. Wait for the next one.', { errors: [{ path: 'code', message: 'Wait for the next code.' }] });
    }
    limit.succeeded(keys);
    return user;
  },
  run({ people, signIns, factors }, tx, { code = '' }, user) {
    if (factors.isOn(user.id)) factors.redeem(tx, user.id, code);
    signIns.clear(tx, user);
    return signIn(people, tx, user);
  },
});

export const sessionGet = read<AuthServices>()({
  id: 'session.get', method: 'GET', path: '/sessions/current', permission: 'self.edit',
  summary: 'Show who is signed in and what they may do',
  input: z.object({}), output: SessionOutput,
  run: (_services, { actor }) => ({ id: actor.credential, user: actor.name, permissions: allPermissions.filter((permission) => actor.reach.somewhere(permission)) }),
});

export const sessionList = read<AuthServices>()({
  id: 'session.list', method: 'GET', path: '/sessions', permission: 'self.edit',
  summary: 'List who is signed in; only oneself, without the right to see users',
  input: z.object({}), output: z.object({ items: z.array(SessionItem), next: z.null() }),
  run({ database }, { actor }) {
    const rows = database.sql.select({ session: sessionTable, user: userTable.name }).from(sessionTable)
      .innerJoin(userTable, eq(userTable.id, sessionTable.userId))
      .where(actor.permissions.has('user.read') ? undefined : eq(sessionTable.userId, actor.id)).orderBy(desc(sessionTable.lastSeenAt)).all();
    const items = rows.map(({ session: { id, from, createdAt, lastSeenAt }, user }) => ({ id, user, from, createdAt, lastSeenAt, isThisOne: id === actor.credential }));
    return { items, next: null };
  },
});

export const sessionDelete = write<AuthServices>()({
  id: 'session.delete', method: 'DELETE', path: '/sessions/current', permission: 'self.edit', status: 204,
  summary: 'Sign out',
  input: z.object({}), output: z.null(),
  run({ journal }, tx) {
    const { credential } = tx.call.actor;
    const { changes } = tx.sql.delete(sessionTable).where(eq(sessionTable.id, credential)).run();
    if (changes > 0) journal.observed(tx, { kind: 'session', id: credential, what: 'deleted' });
    setCookie(tx.call, '', 0);
    return null;
  },
});

/** Those of others are not there for who may not change users. */
const ownOnly = (actor: Actor, owner: AnySQLiteColumn) => (actor.permissions.has('user.edit') ? undefined : eq(owner, actor.id));

export const sessionEnd = write<AuthServices>()({
  id: 'session.end', method: 'DELETE', path: '/sessions/{session}', permission: 'self.edit', status: 204,
  summary: 'End a session: an own one, or with the right to change users any',
  input: z.object({ session: z.uuid() }), output: z.null(),
  run({ journal }, tx, { session }) {
    const { changes } = tx.sql.delete(sessionTable).where(and(eq(sessionTable.id, session), ownOnly(tx.call.actor, sessionTable.userId))).run();
    if (changes === 0) throw new Problem('not-found', 'There is no such session; it may have ended by itself.');
    journal.observed(tx, { kind: 'session', id: session, what: 'deleted' });
    return null;
  },
});

export const passwordChange = write<AuthServices>()({
  id: 'password.change', method: 'PUT', path: '/password', permission: 'self.edit', status: 204,
  summary: 'Change the own password',
  input: ChangePasswordInput, output: z.null(),
  async prepare({ people, limit, signIns }, { actor }, { currentPassword, password }) {
    const keys = [`password:${actor.id}`];
    limit.begin(keys);
    const user = people.userById(actor.id);
    if (!user) throw new Problem('wrong-state', 'This credential does not belong to a user with a password. Sign in as the user.');
    if (!(await checkPassword(currentPassword, user.passwordHash))) {
      throw new Problem('invalid-input', 'The current password is wrong.', { errors: [{ path: 'currentPassword', message: 'This is not your current password.' }] });
    }
    limit.succeeded(keys);
    signIns.requireGood(password, user.name);
    return { user, passwordHash: await hashPassword(password) };
  },
  run({ people }, tx, _input, { user, passwordHash }) {
    people.setPassword(tx, user, passwordHash, tx.call.actor.credential);
    return null;
  },
});

export const passwordReset = write<AuthServices>()({
  id: 'password.reset', method: 'POST', path: '/password/reset', permission: 'local.root', status: 200,
  summary: 'Reset the first administrator\'s password and make a set-up code',
  input: ResetPasswordInput, output: z.object({ code: z.string() }),
  prepare: ({ machineName }) => machineName(),
  run({ people, signIns, factors }, tx, { name }, machineName) {
    if (name !== machineName) throw new Problem('invalid-input', `This is not the name of this machine. It is called "${machineName}".`, { errors: [{ path: 'name', message: 'Type the name as it is shown.' }] });
    const user = people.userByName(firstUserName);
    if (user) people.setPassword(tx, user, unmatchableHash, '');
    if (user) signIns.clear(tx, user);
    if (user) factors.remove(tx, user.id);
    return { code: people.renewSetupCode(tx) };
  },
});

export const tokenList = read<AuthServices>()({
  id: 'token.list', method: 'GET', path: '/tokens', permission: 'self.edit',
  summary: 'List API tokens; only own ones, without the right to see users',
  input: z.object({}), output: z.object({ items: z.array(TokenOutput), next: z.null() }),
  run({ database, people }, { actor }) {
    const rows = database.sql.select({ token: tokenTable, user: userTable.name }).from(tokenTable)
      .leftJoin(userTable, eq(userTable.id, tokenTable.userId))
      .where(actor.permissions.has('user.read') ? undefined : eq(tokenTable.userId, actor.id)).orderBy(tokenTable.name).all();
    const items = rows.map(({ token: { secretHash: _hidden, userId, ...token }, user }) => ({ ...token, user: user ?? 'root@local', isLimited: people.isLimited({ ...token, userId }) }));
    return { items, next: null };
  },
});

export const tokenCreate = write<AuthServices>()({
  id: 'token.create', method: 'POST', path: '/tokens', permission: 'token.create', status: 201,
  summary: 'Create an API token',
  input: TokenInput, output: NewTokenOutput,
  run({ journal, clock, people }, tx, { name, permissions, expiresAt, validDays }) {
    const { actor } = tx.call;
    const beyond = permissions?.filter((permission) => !actor.reach.somewhere(permission)) ?? [];
    if (beyond.length > 0) throw new Problem('forbidden', `You may not give what you do not have: ${beyond.join(', ')}.`);
    if (tx.sql.select().from(tokenTable).where(eq(tokenTable.name, name)).get()) {
      throw new Problem('name-taken', `There is already a token named "${name}". Choose another name, or delete that one first.`);
    }
    const secret = newSecret();
    const row = { id: newId<'token'>(), name, secretHash: hashSecret(secret), userId: people.userById(actor.id)?.id ?? null,
      permissions: limitOf(actor, permissions), createdAt: clock.now(), expiresAt: validDays === undefined ? (expiresAt ?? null) : clock.now() + validDays * dayMs, lastUsedAt: null };
    tx.sql.insert(tokenTable).values(row).run();
    journal.site(tx, { kind: 'token', id: row.id, what: 'created', after: row });
    const { secretHash: _hidden, userId: _owner, ...shown } = row;
    return { ...shown, user: actor.name, isLimited: people.isLimited(row), token: secret };
  },
});

const dayMs = 86_400_000;

/** A token can never do more than its maker, or the token that made it, could then. */
function limitOf({ permissions, reach }: Actor, asked: string[] | undefined): string[] | null {
  if (asked && asked.length > 0) return asked;
  return permissions.has('local.root') ? null : allPermissions.filter((permission) => reach.somewhere(permission));
}

export const tokenDelete = write<AuthServices>()({
  id: 'token.delete', method: 'DELETE', path: '/tokens/{token}', permission: 'self.edit', status: 204,
  summary: 'Delete an API token; it stops working at once',
  input: z.object({ token: z.uuid() }), output: z.null(),
  run({ journal }, tx, { token }) {
    const { changes } = tx.sql.delete(tokenTable).where(and(eq(tokenTable.id, token), ownOnly(tx.call.actor, tokenTable.userId))).run();
    if (changes === 0) throw new Problem('not-found', 'There is no such token; someone may have deleted it already.');
    journal.site(tx, { kind: 'token', id: token, what: 'deleted', after: null });
    return null;
  },
});

export const setupCodeGet = read<AuthServices>()({
  id: 'setup.code', method: 'GET', path: '/setup-code', permission: 'local.root',
  summary: 'Show the set-up code; only root on this machine may ask',
  input: z.object({}), output: z.object({ code: z.string().nullable() }),
  run: ({ people }) => ({ code: people.setupCode() ?? null }),
});

export const authOperations = [
  setupOperation, setupCodeGet, sessionCreate, sessionGet, sessionList, sessionDelete, sessionEnd, passwordChange, passwordReset, tokenList, tokenCreate, tokenDelete, ...userOperations, ...groupOperations, ...quotaOperations, ...roleOperations, ...assignmentOperations, ...signInOperations, ...totpOperations,
];
