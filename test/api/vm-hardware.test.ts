/** The hardware of VMs as programs see it: what a guest system brings, what is refused, what waits for the next start and how that is undone. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GiB } from '../../appliance/core/units.ts';
import { openTestApp, type TestApp } from '../world/app.ts';
import { callsOf, type Json } from '../world/calls.ts';
import { untilReady } from '../world/ready.ts';
import { find, findAll } from '../world/xml.ts';

let site: TestApp;
test.before.each(async () => {
  site = await openTestApp();
  await untilReady(site);
});
test.after.each(() => site.close());

const { send, carryOut } = callsOf(() => site);
const get = async (path = '/vms/web') => (await send('GET', path)).body;
const create = (body: object = {}) => send('POST', '/vms', { name: 'web', memoryBytes: GiB, disks: [{ sizeBytes: 2 ** 20 }], nics: [{ network: 'default' }], ...body });
const domain = () => site.host.libvirt.domains()[0]?.tree ?? assert.unreachable('no domain runs');
const models = (device: string) => findAll(domain() as Json, `devices/${device}`).map((each) => each.attributes['model'] ?? find(each, 'model')?.attributes['type']);
const errorsOf = (reply: { body: Json }) => (reply.body.errors ?? []).map(({ path }: Json) => path);

test('without a word a VM has what every VM has; a guest system brings its own, on devices that are added later, too', async () => {
  const { body: plain } = await create();
  assert.equal([plain.os, plain.firmware, plain.machine, plain.video, plain.disks[0].bus, plain.nics[0].model, plain.cores], ['other', 'bios', 'q35', 'vga', 'virtio', 'virtio', 1]);
  const { body: old } = await create({ name: 'old', os: 'windows-xp', sound: 'es1370' });
  assert.equal([old.machine, old.clock, old.sound, old.disks[0].bus, old.disks[0].target, old.nics[0].model], ['pc', 'localtime', 'es1370', 'ide', 'hda', 'rtl8139']);
  await carryOut('POST', '/vms/old/disks', { sizeBytes: 2 ** 20 });
  await carryOut('POST', '/vms/old/nics', { network: 'default' });
  const later = await get('/vms/old');
  assert.equal([later.disks[1].target, later.nics[1].model], ['hdb', 'rtl8139']);
});

test('what does not fit together is refused at its field, when it is made and when it is changed', async () => {
  assert.equal(errorsOf(await create({ vcpus: 3, sockets: 2 })), ['sockets']);
  assert.equal(errorsOf(await create({ disks: [{ sizeBytes: 2 ** 20, bus: 'ide' }] })), ['machine']);
  assert.equal((await get('/vms')).items, [], 'nothing was made');
  await create({ machine: 'pc', disks: [{ sizeBytes: 2 ** 20, bus: 'ide' }] });
  assert.equal(errorsOf(await send('PATCH', '/vms/web', { machine: 'q35' })), ['machine']);
  assert.equal(errorsOf(await send('PATCH', '/vms/web', { firmware: 'efi-secure' })), ['firmware']);
  for (let count = 0; count < 2; count++) await carryOut('POST', '/vms/web/disks', { sizeBytes: 2 ** 20, bus: 'ide' });
  assert.equal((await get()).disks.map(({ target }: Json) => target), ['hda', 'hdb', 'hdd']);
  assert.equal(errorsOf(await send('POST', '/vms/web/disks', { sizeBytes: 2 ** 20, bus: 'ide' })), ['bus'], 'the CD-ROM drive is the fourth');
  assert.equal(errorsOf(await send('PATCH', '/vms/web', { sound: 'theremin' })), ['sound']);
  assert.equal(errorsOf(await send('PATCH', '/vms/web', { channels: ['org.qemu.guest_agent.0'] })), ['channels']);
});

test('a running VM: hardware waits for the next start, is shown, and can be undone', async () => {
  await create();
  await carryOut('POST', '/vms/web/start');
  const before = await get();
  const { body: changed } = await send('PATCH', '/vms/web', { video: 'qxl', sound: 'ac97', cpu: 'Westmere', channels: ['org.example.0'] });
  assert.equal(changed.pending.sort(), ['channels', 'cpu', 'sound', 'video']);
  await carryOut('PATCH', `/vms/web/disks/${before.disks[0].id}`, { bus: 'sata' });
  await carryOut('PATCH', `/vms/web/nics/${before.nics[0].id}`, { model: 'e1000' });
  const waiting = await get();
  assert.equal([waiting.disks[0].pending, waiting.disks[0].target, waiting.nics[0].pending], [['bus'], 'vda', ['model']]);
  assert.equal([models('video'), models('sound'), models('interface')], [['vga'], [], ['virtio']]);

  const { status, body: undone } = await send('POST', '/vms/web/discard-changes');
  assert.is(status, 200);
  const { generation: _new, ...was } = before;
  const { generation: _old, ...is } = undone;
  assert.equal(is, was, 'all is as it was');

  await send('PATCH', '/vms/web', { video: 'qxl', sound: 'ac97' });
  await carryOut('POST', '/vms/web/power-off');
  assert.equal((await get()).pending, []);
  assert.is((await send('POST', '/vms/web/discard-changes')).status, 409);
  await carryOut('POST', '/vms/web/start');
  assert.equal([models('video'), models('sound'), (await get()).pending], [['qxl'], ['ac97'], []]);
});

test('limits of a disk and the cable of a network interface change at once, and end with null', async () => {
  await create();
  await carryOut('POST', '/vms/web/start');
  const { disks: [disk], nics: [nic] } = await get();
  await carryOut('PATCH', `/vms/web/disks/${disk.id}`, { readBytesPerSecond: 1_000_000, writesPerSecond: 20 });
  await carryOut('PATCH', `/vms/web/nics/${nic.id}`, { isLinked: false });
  const limit = (name: string) => findAll(domain() as Json, `devices/disk/iotune/${name}`).map(({ text }) => text);
  assert.equal([limit('read_bytes_sec'), limit('write_iops_sec'), findAll(domain() as Json, 'devices/interface/link').map(({ attributes }) => attributes['state'])], [['1000000'], ['20'], ['down']]);
  const vm = await get();
  assert.equal([vm.disks[0].pending, vm.nics[0].pending, vm.disks[0].writesPerSecond, vm.nics[0].isLinked], [[], [], 20, false]);
  await carryOut('PATCH', `/vms/web/disks/${disk.id}`, { readBytesPerSecond: null, writesPerSecond: null });
  await carryOut('PATCH', `/vms/web/nics/${nic.id}`, { isLinked: true });
  assert.equal([limit('read_bytes_sec'), limit('write_iops_sec')], [[], []]);
  assert.is((await get()).nics[0].isLinked, true);
});

test('limits that libvirt refuses stay a wish, and the task says why', async () => {
  await create();
  await carryOut('POST', '/vms/web/start');
  const { disks: [disk] } = await get();
  site.world.control.fail('setBlockLimits');
  const { body } = await send('PATCH', `/vms/web/disks/${disk.id}`, { writesPerSecond: 20 });
  assert.is((await site.app.core.tasks.ended(body.id)).state, 'failed');
  assert.equal((await get()).disks[0].pending, ['writesPerSecond']);
});

test('disks on buses without hot-plug wait for the next start, and stay while the VM runs', async () => {
  await create({ machine: 'pc', disks: [{ sizeBytes: 2 ** 20, bus: 'ide' }] });
  await carryOut('POST', '/vms/web/start');
  for (const bus of ['sata', 'scsi', 'ide', 'virtio']) await carryOut('POST', '/vms/web/disks', { sizeBytes: 2 ** 20, bus });
  const plugged = async () => (await get()).disks.map(({ bus, isPlugged }: Json) => [bus, isPlugged]);
  assert.equal(await plugged(), [['ide', true], ['sata', false], ['scsi', false], ['ide', false], ['virtio', true]]);
  const { disks } = await get();
  const pending = async () => (await get()).disks.map((disk: Json) => disk.pending);
  assert.equal(await pending(), [[], ['attach'], ['attach'], ['attach'], []]);
  await carryOut('DELETE', `/vms/web/disks/${disks[1].id}`);
  assert.equal(await plugged(), [['ide', true], ['scsi', false], ['ide', false], ['virtio', true]], 'one that the guest does not have goes at once');
  await carryOut('POST', '/vms/web/power-off');
  await carryOut('POST', '/vms/web/start');
  assert.equal(await plugged(), [['ide', true], ['scsi', true], ['ide', true], ['virtio', true]]);
  await carryOut('POST', '/vms/web/disks', { sizeBytes: 2 ** 20, bus: 'scsi' });
  assert.equal((await plugged()).filter(([bus]: [string]) => bus === 'scsi'), [['scsi', true], ['scsi', true]], 'its controller is there now');
});

test('a disk that its bus does not let go goes when the VM is down; until then that is shown, and undone', async () => {
  await create({ disks: [{ sizeBytes: 2 ** 20, bus: 'sata' }, { sizeBytes: 2 ** 20, bus: 'sata' }, { sizeBytes: 2 ** 20, bus: 'sata' }] });
  await carryOut('POST', '/vms/web/start');
  const { disks } = await get();
  const left = async () => (await get()).disks.map(({ name, isPlugged, pending }: Json) => [name, isPlugged, ...pending]);
  const disk = async (name: string) => (await send('GET', `/disks/${name}`)).status;
  await carryOut('DELETE', `/vms/web/disks/${disks[0].id}`);
  await carryOut('DELETE', `/vms/web/disks/${disks[1].id}?delete=true`);
  assert.equal(await left(), [['web-disk1', true, 'detach'], ['web-disk2', true, 'delete'], ['web-disk3', true]]);
  const page = await (await site.door.request('http://bothy/vms/web', { headers: { authorization: `Bearer ${await site.tokenFor(['administrator'])}` } })).text();
  assert.match(page, /web-disk1: is detached when it has shut down, web-disk2: is deleted when it has shut down/);
  assert.is((await send('POST', '/vms', { name: 'other', memoryBytes: GiB, disks: [{ disk: 'web-disk1' }] })).status, 409, 'the guest still has it');

  await carryOut('POST', '/vms/web/disks', { sizeBytes: 2 ** 20, bus: 'sata' });
  await send('POST', '/vms/web/discard-changes');
  assert.equal(await left(), [['web-disk1', true], ['web-disk2', true], ['web-disk3', true]]);
  assert.is(await disk('web-disk4'), 200, 'what came and goes again is lost for nobody');

  await carryOut('DELETE', `/vms/web/disks/${disks[0].id}`);
  await carryOut('DELETE', `/vms/web/disks/${disks[1].id}?delete=true`);
  await carryOut('DELETE', `/vms/web/disks/${disks[2].id}`);
  await carryOut('POST', '/vms/web/snapshots', { name: 'before' });
  site = await site.killAndRestart();
  await untilReady(site);
  assert.equal((await left()).map(([name, , pending]: string[]) => [name, pending]), [['web-disk1', 'detach'], ['web-disk2', 'delete'], ['web-disk3', 'detach']]);
  await carryOut('POST', '/vms/web/power-off');
  assert.equal((await left()).map(([name]: string[]) => name), ['web-disk1', 'web-disk2', 'web-disk3'], 'a snapshot needs them by now');
  const { body: { items } } = await send('GET', '/events');
  assert.is(items.filter(({ code }: Json) => code === 'vm.disk-stays').length, 3);
});

test('a disk that waited to go is free, or deleted, once the guest has ended by itself', async () => {
  await create({ machine: 'pc', disks: [{ sizeBytes: 2 ** 20, bus: 'ide' }, { sizeBytes: 2 ** 20, bus: 'sata' }] });
  await carryOut('POST', '/vms/web/start');
  const { disks } = await get();
  await carryOut('DELETE', `/vms/web/disks/${disks[0].id}`);
  await carryOut('DELETE', `/vms/web/disks/${disks[1].id}?delete=true`);
  site.host.libvirt.shutDownInside('web');
  for (const task of site.app.core.tasks.list({ limit: 10, isActive: true })) await site.app.core.tasks.ended(task.id);
  assert.equal((await get()).disks, []);
  assert.equal([(await send('GET', '/disks/web-disk1')).status, (await send('GET', '/disks/web-disk2')).status], [200, 404]);
  await carryOut('POST', '/vms/web/start');
  assert.is((await send('POST', '/vms', { name: 'other', memoryBytes: GiB, disks: [{ disk: 'web-disk1' }] })).status, 201);
});

test('what this QEMU lacks is told before it is started', async () => {
  site.host.libvirt.facts.screens = ['vnc'];
  await create({ graphics: 'spice' });
  const { body } = await send('POST', '/vms/web/start');
  const task = await site.app.core.tasks.ended(body.id);
  assert.equal([task.state, /has no SPICE.*qemu-system-modules-spice/.test((task.problem as Json).detail)], ['failed', true]);
  await send('PATCH', '/vms/web', { graphics: 'vnc' });
  await carryOut('POST', '/vms/web/start');
});

test('processors of the host itself are refused where software emulates them', async () => {
  site.host.machine.change({ isKvmLoaded: false });
  site = await site.killAndRestart();
  await untilReady(site);
  await create({ cpu: 'host-passthrough' });
  const { body } = await send('POST', '/vms/web/start');
  const task = await site.app.core.tasks.ended(body.id);
  assert.equal([task.state, /emulates processors by software/.test((task.problem as Json).detail)], ['failed', true]);
});

test.run();
