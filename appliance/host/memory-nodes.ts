/**
 * The memory nodes (NUMA) of the machine and the huge pages that are reserved on each, as the kernel tells in /sys: how much of what a guest
 * asks for is there now. A machine without nodes is one.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KiB } from '../core/units.ts';
import type { MemoryNode } from '../world.ts';

export async function readMemoryNodes(root: string): Promise<MemoryNode[]> {
  const folder = join(root, 'sys/devices/system/node');
  const ids = (await list(folder)).flatMap((name) => /^node(\d+)$/.exec(name)?.[1] ?? []).map(Number).sort((a, b) => a - b);
  const nodes = await Promise.all(ids.map((id) => readNode(id, join(folder, `node${id}`))));
  const withMemory = nodes.filter(({ memoryBytes }) => memoryBytes > 0); // some have processors only
  if (withMemory.length > 0) return withMemory;
  const total = /^MemTotal:\s+(\d+) kB$/m.exec(await read(join(root, 'proc/meminfo')))?.[1];
  return [{ id: 0, cpus: '', memoryBytes: Number(total ?? 0) * KiB, pages: await readPages(join(root, 'sys/kernel/mm/hugepages')) }];
}

async function readNode(id: number, folder: string): Promise<MemoryNode> {
  const kib = /MemTotal:\s+(\d+) kB/.exec(await read(join(folder, 'meminfo')))?.[1];
  return { id, cpus: (await read(join(folder, 'cpulist'))).trim(), memoryBytes: Number(kib ?? 0) * KiB, pages: await readPages(join(folder, 'hugepages')) };
}

/** Folders such as `hugepages-2048kB`. */
async function readPages(folder: string): Promise<MemoryNode['pages']> {
  const sizes = (await list(folder)).flatMap((name) => /^hugepages-(\d+)kB$/.exec(name)?.[1] ?? []).map(Number).sort((a, b) => a - b);
  return Promise.all(sizes.map(async (kib) => {
    const number = async (name: string) => Number(await read(join(folder, `hugepages-${kib}kB`, name))) || 0;
    return { sizeBytes: kib * KiB, total: await number('nr_hugepages'), free: await number('free_hugepages') };
  }));
}

const list = (folder: string) => readdir(folder).catch((): string[] => []);
const read = (path: string) => readFile(path, 'utf8').catch(() => '');
