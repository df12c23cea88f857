/** The rules of signing in as verbs, and undoing a lock. */
import * as z from 'zod';
import { read, write } from '../core/operation.ts';
import { SignInRulesInput, SignInRulesOutput, UserInput, UserOutput } from './schema.ts';
import type { AuthServices } from './services.ts';
import { requireUser, showUser } from './user-operations.ts';

const shown = ({ minimumLength, lockAfter, lockMinutes, idleMinutes, generation }: ReturnType<AuthServices['signIns']['rules']>): z.input<typeof SignInRulesOutput> => ({ minimumLength, lockAfter, lockMinutes, idleMinutes, generation });

export const signInRulesGet = read<AuthServices>()({
  id: 'sign-in-rules.get', method: 'GET', path: '/sign-in-rules', permission: 'user.read', summary: 'Show the rules of passwords, lock-out and sessions',
  input: z.object({}), output: SignInRulesOutput,
  run: ({ signIns }) => shown(signIns.rules()),
});

export const signInRulesEdit = write<AuthServices>()({
  id: 'sign-in-rules.edit', method: 'PATCH', path: '/sign-in-rules', permission: 'user.edit', status: 200, summary: 'Change the rules of passwords, lock-out and sessions',
  input: SignInRulesInput, output: SignInRulesOutput,
  generation: ({ signIns }) => signIns.rules().generation,
  run: ({ signIns }, tx, changes) => shown(signIns.setRules(tx, Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined)))),
});

export const userUnlock = write<AuthServices>()({
  id: 'user.unlock', method: 'POST', path: '/users/{user}/unlock', permission: 'user.edit', status: 200, summary: 'Let a user sign in again who was locked after wrong passwords',
  input: UserInput, output: UserOutput,
  run(services, tx, { user: ref }) {
    const user = requireUser(services.people, ref);
    services.signIns.clear(tx, user);
    services.limit.succeeded([`user:${user.name}`]); // the growing pause between tries, too
    return showUser(services, user);
  },
});

export const signInOperations = [signInRulesGet, signInRulesEdit, userUnlock];
