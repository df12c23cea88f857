/** `bothyd`: settings -> App -> serve. One AbortController ends everything; a second signal ends the process at once. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createApp } from './app.ts';
import { readConfig } from './config.ts';
import { claimState } from './core/claim.ts';
import { createLog } from './core/log.ts';
import { realWorld } from './real-world.ts';
import { serve } from './server.ts';

const stopping = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => (stopping.signal.aborted ? process.exit(1) : stopping.abort()));
}

try {
  const config = readConfig(process.env);
  const log = createLog((line) => process.stderr.write(`${line}\n`), config.logLevel);
  const release = claimState(config.statePath);
  const world = realWorld(config);
  const app = createApp({ config, log, world });
  const running = app.start(stopping.signal);
  await app.haveLooked(stopping.signal);
  await serve({ config, log, network: app.http('network'), local: app.http('local'), openConsole: app.openConsole, certificates: app.certificates }, stopping.signal, (url) => {
    process.stdout.write(`Bothy ${config.version} is ready: ${url}\n`);
    const code = app.setupCode();
    if (code) process.stdout.write(`Set-up code: ${code}\n`);
    tellReady(process.env['RUNTIME_DIRECTORY']);
  });
  await running;
  await app.close();
  release();
  process.exit(0); // a viewer at a relay must not keep the process
} catch (error) {
  process.stderr.write(`Bothy cannot start. ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}

/** For what waits in the system until the service answers (bothy-console.path). systemd empties the folder when the service ends. */
function tellReady(folder: string | undefined): void {
  if (folder) writeFileSync(join(folder, 'ready'), '');
}
