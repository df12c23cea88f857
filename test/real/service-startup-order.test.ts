/**
 * VMs come back by tier after a real power cut: service, libvirtd and every QEMU end at once, and the machine is seen to have booted anew. The first is
 * a Linux whose port is open only when the test has opened it: until then nobody else starts.
 */
import { writeFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { real } from './count.ts';
import { answerTo, bootMs, closeHardwareHost, type Context, openHardwareHost, serialOf } from './hardware-guests.ts';
import { makeVm, MiB } from './kill-subjects.ts';
import type { Vm } from './service.ts';

const test = suite<Context>('the order of starts');
test.before(openHardwareHost);
test.after(closeHardwareHost);

const address = '192.168.122.50';
/** In the order in which they must come. */
const expected = ['db', 'cache', 'app', 'web', 'log', 'asleep'];

async function makeSite({ service }: Context): Promise<void> {
  const make = (name: string, wish: object) => makeVm(service, name, { autostart: true, ...wish });
  await make('db', { memoryBytes: 192 * MiB, cdrom: 'linux.iso', bootOrder: ['cdrom'], nics: [{ network: 'default', model: 'virtio' }], tier: 1, healthProbe: `tcp:${address}:80` });
  await make('cache', { tier: 1, startOrder: 5 });
  await make('app', { tier: 2, startDelaySeconds: 4 });
  await make('web', { tier: 2, startAfter: ['app'] });
  await make('log', { tier: 3 });
  await make('asleep', { tier: 3, startOrder: 1 });
  await makeVm(service, 'stays');
  for (const name of [...expected, 'stays']) await service.carryOut('POST', `/vms/${name}/start`);
  await service.carryOut('POST', '/vms/asleep/power-off'); // somebody's will, which ends with the boot
}

/** Everything ends; the kernel below goes on, so its boot id and uptime are covered by others. */
async function cutPower({ host, service }: Context): Promise<void> {
  await host.powerCut();
  writeFileSync(host.path('boot_id'), `${randomUUID()}\n`);
  writeFileSync(host.path('uptime'), '0.10 0.10\n'); // it booted after the cut
  await host.boot();
  assert.is((await host.run(['pgrep', '-c', 'qemu-system'])).stdout.trim(), '0', 'no QEMU is left');
  for (const [file, over] of [['boot_id', '/proc/sys/kernel/random/boot_id'], ['uptime', '/proc/uptime']] as const) await host.must(['mount', '--bind', host.path(file), over]);
  await service.start();
}

test('by tier, place and dependency, each when those before are healthy', async (context) => {
  const { service } = context;
  await makeSite(context);
  const states = async () => Object.fromEntries((await service.must<{ items: Vm[] }>('GET', '/vms')).items.map(({ name, state }) => [name, state]));
  const before = (await serialOf(service, 'db')).length;
  await cutPower(context);

  await service.vmIs('db', 'up');
  await service.until('its Linux has booted', async () => (await serialOf(service, 'db')).slice(before).includes('linux-guest ready'), bootMs);
  assert.equal(await states(), { db: 'up', cache: 'down', app: 'down', web: 'down', log: 'down', asleep: 'down', stays: 'down' }, 'it runs, and is not healthy yet');
  for (const [name, words] of [['cache', /machines before it in its tier/], ['app', /tiers before it/], ['web', /machines that it needs/]] as const) assert.match((await service.vm(name)).explanation?.cause ?? '', words);

  const said = await answerTo(context, 'db', `nic=$(ls /sys/class/net | grep -v lo); ip addr add ${address}/24 dev $nic; ip link set $nic up; httpd -p 80 -h /modules; echo served $?`);
  assert.match(said, /served 0/, said);
  for (const name of expected) await service.vmIs(name, 'up');
  const startedAt = new Map<string, number>();
  for (const name of expected) startedAt.set(name, (await service.vm(name)).startedAt ?? 0);
  const at = (name: string) => startedAt.get(name) ?? 0;
  console.log(expected.map((name) => `${name} +${((at(name) - at('db')) / 1000).toFixed(1)} s`).join(', '));
  assert.equal([...expected].sort((one, other) => at(one) - at(other)), expected);
  assert.ok(at('web') - at('app') >= 4_000, 'the pause after it');
  assert.is((await service.vm('stays')).state, 'down');
  real('libvirt', 'qemu');
});

test.run();
