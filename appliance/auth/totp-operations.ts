/** The verbs of the second factor: begin it, confirm it, give it up; and taking it from somebody who has lost the phone. */
import * as z from 'zod';
import type { Tx } from '../core/db.ts';
import { type Call, read, write } from '../core/operation.ts';
import { Problem } from '../core/problem.ts';
import { requireNotAbove } from './guard.ts';
import { checkPassword } from './password.ts';
import type { UserRow } from './people.ts';
import { TotpBeginInput, TotpCodeInput, TotpOutput, UserInput } from './schema.ts';
import type { AuthServices } from './services.ts';
import { totpUri } from './totp.ts';
import { requireUser } from './user-operations.ts';

function requireSelf({ people }: AuthServices, { actor }: Call): UserRow {
  const user = people.userById(actor.id);
  if (!user) throw new Problem('wrong-state', 'This credential does not belong to a user with a password. Sign in as the user.');
  return user;
}

/** The secret is shown until a code has confirmed it, and never after. */
function show({ factors }: AuthServices, user: UserRow): z.input<typeof TotpOutput> {
  const row = factors.find(user.id);
  const isPending = row !== undefined && row.confirmedAt === null;
  return { isOn: factors.isOn(user.id), secret: isPending ? row.secret : null, uri: isPending ? totpUri(row.secret, user.name) : null, recoveryCodesLeft: row?.recoveryHashes.length ?? 0, recoveryCodes: null };
}

export const totpGet = read<AuthServices>()({
  id: 'totp.get', method: 'GET', path: '/totp', permission: 'self.edit', summary: 'Show whether signing in needs a code of the own phone',
  input: z.object({}), output: TotpOutput,
  run(services, call) {
    const user = services.people.userById(call.actor.id);
    return user ? show(services, user) : { isOn: false, secret: null, uri: null, recoveryCodesLeft: 0, recoveryCodes: null };
  },
});

export const totpBegin = write<AuthServices>()({
  id: 'totp.begin', method: 'POST', path: '/totp', permission: 'self.edit', status: 200, summary: 'Begin with codes of the own phone: get the secret for the app',
  input: TotpBeginInput, output: TotpOutput,
  async prepare(services, call, { currentPassword }) {
    const user = requireSelf(services, call);
    const keys = [`password:${user.id}`];
    services.limit.begin(keys);
    if (!(await checkPassword(currentPassword, user.passwordHash))) throw new Problem('invalid-input', 'The password is wrong.', { errors: [{ path: 'currentPassword', message: 'This is not your password.' }] });
    services.limit.succeeded(keys);
  },
  run(services, tx) {
    const user = requireSelf(services, tx.call);
    if (services.factors.isOn(user.id)) throw new Problem('wrong-state', 'Codes are on already. Give them up first, with a code.');
    services.factors.begin(tx, user.id);
    return show(services, user);
  },
});

const limited = (services: AuthServices, call: Call): string[] => {
  const keys = [`totp:${requireSelf(services, call).id}`];
  services.limit.begin(keys);
  return keys;
};

export const totpConfirm = write<AuthServices>()({
  id: 'totp.confirm', method: 'POST', path: '/totp/confirm', permission: 'self.edit', status: 200, summary: 'Confirm the app with a code of it; from then on signing in needs one',
  input: TotpCodeInput, output: TotpOutput,
  prepare: limited,
  run(services, tx, { code }, keys) {
    const user = requireSelf(services, tx.call);
    if (!services.factors.find(user.id)) throw new Problem('wrong-state', 'Begin first: with your password you get the secret for the app.');
    if (services.factors.isOn(user.id)) throw new Problem('wrong-state', 'Codes are on already.');
    return newRecoveryCodes(services, tx, user, { code, keys });
  },
});

export const totpRenew = write<AuthServices>()({
  id: 'totp.renew', method: 'POST', path: '/totp/recovery-codes', permission: 'self.edit', status: 200, summary: 'Make new recovery codes, with a code; those from before are void',
  input: TotpCodeInput, output: TotpOutput,
  prepare: limited,
  run(services, tx, { code }, keys) {
    const user = requireSelf(services, tx.call);
    if (!services.factors.isOn(user.id)) throw new Problem('wrong-state', 'Codes are not on.');
    return newRecoveryCodes(services, tx, user, { code, keys });
  },
});

export const totpOff = write<AuthServices>()({
  id: 'totp.off', method: 'POST', path: '/totp/off', permission: 'self.edit', status: 200, summary: 'Give up the codes of the own phone, with one of them',
  input: TotpCodeInput, output: TotpOutput,
  prepare: limited,
  run(services, tx, { code }, keys) {
    const user = requireSelf(services, tx.call);
    if (!services.factors.isOn(user.id)) throw new Problem('wrong-state', 'Codes are not on.');
    requireCode(services, user, code);
    services.factors.remove(tx, user.id);
    services.limit.succeeded(keys);
    return show(services, user);
  },
});

/** For a right code: it is spent, and the recovery codes that come are shown this once. */
function newRecoveryCodes(services: AuthServices, tx: Tx, user: UserRow, { code, keys }: { code: string; keys: string[] }): z.input<typeof TotpOutput> {
  requireCode(services, user, code);
  services.factors.redeem(tx, user.id, code);
  services.limit.succeeded(keys);
  const recoveryCodes = services.factors.renewRecovery(tx, user.id);
  return { ...show(services, user), recoveryCodes };
}

/** Somebody who is signed in gets a fault at the field, not "sign in first". */
function requireCode({ factors }: AuthServices, user: UserRow, code: string): void {
  if (!factors.isRight(user.id, code)) throw new Problem('invalid-input', 'This code is wrong or was used already. Wait for the next one.', { errors: [{ path: 'code', message: 'Wait for the next code.' }] });
}

export const userTotpRemove = write<AuthServices>()({
  id: 'user.remove-totp', method: 'DELETE', path: '/users/{user}/totp', permission: 'user.edit', status: 204, summary: 'Let a user who has lost the phone sign in without a code',
  input: UserInput, output: z.null(),
  run(services, tx, { user: ref }) {
    const user = requireUser(services.people, ref);
    requireNotAbove(services.people, tx.call.actor, user);
    services.factors.remove(tx, user.id);
    return null;
  },
});

export const totpOperations = [totpGet, totpBegin, totpConfirm, totpRenew, totpOff, userTotpRemove];
