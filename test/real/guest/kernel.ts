/** Gives a rack host a kernel as an installed machine has one: containers, where tests may run, have none. Called by test/real/service-generalise. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkout, type RackHost } from '../rack-host.ts';
import { build, cached } from './cache.ts';

export async function giveKernel(host: RackHost): Promise<void> {
  const script = join(checkout, 'test/real/guest/build-kernel');
  const ingredients = [readFileSync(script, 'utf8'), readFileSync('/etc/os-release', 'utf8')];
  const folder = await cached({ name: 'kernel', suffix: '', ingredients }, async (path) => void (await build([script, path], 300_000)));
  for (const [from, to] of [['boot', '/boot'], ['lib/modules', '/usr/lib/modules']] as const) {
    await host.must(['mkdir', '-p', to]);
    for (const name of readdirSync(join(folder, from))) await give(host, join(folder, from, name), join(to, name));
  }
}

/** What the machine has already is not hidden. */
async function give(host: RackHost, from: string, to: string): Promise<void> {
  if ((await host.run(['test', '-e', to])).code === 0) return;
  await host.must(to.startsWith('/boot') ? ['cp', from, to] : ['cp', '-r', from, to]);
}
