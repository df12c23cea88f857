/**
 * `npm run dev`: the whole user interface on the simulated World with an example site. No root, no libvirt.
 *
 * State lies in `state/dev` (or BOTHY_STATE) and survives a restart, so a reload on a change of the source neither signs you out nor
 * changes the site: the guests that ran are kept beside it and run again. Delete the folder to begin anew. Guests have a screen
 * picture but no live console.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createApp } from '../../appliance/app.ts';
import { readConfig } from '../../appliance/config.ts';
import { systemClock } from '../../appliance/core/clock.ts';
import { createLog } from '../../appliance/core/log.ts';
import { rootPath } from '../../appliance/paths.ts';
import { serve } from '../../appliance/server.ts';
import type { ImageTool } from '../../appliance/world.ts';
import { makeExampleSite } from './example-site.ts';
import { keepLibvirt, restoreLibvirt } from './kept-libvirt.ts';
import { createSimulatedHost, createSimulatedWorld } from './world.ts';

const password = 'correct horse battery';

/** Converts as slowly as a large image on an old disk, so that there is a task to watch. */
function slowly(tool: ImageTool): ImageTool {
  return {
    ...tool,
    async convert(from, to, { signal, progress }) {
      for (let part = 0; part < 1000; part++) {
        await systemClock.sleep(1_200, signal);
        progress(part / 1000);
      }
      await tool.convert(from, to, { signal, progress });
    },
  };
}

const stopping = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => (stopping.signal.aborted ? process.exit(1) : stopping.abort()));
}

const ownState = join(rootPath, 'state/dev');
const config = readConfig({ BOTHY_STATE: ownState, ...process.env });
const libvirtFile = join(config.statePath, 'simulated-libvirt.json');
// Without this file the example site was never finished.
if (config.statePath === ownState && !existsSync(libvirtFile)) rmSync(ownState, { recursive: true, force: true });
const log = createLog((line) => process.stderr.write(`${line}\n`), config.logLevel);
const host = createSimulatedHost({ clock: systemClock, statePath: config.statePath, createMs: 400 });
const simulated = createSimulatedWorld(host);
const world = { ...simulated, imageTool: slowly(simulated.imageTool) };
if (existsSync(libvirtFile)) restoreLibvirt(host.libvirt, readFileSync(libvirtFile, 'utf8'));

const app = createApp({ config, log, world });
const running = app.start(stopping.signal);
const local = app.http('local');
const served = serve({ config, log, network: app.http('network'), local, openConsole: app.openConsole, certificates: app.certificates }, stopping.signal, (url) => {
  process.stdout.write(`Bothy ${config.version} on a simulated host: ${url}\nSign in as admin with "${password}".\n`);
});
const code = app.setupCode();
if (code) {
  await local.request('/api/v1/setup', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ code, password }) });
  await makeExampleSite(local, host);
  writeFileSync(libvirtFile, keepLibvirt(host.libvirt));
  process.stdout.write('The example site is ready.\n');
}
await served;
writeFileSync(libvirtFile, keepLibvirt(host.libvirt));
await running;
await app.close();
