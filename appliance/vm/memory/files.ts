/** Files that hold the memory of guests: where they lie, how much room they take, and what says that disks are still those that the memory knows. */
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Problem } from '../../core/problem.ts';
import { formatBytes, GiB, MiB } from '../../core/units.ts';
import { foldersOf } from '../definition/guest.ts';
import type { VmServices } from '../services.ts';

/** What is kept of a guest that is suspended to disk. */
export interface SavedMemory {
  /** Of the file, in the folder that is kept of the VM. */
  file: string;
  bytes: number;
  savedAt: number;
  /** Somebody had paused it: it comes back so. */
  wasPaused: boolean;
  /** The snapshot that the file belongs to, and stays with; null for one that is used up. */
  snapshot: string | null;
  /** The volume of each disk, and its size: with any other the memory would spoil what is on it. */
  disks: Record<string, KnownDisk>;
}

interface KnownDisk {
  volume: string;
  sizeBytes: number;
}

export const memoryPath = (statePath: string, vmId: string, file: string): string => join(foldersOf(statePath, vmId).kept, file);

export function knownDisks({ rows, storage }: Pick<VmServices, 'rows' | 'storage'>, vmId: string): Record<string, KnownDisk> {
  const disks = storage.disks(rows.disks(vmId).map(({ diskId }) => diskId));
  return Object.fromEntries(disks.map(({ id, volumeId, sizeBytes }) => [id, { volume: volumeId, sizeBytes }]));
}

/** Beside the memory: that of the graphics card, and what describes the devices. */
const deviceBytes = 128 * MiB;
/** Stays free in any case: the database and guests whose disks grow lie there, too. */
const spareBytes = GiB;

/** At most: pages of zeros take next to nothing. */
export const neededBytes = (memoryBytes: number): number => memoryBytes + deviceBytes;

/** Rejects with `insufficient-storage` unless the memory of that guest fits beside what others are writing now. */
export async function requireRoom({ disk, statePath, tasks }: Pick<VmServices, 'disk' | 'statePath' | 'tasks'>, bytes: number, ownTask?: string): Promise<void> {
  const { totalBytes, freeBytes } = await disk.capacity(statePath);
  const others = tasks.list({ limit: 100, isActive: true }).filter(({ id, kind }) => id !== ownTask && (kind === 'vm.suspend' || kind === 'vm.snapshot'));
  const promisedBytes = others.reduce((sum, { input }) => sum + ((input as { bytes?: number }).bytes ?? 0), 0); // those tasks' own schemas
  const missing = bytes + promisedBytes + Math.min(spareBytes, totalBytes / 20) - freeBytes;
  if (missing <= 0) return;
  throw new Problem('insufficient-storage', `The memory takes up to ${formatBytes(bytes)} in the state folder, and ${formatBytes(missing)} are missing there. Make room, or shut the VM down instead.`);
}

export async function fileBytes(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}

export const removeMemory = (statePath: string, vmId: string, file: string): Promise<void> => rm(memoryPath(statePath, vmId, file), { force: true });
