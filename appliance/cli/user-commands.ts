/** `bothy user`: for the person at the machine, whatever has become of the passwords. */
import type * as z from 'zod';
import type * as auth from '../auth/schema.ts';
import { call, print, Refusal } from './local-call.ts';

type User = z.output<typeof auth.UserOutput>;

export async function userCommand([verb, name]: string[], usage: string): Promise<void> {
  if (verb === 'list') return listUsers();
  if (verb !== 'unlock' && verb !== 'remove-totp') throw new Refusal(`bothy: there is no command "user ${verb ?? ''}".\n\n${usage}`);
  if (!name) throw new Refusal(`Name the user: bothy user ${verb} NAME`);
  if (verb === 'remove-totp') {
    await call('DELETE', `/api/v1/users/${encodeURIComponent(name)}/totp`);
    return print(`${name} signs in without a code.\n`);
  }
  const { body } = await call<User>('POST', `/api/v1/users/${encodeURIComponent(name)}/unlock`, {});
  print(`${body.name} can sign in again.\n`);
}

async function listUsers(): Promise<void> {
  const { body } = await call<{ items: User[] }>('GET', '/api/v1/users');
  for (const user of body.items) print(`${user.name}\t${user.roles.join(',') || '-'}\t${stateOf(user)}\n`);
}

function stateOf({ isLocked, lockedUntil, hasPassword }: User): string {
  if (isLocked) return lockedUntil === null ? 'locked' : `locked until ${new Date(lockedUntil).toISOString()}`;
  return hasPassword ? 'ok' : 'no password';
}
