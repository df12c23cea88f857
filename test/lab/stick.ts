/**
 * USB sticks as files: a FAT file system over the whole stick, as most are sold, or on a partition, as most get.
 *
 * Files can be put on it and taken off at any time, also while a box has it plugged in, as with a stick that is shared.
 * Called by the tests in test/lab.
 */
import { writeFileSync } from 'node:fs';
import { build } from '../real/guest/cache.ts';

export interface StickOptions {
  path: string;
  label: string;
  sizeMiB?: number;
  isPartitioned?: boolean;
}

const partitionStart = 2048;

export async function makeStick({ path, label, sizeMiB = 64, isPartitioned = false }: StickOptions): Promise<Stick> {
  const start = isPartitioned ? partitionStart : 0;
  await build(['truncate', '--size', `${sizeMiB}M`, path]);
  if (isPartitioned) {
    writeFileSync(`${path}.table`, `label: dos\nstart=${start}, type=c\n`);
    await build(['sh', '-c', 'exec sfdisk --quiet "$1" <"$1.table"', 'sh', path]);
  }
  await build(['mkfs.vfat', '-n', label, '--offset', String(start), path, String(sizeMiB * 1024 - start / 2)]);
  return new Stick(path, start * 512);
}

export class Stick {
  readonly path: string;
  readonly #image: string;

  constructor(path: string, offset: number) {
    this.path = path;
    this.#image = offset > 0 ? `${path}@@${offset}` : path;
  }

  async write(name: string, content: string | Uint8Array): Promise<void> {
    const draft = `${this.path}.file`;
    writeFileSync(draft, content);
    await this.copy(draft, name);
  }

  /** A file of this machine, however large. */
  async copy(from: string, name: string): Promise<void> {
    await build(['mcopy', '-o', '-i', this.#image, from, `::${name}`], 300_000);
  }

  async remove(name: string): Promise<void> {
    await build(['mdel', '-i', this.#image, `::${name}`]);
  }
}
