/** The part of a plan that is about what guests are told by cloud-init. Words of what is secret, or long, are not repeated. Pure. */
import type { CloudInitWish } from '../vm/cloud-init/schema.ts';
import { differences } from './plan-step.ts';

interface Known {
  hasPassword: boolean;
  hash: string | undefined;
}

/** What is to change of settings that are there or, with `is` empty, are not. A plain password is set where there is none: its hash differs each time. */
export function cloudInitChanges(wanted: CloudInitWish, given: Record<string, unknown>, is: object | undefined, { hasPassword, hash }: Known): { changes: Record<string, unknown>; names: string[] } {
  const { changes } = differences(['user', 'sshKeys', 'hostname', 'interfaces', 'userData', 'networkConfig'], { wanted, given, is: is ?? {} });
  const { password, passwordHash } = wanted;
  const secret = passwordHash !== undefined && passwordHash !== hash ? { passwordHash } : password !== undefined && !hasPassword ? { password } : {};
  const all = { ...changes, ...secret };
  return { changes: all, names: Object.keys(all).map((name) => (name === 'passwordHash' ? 'password' : name)) };
}
