/** The network slice's decisions: subnets, what is observed, which bridges are offered, addresses, XML. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { networkXml } from '../../appliance/network/network-xml.ts';
import { bridgesToOffer, formatMac, observeNetwork, subnetFault } from '../../appliance/network/rules.ts';
import { NetworkName } from '../../appliance/network/schema.ts';
import { doOverlap, findFreeSubnet, formatSubnet, isPrivate, layOut, parseSubnet, type Subnet } from '../../appliance/network/subnet.ts';
import type { MachineFacts } from '../../appliance/world.ts';
import { find, parseXml } from '../world/xml.ts';

const subnet = (cidr: string): Subnet => parseSubnet(cidr) ?? assert.unreachable(cidr) as never; // unreachable throws
const anySubnet = fc.record({ address: fc.nat(0xffffffff), prefix: fc.integer({ min: 0, max: 32 }) })
  .map(({ address, prefix }) => subnet(`${[24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.')}/${prefix}`));

test('a subnet is written as it is read', () => {
  fc.assert(fc.property(anySubnet, (each) => assert.equal(subnet(formatSubnet(each)), each)));
  assert.equal(formatSubnet(subnet('255.255.255.255/1')), '128.0.0.0/1');
  for (const bad of ['', '10.0.0.0', '10.0.0.256/8', '10.0.0.0/33', '10.0.0/8', 'fd00::/8', '10.0.0.0/8 ']) assert.is(parseSubnet(bad), undefined, bad);
});

test('overlap is symmetric, and is holding one address in common', () => {
  fc.assert(fc.property(anySubnet, anySubnet, (a, b) => {
    assert.is(doOverlap(a, b), doOverlap(b, a));
    assert.is(doOverlap(a, b), subnet(`${formatSubnet(a).split('/')[0]}/${Math.min(a.prefix, b.prefix)}`).first === subnet(`${formatSubnet(b).split('/')[0]}/${Math.min(a.prefix, b.prefix)}`).first);
  }));
});

test('a free subnet overlaps nothing, and is private', () => {
  fc.assert(fc.property(fc.array(anySubnet, { maxLength: 8 }), (busy) => {
    const free = findFreeSubnet(busy);
    if (!free) return;
    assert.ok(isPrivate(free));
    assert.not.ok(busy.some((other) => doOverlap(free, other)));
  }));
  assert.is(formatSubnet(findFreeSubnet([]) ?? subnet('0.0.0.0/0')), '192.168.122.0/24');
  assert.is(findFreeSubnet([subnet('0.0.0.0/0')]), undefined);
});

test('a NAT network leaves room for gateway, guests and broadcast', () => {
  assert.equal(layOut(subnet('192.168.150.0/24')), { gateway: '192.168.150.1', netmask: '255.255.255.0', dhcpStart: '192.168.150.2', dhcpEnd: '192.168.150.254' });
  assert.equal(layOut(subnet('10.1.2.8/29')), { gateway: '10.1.2.9', netmask: '255.255.255.248', dhcpStart: '10.1.2.10', dhcpEnd: '10.1.2.14' });
});

test('a subnet is refused with what is wrong with it', () => {
  const busy = [{ cidr: '192.168.10.0/24', by: 'which this host already reaches' }];
  assert.is(subnetFault('192.168.150.0/24', busy), undefined);
  assert.match(subnetFault('word', busy) ?? '', /such as/);
  assert.is(subnetFault('192.168.150.7/24', busy), 'This is an address inside the subnet 192.168.150.0/24. Write that.');
  assert.match(subnetFault('192.168.150.0/30', busy) ?? '', /16 to 29/);
  assert.match(subnetFault('10.0.0.0/8', busy) ?? '', /16 to 29/);
  assert.match(subnetFault('8.8.8.0/24', busy) ?? '', /private/);
  assert.match(subnetFault('172.32.0.0/16', busy) ?? '', /private/);
  assert.is(subnetFault('192.168.0.0/16', busy), 'It overlaps 192.168.10.0/24, which this host already reaches.');
});

const nic = (name: string, more: Partial<MachineFacts['nics'][number]> = {}) => ({ name, mac: '', speedMbps: 0, isUp: true, isBridge: true, addresses: [], ...more });

test('a NAT network is what libvirt says, and no fault while it does not run', () => {
  const wanted = { name: 'default', kind: 'nat' as const, bridge: null };
  const nics = [nic('virbr0', { addresses: ['fe80::1/64', '192.168.122.1/24'] })];
  const running = { name: 'default', bridge: 'virbr0', active: true };
  assert.equal(observeNetwork(wanted, { nics, known: [running] }), { state: 'active', reason: '', bridge: 'virbr0', subnet: '192.168.122.0/24' });
  assert.is(observeNetwork(wanted, { nics, known: [{ ...running, active: false }] }).state, 'inactive');
  assert.match(observeNetwork(wanted, { nics, known: [] }).reason, /first VM/);
});

test('a bridge is active, without a cable, or gone', () => {
  const wanted = { name: 'office', kind: 'bridge' as const, bridge: 'br0' };
  assert.is(observeNetwork(wanted, { nics: [nic('br0')], known: [] }).state, 'active');
  assert.equal(observeNetwork(wanted, { nics: [nic('br0', { isUp: false })], known: [] }).state, 'inactive');
  const gone = observeNetwork(wanted, { nics: [nic('br0', { isBridge: false })], known: [] });
  assert.equal([gone.state, gone.reason], ['missing', 'This host has no bridge "br0".']);
});

test('bridges of other programs are not offered', () => {
  const names = ['br0', 'office', 'virbr1', 'docker0', 'br-0123456789ab', 'br-lan', 'lxcbr0', 'cni0', 'nat7'];
  const nics = [...names.map((name) => nic(name)), nic('eno1', { isBridge: false })];
  assert.equal(bridgesToOffer(nics, [{ name: 'x', bridge: 'nat7', active: true }]), ['br0', 'office', 'br-lan']);
});

test('addresses are local, of one station, and as long as they must be', () => {
  assert.is(formatMac(new Uint8Array([0, 10, 255])), '52:54:00:00:0a:ff');
  assert.is(0x52 & 0b11, 0b10);
});

test('the XML of a network holds what was wanted, whatever the name', () => {
  const tree = parseXml(networkXml({ name: `a<b>&"'`, subnet: subnet('10.5.0.0/16') }));
  assert.is(find(tree, 'name')?.text, `a<b>&"'`);
  assert.equal(find(tree, 'ip')?.attributes, { address: '10.5.0.1', netmask: '255.255.0.0' });
  assert.equal(find(tree, 'ip/dhcp/range')?.attributes, { start: '10.5.0.2', end: '10.5.255.254' });
});

test('names are safe as file names and as options', () => {
  for (const good of ['default', 'br0', 'Lab_2', 'a-b']) assert.ok(NetworkName.safeParse(good).success, good);
  for (const bad of ['', '-a', '.', 'a/b', 'a b', 'a\nb', 'é', 'x'.repeat(33)]) assert.not.ok(NetworkName.safeParse(bad).success, bad);
});

test.run();
