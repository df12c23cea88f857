/**
 * Hardware of running VMs on the real service, libvirt and QEMU: who gets in by SPICE, what applies at once, what waits, and a watchdog that is
 * not answered.
 */
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { real } from './count.ts';
import { readReport } from './guest/linux-guest.ts';
import { boot, bootMs, closeHardwareHost, type Context, details, macOf, make, MiB, openHardwareHost, serialOf, type, wishes } from './hardware-guests.ts';
import { checkout } from './rack-host.ts';

const test = suite<Context>('hardware');
test.before(openHardwareHost);
test.after(closeHardwareHost);

test('two guests are there', async ({ service }) => {
  for (const name of ['modern', 'old'] as const) {
    await make(service, name, wishes[name]);
    await boot(service, name);
  }
});

test('SPICE lets in who has the password of a fresh viewer file, and nobody else', async ({ host, service }) => {
  const file = async () => new TextDecoder().decode(await service.must<Uint8Array>('GET', '/vms/modern/console.vv'));
  const field = (text: string, name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(text)?.[1] ?? '';
  const link = async (port: string, password: string) => (await host.must(['node', join(checkout, 'build/test/real/spice-link.js'), port, password])).trim();
  const first = await file();
  assert.is(field(first, 'type'), 'spice');
  assert.equal([await link(field(first, 'port'), field(first, 'password')), await link(field(await file(), 'port'), 'over')], ['0', '7']);
  const second = await file();
  assert.is(await link(field(second, 'port'), field(first, 'password')), '7', 'the password before is over');
  assert.match(await host.must(['ls', join(service.statePath, 'run/vms', (await details(service, 'modern')).id)]), /channel-1\.sock\nchannel-2\.sock[^]*serial-2\.sock/);
  real('qemu');
});

test('limits and cables change at once, in the guest, too', async (context) => {
  const { service } = context;
  const vm = await details(service, 'modern');
  const [disk] = vm.disks;
  await service.carryOut('PATCH', `/vms/modern/disks/${disk?.id}`, { readBytesPerSecond: MiB });
  const before = (await serialOf(service, 'modern')).length;
  await type(context, 'modern', 'time dd if=/dev/vda of=/dev/null bs=1M count=5 iflag=direct; cat /sys/class/net/eth*/carrier; echo ready-$((40 + 2))');
  const output = await service.until('the disk is read', async () => {
    const text = (await serialOf(service, 'modern')).slice(before);
    return text.includes('ready-42') && text;
  });
  const [, minutes = '0', seconds = '0'] = /real\s+(\d+)m ([\d.]+)s/.exec(output) ?? [];
  assert.ok(Number(minutes) * 60 + Number(seconds) >= 3, `5 MiB at 1 MiB a second: ${output}`);
  assert.equal((await details(service, 'modern')).disks[0]?.pending, []);
  await service.carryOut('PATCH', `/vms/modern/nics/${vm.nics[0]?.id}`, { isLinked: false });
  assert.match(await context.host.must(['virsh', 'domif-getlink', 'modern', macOf(1)]), /down/);
  assert.equal((await details(service, 'modern')).nics[0]?.pending, []);
  await service.carryOut('PATCH', `/vms/modern/nics/${vm.nics[0]?.id}`, { isLinked: true });
  real('libvirt', 'qemu');
});

test('a watchdog that is not answered acts, and leaves its trace', async (context) => {
  const { service } = context;
  await type(context, 'old', 'echo 1 >/dev/watchdog');
  const { explanation } = await service.vmIs('old', 'paused', 'watchdog', 180_000);
  assert.match(explanation?.cause ?? '', /watchdog device fired/);
  await service.carryOut('POST', '/vms/old/power-off');
  const before = (await serialOf(service, 'modern')).length;
  await type(context, 'modern', 'echo 1 >/dev/watchdog');
  await service.until('modern was reset and tells anew', async () => readReport((await serialOf(service, 'modern')).slice(before)) !== undefined, bootMs);
  await service.vmIs('modern', 'up', 'watchdog-reset');
  assert.ok((await service.events('modern')).some(({ code, severity }) => code === 'vm.up-watchdog-reset' && severity === 'warning'));
  await service.must('PATCH', '/vms/old', { watchdogAction: 'poweroff' });
  await boot(service, 'old');
  await type(context, 'old', 'echo 1 >/dev/watchdog');
  assert.match((await service.vmIs('old', 'down', 'watchdog', 180_000)).explanation?.effect ?? '', /made to end/);
  assert.is((await service.events('old')).some(({ message }) => /QEMU process/.test(message)), false);
  real('libvirt', 'qemu');
});

test('a system that panics is seen, and starts anew', async (context) => {
  const { service } = context;
  const before = (await serialOf(service, 'modern')).length;
  await type(context, 'modern', 'echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger');
  await service.until('modern starts anew and tells what it sees', async () => readReport((await serialOf(service, 'modern')).slice(before)) !== undefined, bootMs);
  assert.match((await serialOf(service, 'modern')).slice(before), /Kernel panic/);
  assert.match((await service.vmIs('modern', 'up', 'crash-restarted')).explanation?.cause ?? '', /crashed/);
  assert.ok((await service.events('modern')).some(({ code, severity }) => code === 'vm.up-crash-restarted' && severity === 'warning'));
  real('libvirt', 'qemu');
});

test('what cannot change at once waits, is shown, and is undone', async ({ service }) => {
  await service.must('PATCH', '/vms/modern', { video: 'qxl', machine: 'pc' });
  assert.equal((await details(service, 'modern')).pending.sort(), ['machine', 'video']);
  await service.must('POST', '/vms/modern/discard-changes');
  const vm = await details(service, 'modern');
  assert.equal([vm.pending, vm.video, vm.machine], [[], 'virtio', 'q35']);
});

test.run();
