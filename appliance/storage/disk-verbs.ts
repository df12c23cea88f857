/** What begins with a disk: its row and its task in one transaction, for the operations here and for slices to the right. */
import type { Tx } from '../core/db.ts';
import { newId } from '../core/id.ts';
import { Problem } from '../core/problem.ts';
import { formatBytes } from '../core/units.ts';
import { requireNotCopied } from './copying.ts';
import type { DiskRow } from './disks.ts';
import { diskKey } from './readers.ts';
import { volumeBytes } from './rules.ts';
import type { StorageServices } from './services.ts';
import type { Room } from './space.ts';
import { createRoom, resizeRoom } from './tasks.ts';
import { requireUnused } from './users.ts';

export interface NewDisk {
  name: string;
  description?: string | undefined;
  sizeBytes: number;
  format?: DiskRow['format'] | undefined;
  allocation?: DiskRow['allocation'] | undefined;
  /** The image of a template that it is to lie on: empty, it shows what that holds. */
  base?: DiskRow | undefined;
}

export const about = (disk: DiskRow) => [{ kind: 'disk', id: disk.id, name: disk.name }];

/** Begins a disk in the domain of `room`. Throws `name-taken` or `insufficient-storage`. */
export function beginCreate(services: StorageServices, tx: Tx, wish: NewDisk, room: Room): { disk: DiskRow; task: string } {
  const disk = insertDisk(services, tx, wish, room);
  return { disk, task: services.tasks.start(tx, 'disk.create', { disk: disk.id }, about(disk)) };
}

/** The row of a disk that is to be made, with room held for it. */
export function insertDisk(services: StorageServices, tx: Tx, wish: NewDisk, room: Room, bytes?: number): DiskRow {
  const { disks, domains, space, clock } = services;
  disks.requireFreeName(wish.name);
  const disk: DiskRow = {
    id: newId<'disk'>(), name: wish.name, description: wish.description ?? '', domainId: room.domain.id, volumeId: newId<'volume'>(),
    parentId: wish.base?.volumeId ?? null, baseDiskId: wish.base?.id ?? null, format: wish.format ?? 'cow', allocation: wish.allocation ?? 'sparse', sizeBytes: wish.sizeBytes, state: 'creating', generation: 1, createdAt: clock.now(),
  };
  const path = domains.images(room.domain).volumePath({ imageId: disk.id, volumeId: disk.volumeId });
  space.reserve(tx, room, { id: createRoom(disk.id), bytes: bytes ?? volumeBytes(disk), path });
  disks.insert(tx, disk);
  return disk;
}

/** Throws `in-use` while something refers to the disk. */
export function beginDelete(services: StorageServices, tx: Tx, ref: string): string {
  const { disks, users, readers, tasks } = services;
  const disk = disks.requireFor('delete', ref);
  const what = `The disk "${disk.name}"`;
  requireUnused(what, users.find('disk', disk.id), 'Detach it there first.');
  readers.requireNone(diskKey(disk.id), what);
  requireNotCopied(services, disk, what);
  disks.update(tx, disk, { state: 'locked' });
  return tasks.start(tx, 'disk.delete', { disk: disk.id }, about(disk));
}

/** Only growing: a guest would lose what lies behind a new end. */
export function beginResize({ disks, readers, space, tasks, quotas }: StorageServices, tx: Tx, { ref, sizeBytes, room }: { ref: string; sizeBytes: number; room: Room }): string {
  const disk = disks.requireFor('resize', ref);
  if (sizeBytes <= disk.sizeBytes) {
    const message = `The disk "${disk.name}" has ${formatBytes(disk.sizeBytes)} already and can only grow: a smaller disk would lose data. Give a larger size.`;
    throw new Problem('invalid-input', message, { errors: [{ path: 'sizeBytes', message: `More than ${disk.sizeBytes} bytes.` }] });
  }
  readers.requireNone(diskKey(disk.id), `The disk "${disk.name}"`);
  const growth = { ...disk, sizeBytes: sizeBytes - disk.sizeBytes };
  if (disk.allocation === 'preallocated') space.reserve(tx, room, { id: resizeRoom(disk.id), bytes: volumeBytes(growth), path: '' });
  disks.update(tx, disk, { state: 'locked' });
  quotas.take(tx, { kind: 'disk', id: disk.id }, { diskBytes: sizeBytes });
  return tasks.start(tx, 'disk.resize', { disk: disk.id, sizeBytes }, about(disk));
}
