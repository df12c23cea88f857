/** Every operation of the native binding on a real libvirt and QEMU, and that an error stays with the call that caused it. */
import { writeFileSync } from 'node:fs';
import { PNG } from 'pngjs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { real } from './count.ts';
import { cdromXml, diskXml, guestXml, type NativeHost, openNativeHost, refusal, uuidOf, waitForEvent } from './native-host.ts';

const test = suite<NativeHost>('libvirt through the shim');
const display = `<video><model type='vga'/></video><graphics type='vnc'><listen type='socket'/></graphics>`;

test.before(async (context) => {
  Object.assign(context, await openNativeHost());
});
test.after(async (context) => {
  await context.close();
});

test('tells what the host is', async ({ libvirt, host }) => {
  const facts = await libvirt.facts();
  assert.match(facts.libvirtVersion, /^\d+\.\d+\.\d+$/);
  assert.match(await host.must(['qemu-system-x86_64', '--version']), new RegExp(`version ${facts.hypervisorVersion}`));
  assert.match(await host.must(['virsh', 'capabilities']), new RegExp(`<uuid>${facts.hostUuid}</uuid>`));
  assert.is(facts.arch, process.arch === 'x64' ? 'x86_64' : 'aarch64');
  assert.ok(facts.domainTypes.includes('qemu'));
  assert.ok(facts.firmware.includes('efi'));
  assert.is(libvirt.connection().state, 'connected');
  real('libvirt');
});

test('starts a domain, lists it, reads it out, ends it', async ({ libvirt, events }) => {
  const uuid = uuidOf(1);
  await libvirt.create(guestXml(1, { name: 'ä "quoted" \\ name', devices: display }));
  assert.equal(await libvirt.domains(), [{ uuid, name: 'ä "quoted" \\ name', state: 'running', reason: 'booted' }]);
  assert.match(await libvirt.domainXml(uuid), new RegExp(`<uuid>${uuid}</uuid>`));
  const [stats] = await libvirt.stats();
  assert.ok(stats && stats.cpuTimeNs > 0);
  assert.equal([stats.uuid, stats.state, stats.vcpus, stats.memoryBytes], [uuid, 'running', 1, 32 << 20]);
  await libvirt.destroy(uuid);
  assert.equal(await libvirt.domains(), []);
  const ended = await waitForEvent(events, 'lifecycle', (event) => event.uuid === uuid && event.event === 'stopped');
  assert.equal([ended.name, ended.detail], ['ä "quoted" \\ name', 'destroyed']);
  real('libvirt', 'qemu');
});

test('starts paused; suspends, resumes, resets', async ({ libvirt, events }) => {
  const uuid = uuidOf(2);
  const state = async () => (await libvirt.domains()).map((domain) => `${domain.state} ${domain.reason}`).join();
  await libvirt.create(guestXml(2), { paused: true });
  assert.is(await state(), 'paused user');
  await libvirt.resume(uuid);
  assert.is(await state(), 'running unpaused');
  await libvirt.suspend(uuid);
  assert.is(await state(), 'paused user');
  await libvirt.resume(uuid);
  await libvirt.reset(uuid);
  await waitForEvent(events, 'reboot', (event) => event.uuid === uuid);
  await libvirt.reboot(uuid); // the BIOS does not listen to the power button, so only the asking can be seen
  await libvirt.shutdown(uuid);
  await libvirt.destroy(uuid);
  real('libvirt', 'qemu');
});

test('attaches, grows and detaches a disk', async ({ libvirt, host, events }) => {
  const uuid = uuidOf(3);
  writeFileSync(host.path('usb.raw'), Buffer.alloc(1 << 20));
  await libvirt.create(guestXml(3));
  await libvirt.attachDevice(uuid, diskXml(host.path('usb.raw'), 'sdb', 'usb'));
  await libvirt.resizeBlock(uuid, 'sdb', 3 << 20);
  const [disk] = (await libvirt.stats())[0]?.blocks ?? [];
  assert.equal([disk?.target, disk?.capacityBytes], ['sdb', 3 << 20]);
  assert.equal(await libvirt.diskErrors(uuid), {});
  await libvirt.detachDevice(uuid, diskXml(host.path('usb.raw'), 'sdb', 'usb'));
  assert.match((await waitForEvent(events, 'device-removed', (event) => event.uuid === uuid)).alias, /^usb-disk1$/);
  assert.not.match(await libvirt.domainXml(uuid), /sdb/);
  await libvirt.destroy(uuid);
  real('libvirt', 'qemu');
});

test('changes a CD', async ({ libvirt, host, events }) => {
  const uuid = uuidOf(4);
  for (const name of ['one.iso', 'two.iso']) writeFileSync(host.path(name), Buffer.alloc(64 << 10));
  await libvirt.create(guestXml(4, { devices: cdromXml(host.path('one.iso')) }));
  await libvirt.updateDevice(uuid, cdromXml(host.path('two.iso')));
  assert.match(await libvirt.domainXml(uuid), /two\.iso/);
  const trays = () => events.flatMap((event) => (event.type === 'tray' && event.uuid === uuid ? [event.change] : []));
  await waitForEvent(events, 'tray', (event) => event.uuid === uuid && event.change === 'close');
  assert.equal(trays(), ['open', 'close']);
  await libvirt.updateDevice(uuid, cdromXml());
  assert.not.match(await libvirt.domainXml(uuid), /\.iso/);
  await libvirt.destroy(uuid);
  real('libvirt', 'qemu');
});

test('shows the screen as PNG', async ({ libvirt }) => {
  await libvirt.create(guestXml(5, { devices: display }), { paused: true });
  const picture = PNG.sync.read(Buffer.from(await libvirt.screenshot(uuidOf(5))));
  assert.equal([picture.width, picture.height], [640, 480]);
  assert.ok(picture.data.some((byte, i) => i % 4 < 3 && byte > 0), 'QEMU writes a line on a screen that was never used');
  await libvirt.destroy(uuidOf(5));
  await libvirt.create(guestXml(5), { paused: true });
  assert.match((await refusal(libvirt.screenshot(uuidOf(5)))).message, /screen/);
  await libvirt.destroy(uuidOf(5));
  real('libvirt', 'qemu');
});

test('says that there is no guest agent', async ({ libvirt }) => {
  await libvirt.create(guestXml(6, { devices: `<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>` }));
  const error = await refusal(libvirt.agentCommand(uuidOf(6), '{"execute":"guest-ping"}', 1000));
  assert.match(error.message, /agent is not connected/);
  await libvirt.destroy(uuidOf(6));
  real('libvirt', 'qemu');
});

test('makes a network once, starts it, and keeps a known one as it is', async ({ libvirt, host }) => {
  const xml = (range: number) => `<network><name>inner</name><bridge name='virbr7'/><ip address='192.168.${range}.1' netmask='255.255.255.0'/></network>`;
  await libvirt.ensureNetwork('inner', xml(77));
  await libvirt.ensureNetwork('inner', xml(78));
  assert.equal((await libvirt.networks()).find((network) => network.name === 'inner'), { name: 'inner', bridge: 'virbr7', active: true });
  const info = await host.must(['virsh', 'net-info', 'inner']);
  assert.match(info, /Autostart: +yes/);
  assert.match(await host.must(['virsh', 'net-dumpxml', 'inner']), /192\.168\.77\.1/);
  await host.must(['virsh', 'net-destroy', 'inner']);
  await libvirt.ensureNetwork('inner', xml(78));
  assert.match(await host.must(['virsh', 'net-info', 'inner']), /Active: +yes/);
  real('libvirt');
});

test('refusals carry libvirt\'s message and a kind to act on', async ({ libvirt }) => {
  const unknown = await refusal(libvirt.suspend(uuidOf(99)));
  assert.equal([unknown.kind, unknown.code, unknown.message], ['no-domain', 42, `Domain not found: no domain with matching uuid '${uuidOf(99)}'`]);
  await libvirt.create(guestXml(7), { paused: true });
  assert.is((await refusal(libvirt.create(guestXml(7)))).kind, 'exists');
  assert.is((await refusal(libvirt.create(guestXml(8, { name: 'guest-7' })))).kind, 'exists');
  assert.is((await refusal(libvirt.reset(uuidOf(7)).then(() => libvirt.shutdown(uuidOf(7))))).kind, 'invalid-operation');
  assert.match((await refusal(libvirt.create('<domain'))).message, /XML document failed to validate|parser error|Couldn't find end/);
  assert.match((await refusal(libvirt.create('a\0b'))).message, /control character/);
  await libvirt.destroy(uuidOf(7));
  real('libvirt');
});

test('of 600 calls that fail at once, each gets its own error', async ({ libvirt }) => {
  const calls = Array.from({ length: 600 }, (_, i) => {
    if (i % 3 === 0) return { call: () => libvirt.domainXml(uuidOf(1000 + i)), expect: uuidOf(1000 + i) };
    if (i % 3 === 1) return { call: () => libvirt.create(`<domain type='kind-${i}-'><name>x</name></domain>`), expect: `kind-${i}-` };
    return { call: () => libvirt.destroy(uuidOf(1000 + i)), expect: uuidOf(1000 + i) };
  });
  const outcomes = await Promise.all(calls.map(async ({ call, expect }) => ({ expect, message: (await refusal(call())).message })));
  const strays = outcomes.filter(({ expect, message }) => !message.includes(expect));
  assert.equal(strays.slice(0, 3), []);
  real('libvirt');
});

test.run();
