/** One port's file of systemd-networkd and what the kernel tells of routes and name servers, as data. Pure. */
import type { PortSettings } from '../world.ts';

/** Link-local addresses stay in any case: a box with a wrong address can still be reached from a notebook beside it. */
export function networkFile(port: string, { method, address, gateway, dns }: PortSettings): string {
  const wishes = method === 'dhcp' ? ['DHCP=yes'] : ['DHCP=no', `Address=${address ?? ''}`, ...(gateway ? [`Gateway=${gateway}`] : [])];
  return [
    '# Written by Bothy: it is changed at the screen of the box or by its API.',
    '[Match]', `Name=${port}`, '',
    '[Network]', ...wishes, ...dns.map((server) => `DNS=${server}`), 'LinkLocalAddressing=yes', 'IPv6AcceptRA=yes', 'MulticastDNS=yes', 'LLMNR=no', '',
    '[Link]', 'RequiredForOnline=no', '',
  ].join('\n');
}

export function parseNetworkFile(text: string): PortSettings {
  const all = (key: string) => [...text.matchAll(new RegExp(`^${key}=(.+)$`, 'gm'))].map((match) => match[1] ?? '');
  return { method: all('DHCP')[0] === 'no' ? 'static' : 'dhcp', address: all('Address')[0] ?? null, gateway: all('Gateway')[0] ?? null, dns: all('DNS') };
}

export const parseNameServers = (resolvConf: string): string[] => [...resolvConf.matchAll(/^nameserver\s+(\S+)/gm)].map((match) => match[1] ?? '').filter((server) => server !== '127.0.0.53');

/** Default routes of /proc/net/route, whose addresses stand there in hexadecimal, last byte first. */
export function parseDefaultRoutes(table: string): { port: string; address: string }[] {
  return [...table.matchAll(/^(\S+)\s+00000000\s+([0-9A-F]{8})(?:\s+\S+){4}\s+00000000\b/gm)]
    .map(([, port = '', hex = '']) => ({ port, address: [6, 4, 2, 0].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)).join('.') }))
    .filter(({ address }) => address !== '0.0.0.0');
}

/** Addresses in what `ip -j address show` prints. */
export function parseAddresses(printed: string): string[] {
  const links = (printed.trim() === '' ? [] : JSON.parse(printed)) as { addr_info?: { local?: string }[] }[]; // the format of iproute2
  return links.flatMap(({ addr_info: addresses = [] }) => addresses.flatMap(({ local }) => local ?? []));
}

/** Whether `ip -j neighbour show` tells of a neighbour that has answered. */
export function isNeighbour(printed: string): boolean {
  const neighbours = (printed.trim() === '' ? [] : JSON.parse(printed)) as { lladdr?: string; state?: string[] }[]; // the format of iproute2
  return neighbours.some(({ lladdr, state = [] }) => lladdr !== undefined && state.some((each) => answered.has(each)));
}
const answered = new Set(['REACHABLE', 'PERMANENT', 'NOARP']);
