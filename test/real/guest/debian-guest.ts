/**
 * A real Debian as a qcow2 disk of 2 GiB: build-debian says what is in it and how it is made.
 *
 * Needs UEFI without secure boot (it is not signed), 512 MiB and a virtio disk. Reaches the login on ttyS0 in about half a minute under software emulation,
 * answers ACPI shutdown and the guest agent, and takes an address by DHCP. Called by the tests in test/real.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkout } from '../rack-host.ts';
import { build, cached } from './cache.ts';

export const DEBIAN_LOGIN = { user: 'root', password: 'bothy', hostname: 'debian-guest' };

/** Builds it the first time, a minute or two. Shared between tests: copy it, or put an overlay on it, before use. */
export const debianDisk = (): Promise<string> => disk('debian', 'plain');

/** A Debian as its cloud images are: nobody may sign in before cloud-init has told it who. Needs the same; its first boot takes some minutes. */
export const cloudDisk = (): Promise<string> => disk('debian-cloud', 'cloud');

function disk(name: string, flavour: 'plain' | 'cloud'): Promise<string> {
  const folder = join(checkout, 'test/real/guest');
  const script = join(folder, 'build-debian');
  const recipe = ['build-debian', 'initrd-init'].map((file) => readFileSync(join(folder, file), 'utf8'));
  const release = readFileSync('/etc/os-release', 'utf8');
  return cached({ name, suffix: '.qcow2', ingredients: [...recipe, release] }, async (path) => {
    await build([script, path, `${path}.work`, flavour], 500_000);
  });
}
