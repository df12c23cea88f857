/**
 * The hypervisor of the World: the same cases on the simulated one and on real libvirt and QEMU in a rack host.
 *
 * Guests have no operating system: they ignore the power button and let go of devices only at a reset. What a test counts on in
 * the simulation must stand here, or the simulation may drift from libvirt unseen.
 */
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../appliance/core/clock.ts';
import { MiB } from '../../appliance/core/units.ts';
import type { Hypervisor, HypervisorEvent } from '../../appliance/world.ts';
import { real } from '../real/count.ts';
import { cdromXml, diskXml, guestXml, openNativeHost, refusal, signalQemu, uuidOf, waitForEvent, writeBootDisk } from '../real/native-host.ts';
import { createSimulatedHypervisor } from '../world/hypervisor.ts';
import { createSimulatedLibvirt } from '../world/libvirt.ts';
import { type Element, find, findAll, formatXml, parseXml } from '../world/xml.ts';

interface Parts {
  name: string;
  hypervisor: Hypervisor;
  events: HypervisorEvent[];
  /** A folder that QEMU can read. */
  folder: string;
  killQemu(guest: string): Promise<void>;
  /** Starts a guest that writes to a disk on a small file system until that is full. */
  startWriter(number: number): Promise<void>;
  makeRoom(): Promise<void>;
  /** Starts a guest that restarts itself when F1 is pressed, and at no other key. */
  startListener(number: number): Promise<void>;
  hang(guest: string, isHung: boolean): Promise<void>;
  loseConnection(): Promise<void>;
  restoreConnection(): Promise<void>;
  close(): Promise<void>;
  /** Tells the runner that libvirt took part, and QEMU if the processor of a guest ran. */
  count(hasGuestRun: boolean): void;
}

const display = `<video><model type='vga'/></video><graphics type='vnc'><listen type='socket'/></graphics>`;
const ports = [1, 2, 3, 4].map((index) => `<controller type='pci' index='${index}' model='pcie-root-port'/>`).join('');
const nicXml = (mac: string, network = 'default') => `<interface type='network'><mac address='${mac}'/><source network='${network}'/><model type='virtio'/></interface>`;
const mac = '52:54:00:12:34:56';

function createSimulatedParts(): Parts {
  const folder = mkdtempSync(join(tmpdir(), 'bothy-contract-'));
  const libvirt = createSimulatedLibvirt({ clock: systemClock, guests: { shutdownMs: 'never', unplugMs: 'never' } });
  const hypervisor = createSimulatedHypervisor(libvirt);
  const events: HypervisorEvent[] = [];
  hypervisor.onEvent((event) => events.push(event));
  return {
    name: 'simulated', hypervisor, events, folder,
    killQemu: async (guest) => libvirt.killQemu(guest),
    async startWriter(number) {
      writeFileSync(join(folder, 'full.raw'), Buffer.alloc(MiB));
      libvirt.fillDisk(folder);
      await hypervisor.create(guestXml(number, { devices: diskXml(join(folder, 'full.raw')) }));
    },
    makeRoom: async () => libvirt.freeDisk(folder),
    async startListener(number) {
      libvirt.behave({ resetKey: f1 }, `guest-${number}`);
      await hypervisor.create(guestXml(number));
    },
    hang: async (guest, isHung) => libvirt.hang(guest, isHung),
    loseConnection: async () => hypervisor.control.disconnect(),
    restoreConnection: async () => hypervisor.control.reconnect(),
    close: async () => rmSync(folder, { recursive: true }),
    count: () => {},
  };
}

/** Writes 32 KiB after 32 KiB with INT 13h, function 43h: see test/real/native-events.test.ts. */
const fillDisk = [
  0x31, 0xc0, 0x8e, 0xd8, 0xbe, 0x40, 0x7c, 0xb8, 0x00, 0x43, 0xb2, 0x80, 0xcd, 0x13, 0x83, 0x06, 0x48, 0x7c, 0x40, 0xeb, 0xf2,
  ...Array.from({ length: 0x40 - 21 }, () => 0),
  0x10, 0x00, 0x40, 0x00, 0x00, 0x7c, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
];

const [a, f1] = [30, 59];
/** next: xor ah, ah / int 0x16 / cmp ah, 0x3b / jne next / mov al, 0xfe / out 0x64, al (resets the machine) / hlt */
const listen = [0x30, 0xe4, 0xcd, 0x16, 0x80, 0xfc, 0x3b, 0x75, 0xf7, 0xb0, 0xfe, 0xe6, 0x64, 0xf4];

async function createRealParts(): Promise<Parts> {
  const { host, libvirt: hypervisor, events, close } = await openNativeHost({ network: true });
  let small = '';
  return {
    name: 'libvirt', hypervisor, events, folder: host.scratch, close,
    killQemu: async (guest) => void await host.must(['sh', '-c', `kill -9 $(cat /run/libvirt/qemu/${guest}.pid)`]),
    async startWriter(number) {
      small = await host.smallDisk(MiB);
      writeBootDisk(host.path('boot.raw'), fillDisk, 512);
      await host.must(['sh', '-c', `cp ${host.path('boot.raw')} ${small}/full.raw && truncate -s 8M ${small}/full.raw`]);
      await hypervisor.create(guestXml(number, { devices: diskXml(`${small}/full.raw`) }));
    },
    async startListener(number) {
      writeBootDisk(host.path('listen.raw'), listen, MiB);
      await hypervisor.create(guestXml(number, { devices: diskXml(host.path('listen.raw')) }));
    },
    makeRoom: async () => void await host.must(['mount', '-o', 'remount,size=16m', small]),
    hang: (guest, isHung) => signalQemu(host, guest, isHung ? 'STOP' : 'CONT'),
    loseConnection: () => host.kill('libvirtd'),
    restoreConnection: () => host.start('libvirtd'),
    count: (hasGuestRun) => real('libvirt', ...(hasGuestRun ? ['qemu' as const] : [])),
  };
}

async function eventually(isTrue: () => Promise<boolean> | boolean, what: string): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    if (await isTrue()) return;
    await systemClock.sleep(25);
  }
  assert.unreachable(what);
}

function defineCases({ hypervisor, events, folder, ...parts }: Parts): void {
  const test = suite(`hypervisor, ${parts.name}`);
  const changes = (uuid: string) => events.flatMap((event) => (event.type === 'lifecycle' && event.uuid === uuid ? [`${event.event} ${event.detail}`] : []));
  const stateOf = async (uuid: string) => {
    const fact = (await hypervisor.domains()).find((domain) => domain.uuid === uuid);
    return fact && `${fact.state} ${fact.reason}`;
  };
  const treeOf = async (uuid: string) => parseXml(await hypervisor.domainXml(uuid));
  const change = (uuid: string, ...wanted: string[]) => eventually(() => changes(uuid).join() === wanted.join(), `${wanted.join()} instead of ${changes(uuid).join()}`);
  /** A guest whose QEMU is still busy with the last request is passed over in a reading. */
  const statsOf = async (uuid: string) => {
    for (let tries = 0; tries < 50; tries++) {
      const found = (await hypervisor.stats()).find((stats) => stats.uuid === uuid);
      if (found) return found;
      await systemClock.sleep(100);
    }
    return undefined;
  };
  const file = (name: string, sizeBytes = MiB) => {
    writeFileSync(join(folder, name), '');
    truncateSync(join(folder, name), sizeBytes);
    return join(folder, name);
  };

  test.before.each(() => { events.length = 0; });
  test.after.each(async () => {
    await Promise.all((await hypervisor.domains()).map(({ uuid }) => hypervisor.destroy(uuid)));
    parts.count(events.some((event) => event.type === 'lifecycle' && event.event === 'resumed'));
  });
  test.after(async () => {
    await hypervisor.close();
    await parts.close();
  });

  test('tells what it is', async () => {
    const facts = await hypervisor.facts();
    for (const version of [facts.libvirtVersion, facts.hypervisorVersion]) assert.match(version, /^\d+\.\d+\.\d+$/);
    assert.match(facts.hostUuid, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    assert.ok(facts.arch && facts.domainTypes.includes('qemu') && facts.firmware.length > 0);
    assert.ok(['vnc', 'spice'].every((screen) => facts.screens.includes(screen)) && ['vga', 'cirrus', 'qxl', 'virtio'].every((model) => facts.videoModels.includes(model)), JSON.stringify(facts));
    assert.equal(hypervisor.connection().state, 'connected');
  });

  test('starts and ends a guest', async () => {
    const uuid = uuidOf(1);
    await hypervisor.create(guestXml(1));
    assert.equal(await hypervisor.domains(), [{ uuid, name: 'guest-1', state: 'running', reason: 'booted' }]);
    await change(uuid, 'resumed unpaused', 'started booted');
    await hypervisor.destroy(uuid);
    assert.equal(await hypervisor.domains(), []);
    await change(uuid, 'resumed unpaused', 'started booted', 'shutdown host', 'stopped destroyed');
    await hypervisor.create(guestXml(1));
    assert.is(await stateOf(uuid), 'running booted', 'the name and the UUID are free again');
  });

  test('starts paused, resumes, pauses; twice is an error only for resuming', async () => {
    const uuid = uuidOf(2);
    await hypervisor.create(guestXml(2), { paused: true });
    assert.is(await stateOf(uuid), 'paused user');
    await hypervisor.resume(uuid);
    assert.is(await stateOf(uuid), 'running unpaused');
    const again = await refusal(hypervisor.resume(uuid));
    assert.equal([again.kind, again.code, again.message], ['invalid-operation', 55, 'Requested operation is not valid: domain is already running']);
    await hypervisor.suspend(uuid);
    await hypervisor.suspend(uuid);
    assert.is(await stateOf(uuid), 'paused user');
    await change(uuid, 'started booted', 'suspended paused', 'resumed unpaused', 'suspended paused');
  });

  test('refuses a second guest of that name or UUID', async () => {
    await hypervisor.create(guestXml(3));
    for (const xml of [guestXml(3), guestXml(4, { name: 'guest-3' }), guestXml(3, { name: 'other' })]) {
      const error = await refusal(hypervisor.create(xml));
      assert.is(error.kind, 'exists', error.message);
      assert.match(error.message, /already/);
    }
    assert.is((await hypervisor.domains()).length, 1);
    assert.is(await stateOf(uuidOf(3)), 'running booted');
  });

  test('refuses every call for a guest that it does not know', async () => {
    const uuid = uuidOf(99);
    const calls: Promise<unknown>[] = [
      hypervisor.domainXml(uuid), hypervisor.shutdown(uuid), hypervisor.destroy(uuid), hypervisor.reboot(uuid), hypervisor.reset(uuid), hypervisor.suspend(uuid),
      hypervisor.resume(uuid), hypervisor.attachDevice(uuid, cdromXml()), hypervisor.detachDevice(uuid, cdromXml()), hypervisor.updateDevice(uuid, cdromXml()),
      hypervisor.resizeBlock(uuid, 'vda', MiB), hypervisor.setBlockLimits(uuid, 'vda', { readBytesPerSecond: 1, writeBytesPerSecond: null, readsPerSecond: null, writesPerSecond: null }), hypervisor.setVcpus(uuid, 1), hypervisor.setMemory(uuid, MiB), hypervisor.diskErrors(uuid), hypervisor.screenshot(uuid), hypervisor.sendKeys(uuid, [a]), hypervisor.guestInfo(uuid), hypervisor.setGuestTime(uuid, 1), hypervisor.trimGuest(uuid), hypervisor.agentCommand(uuid, '{"execute":"guest-ping"}', 1000),
    ];
    for (const error of await Promise.all(calls.map(refusal))) {
      assert.equal([error.kind, error.code, error.message], ['no-domain', 42, `Domain not found: no domain with matching uuid '${uuid}'`]);
    }
  });

  test('a guest whose parts are missing does not start, and leaves nothing', async () => {
    const missing = join(folder, 'missing.raw');
    assert.is((await refusal(hypervisor.create(guestXml(5, { devices: diskXml(missing) })))).message, `Cannot access storage file '${missing}': No such file or directory`);
    const error = await refusal(hypervisor.create(guestXml(5, { devices: nicXml(mac, 'none') })));
    assert.equal([error.kind, error.code, error.message], ['other', 43, `Network not found: no network with matching name 'none'`]);
    assert.equal(await hypervisor.domains(), []);
    await systemClock.sleep(100);
    assert.equal(changes(uuidOf(5)), []);
  });

  test('a guest without an operating system ignores the power button', async () => {
    const uuid = uuidOf(6);
    await hypervisor.create(guestXml(6));
    await hypervisor.shutdown(uuid);
    await hypervisor.reboot(uuid);
    await systemClock.sleep(500);
    assert.is(await stateOf(uuid), 'running booted');
    await hypervisor.suspend(uuid);
    const error = await refusal(hypervisor.shutdown(uuid));
    assert.equal([error.kind, error.message], ['invalid-operation', 'Requested operation is not valid: domain is not running']);
  });

  test('the live definition has what libvirt chose, and keeps what was chosen', async () => {
    const disk = diskXml(file('live.raw')).replace('</disk>', `<alias name='ua-mine'/></disk>`);
    await hypervisor.create(guestXml(7, { devices: `${ports}${disk}${cdromXml()}${nicXml(mac)}` }));
    const tree = await treeOf(uuidOf(7));
    assert.is(find(tree, 'uuid')?.text, uuidOf(7));
    assert.equal(findAll(tree, 'devices/disk/alias').map(({ attributes }) => attributes['name']), ['ua-mine', 'sata0-0-0']);
    assert.is(find(tree, 'devices/interface/alias')?.attributes['name'], 'net0');
    assert.is(find(tree, 'devices/interface/mac')?.attributes['address'], mac);
    assert.match(find(tree, 'devices/interface/target')?.attributes['dev'] ?? '', /^vnet\d+$/);
  });

  test('a disk is plugged in, and out when the guest lets go', async () => {
    const [uuid, disk] = [uuidOf(8), diskXml(file('hot.raw', 4 * MiB), 'vdb')];
    await hypervisor.create(guestXml(8, { devices: ports + diskXml(file('boot.raw')) }));
    await hypervisor.attachDevice(uuid, disk);
    const targets = async () => (await statsOf(uuid))?.blocks.map((block) => `${block.target} ${block.capacityBytes}`);
    assert.equal(await targets(), [`vda ${MiB}`, `vdb ${4 * MiB}`]);
    const twice = await refusal(hypervisor.attachDevice(uuid, disk));
    assert.equal([twice.kind, twice.code], ['other', 27], twice.message);
    await hypervisor.detachDevice(uuid, disk);
    await systemClock.sleep(300);
    assert.equal((await targets())?.length, 2, 'the request alone does not unplug it');
    await hypervisor.reset(uuid);
    await waitForEvent(events, 'reboot', (event) => event.uuid === uuid);
    assert.is((await waitForEvent(events, 'device-removed', (event) => event.uuid === uuid)).alias, 'virtio-disk1');
    assert.equal(await targets(), [`vda ${MiB}`]);
    const gone = await refusal(hypervisor.detachDevice(uuid, disk));
    assert.equal([gone.kind, gone.code, gone.message], ['other', 99, 'device not found: disk vdb not found']);
  });

  test('a NIC is plugged in and counts; one with another address is not found', async () => {
    const uuid = uuidOf(9);
    await hypervisor.create(guestXml(9, { devices: ports }));
    await hypervisor.attachDevice(uuid, nicXml(mac));
    const [nic, ...others] = (await statsOf(uuid))?.interfaces ?? [];
    assert.match(nic?.name ?? '', /^vnet\d+$/);
    assert.ok(others.length === 0 && (nic?.receivedBytes ?? -1) >= 0 && (nic?.sentBytes ?? -1) >= 0);
    assert.is((await refusal(hypervisor.detachDevice(uuid, nicXml('52:54:00:00:00:99')))).code, 99);
    await hypervisor.detachDevice(uuid, nicXml(mac));
    await hypervisor.reset(uuid);
    assert.is((await waitForEvent(events, 'device-removed', (event) => event.uuid === uuid)).alias, 'net0');
  });

  test('a CD is put in, changed and ejected', async () => {
    const uuid = uuidOf(10);
    const [one, two] = [file('one.iso'), file('two.iso')];
    await hypervisor.create(guestXml(10, { devices: cdromXml() }));
    const medium = async () => find(await treeOf(uuid), 'devices/disk/source')?.attributes['file'];
    const trays = () => events.flatMap((event) => (event.type === 'tray' && event.uuid === uuid ? [`${event.alias} ${event.change}`] : []));
    const both = ['sata0-0-0 open', 'sata0-0-0 close'];
    assert.is(await medium(), undefined);
    for (const [index, path] of [one, two, undefined].entries()) {
      await hypervisor.updateDevice(uuid, cdromXml(path));
      assert.is(await medium(), path);
      await eventually(() => trays().length === 2 * (index + 1), `trays: ${trays().join()}`);
    }
    await hypervisor.updateDevice(uuid, cdromXml());
    await systemClock.sleep(100);
    assert.equal(trays(), [...both, ...both, ...both], 'an empty drive that is emptied says nothing');
  });

  test('a disk grows under the guest', async () => {
    const uuid = uuidOf(11);
    await hypervisor.create(guestXml(11, { devices: ports + diskXml(file('grow.raw')) }));
    await hypervisor.resizeBlock(uuid, 'vda', 3 * MiB);
    assert.is((await statsOf(uuid))?.blocks[0]?.capacityBytes, 3 * MiB);
    const error = await refusal(hypervisor.resizeBlock(uuid, 'vdz', MiB));
    assert.equal([error.kind, error.code, error.message], ['other', 8, `invalid argument: disk 'vdz' was not found in the domain config`]);
  });

  test('limits of a disk hold at once, are seen in its definition, and go again', async () => {
    const uuid = uuidOf(22);
    await hypervisor.create(guestXml(22, { devices: ports + diskXml(file('limited.raw')) }));
    const limits = async () => Object.fromEntries((find(await treeOf(uuid), 'devices/disk/iotune')?.children ?? []).map(({ name, text }) => [name, text]));
    const none = { readBytesPerSecond: null, writeBytesPerSecond: null, readsPerSecond: null, writesPerSecond: null };
    await hypervisor.setBlockLimits(uuid, 'vda', { ...none, readBytesPerSecond: 5_000_000_000, writesPerSecond: 20 });
    assert.equal(await limits(), { read_bytes_sec: '5000000000', write_iops_sec: '20' });
    await hypervisor.setBlockLimits(uuid, 'vda', { ...none, writesPerSecond: 30 });
    assert.equal(await limits(), { write_iops_sec: '30' });
    await hypervisor.setBlockLimits(uuid, 'vda', none);
    assert.equal(await limits(), {});
    assert.is((await refusal(hypervisor.setBlockLimits(uuid, 'vdz', none))).kind, 'other');
  });

  test('the cable of a network interface is pulled out and plugged in', async () => {
    const uuid = uuidOf(23);
    await hypervisor.create(guestXml(23, { devices: ports + nicXml(mac) }));
    const cable = async () => find(await treeOf(uuid), 'devices/interface/link')?.attributes['state'] ?? 'up';
    const nic = find(await treeOf(uuid), 'devices/interface') as Element; // it was given one
    for (const state of ['down', 'up']) {
      const others = nic.children.filter(({ name }) => name !== 'link');
      await hypervisor.updateDevice(uuid, formatXml({ ...nic, children: [...others, { name: 'link', attributes: { state }, children: [], text: '' }] }));
      assert.is(await cable(), state);
    }
  });

  test('processors and memory come to a guest that was started with room for them', async () => {
    const uuid = uuidOf(24);
    const room = `<maxMemory slots='4' unit='MiB'>1024</maxMemory><memory unit='MiB'>128</memory><vcpu current='1'>4</vcpu>`;
    const node = "<cpu mode='maximum'><topology sockets='1' dies='1' cores='4' threads='1'/><numa><cell id='0' cpus='0-3' memory='128' unit='MiB'/></numa></cpu>";
    await hypervisor.create(guestXml(24).replace(/<memory[^]*<\/vcpu>/, room).replace('<devices>', `${node}<devices>`));
    const size = async () => {
      const tree = await treeOf(uuid);
      const memory = find(tree, 'memory');
      return [find(tree, 'vcpu')?.attributes['current'], find(tree, 'vcpu')?.text, Number(memory?.text) * (memory?.attributes['unit'] === 'KiB' ? 1024 : memory?.attributes['unit'] === 'b' ? 1 : MiB)];
    };
    assert.equal(await size(), ['1', '4', 128 * MiB]);
    await hypervisor.setVcpus(uuid, 3);
    await hypervisor.attachDevice(uuid, "<memory model='dimm'><target><size unit='MiB'>256</size><node>0</node></target></memory>");
    assert.equal(await size(), ['3', '4', 384 * MiB]);
    const tooMany = await refusal(hypervisor.setVcpus(uuid, 5));
    assert.equal([tooMany.kind, tooMany.code, tooMany.message], ['other', 8, 'invalid argument: requested vcpus is greater than max allowable vcpus for the live domain: 5 > 4']);
    await hypervisor.setMemory(uuid, 300 * MiB);
    const tooMuch = await refusal(hypervisor.setMemory(uuid, 400 * MiB));
    assert.equal([tooMuch.kind, tooMuch.code, tooMuch.message], ['other', 8, 'invalid argument: cannot set memory higher than max memory']);
    const plain = uuidOf(25);
    await hypervisor.create(guestXml(25));
    const noRoom = await refusal(hypervisor.attachDevice(plain, "<memory model='dimm'><target><size unit='MiB'>256</size><node>0</node></target></memory>"));
    assert.equal([noRoom.kind, noRoom.code, noRoom.message], ['other', 35, "can't add memory backend as guest has no NUMA nodes configured"]);
  });

  test('statistics name what the guest has, and its time goes on', async () => {
    const uuid = uuidOf(12);
    await hypervisor.create(guestXml(12, { devices: diskXml(file('stats.raw')) }));
    const first = await statsOf(uuid);
    assert.equal([first?.state, first?.vcpus, first?.memoryBytes], ['running', 1, 32 * MiB]);
    assert.equal(first?.blocks.map(({ target, capacityBytes }) => [target, capacityBytes]), [['vda', MiB]]);
    for (const figure of Object.values(first?.blocks[0] ?? {})) if (typeof figure === 'number') assert.ok(Number.isSafeInteger(figure) && figure >= 0);
    await eventually(async () => ((await statsOf(uuid))?.cpuTimeNs ?? 0) > (first?.cpuTimeNs ?? 0), 'the time of the guest stands still');
    await hypervisor.suspend(uuid);
    assert.is((await statsOf(uuid))?.state, 'paused');
  });

  test('a guest that hangs is left out of the statistics', async () => {
    await hypervisor.create(guestXml(13), { paused: true });
    await hypervisor.create(guestXml(14), { paused: true });
    await parts.hang('guest-13', true);
    await eventually(async () => (await hypervisor.stats()).map(({ uuid }) => uuid).join() === uuidOf(14), 'the hung guest is waited for');
    assert.is((await hypervisor.domains()).length, 2);
    await parts.hang('guest-13', false);
    await eventually(async () => (await hypervisor.stats()).length === 2, 'the guest stays out');
  });

  test('shows the screen as PNG', async () => {
    await hypervisor.create(guestXml(15, { devices: display }));
    const picture = Buffer.from(await hypervisor.screenshot(uuidOf(15)));
    assert.equal(picture.subarray(0, 8), Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'));
    assert.ok(picture.readUInt32BE(16) >= 320 && picture.readUInt32BE(20) >= 200, 'width and height');
  });

  test('a guest gets the keys that are pressed', async () => {
    const uuid = uuidOf(22);
    const resets = () => events.filter((event) => event.type === 'reboot' && event.uuid === uuid).length;
    await parts.startListener(22);
    await eventually(async () => {
      await hypervisor.sendKeys(uuid, [f1]);
      await systemClock.sleep(200);
      return resets() > 0;
    }, 'F1 does not arrive');
  });

  test('says that no guest agent answers', async () => {
    await hypervisor.create(guestXml(16, { devices: `<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>` }));
    const uuid = uuidOf(16);
    const calls = [hypervisor.agentCommand(uuid, '{"execute":"guest-ping"}', 1000), hypervisor.guestInfo(uuid), hypervisor.setGuestTime(uuid, 1e12), hypervisor.trimGuest(uuid)];
    for (const error of await Promise.all(calls.map(refusal))) {
      assert.equal([error.kind, error.code, error.message], ['other', 86, 'Guest agent is not responding: QEMU guest agent is not connected']);
    }
    await hypervisor.shutdown(uuid); // is asked with the button then
  });

  test('tells a QEMU that died', async () => {
    const uuid = uuidOf(17);
    await hypervisor.create(guestXml(17));
    await parts.killQemu('guest-17');
    await change(uuid, 'resumed unpaused', 'started booted', 'stopped failed');
    assert.equal(await hypervisor.domains(), []);
  });

  test('a full file system stops the guest until there is room', async () => {
    const uuid = uuidOf(18);
    const stops = () => changes(uuid).filter((each) => each === 'suspended io-error').length;
    await parts.startWriter(18);
    await eventually(() => stops() === 1, 'it did not stop');
    const error = await waitForEvent(events, 'io-error', (event) => event.uuid === uuid);
    assert.equal([error.alias, error.action, error.reason], ['virtio-disk0', 'pause', 'enospc']);
    assert.ok(error.path.endsWith('/full.raw'));
    assert.is(await stateOf(uuid), 'paused io-error');
    assert.equal(await hypervisor.diskErrors(uuid), { vda: 'no-space' });
    await hypervisor.resume(uuid);
    await eventually(() => stops() === 2, 'it did not stop again');
    await parts.makeRoom();
    await hypervisor.resume(uuid);
    assert.is(await stateOf(uuid), 'running unpaused');
    assert.is(stops(), 2);
  });

  test('makes a network, keeps a known one, removes it', async () => {
    const xml = (third: number) => `<network><name>lab</name><bridge name='virbr7'/><ip address='10.7.${third}.1' netmask='255.255.255.0'/></network>`;
    const lab = async () => (await hypervisor.networks()).find(({ name }) => name === 'lab');
    assert.equal((await hypervisor.networks()).map(({ name, bridge, active }) => [name, bridge, active]), [['default', 'virbr0', true]]);
    await hypervisor.ensureNetwork('lab', xml(1));
    await hypervisor.ensureNetwork('lab', xml(2));
    assert.equal(await lab(), { name: 'lab', bridge: 'virbr7', active: true });
    await hypervisor.create(guestXml(19, { devices: nicXml(mac, 'lab') }));
    await hypervisor.removeNetwork('lab');
    assert.is(await lab(), undefined);
    await hypervisor.removeNetwork('lab');
    await hypervisor.ensureNetwork('default', '<network><name>default</name></network>');
    assert.is((await hypervisor.networks()).length, 1);
  });

  test('guests outlive the connection; events come again after it', async () => {
    const uuid = uuidOf(20);
    await hypervisor.create(guestXml(20));
    await change(uuid, 'resumed unpaused', 'started booted');
    await parts.loseConnection();
    await waitForEvent(events, 'connection', (event) => event.state === 'disconnected');
    assert.is(hypervisor.connection().state, 'disconnected');
    const calls = [hypervisor.domains(), hypervisor.stats(), hypervisor.suspend(uuid), hypervisor.create(guestXml(21))];
    assert.equal((await Promise.all(calls.map(refusal))).map(({ kind }) => kind), calls.map(() => 'disconnected'));
    await parts.restoreConnection();
    await waitForEvent(events, 'connection', (event) => event.state === 'connected');
    assert.is((await stateOf(uuid))?.split(' ')[0], 'running');
    await hypervisor.suspend(uuid);
    await waitForEvent(events, 'lifecycle', (event) => event.uuid === uuid && event.event === 'suspended');
  });

  test.run();
}

const allParts = [createSimulatedParts(), await createRealParts()];
for (const parts of allParts) defineCases(parts);
