/**
 * Volumes that may hold a site file, as lsblk tells them, and reading one: mounted read-only, without devices, set-uid or
 * programs, for as long as it is read. Nothing on a stranger's stick is followed out of it, and nothing is written to it.
 */
import { constants } from 'node:fs';
import { type FileHandle, mkdir, mkdtemp, open, readFile, realpath, rm } from 'node:fs/promises';
import { join, sep } from 'node:path';
import * as z from 'zod';
import { run } from '../core/run.ts';

export interface Volume {
  path: string;
  label: string;
  fileSystem: string;
  kind: 'label' | 'removable' | 'esp';
  mountPoint: string | undefined;
  /** What tells it from another one, and from itself plugged in again. */
  mark: string;
}

const Lsblk = z.object({
  blockdevices: z.array(z.object({
    name: z.string(), path: z.string(), label: z.string().nullable(), fstype: z.string().nullable(), parttype: z.string().nullable(), uuid: z.string().nullable(),
    size: z.union([z.number(), z.string()]).nullable(), rm: z.boolean(), hotplug: z.boolean(), mountpoints: z.array(z.string().nullable()),
  })),
});

const label = 'BOTHY';
const espType = 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b';
/** With what keeps the kernel from replaying a journal: a stick is never written. */
const options: Record<string, string> = { vfat: '', exfat: '', iso9660: '', udf: '', ext2: ',noload', ext3: ',noload', ext4: ',noload', xfs: ',norecovery', btrfs: '' };
const base = 'ro,nodev,nosuid,noexec';

/** In the order in which a site file is looked for. */
export async function listVolumes(signal?: AbortSignal): Promise<Volume[]> {
  const { stdout } = await run(['lsblk', '--json', '--bytes', '--list', '--output', 'NAME,PATH,LABEL,FSTYPE,PARTTYPE,UUID,SIZE,RM,HOTPLUG,MOUNTPOINTS'], { timeoutMs: 10_000, ...(signal && { signal }) });
  const volumes = await Promise.all(Lsblk.parse(JSON.parse(stdout)).blockdevices.map(async (device): Promise<Volume[]> => {
    const fileSystem = device.fstype ?? '';
    const kind = kindOf(device);
    if (!kind || options[fileSystem] === undefined) return [];
    const sequence = await readFile(`/sys/class/block/${device.name}/diskseq`, 'utf8').catch(() => '');
    const mark = [device.name, sequence.trim(), device.uuid, device.label, device.size].join(' ');
    return [{ path: device.path, label: device.label ?? '', fileSystem, kind, mountPoint: device.mountpoints.find((point) => point?.startsWith('/')) ?? undefined, mark }];
  }));
  const order = ['label', 'removable', 'esp'];
  return volumes.flat().sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
}

function kindOf({ label: name, parttype, rm: isRemovable, hotplug, fstype }: z.output<typeof Lsblk>['blockdevices'][number]): Volume['kind'] | undefined {
  if (name?.trim().toUpperCase() === label) return 'label';
  if (parttype?.toLowerCase() === espType) return 'esp';
  return isRemovable || hotplug || fstype === 'iso9660' || fstype === 'udf' ? 'removable' : undefined;
}

const runFolder = '/run/bothy';

/** Mounts it where it is not mounted yet; `close` undoes that. */
export async function openVolume(volume: Volume, signal?: AbortSignal): Promise<{ folder: string; close(): Promise<void> }> {
  if (volume.mountPoint) return { folder: volume.mountPoint, close: async () => {} };
  await mkdir(runFolder, { recursive: true, mode: 0o700 });
  const folder = await mkdtemp(join(runFolder, 'site-'));
  try {
    await run(['mount', '--types', volume.fileSystem, '--options', `${base}${options[volume.fileSystem] ?? ''}`, '--', volume.path, folder], { timeoutMs: 30_000, ...(signal && { signal }) });
  } catch (error) {
    await rm(folder, { recursive: false, force: true }).catch(() => {});
    throw error;
  }
  return { folder, close: () => closeFolder(folder) };
}

async function closeFolder(folder: string): Promise<void> {
  // Lazily: a stick that was pulled out must not hold us up.
  await run(['umount', '--lazy', '--', folder], { timeoutMs: 10_000 }).catch(() => {});
  await run(['rmdir', '--', folder], { timeoutMs: 10_000 }).catch(() => {});
}

/** What an earlier life of the service left mounted. */
export async function closeLeftovers(): Promise<void> {
  const mounts = await readFile('/proc/self/mounts', 'utf8').catch(() => '');
  for (const line of mounts.split('\n')) {
    const folder = line.split(' ')[1] ?? '';
    if (folder.startsWith(`${runFolder}/site-`)) await closeFolder(folder);
  }
}

/** A regular file inside `folder`, wherever its links lead within it; `undefined` when there is none. */
export async function openInside(folder: string, path: string): Promise<FileHandle | undefined> {
  const root = await realpath(folder);
  const real = await realpath(join(root, path)).catch(() => undefined);
  if (!real?.startsWith(root === sep ? sep : root + sep)) return undefined;
  const file = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  if ((await file.stat()).isFile()) return file;
  await file.close();
  return undefined;
}
