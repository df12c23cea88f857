/**
 * Addresses of the machine's own ports, as files of systemd-networkd: one of ours for each port that somebody has set, before that of the
 * image, which asks for addresses by DHCP on every port. A file of somebody else's is never touched. Unless `isManaged`, nothing is changed.
 */
import { createSocket } from 'node:dgram';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../core/run.ts';
import type { HostNetworkPort } from '../world.ts';
import { isNeighbour, networkFile, parseAddresses, parseDefaultRoutes, parseNameServers, parseNetworkFile } from './port-file.ts';

export interface PortFilesOptions {
  isManaged: boolean;
  /** Where the machine's root lies; another one for tests. */
  root?: string;
  /** Runs a tool of the system and gives what it prints. */
  tool?: (argv: readonly string[]) => Promise<string>;
}

const timeoutMs = 30_000;
const discardPort = 9;
const pattern = /^60-bothy-(.+)\.network$/;

export function createPortFiles({ isManaged, root = '/', tool = async (argv) => (await run(argv, { timeoutMs })).stdout }: PortFilesOptions): HostNetworkPort {
  const folder = join(root, 'etc/systemd/network');
  /** Empty while the port is gone, or the tool has nothing to tell. */
  const ask = (argv: readonly string[]) => tool(argv).catch(() => '');
  const read = (path: string) => readFile(join(root, path), 'utf8').catch(() => '');
  return {
    isManaged,
    async settings() {
      const names = (await readdir(folder).catch(() => [])).filter((name) => pattern.test(name));
      return Object.fromEntries(await Promise.all(names.map(async (name) => [pattern.exec(name)?.[1] ?? '', parseNetworkFile(await readFile(join(folder, name), 'utf8'))] as const)));
    },
    async inUse() {
      const servers = parseNameServers(await read('run/systemd/resolve/resolv.conf'));
      return { gateways: parseDefaultRoutes(await read('proc/net/route')), dns: servers.length > 0 ? servers : parseNameServers(await read('etc/resolv.conf')) };
    },
    async set(port, settings) {
      if (!isManaged) throw new Error('this machine is not ours to set up: BOTHY_MANAGE_HOST is not "yes"');
      await put(folder, `60-bothy-${port}.network`, settings && networkFile(port, settings));
      await tool(['networkctl', 'reload']);
      await tool(['networkctl', 'reconfigure', '--', port]);
    },
    async answers(port, { method, gateway }) {
      if (method === 'dhcp') return parseAddresses(await ask(['ip', '-j', 'address', 'show', 'dev', port, 'scope', 'global'])).length > 0;
      if (gateway === null) return (await read(`sys/class/net/${port}/carrier`)).trim() === '1';
      await knock(gateway, port);
      return isNeighbour(await ask(['ip', '-j', 'neighbour', 'show', 'to', gateway, 'dev', port]));
    },
  };
}

/** Makes the kernel look for a neighbour: any packet does, and a gateway throws this one away (port 9, discard). */
async function knock(address: string, port: string): Promise<void> {
  const isV6 = address.includes(':');
  const socket = createSocket(isV6 ? 'udp6' : 'udp4');
  const target = isV6 && address.toLowerCase().startsWith('fe80:') ? `${address}%${port}` : address;
  await new Promise<void>((resolve) => {
    socket.once('error', () => resolve()); // no way there: it does not answer then
    socket.send('', discardPort, target, () => resolve());
  });
  socket.close();
}

/** Whole or not at all, and on the disk before it is told. */
async function put(folder: string, name: string, text: string | null): Promise<void> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, name);
  if (text === null) await rm(path, { force: true });
  else {
    const file = await open(`${path}.new`, 'w', 0o644);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(`${path}.new`, path);
  }
  const place = await open(folder, 'r');
  await place.sync().finally(() => place.close());
}

