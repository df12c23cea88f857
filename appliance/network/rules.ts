/** Decisions of this slice that need nothing but their arguments. */
import type { MachineFacts, Network as LibvirtNetwork } from '../world.ts';
import { doOverlap, formatSubnet, isPrivate, parseSubnet, type Subnet } from './subnet.ts';

export const networkStates = ['active', 'inactive', 'missing'] as const;

/** libvirt's own NAT network, which VMs use unless told otherwise. */
export const defaultNetwork = 'default';

/** Which it has unless somebody changed it. */
export const libvirtSubnet = '192.168.122.0/24';

export interface Wanted {
  name: string;
  kind: 'nat' | 'bridge';
  bridge: string | null;
}

export interface Observed {
  state: (typeof networkStates)[number];
  /** Why it is not active; empty when it is. */
  reason: string;
  bridge: string;
  subnet: string | null;
}

/** What the host has of a network. A NAT network that does not run is no fault: the first VM starts it. */
export function observeNetwork({ name, kind, bridge }: Wanted, { nics, known }: { nics: MachineFacts['nics']; known: LibvirtNetwork[] }): Observed {
  if (kind === 'bridge') return observeBridge(bridge ?? '', nics);
  const network = known.find((each) => each.name === name);
  if (!network?.active) return { state: 'inactive', reason: 'It starts with the first VM that uses it.', bridge: network?.bridge ?? '', subnet: null };
  return { state: 'active', reason: '', bridge: network.bridge, subnet: subnetOf(network.bridge, nics) };
}

function observeBridge(bridge: string, nics: MachineFacts['nics']): Observed {
  const nic = nics.find((each) => each.name === bridge && each.isBridge);
  if (!nic) return { state: 'missing', reason: `This host has no bridge "${bridge}".`, bridge: '', subnet: null };
  const subnet = subnetOf(bridge, nics);
  if (nic.isUp) return { state: 'active', reason: '', bridge, subnet };
  return { state: 'inactive', reason: `The bridge "${bridge}" is down or has no cable.`, bridge, subnet };
}

function subnetOf(name: string, nics: MachineFacts['nics']): string | null {
  const subnets = nics.find((nic) => nic.name === name)?.addresses.flatMap((address) => parseSubnet(address) ?? []) ?? [];
  return subnets[0] ? formatSubnet(subnets[0]) : null;
}

/** Bridges that other programs make for their own guests. */
const foreignBridge = /^(virbr|docker|br-[0-9a-f]{12}$|lxc|lxd|cni|podman|cbr|kube|ovs)/;

/** Bridges of the host that people made for VMs. */
export function bridgesToOffer(nics: MachineFacts['nics'], known: LibvirtNetwork[]): string[] {
  const ofLibvirt = new Set(known.map(({ bridge }) => bridge));
  return nics.filter(({ name, isBridge }) => isBridge && !ofLibvirt.has(name) && !foreignBridge.test(name)).map(({ name }) => name);
}

/** What is in the way of a NAT network with this subnet, for the person who chose it; `undefined` if nothing. */
export function subnetFault(cidr: string, busy: { cidr: string; by: string }[]): string | undefined {
  const subnet = parseSubnet(cidr);
  if (!subnet) return 'Write it as an address and a prefix length, such as 192.168.150.0/24.';
  if (formatSubnet(subnet) !== cidr) return `This is an address inside the subnet ${formatSubnet(subnet)}. Write that.`;
  if (subnet.prefix < 16 || subnet.prefix > 29) return 'The prefix length must be 16 to 29.';
  if (!isPrivate(subnet)) return 'Choose private addresses: inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16.';
  const other = busy.find((each) => overlaps(subnet, each.cidr));
  return other && `It overlaps ${other.cidr}, ${other.by}.`;
}

function overlaps(subnet: Subnet, cidr: string): boolean {
  const other = parseSubnet(cidr);
  return other !== undefined && doOverlap(subnet, other);
}

/** libvirt's and QEMU's prefix; its second-lowest bit says: given by an administrator, not by a maker. */
const macPrefix = [0x52, 0x54, 0x00];

export function formatMac(random: Uint8Array): string {
  return [...macPrefix, ...random.slice(0, 3)].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

interface PortWish {
  method: 'dhcp' | 'static';
  address: string | null;
  gateway: string | null;
}

/** What is wrong with the addresses of a port, by field. */
export function portFault({ method, address, gateway }: PortWish): { path: string; message: string }[] {
  if (method === 'dhcp') return address || gateway ? [{ path: 'address', message: 'With DHCP the network gives address and gateway. Leave both empty.' }] : [];
  if (address === null) return [{ path: 'address', message: 'Give an address with its prefix length, such as 192.168.10.5/24.' }];
  if (address.includes(':')) return gateway !== null && !gateway.includes(':') ? [{ path: 'gateway', message: 'Address and gateway must both be IPv6.' }] : [];
  const [own = '', length = ''] = address.split('/');
  const size = 2 ** (32 - Number(length));
  const place = (text: string) => text.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);
  const first = Math.floor(place(own) / size) * size;
  const isWhole = size > 2 && (place(own) === first || place(own) === first + size - 1);
  if (isWhole || /^(0|127|22[4-9]|23\d|24\d|25[0-5])\./.test(own)) return [{ path: 'address', message: `${own} is no address that a machine can have in this network.` }];
  if (gateway === null) return [];
  if (gateway.includes(':')) return [{ path: 'gateway', message: 'Address and gateway must both be IPv4.' }];
  if (place(gateway) < first || place(gateway) >= first + size || gateway === own) return [{ path: 'gateway', message: `The gateway ${gateway} is not another address in the network of ${address}.` }];
  return [];
}

interface Nic {
  name: string;
  mac: string;
  isBridge: boolean;
}

/** A port of the machine by its name or its MAC address; a bridge is none. */
export const findPort = <T extends Nic>(nics: readonly T[], given: string): T | undefined =>
  nics.find(({ name, mac, isBridge }) => !isBridge && (name === given || mac.toLowerCase() === given.toLowerCase()));

export const noPort = (nics: readonly Nic[], given: string): string =>
  `This host has no port "${given}". It has: ${nics.filter(({ isBridge }) => !isBridge).map(({ name, mac }) => `${name} (${mac})`).join(', ')}.`;

/** What libvirt says of a program that it started, without that program's whole command line, and on one line. */
export function plainWords(libvirts: string): string {
  const plain = libvirts.replace(/^internal error: Child process \(.*?\) unexpected (?:exit status|fatal signal) \d+: */s, '').replace(/\s+/g, ' ').trim();
  return plain === '' ? libvirts : plain.replace(/\.$/, '');
}
