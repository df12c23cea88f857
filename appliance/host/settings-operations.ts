/** The verbs of the machine's own settings. */
import type * as z from 'zod';
import { read, write } from '../core/operation.ts';
import { Problem } from '../core/problem.ts';
import type { HostSettings, World } from '../world.ts';
import { HostSettingsInput, HostSettingsOutput } from './schema.ts';
import type { Settings } from './settings.ts';

export interface SettingsServices {
  hostId: string;
  world: World;
  settings: Settings;
}

async function requireHere({ hostId, world }: SettingsServices, host: string): Promise<HostSettings> {
  const actual = await world.hostSettings.read();
  if (host !== 'this' && host !== hostId && host !== actual.hostname) throw new Problem('not-found', `There is no host "${host}". This one is called "${actual.hostname}".`);
  return actual;
}

function showSettings({ world, settings }: SettingsServices, actual: HostSettings): z.input<typeof HostSettingsOutput> {
  const { generation, ...wanted } = settings.wanted();
  return { wanted, actual, isManaged: world.hostSettings.isManaged, generation };
}

export const hostSettingsGet = read<SettingsServices>()({
  id: 'host.settings', method: 'GET', path: '/hosts/{host}/settings', permission: 'host.read', summary: 'Show the name, time and SSH keys of a host',
  input: HostSettingsInput.pick({ host: true }), output: HostSettingsOutput,
  run: async (services, _call, { host }) => showSettings(services, await requireHere(services, host)),
});

export const hostSettingsEdit = write<SettingsServices>()({
  id: 'host.edit-settings', method: 'PATCH', path: '/hosts/{host}/settings', permission: 'host.edit', status: 200, summary: 'Change the name, time or SSH keys of a host',
  input: HostSettingsInput, output: HostSettingsOutput,
  generation: ({ settings }) => settings.wanted().generation,
  prepare: (services, _call, { host }) => requireHere(services, host),
  run(services, tx, { host: _this, ...changes }, actual) {
    services.settings.wish(tx, Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined)));
    return showSettings(services, actual);
  },
});

export const hostSettingsOperations = [hostSettingsGet, hostSettingsEdit];
