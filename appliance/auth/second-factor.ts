/**
 * The second factor of users: a secret that an app on their phone holds. Begun with the password, it counts once a code of it has been
 * confirmed. The secret lies as it is in the database, which only root can read: without it no code can be checked.
 */
import { eq } from 'drizzle-orm';
import type { Tx } from '../core/db.ts';
import { Problem } from '../core/problem.ts';
import type { Core } from '../core/services.ts';
import { hashSecret, newRecoveryCode } from './password.ts';
import { totpTable } from './table.ts';
import { matchTotp, newTotpSecret } from './totp.ts';

const recoveryCodes = 8;

export type SecondFactors = ReturnType<typeof createSecondFactors>;

export function createSecondFactors({ database, journal, clock }: Core) {
  const find = (userId: string) => database.sql.select().from(totpTable).where(eq(totpTable.userId, userId)).get();
  const tell = (tx: Tx, userId: string, what: 'created' | 'updated' | 'deleted') => {
    journal.site(tx, { kind: 'totp', id: userId, what, after: find(userId) ?? null });
    journal.observed(tx, { kind: 'user', id: userId, what: 'updated' });
  };
  const put = (tx: Tx, row: typeof totpTable.$inferInsert) => {
    const isNew = find(row.userId) === undefined;
    tx.sql.insert(totpTable).values(row).onConflictDoUpdate({ target: totpTable.userId, set: row }).run();
    tell(tx, row.userId, isNew ? 'created' : 'updated');
  };
  const hasRecovery = (row: typeof totpTable.$inferSelect, code: string) => row.confirmedAt !== null && row.recoveryHashes.includes(hashSecret(code));
  return {
    find,
    isOn: (userId: string): boolean => (find(userId)?.confirmedAt ?? null) !== null,
    /** A new secret that does not count yet. */
    begin(tx: Tx, userId: string): string {
      const secret = newTotpSecret();
      put(tx, { userId, secret, confirmedAt: null, lastStep: 0, recoveryHashes: [] });
      return secret;
    },
    /** New codes for the day when the phone is lost, each good for one sign-in; those from before are void. Shown once: only their hashes are kept. */
    renewRecovery(tx: Tx, userId: string): string[] {
      const codes = Array.from({ length: recoveryCodes }, newRecoveryCode);
      tx.sql.update(totpTable).set({ recoveryHashes: codes.map(hashSecret) }).where(eq(totpTable.userId, userId)).run();
      tell(tx, userId, 'updated');
      return codes;
    },
    /** Whether that is a right code now. Changes nothing. */
    isRight(userId: string, code: string): boolean {
      const row = find(userId);
      return row !== undefined && (matchTotp(row, code, clock.now()) !== undefined || hasRecovery(row, code));
    },
    /** Uses the code up: of two requests with the same one, only one passes. The first makes the factor count. */
    redeem(tx: Tx, userId: string, code: string): void {
      const row = find(userId);
      if (row && hasRecovery(row, code)) {
        tx.sql.update(totpTable).set({ recoveryHashes: row.recoveryHashes.filter((hash) => hash !== hashSecret(code)) }).where(eq(totpTable.userId, userId)).run();
        tell(tx, userId, 'updated');
        return;
      }
      const step = row && matchTotp(row, code, clock.now());
      if (!row || step === undefined) throw new Problem('unauthenticated', 'This code is wrong or was used already. Wait for the next one.', { errors: [{ path: 'code', message: 'Wait for the next code.' }] });
      tx.sql.update(totpTable).set({ lastStep: step, confirmedAt: row.confirmedAt ?? clock.now() }).where(eq(totpTable.userId, userId)).run();
      if (row.confirmedAt === null) tell(tx, userId, 'updated');
    },
    remove(tx: Tx, userId: string): void {
      if (!find(userId)) return;
      tx.sql.delete(totpTable).where(eq(totpTable.userId, userId)).run();
      tell(tx, userId, 'deleted');
    },
  };
}
