/**
 * The rules of signing in, and lock-out: after so many wrong passwords in a row a user cannot sign in for a while, also not with the right
 * one, and over restarts. Who is signed in stays so, and tokens go on working, so nobody can throw others out by guessing.
 *
 * That an account is locked is told only to who knows its password. The lock ends by itself, or is undone by an administrator or at the box.
 */
import { eq } from 'drizzle-orm';
import type { Tx } from '../core/db.ts';
import { Problem } from '../core/problem.ts';
import type { Core } from '../core/services.ts';
import { defaultSignInRules, lockedUntil, passwordFault, type SignInRules } from './rules.ts';
import { signInFactTable, signInRuleTable } from './table.ts';

export type SignIns = ReturnType<typeof createSignIns>;

interface Known {
  id: string;
  name: string;
}

export function createSignIns({ database, journal, clock, log }: Core) {
  const { sql: db } = database;
  const rules = (): SignInRules & { generation: number } => db.select().from(signInRuleTable).get() ?? { ...defaultSignInRules, generation: 0 };
  const fact = (userId: string) => db.select().from(signInFactTable).where(eq(signInFactTable.userId, userId)).get();
  const until = (userId: string) => lockedUntil(fact(userId)?.lockedAt ?? null, rules(), clock.now());
  const tell = (tx: Tx, id: string) => journal.observed(tx, { kind: 'user', id, what: 'updated' });
  const count = (tx: Tx, user: Known) => {
    const { lockAfter } = rules();
    const before = fact(user.id);
    const isOver = before?.lockedAt !== null && until(user.id) === undefined;
    const wrongTries = isOver ? 1 : (before?.wrongTries ?? 0) + 1;
    const lockedAt = isOver || before?.lockedAt === undefined ? null : before.lockedAt;
    const isLocked = lockedAt === null && lockAfter > 0 && wrongTries >= lockAfter;
    const after = { userId: user.id, wrongTries, lockedAt: isLocked ? clock.now() : lockedAt };
    tx.sql.insert(signInFactTable).values(after).onConflictDoUpdate({ target: signInFactTable.userId, set: after }).run();
    if (isLocked) tell(tx, user.id);
  };
  return {
    rules,
    /** Since when a user cannot sign in, until when; `undefined` when they can. `Infinity`: until somebody undoes it. */
    lockedUntil: until,
    /** Counts a wrong password. That it cannot be written, as on a full disk, must not let anybody in. */
    wrong(user: Known): void {
      try {
        database.write({ actor: 'system', operation: 'sign-in.wrong' }, (tx) => count(tx, user));
      } catch (error) {
        log.warn('a wrong password could not be counted', { error });
      }
    },
    /** Throws when the account is locked. Only for who has proven to know its password. */
    requireOpen(user: Known): void {
      const end = until(user.id);
      if (end === undefined) return;
      const wait = end === Number.POSITIVE_INFINITY ? '' : ` It opens again in ${Math.ceil((end - clock.now()) / 60_000)} minutes.`;
      throw new Problem('forbidden', `${user.name} is locked after too many wrong passwords.${wait} An administrator can unlock it at once, or somebody at the box: menu, or \`bothy user unlock\`.`);
    },
    /** Forgets the wrong tries. Returns whether the user was locked. */
    clear(tx: Tx, user: Known): boolean {
      const before = fact(user.id);
      if (before) tx.sql.delete(signInFactTable).where(eq(signInFactTable.userId, user.id)).run();
      const wasLocked = before?.lockedAt !== undefined && before.lockedAt !== null;
      if (wasLocked) tell(tx, user.id);
      return wasLocked;
    },
    /** Throws `invalid-input` unless the password is good enough here. */
    requireGood(password: string, userName: string): void {
      const fault = passwordFault(password, { minimum: rules().minimumLength, userName });
      if (fault) throw new Problem('invalid-input', fault, { errors: [{ path: 'password', message: fault }] });
    },
    setRules(tx: Tx, changes: Partial<SignInRules>): SignInRules & { generation: number } {
      const before = rules();
      const after = { ...before, ...changes, id: 'only' as const, generation: before.generation + 1 };
      tx.sql.insert(signInRuleTable).values(after).onConflictDoUpdate({ target: signInRuleTable.id, set: after }).run();
      journal.site(tx, { kind: 'sign-in-rules', id: 'only', what: before.generation === 0 ? 'created' : 'updated', after });
      return after;
    },
  };
}
