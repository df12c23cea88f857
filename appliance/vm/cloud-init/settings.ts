/**
 * The cloud-init settings of VMs as rows. With the settings goes an instance id: a guest whose id is another one takes itself for new, and cloud-init
 * runs again. So it changes with the settings and never otherwise.
 *
 * The journal is read by people and kept for years: the hash of a password, the password and key of a Windows, and what people wrote themselves stay out of it.
 */
import { eq } from 'drizzle-orm';
import type { Tx } from '../../core/db.ts';
import { newId } from '../../core/id.ts';
import { Problem } from '../../core/problem.ts';
import type { Core } from '../../core/services.ts';
import { vmCloudInitTable } from '../table.ts';
import type { SafeWish } from './password.ts';
import { mergeWindows, tellableWindows, type Windows } from './windows/settings.ts';

export interface CloudInit {
  user: string | null;
  passwordHash: string | null;
  sshKeys: string[];
  hostname: string | null;
  interfaces: { addresses: string[]; gateways: string[]; dns: string[]; search: string[] }[];
  userData: string | null;
  networkConfig: string | null;
  /** Absent in rows from before there were such. */
  windows?: Windows | null;
}

export type CloudInitRow = typeof vmCloudInitTable.$inferSelect;
export type CloudInits = ReturnType<typeof createCloudInits>;

const nothing: CloudInit = { user: null, passwordHash: null, sshKeys: [], hostname: null, interfaces: [], userData: null, networkConfig: null, windows: null };

/** What is not said stays; a text of blanks is none. */
export function mergeCloudInit(before: CloudInit | undefined, wish: SafeWish): CloudInit {
  const given = Object.fromEntries(Object.entries(wish).filter(([name, value]) => name in nothing && name !== 'windows' && value !== undefined)) as Partial<CloudInit>; // its own names
  const merged = { ...nothing, ...before, ...given, windows: mergeWindows(before?.windows, wish.windows) };
  // Of a user whose name it does not know, cloud-init takes such a hash for a password in plain text.
  if (merged.user === null && merged.passwordHash?.startsWith('$y$')) throw new Problem('invalid-input', 'A hash of this kind needs the name of its user. Name the user, or give a hash that begins with $6$.', { errors: [{ path: 'user', message: 'Give the name of the user.' }] });
  const orNull = (text: string | null) => (text === null || text.trim() === '' ? null : text);
  return { ...merged, userData: orNull(merged.userData), networkConfig: orNull(merged.networkConfig) };
}

/** For another VM: what must not be there twice is left out. */
export const forAnother = (settings: CloudInit): CloudInit => ({ ...settings, hostname: null, interfaces: [], networkConfig: null, windows: settings.windows ? { ...settings.windows, computerName: null } : null });

/** For the journal and for those who may only look. */
export const tellable = ({ passwordHash, userData, networkConfig, windows, ...rest }: CloudInit) => ({ ...rest, windows: tellableWindows(windows), hasPassword: passwordHash !== null, hasUserData: userData !== null, hasNetworkConfig: networkConfig !== null });

/** For exports with secrets, and to see whether a site file wishes others. */
export interface GuestSecret {
  passwordHash: string | null;
  windows: Pick<Windows, 'password' | 'productKey'>;
}

export const secretOf = ({ passwordHash, windows }: CloudInit): GuestSecret => ({ passwordHash, windows: { password: windows?.password ?? null, productKey: windows?.productKey ?? null } });

export function createCloudInits({ database, journal }: Pick<Core, 'database' | 'journal'>) {
  const find = (vmId: string): CloudInitRow | undefined => database.sql.select().from(vmCloudInitTable).where(eq(vmCloudInitTable.vmId, vmId)).get();
  return {
    find,
    set(tx: Tx, vmId: string, settings: CloudInit, { runAgain = false }: { runAgain?: boolean } = {}): void {
      const before = tx.sql.select().from(vmCloudInitTable).where(eq(vmCloudInitTable.vmId, vmId)).get();
      if (before && !runAgain && JSON.stringify(before.settings) === JSON.stringify(settings)) return;
      const row = { vmId, settings, instanceId: newId<'instance'>() };
      tx.sql.insert(vmCloudInitTable).values(row).onConflictDoUpdate({ target: vmCloudInitTable.vmId, set: row }).run();
      journal.site(tx, { kind: 'vm-cloud-init', id: vmId, what: before ? 'updated' : 'created', after: { vmId, instanceId: row.instanceId, ...tellable(settings) } });
    },
    remove(tx: Tx, vmId: string): void {
      if (!find(vmId)) return;
      tx.sql.delete(vmCloudInitTable).where(eq(vmCloudInitTable.vmId, vmId)).run();
      journal.site(tx, { kind: 'vm-cloud-init', id: vmId, what: 'deleted', after: null });
    },
  };
}
