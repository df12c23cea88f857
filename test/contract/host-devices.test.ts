/**
 * The devices of the host: the same cases on the simulated libvirt and on a real one with its node devices of this machine. This machine may have no USB,
 * no SCSI and no IOMMU; so libvirt's test driver is given the simulated server's devices besides, and must tell them as the simulation does. Which of them the
 * host works with is asked of the real kernel, too.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { suite, test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../appliance/core/clock.ts';
import { readDeviceTraits } from '../../appliance/host/device-traits.ts';
import { createMachine } from '../../appliance/host/machine.ts';
import type { Hypervisor, HypervisorEvent, NodeDevice } from '../../appliance/world.ts';
import { printXml } from '../../appliance/vm/definition/xml.ts';
import { usbXml } from '../../appliance/vm/pass/usb-xml.ts';
import { connectLibvirt } from '../../native/libvirt.ts';
import { real } from '../real/count.ts';
import { connect, guestXml, refusal, shimPath, uuidOf, waitForEvent } from '../real/native-host.ts';
import { openRackHost } from '../real/rack-host.ts';
import { createSimulatedHypervisor } from '../world/hypervisor.ts';
import { createSimulatedDevices } from '../world/host-devices.ts';
import { createSimulatedLibvirt } from '../world/libvirt.ts';
import { createSimulatedMachine } from '../world/machine.ts';

interface Parts {
  name: string;
  hypervisor: Hypervisor;
  /** A device that is there, and can be pulled out and plugged in again. */
  device: string;
  pull(): Promise<void>;
  plug(): Promise<void>;
  close(): Promise<void>;
}

function createSimulatedParts(): Parts {
  const libvirt = createSimulatedLibvirt({ clock: systemClock });
  const hypervisor = createSimulatedHypervisor(libvirt);
  const stick = { port: '1-3', vendorId: '0951', productId: '1666', vendor: 'Kingston', product: 'DataTraveler', serial: 'E0D55E' };
  libvirt.devices.plug(stick);
  return {
    name: 'simulated', hypervisor, device: 'usb_1_3',
    pull: async () => libvirt.devices.pull('1-3'), plug: async () => libvirt.devices.plug(stick), close: () => hypervisor.close(),
  };
}

/** A disk of this machine, as libvirt inside a rack host is told of it: nothing is pulled out. */
async function createRealParts(): Promise<Parts> {
  const host = await openRackHost({ daemons: ['virtlogd'] });
  await host.must(['sh', '-c', 'mkdir -p /run/udev && touch /run/udev/control']);
  await host.start('libvirtd');
  const hypervisor = connect(host);
  const block = (await hypervisor.nodeDevices())?.find(({ detail }) => detail.kind === 'storage');
  if (!block) throw new Error('this machine has no disk that libvirt knows');
  const say = (action: string) => host.must(['test/real/rack/uevent', action, block.path.replace('/sys', ''), 'block', 'DEVTYPE=disk', `DEVNAME=/dev/${block.path.split('/').at(-1)}`, 'MAJOR=1', 'MINOR=0']);
  return {
    name: 'libvirt', hypervisor, device: block.name,
    pull: async () => void await say('remove'), plug: async () => void await say('add'),
    async close() {
      await hypervisor.close();
      await host.close();
    },
  };
}

function defineCases({ name, hypervisor, device, pull, plug, close }: Parts): void {
  const cases = suite(`devices of the host, ${name}`);
  const events: HypervisorEvent[] = [];
  hypervisor.onEvent((event) => events.push(event));
  const names = async () => ((await hypervisor.nodeDevices()) ?? []).map((each) => each.name);
  const told = (change: 'created' | 'deleted') => waitForEvent(events, 'host-device', (event) => event.name === device && event.change === change);

  cases.before.each(() => { events.length = 0; });
  cases.after.each(() => { if (name === 'libvirt') real('libvirt'); });
  cases.after(close);

  cases('are told with their place, and what they are', async () => {
    const devices = (await hypervisor.nodeDevices()) ?? [];
    const cards = devices.flatMap(({ path, detail }) => (detail.kind === 'pci' ? [{ path, ...detail }] : []));
    assert.ok(cards.length > 0);
    for (const card of cards) {
      assert.match(card.address, /^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/);
      assert.ok(card.path.startsWith('/sys/devices/') && card.path.endsWith(`/${card.address}`), card.path);
      assert.match(`${card.vendorId} ${card.productId}`, /^[0-9a-f]{4} [0-9a-f]{4}$/);
      assert.is(card.groupMembers.includes(card.address), card.iommuGroup !== null);
    }
    const blocks = devices.filter(({ detail }) => detail.kind === 'storage');
    assert.ok(blocks.some(({ path, detail }) => path.includes('/block/') && detail.kind === 'storage' && detail.block.startsWith('/dev/') && detail.sizeBytes > 0), JSON.stringify(blocks));
  });

  cases('come and go with an event each', async () => {
    assert.ok((await names()).includes(device));
    await pull();
    await told('deleted');
    assert.not((await names()).includes(device));
    events.length = 0;
    await plug();
    await told('created');
    assert.ok((await names()).includes(device));
  });

  cases('a guest gets no USB device that is not there, and goes on', async () => {
    await hypervisor.create(guestXml(1));
    const xml = printXml(usbXml(uuidOf(9), { usb: { bus: 7, device: 99 }, vendorId: '0951', productId: '1666' }));
    const { kind, message } = await refusal(hypervisor.attachDevice(uuidOf(1), xml));
    assert.is(kind, 'other');
    assert.match(message, /Did not find USB device|cannot open directory .*usb/);
    assert.not.match(await hypervisor.domainXml(uuidOf(1)), /<hostdev/);
    // What has gone from the guest meanwhile is told in words that are known (`pass/take-off.ts`).
    assert.match((await refusal(hypervisor.detachDevice(uuidOf(1), xml))).message, /not found/);
    assert.is((await hypervisor.domains()).find(({ uuid }) => uuid === uuidOf(1))?.state, 'running');
    await hypervisor.destroy(uuidOf(1));
  });

  cases('a guest with a card that is not there does not start', async () => {
    const card = `<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0' bus='0xfe' slot='0x1f' function='0x7'/></source></hostdev>`;
    assert.ok((await refusal(hypervisor.create(guestXml(2, { devices: card })))).message);
    assert.equal((await hypervisor.domains()).filter(({ uuid }) => uuid === uuidOf(2)), []);
  });

  cases.run();
}

defineCases(createSimulatedParts());
defineCases(await createRealParts());

// ------------------------------------------------------------------------------------------------ libvirt's test driver

const byte = (value: string) => Number.parseInt(value, 16);
const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/** The device as somebody would define it; libvirt reads that and writes it in its own words. */
function xmlOf({ name, path, detail }: NodeDevice): string {
  const product = 'vendorId' in detail ? `<product id='0x${detail.productId}'>${escaped(detail.product)}</product><vendor id='0x${detail.vendorId}'>${escaped(detail.vendor)}</vendor>` : '';
  return `<device><name>${name}</name><path>${path}</path><parent>computer</parent>${capabilityXml(detail, product)}</device>`;
}

function capabilityXml(detail: NodeDevice['detail'], product: string): string {
  const capability = (type: string, content: string) => `<capability type='${type}'>${content}</capability>`;
  switch (detail.kind) {
    case 'usb': return capability('usb_device', `<bus>${detail.bus}</bus><device>${detail.device}</device>${product}`);
    case 'usb-interface': return capability('usb', `<number>0</number><class>${detail.classCode}</class><subclass>0</subclass><protocol>0</protocol>`);
    case 'scsi': return capability('scsi', `<host>${detail.host}</host><bus>${detail.bus}</bus><target>${detail.target}</target><lun>${detail.lun}</lun><type>${detail.type}</type>`);
    case 'storage': return capability('storage', `<block>${detail.block}</block><drive_type>disk</drive_type><model>${detail.model}</model><vendor>${detail.vendor}</vendor><serial>${detail.serial}</serial><size>${detail.sizeBytes}</size>`);
    case 'pci': {
      const [domain = '', bus = '', slot = '', func = ''] = detail.address.split(/[:.]/);
      const members = detail.groupMembers.map((member) => member.split(/[:.]/)).map(([d, b, s, f]) => `<address domain='0x${d}' bus='0x${b}' slot='0x${s}' function='0x${f}'/>`).join('');
      return capability('pci', `<class>0x${detail.classCode.toString(16).padStart(6, '0')}</class><domain>${byte(domain)}</domain><bus>${byte(bus)}</bus><slot>${byte(slot)}</slot><function>${func}</function>${product}<iommuGroup number='${detail.iommuGroup}'>${members}</iommuGroup>`);
    }
  }
}

test('real libvirt writes cards with groups, USB and SCSI as the simulation tells them', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'bothy-devices-'));
  const server = createSimulatedDevices();
  server.plug({ port: '1-4.2', vendorId: '04b8', productId: '0202', vendor: 'Seiko <Epson> & Sons', product: 'Receipt printer' });
  const system = `<device><name>computer</name><capability type='system'><hardware><vendor>x</vendor><uuid>11111111-2222-3333-4444-555555555555</uuid></hardware><firmware/></capability></device>`;
  writeFileSync(join(folder, 'node.xml'), `<node>${system}${server.list().map(xmlOf).join('')}</node>`);
  const libvirt = connectLibvirt({ uri: `test://${join(folder, 'node.xml')}`, library: shimPath, clock: systemClock });
  const inOrder = (devices: NodeDevice[]) => [...devices].sort((one, other) => (one.name < other.name ? -1 : 1));
  const told = await libvirt.nodeDevices().finally(() => libvirt.close());
  rmSync(folder, { recursive: true });
  // Which driver has it is what libvirt reads of no definition.
  assert.equal(inOrder(told ?? []), inOrder(server.list().map((device) => ({ ...device, driver: '' }))));
  real('libvirt');
});

// ------------------------------------------------------------------------------------------------ what the host works with

test('the simulated machine tells what it works with', async () => {
  const { held } = await createSimulatedMachine(systemClock).deviceTraits();
  assert.equal(held.map(({ by }) => by).sort(), ['disk', 'network', 'screen']);
});

/** Of the machine that the tests run on: the same as the kernel's table of mounts says. */
test('the real machine holds the disks that are mounted', async () => {
  const { held } = await createMachine().deviceTraits();
  const mounted = readFileSync('/proc/self/mountinfo', 'utf8').split('\n').map((line) => line.split(' ')[2] ?? '').filter((number) => /^[1-9]\d*:\d+$/.test(number));
  const disks = readdirSync('/sys/class/block').filter((name) => mounted.includes(readFileSync(`/sys/class/block/${name}/dev`, 'utf8').trim()))
    .map((name) => realpathSync(`/sys/class/block/${name}`)).filter((path) => !path.includes('/virtual/'));
  for (const path of disks) assert.ok(held.some((device) => device.path === path && device.by === 'disk'), `${path} is not among ${JSON.stringify(held)}`);
});

test('holds what is mounted, swapped to or part of a volume, ports with addresses and in bridges, and its screen', async () => {
  const root = mkdtempSync(join(tmpdir(), 'bothy-sys-'));
  const lay = (path: string, text = '') => {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  const link = (path: string, to: string) => {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    symlinkSync(join(root, to), join(root, path));
  };
  const block = (name: string, path: string, number: string) => {
    lay(`${path}/dev`, `${number}\n`);
    link(`sys/class/block/${name}`, path);
  };
  const pci = 'sys/devices/pci0000:00';
  block('sda', `${pci}/0000:00:17.0/block/sda`, '8:0');
  block('sda1', `${pci}/0000:00:17.0/block/sda/sda1`, '8:1');
  block('sdb', `${pci}/0000:00:18.0/block/sdb`, '8:16');
  block('sdc', `${pci}/0000:00:19.0/block/sdc`, '8:32');
  block('nvme0n1', `${pci}/0000:00:1a.0/nvme/nvme0/nvme0n1`, '259:0');
  block('dm-0', 'sys/devices/virtual/block/dm-0', '254:0');
  lay(`${pci}/0000:00:18.0/block/sdb/holders/dm-0`);
  lay('proc/1/mountinfo', '22 1 8:1 / / rw - ext4 /dev/sda1 rw\n23 1 0:40 /sub /data rw - btrfs /dev/nvme0n1 rw\n24 1 254:0 / /srv rw - ext4 /dev/mapper/a-b rw\n25 1 0:21 / /proc rw - proc proc rw\n');
  for (const [name, card] of [['eno1', '01:00.0'], ['eno2', '01:00.1'], ['eno3', '01:00.2']] as const) {
    lay(`${pci}/0000:${card}/net/${name}/operstate`, 'up\n');
    lay(`${pci}/0000:${card}/net/${name}/device`);
    link(`sys/class/net/${name}`, `${pci}/0000:${card}/net/${name}`);
  }
  lay(`${pci}/0000:01:00.1/net/eno2/master`);
  lay(`${pci}/0000:00:02.0/boot_vga`, '1\n');
  link('sys/bus/pci/devices/0000:00:02.0', `${pci}/0000:00:02.0`);
  lay(`${pci}/0000:00:14.0/usb1/1-2/serial`, 'AB12\n');
  link('sys/bus/usb/devices/1-2', `${pci}/0000:00:14.0/usb1/1-2`);
  const address = (text: string) => [{ address: text, netmask: '', mac: '', internal: false, cidr: text, family: 'IPv4' as const }];
  const traits = await readDeviceTraits(root, () => ({ eno1: address('192.168.1.2'), eno3: address('169.254.7.7') }));
  assert.equal(traits.held.map(({ by, name }) => `${by} ${name}`).sort(), ['disk nvme0n1', 'disk sda1', 'disk sdb', 'network eno1', 'network eno2', 'screen 0000:00:02.0']);
  assert.ok(traits.held.every(({ path }) => path.startsWith('/sys/devices/pci0000:00/')), JSON.stringify(traits.held));
  assert.equal(traits.usbSerials, { '/sys/devices/pci0000:00/0000:00:14.0/usb1/1-2': 'AB12' });
  rmSync(root, { recursive: true });
});

test.run();
