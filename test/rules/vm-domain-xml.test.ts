/** The domain of a VM: every wish lands where libvirt looks for it, and devices do not move when others come and go. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type DiskDevice, deviceSlots, type NicDevice } from '../../appliance/vm/definition/device-xml.ts';
import { type DomainSpec, domainXml } from '../../appliance/vm/definition/domain-xml.ts';
import { type Hardware, machines, plainDisk, plainHardware, plainNic, screens, soundModels, usbControllers, videoModels, watchdogModels } from '../../appliance/vm/definition/hardware.ts';
import { readRunning } from '../../appliance/vm/definition/running.ts';
import { type Element, find, findAll, parseXml, printXml, textOf } from '../../appliance/vm/definition/xml.ts';

const id = (number: number) => `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
const disk = (number: number, changes: Partial<DiskDevice> = {}): DiskDevice => ({ ...plainDisk, id: id(number), slot: 0, path: '/disks/a', format: 'raw', machine: 'q35', ...changes });
const nic = (changes: Partial<NicDevice> = {}): NicDevice => ({ ...plainNic, id: id(20), slot: 1, mac: '52:54:00:00:00:01', source: { kind: 'nat', name: 'default' }, machine: 'q35', ...changes });
const plain: DomainSpec = {
  id: id(1), name: 'web-1', vcpus: 2, memoryBytes: 512 * 2 ** 20, firmware: 'bios', hardware: plainHardware, accelerator: 'tcg', cpuDefault: 'auto', bootOrder: ['disk', 'cdrom'],
  disks: [disk(10), disk(11, { slot: 2, path: '/disks/b', format: 'qcow2' })],
  cdrom: { path: '/isos/memtest.iso', machine: 'q35' },
  floppyPath: null, hostNodes: [0],
  nics: [nic()],
  paths: { serialSocket: '/run/serial.sock', serialLog: '/run/serial.log', serialSockets: '/run/serial-', channelSockets: '/run/channel-', nvram: '/kept/nvram.fd', secureNvram: '/kept/nvram-secure.fd' },
};
const domainOf = (changes: Partial<DomainSpec> = {}) => parseXml(domainXml({ ...plain, ...changes }));
const disksOf = (domain: Element) => findAll(domain, 'devices', 'disk');
const attributes = (tree: Element | undefined, ...path: string[]) => (tree && find(tree, ...path)?.attributes) ?? {};

test('size, processors and identity', () => {
  const domain = domainOf();
  assert.is(textOf(find(domain, 'name')), 'web-1');
  assert.is(textOf(find(domain, 'uuid')), plain.id);
  assert.equal([find(domain, 'memory')?.attributes['unit'], textOf(find(domain, 'memory'))], ['b', '536870912']);
  assert.is(textOf(find(domain, 'vcpu')), '2');
  assert.is(textOf(find(domain, 'on_crash')), 'restart');
  assert.equal(findAll(domain, 'devices', 'panic').map(({ attributes }) => attributes['model']), ['isa']);
});

test('the accelerator decides type and processor model', () => {
  assert.equal([domainOf().attributes['type'], attributes(domainOf(), 'cpu')['mode']], ['qemu', 'maximum']);
  const fast = domainOf({ accelerator: 'kvm' });
  assert.equal([fast.attributes['type'], attributes(fast, 'cpu')['mode']], ['kvm', 'host-model']);
});

test('UEFI keeps its variables in a file of the VM, and has no secure boot', () => {
  assert.is(find(domainOf(), 'os', 'nvram'), undefined);
  const domain = domainOf({ firmware: 'efi' });
  assert.is(attributes(domain, 'os')['firmware'], 'efi');
  assert.is(textOf(find(domain, 'os', 'nvram')), '/kept/nvram.fd');
  assert.equal(attributes(domain, 'os', 'firmware', 'feature'), { enabled: 'no', name: 'secure-boot' });
});

test('a disk is never probed, stops the guest on an error, and does no caching of its own', () => {
  const [first, second] = disksOf(domainOf());
  assert.equal(attributes(first, 'driver'), { name: 'qemu', type: 'raw', cache: 'none', io: 'native', discard: 'unmap', error_policy: 'stop', rerror_policy: 'stop' });
  assert.is(attributes(second, 'driver')['type'], 'qcow2');
  assert.equal(attributes(first, 'target'), { dev: 'vda', bus: 'virtio' });
});

test('a device keeps its name and its port when its neighbours go', () => {
  const keeps = (domain: Element, alias: string) => {
    const device = findAll(domain, 'devices').flatMap(({ children }) => children).find((child) => typeof child !== 'string' && attributes(child, 'alias')['name'] === alias);
    assert.ok(device && typeof device !== 'string', alias);
    return [attributes(device as Element, 'target')['dev'], attributes(device as Element, 'address')['bus']]; // asserted above
  };
  const alone = domainOf({ disks: plain.disks.slice(1) });
  assert.equal(keeps(alone, `ua-${id(11)}`), keeps(domainOf(), `ua-${id(11)}`));
  assert.equal(keeps(alone, `ua-${id(20)}`), keeps(domainOf(), `ua-${id(20)}`));
});

test('each slot has a port of its own', () => {
  const disks = Array.from({ length: deviceSlots }, (_none, slot) => disk(slot, { slot }));
  const buses = disksOf(domainOf({ disks, nics: [] })).slice(0, deviceSlots).map((disk) => attributes(disk, 'address')['bus']);
  assert.is(new Set(buses).size, deviceSlots);
  const ports = findAll(domainOf(), 'devices', 'controller').filter(({ attributes: { model } }) => model === 'pcie-root-port');
  assert.is(ports.length, deviceSlots);
});

test('the boot order goes through the kinds, and within a kind by slot', () => {
  const orders = (bootOrder: DomainSpec['bootOrder']) => {
    const domain = domainOf({ bootOrder });
    return [...disksOf(domain), ...findAll(domain, 'devices', 'interface')].map((device) => Number(attributes(device, 'boot')['order'] ?? 0));
  };
  assert.equal(orders(['disk', 'cdrom']), [1, 2, 3, 0]);
  assert.equal(orders(['cdrom', 'network', 'disk']), [3, 4, 1, 2]);
  assert.equal(orders(['network']), [0, 0, 0, 1]);
});

test('an empty drive has no source; a NIC sits on a network or on a bridge', () => {
  const empty = domainOf({ cdrom: { path: null, machine: 'q35' } });
  assert.is(find(disksOf(empty)[2] ?? empty, 'source'), undefined);
  const on = (source: NicDevice['source']) => find(domainOf({ nics: [nic({ source })] }), 'devices', 'interface');
  assert.equal([on({ kind: 'nat', name: 'default' })?.attributes['type'], attributes(on({ kind: 'nat', name: 'default' }), 'source')], ['network', { network: 'default' }]);
  assert.equal([on({ kind: 'bridge', name: 'br0' })?.attributes['type'], attributes(on({ kind: 'bridge', name: 'br0' }), 'source')], ['bridge', { bridge: 'br0' }]);
});

test('what was asked for reads back, whatever names and paths hold', () => {
  const words = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }).filter((all) => !/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/u.test(all));
  fc.assert(fc.property(words, words, words, (name, path, iso) => {
    const xml = domainXml({ ...plain, name, cdrom: { path: iso, machine: 'q35' }, disks: [disk(10, { path })], paths: { ...plain.paths, serialSocket: path } });
    const domain = parseXml(xml);
    assert.is(textOf(find(domain, 'name')), name.trim() === '' ? '' : name); // a blank name never gets past the schema
    assert.is(attributes(disksOf(domain)[0], 'source')['file'], path);
    const running = readRunning(xml);
    assert.equal([running.cdromPath, running.serialSocket], [iso, path]);
  }), { numRuns: 300 });
});

test('what runs reads back: settings from our metadata, devices by their alias', () => {
  const { unit: _unit, ...usual } = plainDisk;
  assert.equal(readRunning(domainXml({ ...plain, firmware: 'efi-secure', hardware: { ...plainHardware, video: 'qxl', channels: ['org.example.0'] } })), {
    name: 'web-1', vcpus: 2, memoryBytes: plain.memoryBytes, firmware: 'efi-secure', bootOrder: ['disk', 'cdrom'], cpuDefault: 'auto', hardware: { ...plainHardware, video: 'qxl', channels: ['org.example.0'] },
    disks: [id(10), id(11)], nics: [id(20)], cdromPath: '/isos/memtest.iso', vncSocket: null, spiceSocket: null, serialSocket: '/run/serial.sock', hasAgent: null, hostDevices: {}, hasScsi: false,
    diskSettings: { [id(10)]: { ...usual, target: 'vda' }, [id(11)]: { ...usual, target: 'vdc' } },
    nicSettings: { [id(20)]: { ...plainNic, mac: '52:54:00:00:00:01', source: { kind: 'nat', name: 'default' } } },
  });
});

test('a VM that an older version has started is read as having what every VM had', () => {
  const old = domainXml(plain).replace(/(<bothy:vm[^>]*)>[^<]*<\/bothy:vm>/, '$1/>');
  assert.equal(readRunning(old).hardware, plainHardware);
  const partly = domainXml(plain).replace(/(<bothy:vm[^>]*>)[^<]*/, '$1{&quot;video&quot;:&quot;cirrus&quot;,&quot;unknown&quot;:1}');
  assert.equal(readRunning(partly).hardware, { ...plainHardware, video: 'cirrus' });
});

// ------------------------------------------------------------------------------------------------ hardware

const withHardware = (hardware: Partial<Hardware>, changes: Partial<DomainSpec> = {}) => domainOf({ hardware: { ...plainHardware, ...hardware }, ...changes });
const models = (domain: Element, device: string) => findAll(domain, 'devices', device).map((found) => found.attributes['model'] ?? attributes(found, 'model')['type']);

test('without a word about hardware a VM is what it always was', () => {
  const domain = domainOf();
  assert.equal([attributes(domain, 'os', 'type')['machine'], models(domain, 'video'), models(domain, 'sound'), models(domain, 'watchdog'), models(domain, 'rng')], ['q35', ['vga'], [], [], ['virtio']]);
  assert.equal([findAll(domain, 'devices', 'graphics').map((graphics) => graphics.attributes['type']), findAll(domain, 'devices', 'serial').length], [['vnc'], 1]);
  assert.equal(attributes(domain, 'cpu', 'topology'), { sockets: '1', dies: '1', cores: '2', threads: '1' });
  assert.is(find(domain, 'iothreads'), undefined);
});

test('room to grow: the most of processors and memory', () => {
  const names = (domain: Element) => domain.children.flatMap((child) => (typeof child === 'string' ? [] : [child.name]));
  assert.not.ok(names(domainOf()).some((name) => name === 'maxMemory'));
  const domain = withHardware({ maxVcpus: 4, sockets: 4, maxMemoryBytes: 2 ** 30 }, { vcpus: 2 });
  assert.equal([attributes(domain, 'vcpu')['current'], textOf(find(domain, 'vcpu')), attributes(domain, 'cpu', 'topology')['sockets']], ['2', '4', '4']);
  assert.equal([textOf(find(domain, 'maxMemory')), attributes(domain, 'cpu', 'numa', 'cell')], ['1073741824', { id: '0', cpus: '0-3', memory: '536870912', unit: 'b' }]);
  assert.is(find(withHardware({ maxMemoryBytes: plain.memoryBytes }), 'maxMemory'), undefined, 'QEMU refuses a most that is what there is');
  const running = readRunning(printXml(domain));
  assert.equal([running.vcpus, running.memoryBytes, running.hardware.maxVcpus], [2, plain.memoryBytes, 4]);
  assert.is(readRunning(printXml(domain).replace('<memory unit="b">536870912<', "<memory unit='KiB'>655360<")).memoryBytes, 640 * 2 ** 20, 'as libvirt tells it');
});

test('processors: sockets, cores and threads; a named model is the same everywhere', () => {
  assert.equal(attributes(withHardware({ sockets: 2, threads: 2 }, { vcpus: 8 }), 'cpu', 'topology'), { sockets: '2', dies: '1', cores: '2', threads: '2' });
  const named = withHardware({ cpu: 'Westmere' }, { accelerator: 'kvm' });
  assert.equal([attributes(named, 'cpu')['mode'], textOf(find(named, 'cpu', 'model')), attributes(named, 'cpu', 'feature')], ['custom', 'Westmere', { policy: 'require', name: 'x2apic' }]);
  assert.is(attributes(withHardware({ cpu: 'host-passthrough' }, { accelerator: 'kvm' }), 'cpu')['mode'], 'host-passthrough');
});

test('no two devices of any VM have one place, and none of the fixed ones moves with a choice', () => {
  const oneOf = <K extends keyof Hardware>(name: K) => fc.constantFrom(...(Object.keys(tables[name as keyof typeof tables]) as Hardware[K][]));
  const tables = { machine: machines, video: videoModels, sound: soundModels, usb: usbControllers, watchdog: watchdogModels, graphics: screens };
  const buses = fc.array(fc.constantFrom('virtio' as const, 'scsi' as const, 'sata' as const), { maxLength: 14 });
  fc.assert(fc.property(fc.record({ machine: oneOf('machine'), video: oneOf('video'), sound: oneOf('sound'), usb: oneOf('usb'), watchdog: oneOf('watchdog'), graphics: oneOf('graphics'), rng: fc.boolean() }), buses, (hardware, chosen) => {
    const { machine } = hardware;
    const disks = chosen.map((bus, index) => disk(index + 100, { slot: index + 2, bus, machine }));
    const domain = withHardware(hardware, { disks, nics: [nic({ machine })], cdrom: { path: null, machine } });
    const devices = findAll(domain, 'devices').flatMap(({ children }) => children.filter((child) => typeof child !== 'string'));
    const places = devices.flatMap((device) => findAll(device, 'address').map(({ attributes: place }) => JSON.stringify(place)));
    assert.is(new Set(places).size, places.length);
    const targets = devices.filter(({ name }) => name === 'disk').map((device) => attributes(device, 'target')['dev']);
    assert.is(new Set(targets).size, targets.length);
    const balloon = devices.find(({ name }) => name === 'memballoon');
    assert.is(balloon && attributes(balloon, 'address')['slot'], '0x1c');
  }), { numRuns: 300 });
});

test('a disk is on its bus, with its serial number, limits and thread', () => {
  const only = (changes: Partial<DiskDevice>) => disksOf(domainOf({ disks: [disk(10, { slot: 3, ...changes })] }))[0];
  assert.equal(attributes(only({ bus: 'scsi' }), 'target'), { dev: 'sde', bus: 'scsi' });
  assert.equal([attributes(only({ bus: 'sata', slot: 7 }), 'target')['dev'], attributes(only({ bus: 'sata', slot: 7 }), 'address')], ['sdi', { type: 'drive', controller: '1', bus: '0', target: '0', unit: '2' }]);
  assert.equal([attributes(only({ bus: 'ide', unit: 3, machine: 'pc' }), 'target')['dev'], attributes(only({ bus: 'ide', unit: 3, machine: 'pc' }), 'address')], ['hdd', { type: 'drive', controller: '0', bus: '1', target: '0', unit: '1' }]);
  const special = only({ serial: 'ABC-1', discard: false, ioThread: 2, readBytesPerSecond: 1_000_000, writesPerSecond: 50 }) ?? domainOf();
  assert.equal([textOf(find(special, 'serial')), attributes(special, 'driver')['discard'], attributes(special, 'driver')['iothread']], ['ABC-1', 'ignore', '2']);
  assert.equal([textOf(find(special, 'iotune', 'read_bytes_sec')), textOf(find(special, 'iotune', 'write_iops_sec')), find(special, 'iotune', 'write_bytes_sec')], ['1000000', '50', undefined]);
});

test('secure boot has its own variables, with keys, and protects them', () => {
  const domain = domainOf({ firmware: 'efi-secure' });
  assert.equal(findAll(domain, 'os', 'firmware', 'feature').map(({ attributes: feature }) => `${feature['name']} ${feature['enabled']}`), ['secure-boot yes', 'enrolled-keys yes']);
  assert.equal([textOf(find(domain, 'os', 'nvram')), attributes(domain, 'features', 'smm')['state']], ['/kept/nvram-secure.fd', 'on']);
});

test.run();
