/**
 * Addresses that the appliance may fetch from. A URL comes from people, so it must not lead the appliance to itself or to what only it
 * can reach: loopback, link-local (where clouds keep secrets), its own addresses. Private networks are where most sites are. Pure.
 */
import { BlockList, isIP } from 'node:net';

const never: [network: string, prefix: number, family: 'ipv4' | 'ipv6'][] = [
  ['0.0.0.0', 8, 'ipv4'], ['127.0.0.0', 8, 'ipv4'], ['169.254.0.0', 16, 'ipv4'], ['224.0.0.0', 3, 'ipv4'],
  ['::', 128, 'ipv6'], ['::1', 128, 'ipv6'], ['fe80::', 10, 'ipv6'], ['fec0::', 10, 'ipv6'], ['ff00::', 8, 'ipv6'],
];
/** IPv4 in the clothes of IPv6. */
const disguises = [/^::ffff:(\d+\.\d+\.\d+\.\d+)$/i, /^64:ff9b::(\d+\.\d+\.\d+\.\d+)$/i];

/** Why nothing may be fetched from `address`, a whole sentence; `undefined` when it may. `own`: addresses of this machine. */
export function addressFault(address: string, own: readonly string[]): string | undefined {
  const plain = disguises.map((pattern) => pattern.exec(address)?.[1]).find(Boolean) ?? address;
  const version = isIP(plain);
  if (version === 0) return `${address} is not an address.`;
  const family = version === 4 ? 'ipv4' : 'ipv6';
  if (version === 6 && /^(::ffff:|64:ff9b:)/i.test(plain)) return `${address} is an address in disguise. Give the plain one.`;
  if (own.includes(plain)) return `${address} is this appliance itself. Give the address of another machine.`;
  const list = new BlockList();
  for (const [network, prefix, kind] of never) list.addSubnet(network, prefix, kind);
  return list.check(plain, family) ? `${address} is an address of this machine or of its cable only. Give the address of a server.` : undefined;
}

/** Whether `text` is a whole http or https address without user and password in it. */
export function isWebAddress(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, hostname } = new URL(text);
  return (protocol === 'https:' || protocol === 'http:') && username === '' && password === '' && hostname !== '';
}
