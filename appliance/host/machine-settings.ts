/**
 * The machine's own name, time and SSH keys through systemd's tools and files of ours.
 *
 *   hostname     hostnamectl                          time zone   timedatectl
 *   NTP          a drop-in of systemd-timesyncd       SSH keys    a file of our own beside root's, and a drop-in of sshd
 *
 * Root's own `authorized_keys` and other people's drop-ins are never touched. SSH is switched on when there are keys; it is
 * switched off without keys only if it was us who switched it on. Unless `isManaged`, nothing is changed.
 */
import { mkdir, readFile, readlink, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeFileAtomically } from '../core/atomic-file.ts';
import { run } from '../core/run.ts';
import type { HostSettings, HostSettingsPort } from '../world.ts';

export interface MachineSettingsOptions {
  isManaged: boolean;
  /** Where the machine's root lies; another one for tests. */
  root?: string;
  /** Runs a tool of the system. */
  tool?: (argv: readonly string[]) => Promise<unknown>;
}

const timeoutMs = 30_000;
/** `systemctl enable` also writes the links of SysV scripts, where this service may not write; nothing starts by them any more. */
const env = { SYSTEMCTL_SKIP_SYSV: '1' };
const files = {
  hostname: 'etc/hostname',
  localtime: 'etc/localtime',
  ntp: 'etc/systemd/timesyncd.conf.d/60-bothy.conf',
  keys: 'etc/ssh/bothy_authorized_keys',
  sshd: 'etc/ssh/sshd_config.d/60-bothy.conf',
  switchedOn: 'etc/ssh/bothy_switched_on',
};

export function createMachineSettings({ isManaged, root = '/', tool = (argv) => run(argv, { timeoutMs, env }) }: MachineSettingsOptions): HostSettingsPort {
  const path = (name: keyof typeof files) => join(root, files[name]);
  const read = async (): Promise<HostSettings> => ({
    hostname: (await readText(path('hostname'))).trim() || 'localhost',
    timeZone: zoneOf(await readlink(path('localtime')).catch(() => '')),
    ntpServers: (/^NTP=(.*)$/m.exec(await readText(path('ntp')))?.[1] ?? '').split(' ').filter(Boolean),
    sshKeys: (await readText(path('keys'))).split('\n').filter(Boolean),
  });
  return {
    isManaged,
    read,
    async apply({ hostname, timeZone, ntpServers, sshKeys }) {
      if (!isManaged) throw new Error('this machine is not ours to set up: BOTHY_MANAGE_HOST is not "yes"');
      if (hostname !== undefined) await tool(['hostnamectl', 'set-hostname', '--', hostname]);
      if (timeZone !== undefined) await tool(['timedatectl', 'set-timezone', '--', timeZone]);
      if (ntpServers !== undefined) {
        await put(path('ntp'), ntpServers.length > 0 ? `[Time]\nNTP=${ntpServers.join(' ')}\n` : undefined);
        await tool(['systemctl', 'try-restart', 'systemd-timesyncd.service']);
      }
      if (sshKeys !== undefined) await setKeys(path, tool, sshKeys);
      // systemd's tools do not wait for the disk: after a power cut the name that was told as set could be an empty file.
      await tool(['sync', '--file-system', '--', join(root, 'etc')]);
    },
  };
}

async function setKeys(path: (name: keyof typeof files) => string, tool: (argv: readonly string[]) => Promise<unknown>, keys: string[]): Promise<void> {
  if (keys.length > 0) {
    await put(path('sshd'), 'AuthorizedKeysFile .ssh/authorized_keys /etc/ssh/bothy_authorized_keys\n');
    const isOn = await tool(['systemctl', 'is-enabled', '--quiet', 'ssh.service']).then(() => true, () => false);
    if (!isOn) await put(path('switchedOn'), 'Bothy switched SSH on because it was given keys.\n');
    await tool(['systemctl', 'enable', '--now', 'ssh.service']);
    await tool(['systemctl', 'try-reload-or-restart', 'ssh.service']);
    await put(path('keys'), `${keys.join('\n')}\n`); // last: as long as it differs, all of this is done again
    return;
  }
  if ((await readText(path('switchedOn'))) !== '') await tool(['systemctl', 'disable', '--now', 'ssh.service']);
  await put(path('switchedOn'), undefined);
  await put(path('sshd'), undefined);
  await put(path('keys'), undefined);
}

function zoneOf(target: string): string {
  return /zoneinfo\/(.+)$/.exec(target)?.[1] ?? 'UTC';
}

async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
}

/** Replaces a file at once, or removes it. */
async function put(path: string, text: string | undefined): Promise<void> {
  if (text === undefined) return rm(path, { force: true });
  await mkdir(dirname(path), { recursive: true });
  await writeFileAtomically(path, text, 0o644);
}
