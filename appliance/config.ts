/** The settings of the process, read once from the environment. Everything else is a wish in the database. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import * as z from 'zod';
import { rootPath } from './paths.ts';

const Environment = z.object({
  BOTHY_STATE: z.string().min(1).default(join(rootPath, 'state')),
  BOTHY_LISTEN: z.string().regex(/^(\[[0-9a-fA-F:]+\]|[\w.-]+):\d{1,5}$/, 'use ADDRESS:PORT, such as 127.0.0.1:8080').default('127.0.0.1:8080'),
  BOTHY_VIEWER_PORTS: z.string().regex(/^\d{4,5}-\d{4,5}$/, 'use FIRST-LAST, such as 5900-5963').default('5900-5963'),
  BOTHY_LIBVIRT: z.string().min(1).default('qemu:///system'),
  BOTHY_ACCEL: z.enum(['auto', 'kvm', 'tcg']).default('auto'),
  BOTHY_MANAGE_HOST: z.enum(['yes', 'no']).default('no'),
  BOTHY_WATCHDOG: z.enum(['yes', 'no']).default('no'),
  BOTHY_WATCHDOG_SECONDS: z.coerce.number().int().min(20).max(3600).default(60),
  BOTHY_UPDATE_KEYS: z.string().min(1).default('/usr/share/bothy/keys'),
  BOTHY_LOG: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
});

export interface Config {
  statePath: string;
  listen: { host: string; port: number };
  /** Ports that virt-viewer on other machines is sent to, both included. */
  viewerPorts: { first: number; last: number };
  libvirtUri: string;
  accel: 'auto' | 'kvm' | 'tcg';
  /** The machine is ours: its name and time are set, and sticks are looked at for a site file. */
  managesHost: boolean;
  /** The machine is reset when the service is not well for so long; not unless asked for. */
  watchdog: { isWanted: boolean; patienceMs: number };
  /** Folder of the public keys that updates may be signed with. */
  keysPath: string;
  logLevel: 'debug' | 'info' | 'warn' | 'error';
  version: string;
}

/** Throws with every wrong variable by name and what it should be. */
export function readConfig(environment: NodeJS.ProcessEnv): Config {
  const result = Environment.safeParse(environment);
  if (!result.success) throw new Error(result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('\n'));
  const { BOTHY_STATE, BOTHY_LISTEN, BOTHY_VIEWER_PORTS, BOTHY_LIBVIRT, BOTHY_ACCEL, BOTHY_MANAGE_HOST, BOTHY_WATCHDOG, BOTHY_WATCHDOG_SECONDS, BOTHY_UPDATE_KEYS, BOTHY_LOG } = result.data;
  const [firstViewer = 0, lastViewer = 0] = BOTHY_VIEWER_PORTS.split('-').map(Number);
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(BOTHY_LISTEN) ?? [];
  return {
    statePath: resolve(BOTHY_STATE),
    listen: { host: host.replace(/^\[|\]$/g, ''), port: Number(port) },
    viewerPorts: { first: firstViewer, last: lastViewer },
    libvirtUri: BOTHY_LIBVIRT,
    accel: BOTHY_ACCEL,
    managesHost: BOTHY_MANAGE_HOST === 'yes',
    watchdog: { isWanted: BOTHY_WATCHDOG === 'yes', patienceMs: BOTHY_WATCHDOG_SECONDS * 1000 },
    keysPath: resolve(BOTHY_UPDATE_KEYS),
    logLevel: BOTHY_LOG,
    version: (JSON.parse(readFileSync(join(rootPath, 'package.json'), 'utf8')) as { version: string }).version, // our own file
  };
}

/** The socket of the command line; only root can open it. */
export function localSocketPath(statePath: string): string {
  return join(statePath, 'run/bothy.sock');
}
