/**
 * Addresses of the machine's own ports, as files of systemd-networkd: one of ours for each port that somebody has set, before that of the
 * image, which asks for addresses by DHCP on every port. A file of somebody else's is never touched. Unless `isManaged`, nothing is changed.
 */
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../core/run.ts';
import type { HostNetworkPort } from '../world.ts';
import { networkFile, parseDefaultRoutes, parseNameServers, parseNetworkFile } from './port-file.ts';

export interface PortFilesOptions {
  isManaged: boolean;
  /** Where the machine's root lies; another one for tests. */
  root?: string;
  /** Runs a tool of the system. */
  tool?: (argv: readonly string[]) => Promise<unknown>;
}

const timeoutMs = 30_000;
const pattern = /^60-bothy-(.+)\.network$/;

export function createPortFiles({ isManaged, root = '/', tool = (argv) => run(argv, { timeoutMs }) }: PortFilesOptions): HostNetworkPort {
  const folder = join(root, 'etc/systemd/network');
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
  };
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

