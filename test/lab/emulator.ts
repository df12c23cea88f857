/**
 * QEMU of Debian 13, taken out of the image under test, so that the lab runs the same machine on every host.
 *
 * Its programs run by their own loader and libraries, without a chroot. Debian 12's QEMU is a third slower under software
 * emulation and cannot save a machine to a file that is quickly read back. Called by machine.ts.
 */
import { join } from 'node:path';
import { build, cached } from '../real/guest/cache.ts';
import type { LabImage } from './image.ts';

export interface Emulator {
  /** What to run in front of QEMU's own arguments. */
  command: string[];
  env: Record<string, string>;
  firmware: { code: string; variables: string };
}

/** What is taken out of the root file system. Libraries whole: QEMU finds its modules and their libraries itself. */
const parts = ['usr/bin/qemu-system-x86_64', 'usr/lib/x86_64-linux-gnu', 'usr/lib64', 'usr/share/qemu', 'usr/share/seabios', 'usr/share/OVMF', 'usr/share/bothy/packages.list'];

export async function emulatorOf(image: LabImage): Promise<Emulator> {
  const packages = await build(['unsquashfs', '-cat', image.root, 'usr/share/bothy/packages.list']);
  const tree = await cached({ name: 'emulator', suffix: '', ingredients: [packages, parts] }, async (path) => {
    await build(['unsquashfs', '-quiet', '-no-progress', '-force', '-dest', path, image.root, ...parts], 300_000);
  });
  const libraries = join(tree, 'usr/lib/x86_64-linux-gnu');
  const data = ['qemu', 'seabios'].flatMap((name) => ['-L', join(tree, 'usr/share', name)]);
  return {
    command: [join(libraries, 'ld-linux-x86-64.so.2'), '--library-path', libraries, join(tree, 'usr/bin/qemu-system-x86_64'), ...data],
    env: { QEMU_MODULE_DIR: join(libraries, 'qemu') },
    firmware: { code: join(tree, 'usr/share/OVMF/OVMF_CODE_4M.fd'), variables: join(tree, 'usr/share/OVMF/OVMF_VARS_4M.fd') },
  };
}
