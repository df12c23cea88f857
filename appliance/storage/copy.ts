/**
 * Copies of disks: what a volume shows, with all that lies below it, as a volume that stands for itself.
 *
 *   disk.copy   make room -> copy -> the disk is ready            failed: the image goes, as of a creation
 *
 * What is read must stay as it is meanwhile: a layer that somebody holds, or the image of a template. Any other disk is locked until the copy is whole, so
 * that nothing starts with it.
 */
import * as z from 'zod';
import type { Tx } from '../core/db.ts';
import { shared } from '../core/locks.ts';
import { type AnyTask, defineTask } from '../core/task.ts';
import { MiB } from '../core/units.ts';
import { about, insertDisk } from './disk-verbs.ts';
import { type DiskRow, toolFormat, volumeOf } from './disks.ts';
import { volumeBytes } from './rules.ts';
import type { StorageServices } from './services.ts';
import { attempt, createRoom, endCreate, imageLock, locate } from './tasks.ts';
import type { VolumeRole } from './volume-metadata.ts';

const hour = 3_600_000;

export interface CopyWish {
  name: string;
  description?: string | undefined;
  /** The disk whose content it gets. */
  from: string;
  /** A layer of it; without one what the disk shows now. */
  volume?: string | undefined;
  domain?: string | undefined;
}

/** The row of a copy that is to be made, as large as what it is of, with room held for it. Looks at nothing but rows. */
export function insertCopy(services: StorageServices, tx: Tx, { from, volume, domain, ...wish }: CopyWish): DiskRow {
  const { disks, domains, layers, space } = services;
  const source = disks.require(from);
  const { sizeBytes } = layers.volume(source, volume ?? source.volumeId);
  const room = space.recall(domains.requireKind(domain ?? source.domainId, 'data'));
  const { format, allocation } = bottomOf(services, source);
  // What it occupies was seen a while ago; the task measures before it writes.
  const bytes = Math.min(volumeBytes({ sizeBytes, format, allocation: 'preallocated' }), disks.occupied([source.id]).get(source.id) ?? MiB);
  return insertDisk(services, tx, { ...wish, sizeBytes, format, allocation }, room, Math.max(bytes, MiB));
}

/** A disk is copied as it was made: a layer that a snapshot has put on it says nothing about that. */
function bottomOf({ layers }: StorageServices, source: DiskRow): Pick<DiskRow, 'format' | 'allocation'> {
  return source.baseDiskId === null ? (layers.of(source.id).find(({ parentId }) => parentId === null) ?? source) : { format: 'cow', allocation: 'sparse' };
}

/** Starts the task that makes a copy of its own. */
export function beginCopy(services: StorageServices, tx: Tx, wish: CopyWish): { disk: DiskRow; task: string } {
  const source = services.disks.requireFor('copy', wish.from);
  const disk = insertCopy(services, tx, wish);
  const isLocked = wish.volume === undefined && source.state !== 'template';
  if (isLocked) services.disks.update(tx, source, { state: 'locked' });
  const input = { disk: disk.id, from: source.id, volume: wish.volume ?? source.volumeId, isLocked };
  return { disk, task: services.tasks.start(tx, 'disk.copy', input, [...about(disk), ...about(source)]) };
}

export interface Filling {
  from: string;
  volume: string;
  role: VolumeRole;
  signal: AbortSignal;
  progress(fraction: number): void;
}

/** Makes the copy; may be repeated until somebody uses it. */
export async function fillCopy(services: StorageServices, diskId: string, filling: Filling): Promise<void> {
  const { disk, backend } = locate(services, diskId);
  const source = locate(services, filling.from);
  const image = services.layers.source(source.disk, source.backend, filling.volume);
  const { signal, progress, role } = filling;
  await attempt('The disk could not be copied', async () => {
    const { requiredBytes } = await services.imageTool.measure(image, 'qcow2', signal);
    const bytes = disk.allocation === 'preallocated' ? volumeBytes(disk) : Math.min(requiredBytes, volumeBytes({ ...disk, allocation: 'preallocated' }));
    const room = await services.space.look(services.domains.require(disk.domainId));
    await backend.deleteVolume({ imageId: disk.id, volumeId: disk.volumeId }); // what a kill has left may be frozen already
    const path = await backend.stageVolume(volumeOf(disk));
    services.database.write({ actor: 'system', operation: 'disk.copy' }, (tx) => services.space.reserve(tx, room, { id: createRoom(disk.id), bytes, path }));
    await services.imageTool.convert(image, { path, format: toolFormat[disk.format], preallocated: disk.allocation === 'preallocated' }, { signal, progress });
    await backend.commitVolume({ ...volumeOf(disk), role });
  });
}

const copyInput = z.object({ disk: z.uuid(), from: z.uuid(), volume: z.uuid(), isLocked: z.boolean().default(false) });

export function copyTask(services: StorageServices): AnyTask {
  return defineTask<z.output<typeof copyInput>>({
    kind: 'disk.copy', input: copyInput, canCancel: true,
    locks: ({ disk, from }) => [imageLock(disk), shared('image', from)],
    steps: [{
      name: 'Copy the content', timeoutMs: 12 * hour,
      do: ({ input: { disk, from, volume }, signal, progress }) => fillCopy(services, disk, { from, volume, role: 'leaf', signal, progress }),
      undo: ({ input }) => locate(services, input.disk).backend.deleteImage(input.disk),
    }],
    finished(tx, outcome) {
      endCreate(services, tx, outcome);
      const source = services.disks.find(outcome.input.from);
      if (outcome.input.isLocked && source?.state === 'locked') services.disks.update(tx, source, { state: 'ok' });
    },
  });
}
