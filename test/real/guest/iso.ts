/** Real bootable ISO images, as Debian packages ship them. Called by the tests in test/real. */
import { build } from './cache.ts';

/** Writes its title on the screen; BIOS and UEFI. */
export function memtestIso(): Promise<string> {
  return shippedIso('memtest86+', /x64\.iso$/);
}

/** Shows a GRUB menu or prompt; BIOS. */
export function grubRescueIso(): Promise<string> {
  return shippedIso('grub-rescue-pc', /\.iso$/);
}

/** Looks for a server on the network; BIOS. */
export function ipxeIso(): Promise<string> {
  return shippedIso('ipxe', /\.iso$/);
}

async function shippedIso(name: string, pattern: RegExp): Promise<string> {
  const files = await build(['dpkg', '-L', name]);
  const path = files.split('\n').find((line) => pattern.test(line));
  if (!path) throw new Error(`the package ${name} ships no ISO image`);
  return path;
}
