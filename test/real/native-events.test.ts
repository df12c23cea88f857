/** Events of real guests: in order, complete, and with a word when the reader was too slow for all of them. */
import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { real } from './count.ts';
import { diskXml, guestXml, type NativeHost, openNativeHost, uuidOf, waitForEvent, writeBootDisk } from './native-host.ts';

const test = suite<NativeHost>('events of real guests');

test.before(async (context) => {
  Object.assign(context, await openNativeHost());
});
test.after(async (context) => {
  await context.close();
});

const lifecycles = ({ events }: NativeHost, uuid: string) =>
  events.flatMap((event) => (event.type === 'lifecycle' && event.uuid === uuid ? [`${event.event} ${event.detail}`] : []));

test('a hundred changes arrive once each and in order', async (context) => {
  const uuid = uuidOf(1);
  await context.libvirt.create(guestXml(1), { paused: true });
  const calls: Promise<void>[] = [];
  for (let i = 0; i < 50; i++) calls.push(context.libvirt.resume(uuid), context.libvirt.suspend(uuid));
  await Promise.all(calls);
  await context.libvirt.destroy(uuid);
  await waitForEvent(context.events, 'lifecycle', (event) => event.uuid === uuid && event.event === 'stopped');
  const pairs = Array.from({ length: 50 }, () => ['resumed unpaused', 'suspended paused']).flat();
  assert.equal(lifecycles(context, uuid), ['started booted', 'suspended paused', ...pairs, 'shutdown host', 'stopped destroyed']);
  real('libvirt', 'qemu');
});

/**
 * Writes 32 KiB after 32 KiB with INT 13h, function 43h, from sector 1 on; the packet with the address is at 0x40.
 *
 *         xor ax, ax / mov ds, ax / mov si, 0x7c40
 *   next: mov ax, 0x4300 / mov dl, 0x80 / int 0x13 / add word [0x7c48], 64 / jmp next
 */
const fillDisk = [
  0x31, 0xc0, 0x8e, 0xd8, 0xbe, 0x40, 0x7c,
  0xb8, 0x00, 0x43, 0xb2, 0x80, 0xcd, 0x13, 0x83, 0x06, 0x48, 0x7c, 0x40, 0xeb, 0xf2,
  ...Array.from({ length: 0x40 - 21 }, () => 0),
  0x10, 0x00, 0x40, 0x00, 0x00, 0x7c, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
];

test('a full file system stops the guest, says so, and lets it go on when there is room', async (context) => {
  const { libvirt, host, events } = context;
  const uuid = uuidOf(2);
  const folder = await host.smallDisk(2 << 20);
  writeBootDisk(host.path('fill.raw'), fillDisk, 512);
  await host.must(['sh', '-c', `cp ${host.path('fill.raw')} ${folder}/disk.raw && truncate -s 4M ${folder}/disk.raw`]);
  await libvirt.create(guestXml(2, { devices: diskXml(`${folder}/disk.raw`) }), { paused: true });
  await host.must(['virsh', '-q', 'domblkthreshold', 'guest-2', 'vda', '1048576']);
  await libvirt.resume(uuid);
  const error = await waitForEvent(events, 'io-error', (event) => event.uuid === uuid);
  assert.equal([error.path, error.alias, error.action, error.reason], [`${folder}/disk.raw`, 'virtio-disk0', 'pause', 'enospc']);
  await waitForEvent(events, 'lifecycle', (event) => event.uuid === uuid && event.event === 'suspended' && event.detail === 'io-error');
  const threshold = await waitForEvent(events, 'block-threshold', (event) => event.uuid === uuid);
  assert.is(threshold.thresholdBytes, 1 << 20);
  assert.equal(await libvirt.diskErrors(uuid), { vda: 'no-space' });
  assert.equal((await libvirt.domains()).map((domain) => [domain.state, domain.reason]), [['paused', 'io-error']]);
  const writtenBytes = async () => (await libvirt.stats())[0]?.blocks[0]?.writtenBytes ?? 0;
  const before = await writtenBytes();
  await host.must(['mount', '-o', 'remount,size=16m', folder]);
  await libvirt.resume(uuid);
  for (let tries = 0; (await writtenBytes()) <= before; tries++) {
    assert.ok(tries < 300, 'the guest does not go on writing');
    await sleep(100);
  }
  await libvirt.destroy(uuid);
  real('libvirt', 'qemu');
});

/** mov dx, 0x443 / mov al, 15 / out dx, al / hlt: arms the IB700 watchdog with no time left and waits. */
const armWatchdog = [0xba, 0x43, 0x04, 0xb0, 0x0f, 0xee, 0xf4];

test('a watchdog that fires', async ({ libvirt, host, events }) => {
  const uuid = uuidOf(3);
  writeBootDisk(host.path('watchdog.raw'), armWatchdog, 1 << 20);
  await libvirt.create(guestXml(3, { devices: `${diskXml(host.path('watchdog.raw'))}<watchdog model='ib700' action='pause'/>` }));
  assert.is((await waitForEvent(events, 'watchdog', (event) => event.uuid === uuid)).action, 'pause');
  await waitForEvent(events, 'lifecycle', (event) => event.uuid === uuid && event.detail === 'watchdog');
  await libvirt.destroy(uuid);
  real('libvirt', 'qemu');
});

test('a QEMU that is killed', async (context) => {
  const uuid = uuidOf(4);
  await context.libvirt.create(guestXml(4));
  await context.host.must(['sh', '-c', 'kill -9 $(cat /run/libvirt/qemu/guest-4.pid)']);
  await waitForEvent(context.events, 'lifecycle', (event) => event.uuid === uuid && event.event === 'stopped');
  assert.is(lifecycles(context, uuid).at(-1), 'stopped failed');
  assert.equal(await context.libvirt.domains(), []);
  real('libvirt', 'qemu');
});

test('a reader that stops reading is told to read everything anew, and loses no answer', async ({ libvirt, host, events }) => {
  const uuid = uuidOf(5);
  await libvirt.create(guestXml(5), { paused: true });
  events.length = 0;
  const answers = Promise.all(Array.from({ length: 1000 }, () => libvirt.domains()));
  // Blocks this process until libvirt has made 7,000 events: more than pipe and queue hold.
  const storm = spawnSync('nsenter', [`--target=${host.pid}`, '--all', '--', 'virsh', '-q'], { input: 'resume guest-5\nsuspend guest-5\n'.repeat(3500) });
  assert.is(storm.status, 0, storm.stderr.toString());
  await waitForEvent(events, 'resync');
  assert.is((await answers).length, 1000);
  const received = events.filter((event) => event.type === 'lifecycle').length;
  assert.ok(received >= 4096 && received < 7000, `${received} of 7000 events arrived`);
  events.length = 0;
  await libvirt.resume(uuid);
  await waitForEvent(events, 'lifecycle', (event) => event.event === 'resumed');
  await libvirt.destroy(uuid);
  real('libvirt', 'qemu');
});

test.run();
