/** The example site of `npm run dev`: the whole appliance on the simulated World, made through its own API; and that it outlives the service. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type App, createApp } from '../../appliance/app.ts';
import { readConfig } from '../../appliance/config.ts';
import { systemClock } from '../../appliance/core/clock.ts';
import { silentLog } from '../../appliance/core/log.ts';
import { makeExampleSite } from '../world/example-site.ts';
import { createSimulatedHost, createSimulatedWorld, type SimulatedHost } from '../world/world.ts';

async function live(statePath: string, host: SimulatedHost): Promise<{ app: App; stop(): Promise<void> }> {
  const app = createApp({ config: readConfig({ BOTHY_STATE: statePath }), log: silentLog, world: createSimulatedWorld(host) });
  const end = new AbortController();
  const running = app.start(end.signal);
  return { app, stop: async () => { end.abort(); await running; await app.close(); } };
}

async function states({ http }: App): Promise<Record<string, string>> {
  const response = await http('local').request('/api/v1/vms');
  const { items } = await response.json() as { items: { name: string; state: string; reason: string }[] }; // as its schema says
  return Object.fromEntries(items.map(({ name, state, reason }) => [name, `${state} ${reason}`]));
}

test('shows VMs in many states, and finds them as they were after a restart', async () => {
  const statePath = mkdtempSync(join(tmpdir(), 'bothy-site-'));
  const host = createSimulatedHost({ clock: systemClock, statePath });
  const first = await live(statePath, host);
  await makeExampleSite(first.app.http('local'), host);
  const before = await states(first.app);
  assert.is(Object.keys(before).length, 12);
  assert.equal([before['directory'], before['till-test'], before['file-server'], before['backup']], ['up running', 'paused user', 'paused io-error', 'powering-down shutdown']);
  assert.equal([before['monitoring'], before['old-accounting'], before['training']], ['down failed', 'down new', 'down power-off']);
  await first.stop();
  host.libvirt.killQemu('debian-install');
  const second = await live(statePath, host);
  const changed = async () => Object.entries(await states(second.app)).filter(([name, state]) => before[name] !== state).map((entry) => entry.join(': '));
  for (let tries = 0; tries < 100 && (await changed()).length === 0; tries++) await systemClock.sleep(100);
  assert.equal(await changed(), ['debian-install: down failed'], 'libvirt has written down how it ended');
  await second.stop();
  rmSync(statePath, { recursive: true });
});

test.run();
