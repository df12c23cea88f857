/**
 * Name, time zone, time servers and SSH keys of this machine: a wish of people, kept true by a reconciler through the World.
 *
 * What nobody has wished is left as it is. On a machine that is not ours to set up, wishes are kept and shown, and nothing
 * is touched.
 */
import type { Activity } from '../activity/activity.ts';
import type { Tx } from '../core/db.ts';
import type { Core } from '../core/services.ts';
import type { About } from '../core/task.ts';
import type { HostSettings, HostSettingsPort } from '../world.ts';
import { settingsToApply } from './rules.ts';
import { hostSettingsTable } from './table.ts';

export type WantedSettings = { [K in keyof HostSettings]: HostSettings[K] | null };

export interface Settings {
  wanted(): WantedSettings & { generation: number };
  wish(tx: Tx, changes: Partial<HostSettings>): void;
  /** Resolves when the machine is as wished; rejects with why not. */
  bringAbout(): Promise<void>;
}

export interface SettingsDeps extends Core {
  hostId: string;
  port: HostSettingsPort;
  activity: Pick<Activity, 'event' | 'settle'>;
  about(): Promise<About>;
}

const nothing: WantedSettings & { generation: number } = { hostname: null, timeZone: null, ntpServers: null, sshKeys: null, generation: 0 };
const failed = 'host.settings-failed';

export function createSettings(deps: SettingsDeps): Settings {
  const { database, hostId, port, journal, reconcilers } = deps;
  const wanted = () => {
    const row = database.sql.select().from(hostSettingsTable).get();
    return row ? { hostname: row.hostname, timeZone: row.timeZone, ntpServers: row.ntpServers, sshKeys: row.sshKeys, generation: row.generation } : nothing;
  };
  const bringAbout = async () => {
    if (!port.isManaged) return;
    const changes = settingsToApply(wanted(), await port.read());
    if (Object.keys(changes).length > 0) await port.apply(changes);
  };
  reconcilers.add({ name: 'host-settings', periodMs: 60_000, run: () => round(deps, bringAbout) });
  return {
    wanted,
    bringAbout,
    wish(tx, changes) {
      const row = { hostId, ...wanted(), ...changes, generation: wanted().generation + 1 };
      tx.sql.insert(hostSettingsTable).values(row).onConflictDoUpdate({ target: hostSettingsTable.hostId, set: row }).run();
      journal.observed(tx, { kind: 'host', id: hostId, what: 'updated' });
      tx.afterCommit(() => reconcilers.wake('host-settings'));
    },
  };
}

async function round({ database, activity, hostId, about }: SettingsDeps, bringAbout: () => Promise<void>): Promise<void> {
  const origin = { actor: 'system', operation: 'host.settings' };
  try {
    await bringAbout();
    database.write(origin, (tx) => activity.settle(tx, failed, [hostId]));
  } catch (error) {
    const host = await about();
    database.write(origin, (tx) => activity.event(tx, {
      severity: 'error', code: failed, message: 'The name, the time or the SSH keys of this machine could not be set as wished.',
      nextStep: 'It is tried again every minute; the log says what the system answered.', about: [host], isStanding: true,
    }));
    throw error;
  }
}
