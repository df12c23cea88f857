/** The domain of a VM: every wish lands where libvirt looks for it, and devices do not move when others come and go. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { deviceSlots } from '../../appliance/vm/device-xml.ts';
import { type DomainSpec, domainXml } from '../../appliance/vm/domain-xml.ts';
import { readRunning } from '../../appliance/vm/running.ts';
import { type Element, find, findAll, parseXml, textOf } from '../../appliance/vm/xml.ts';

const id = (number: number) => `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
const plain: DomainSpec = {
  id: id(1), name: 'web-1', vcpus: 2, memoryBytes: 512 * 2 ** 20, firmware: 'bios', accelerator: 'tcg', bootOrder: ['disk', 'cdrom'],
  disks: [{ id: id(10), slot: 0, path: '/disks/a', format: 'raw' }, { id: id(11), slot: 2, path: '/disks/b', format: 'qcow2' }],
  cdrom: { path: '/isos/memtest.iso' },
  nics: [{ id: id(20), slot: 1, mac: '52:54:00:00:00:01', source: { kind: 'nat', name: 'default' } }],
  paths: { serialSocket: '/run/serial.sock', serialLog: '/run/serial.log', nvram: '/kept/nvram.fd' },
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
  assert.is(textOf(find(domain, 'on_crash')), 'destroy');
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
  const disks = Array.from({ length: deviceSlots }, (_none, slot) => ({ id: id(slot), slot, path: '/a', format: 'raw' as const }));
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
  const empty = domainOf({ cdrom: { path: null } });
  assert.is(find(disksOf(empty)[2] ?? empty, 'source'), undefined);
  const nic = (source: { kind: 'nat' | 'bridge'; name: string }) => find(domainOf({ nics: [{ id: id(20), slot: 1, mac: '52:54:00:00:00:01', source }] }), 'devices', 'interface');
  assert.equal([nic({ kind: 'nat', name: 'default' })?.attributes['type'], attributes(nic({ kind: 'nat', name: 'default' }), 'source')], ['network', { network: 'default' }]);
  assert.equal([nic({ kind: 'bridge', name: 'br0' })?.attributes['type'], attributes(nic({ kind: 'bridge', name: 'br0' }), 'source')], ['bridge', { bridge: 'br0' }]);
});

test('what was asked for reads back, whatever names and paths hold', () => {
  const words = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }).filter((all) => !/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/u.test(all));
  fc.assert(fc.property(words, words, words, (name, path, iso) => {
    const xml = domainXml({ ...plain, name, cdrom: { path: iso }, disks: [{ id: id(10), slot: 0, path, format: 'raw' }], paths: { ...plain.paths, serialSocket: path } });
    const domain = parseXml(xml);
    assert.is(textOf(find(domain, 'name')), name.trim() === '' ? '' : name); // a blank name never gets past the schema
    assert.is(attributes(disksOf(domain)[0], 'source')['file'], path);
    const running = readRunning(xml);
    assert.equal([running.cdromPath, running.serialSocket], [iso, path]);
  }), { numRuns: 300 });
});

test('what runs reads back: settings from our metadata, devices by their alias', () => {
  assert.equal(readRunning(domainXml({ ...plain, firmware: 'efi' })), {
    vcpus: 2, memoryBytes: plain.memoryBytes, firmware: 'efi', bootOrder: ['disk', 'cdrom'],
    disks: [id(10), id(11)], nics: [id(20)], cdromPath: '/isos/memtest.iso', vncSocket: null, serialSocket: '/run/serial.sock', hasAgent: null,
  });
});

test.run();
