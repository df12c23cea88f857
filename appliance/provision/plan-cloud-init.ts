/** The part of a plan that is about what guests are told by cloud-init. Words of what is secret, or long, are not repeated. Pure. */
import type { CloudInitWish } from '../vm/cloud-init/schema.ts';
import type { GuestSecret } from '../vm/cloud-init/settings.ts';
import type { WindowsWish } from '../vm/cloud-init/windows/schema.ts';
import { differences } from './plan-step.ts';

interface Known {
  hasPassword: boolean;
  secret: GuestSecret | undefined;
}

/** What is to change of settings that are there or, with `is` empty, are not. A plain password is set where there is none: its hash differs each time. */
export function cloudInitChanges(wanted: CloudInitWish, given: Record<string, unknown>, is: object | undefined, { hasPassword, secret: known }: Known): { changes: Record<string, unknown>; names: string[] } {
  const { changes } = differences(['user', 'sshKeys', 'hostname', 'interfaces', 'userData', 'networkConfig'], { wanted, given, is: is ?? {} });
  const { password, passwordHash } = wanted;
  const secret = passwordHash !== undefined && passwordHash !== known?.passwordHash ? { passwordHash } : password !== undefined && !hasPassword ? { password } : {};
  const windows = windowsChanges(wanted.windows, given['windows'] as Record<string, unknown> | undefined, (is as { windows?: object | null } | undefined)?.windows ?? null, known); // checked by the schema
  const all = { ...changes, ...secret };
  return {
    changes: { ...all, ...(windows !== undefined && { windows }) },
    names: [...Object.keys(all).map((name) => (name === 'passwordHash' ? 'password' : name)), ...(windows === undefined ? [] : windows === null ? ['windows'] : Object.keys(windows).map((name) => `windows.${name}`))],
  };
}

const windowsNames = ['computerName', 'user', 'owner', 'organisation', 'timeZone', 'language', 'answerFile'] as const;

/** `undefined` when nothing of it is to change. */
function windowsChanges(wanted: WindowsWish | null | undefined, given: Record<string, unknown> | undefined, is: object | null, known: GuestSecret | undefined): Record<string, unknown> | null | undefined {
  if (wanted === undefined || (wanted === null && is === null)) return undefined;
  if (wanted === null) return null;
  const { changes } = differences(windowsNames, { wanted, given: given ?? {}, is: is ?? {} });
  const secrets = (['password', 'productKey'] as const).filter((name) => wanted[name] !== undefined && wanted[name] !== known?.windows[name]).map((name) => [name, wanted[name]] as const);
  const all = { ...changes, ...Object.fromEntries(secrets) };
  return Object.keys(all).length > 0 || is === null ? all : undefined;
}
