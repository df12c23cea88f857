/**
 * virt-sysprep as what generalises: it takes out of the system on a disk what makes it that one machine. Debian's package guestfs-tools has it.
 *
 * It reads file systems that a stranger's guest wrote, so it does that in a small machine of its own (libguestfs), which has no network, whose
 * QEMU may do with files what root may and nothing else, and which ends with the service. What it takes away is a list of ours: identity, leases and logs. Accounts, their keys and
 * what programs have stored stay. `customize` names a machine of its own accord; what is written last is the empty file that systemd fills at the next start.
 */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { Problem } from '../../core/problem.ts';
import { run, ToolError } from '../../core/run.ts';
import type { Generaliser } from '../../world.ts';

/** Emulated it is a matter of minutes, on a busy machine of many. */
const timeoutMs = { kvm: 20 * 60_000, tcg: 90 * 60_000 };
const program = '/usr/bin/virt-sysprep';

const operations = [
  'machine-id', 'ssh-hostkeys', 'net-hostname', 'net-hwaddr', 'udev-persistent-net', 'dhcp-client-state', 'dhcp-server-state', 'logfiles', 'pacct-log', 'bash-history', 'utmp', 'mail-spool',
  'tmp-files', 'crash-data', 'abrt-data', 'passwd-backups', 'kerberos-hostkeytab', 'ipa-client', 'rh-subscription-manager', 'rhn-systemid', 'yum-uuid', 'sssd-db-log', 'customize',
];

/** cloud-init begins anew, and the pool of random numbers is not everybody's. Debian makes host keys only when SSH is installed. */
const customizations = [
  '--delete', '/var/lib/cloud/*', '--delete', '/var/lib/systemd/random-seed', '--delete', '/var/lib/dbus/machine-id',
  '--firstboot-command', ['command -v ssh-keygen >/dev/null || exit 0', 'ssh-keygen -A', ...['ssh', 'sshd'].map((unit) => `systemctl -q is-enabled ${unit} && systemctl --no-block restart ${unit}`), 'exit 0'].join('; '),
  '--selinux-relabel', '--write', '/etc/machine-id:',
];

/** `cachePath` keeps the small machine, some hundred megabytes, which is made at the first use. */
export function createVirtSysprep({ cachePath }: { cachePath: string }): Generaliser {
  return {
    isInstalled: () => existsSync(program),
    async generalise(images, { accelerator, signal, progress }) {
      const disks = images.flatMap(({ path, format }) => ['--format', format, '--add', path]);
      const argv = ['setpriv', '--no-new-privs', '--inh-caps=-all', '--bounding-set=-all,+chown,+fowner,+dac_override', '--', program, '--no-network', ...disks, '--operations', operations.join(), ...customizations];
      const env = {
        LIBGUESTFS_BACKEND: 'direct', LIBGUESTFS_CACHEDIR: cachePath, LIBGUESTFS_MEMSIZE: '512', HOME: cachePath,
        ...(accelerator === 'tcg' && { LIBGUESTFS_BACKEND_SETTINGS: 'force_tcg' }),
      };
      await mkdir(cachePath, { recursive: true, mode: 0o700 });
      try {
        await run(argv, { timeoutMs: timeoutMs[accelerator], signal, env, onLine: (line) => progress(fractionAt(line)) });
      } catch (error) {
        throw toProblem(error);
      }
    },
  };
}

/** Half of the time goes before it has seen what is on the disks. */
function fractionAt(line: string): number {
  const at = operations.indexOf(/Performing "([a-z-]+)"/.exec(line)?.[1] ?? '');
  return at < 0 ? 0.05 : 0.5 + (0.4 * at) / operations.length;
}

const causes: { says: RegExp; type: 'unavailable' | 'invalid-input' | 'insufficient-storage'; text: string }[] = [
  { says: /no operating systems? (were|was) found/i, type: 'invalid-input', text: 'There is no system on its disks that virt-sysprep knows, or they are encrypted. Make the template without generalising it.' },
  { says: /supermin/i, type: 'unavailable', text: 'The small machine that looks at the disks could not be made. It needs a kernel in /boot with its modules ("apt install linux-image-amd64"), and half a gigabyte in the state folder.' },
  { says: /No space left on device/i, type: 'insufficient-storage', text: 'There is no room left, in the system on its disks or in the storage domain. Make room, then try again.' },
];

function toProblem(error: unknown): unknown {
  if (!(error instanceof ToolError)) return error;
  if (error.failure === 'missing') return new Problem('unavailable', missingText, { cause: error });
  if (error.failure === 'deadline') return new Problem('unavailable', 'The system was not generalised in time. Try again when this machine has less to do.', { cause: error });
  const cause = error.failure === 'exit' ? causes.find(({ says }) => says.test(error.stderr)) : undefined;
  return cause ? new Problem(cause.type, cause.text, { cause: error }) : error;
}

export const missingText = 'Systems cannot be generalised here: virt-sysprep is not installed. On Debian run "apt install guestfs-tools". The host image does not have it: clean the system up inside before, a Linux by "cloud-init clean --machine-id --logs" and by deleting /etc/ssh/ssh_host_*.';
