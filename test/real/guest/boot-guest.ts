/**
 * The smallest guest that works: one boot sector (boot.S says what it does), as a disk or as a CD-ROM, up in a second.
 *
 * It runs under BIOS in 16 MiB and takes about 2 % of a core with the defaults. Called by the tests in test/real.
 */
import { mkdirSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { checkout } from '../rack-host.ts';
import { build, cached } from './cache.ts';

/** What its serial line says first. */
export const BOOT_GUEST_READY = 'bothy-guest ready';

export interface BootGuestOptions {
  /** Of one write; 1 to 127, 8 unless told. Writes start at LBA 2048. */
  sectors?: number;
  /** In a row; 1 unless told. */
  writes?: number;
  /** Clock ticks, 18 a second, from one round of writes to the next; 1 to 255, 18 unless told. */
  periodTicks?: number;
}

/** As fast as the firmware writes, some megabytes a second: fills a disk. */
export const GREEDY: BootGuestOptions = { sectors: 127, writes: 8, periodTicks: 1 };

export interface BootDiskOptions extends BootGuestOptions {
  format?: 'raw' | 'qcow2';
  /** 64 MiB unless told. */
  sizeBytes?: number;
}

/** A sparse disk image. Shared between tests: copy it before a guest writes to it. */
export function bootDisk(options: BootDiskOptions = {}): Promise<string> {
  const { format = 'raw', sizeBytes = 64 << 20 } = options;
  const file = { name: 'boot', suffix: `.${format}`, ingredients: [source(), options] };
  return cached(file, async (path) => {
    const raw = format === 'raw' ? path : `${path}.raw`;
    await assemble(raw, options);
    truncateSync(raw, sizeBytes);
    if (format === 'raw') return;
    await build(['qemu-img', 'convert', '-q', '-f', 'raw', '-O', 'qcow2', raw, path]);
    rmSync(raw);
  });
}

/** A bootable ISO; the guest still writes to its first disk, if it has one. */
export function bootIso(options: BootGuestOptions = {}): Promise<string> {
  return cached({ name: 'boot', suffix: '.iso', ingredients: [source(), options] }, async (path) => {
    const folder = `${path}.content`;
    mkdirSync(folder);
    await assemble(join(folder, 'boot.img'), options);
    truncateSync(join(folder, 'boot.img'), 2048);
    const boot = ['-b', 'boot.img', '-no-emul-boot', '-boot-load-size', '4', '-V', 'BOTHY_GUEST'];
    await build(['xorriso', '-as', 'mkisofs', '-quiet', ...boot, '-o', path, folder]);
    rmSync(folder, { recursive: true });
  });
}

const sourcePath = join(checkout, 'test/real/guest/boot.S');

function source(): string {
  return readFileSync(sourcePath, 'utf8');
}

async function assemble(path: string, options: BootGuestOptions): Promise<void> {
  const { sectors = 8, writes = 1, periodTicks = 18 } = options;
  const symbols = Object.entries({ SECTORS: sectors, WRITES: writes, PERIOD: periodTicks })
    .flatMap(([name, value]) => ['--defsym', `${name}=${value}`]);
  const object = join(dirname(path), `boot-${process.pid}.o`);
  await build(['as', '--32', ...symbols, '-o', object, sourcePath]);
  await build(['ld', '-m', 'elf_i386', '-Ttext', '0x7c00', '--oformat', 'binary', '-o', path, object]);
  rmSync(object);
}
