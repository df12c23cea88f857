/**
 * The volume that carries files to a guest: FAT, made by mtools, which needs no root, no mount and no loop device. mtools takes 0.4 MB in the host image and
 * nothing besides libc; xorriso would bring 2.5 MB of libraries and genisoimage 10 MB (libmagic's data), and any guest reads FAT.
 *
 * What is in the files may be secret: it goes in by standard input, and the volume can be read by its owner only. libvirt hands it to QEMU.
 */
import { open, rename, rm, writeFile } from 'node:fs/promises';
import { run, ToolError } from '../../core/run.ts';
import type { SeedTool } from '../../world.ts';

const sectors = 2048;
const sectorBytes = 512;
/** Where a boot sector has its table of them. */
const partitions = { at: 446, bytes: 64 };
const timeoutMs = 30_000;
/** Nobody's own settings of mtools. */
const env = { MTOOLSRC: '/dev/null', MTOOLS_SKIP_CHECK: '0', HOME: '/nonexistent' };

export function createSeedTool(): SeedTool {
  return {
    async write(path, { label, files, signal }) {
      const unfinished = `${path}.new`;
      await rm(unfinished, { force: true });
      try {
        await writeFile(unfinished, new Uint8Array(sectors * sectorBytes), { flag: 'wx', mode: 0o600 }); // a full file system shows here, not half way through
        await run(['mformat', '-i', unfinished, '-T', `${sectors}`, '-h', '64', '-s', '32', '-v', label, '::'], { timeoutMs, signal, env });
        await clearPartitions(unfinished);
        for (const [name, content] of Object.entries(files)) await copyIn(unfinished, name, content, signal);
        await rename(unfinished, path);
      } finally {
        await rm(unfinished, { force: true });
      }
    },
  };
}

/** mformat writes a partition that is the whole volume into its own first sector: a guest would have the same file system twice. */
async function clearPartitions(volume: string): Promise<void> {
  const file = await open(volume, 'r+');
  try {
    await file.write(new Uint8Array(partitions.bytes), 0, partitions.bytes, partitions.at);
  } finally {
    await file.close();
  }
}

/** mcopy says "Disk full", leaves the file cut off and exits with 0: so what it wrote is read back. */
async function copyIn(volume: string, name: string, content: string, signal: AbortSignal): Promise<void> {
  const { stderr } = await run(['mcopy', '-i', volume, '-', `::${name}`], { timeoutMs, signal, env, input: content });
  const { stdout } = await run(['mtype', '-i', volume, `::${name}`], { timeoutMs, signal, env });
  if (stdout !== content) throw new ToolError(['mcopy', name], 'exit', { exitCode: 0, killedBy: null, stdout: '', stderr: stderr || 'incomplete' });
}
