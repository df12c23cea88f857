/**
 * The images of templates as the slice of VMs uses them: copies that are frozen once they are whole, and disks of VMs that lie on them.
 *
 * A copy and not the disk's own layers handed over: the VM goes on with what it has, its snapshots can be merged, and neither is tied to
 * the other's life. Frozen means: its state is `template`, in which no verb of a disk that changes anything may begin; its file may be
 * written by nobody but root; its row cannot go while a disk lies on it.
 */
import type { Tx } from '../core/db.ts';
import type { CopyWish, Filling } from './copy.ts';
import { fillCopy, insertCopy } from './copy.ts';
import { requireNotCopied } from './copying.ts';
import { type DiskRow, toolFormat, volumeOf } from './disks.ts';
import { diskKey } from './readers.ts';
import type { StorageServices } from './services.ts';
import { attempt, createRoom, locate } from './tasks.ts';

export interface TemplateImages {
  /** The row of an image that is to be filled. Throws what a disk that cannot be read or has no room throws. */
  begin(tx: Tx, wish: CopyWish): DiskRow;
  /** Fills it; may be repeated. One that `staysOpen` is changed before it is closed. */
  fill(id: string, filling: Omit<Filling, 'role'> & { staysOpen?: boolean }): Promise<void>;
  /** Where it lies, for what changes one that is open. */
  file(id: string): { path: string; format: 'raw' | 'qcow2' };
  /** Nobody but root writes to its file any more. */
  close(id: string): Promise<void>;
  /** It is whole: nobody changes it from here on. */
  freeze(tx: Tx, id: string): void;
  /** Its template is being deleted. */
  lock(tx: Tx, id: string): void;
  /** Deletes what there is of it; may be repeated. */
  drop(id: string): Promise<void>;
  /** Its row goes. */
  forget(tx: Tx, id: string): void;
  /** Disks that lie on one of them. */
  dependents(ids: string[]): DiskRow[];
}

export function templateImages(services: StorageServices): TemplateImages {
  const { disks, space, readers, reconcilers } = services;
  return {
    begin: (tx, wish) => insertCopy(services, tx, wish),
    fill: (id, { staysOpen = false, ...filling }) => fillCopy(services, id, { ...filling, role: staysOpen ? 'leaf' : 'shared' }),
    file(id) {
      const { disk, backend } = locate(services, id);
      return { path: backend.volumePath({ imageId: id, volumeId: disk.volumeId }), format: toolFormat[disk.format] };
    },
    async close(id) {
      const { disk, backend } = locate(services, id);
      await backend.commitVolume({ ...volumeOf(disk), role: 'shared' });
    },
    freeze(tx, id) {
      space.release(tx, createRoom(id));
      disks.update(tx, disks.require(id), { state: 'template' });
      tx.afterCommit(() => reconcilers.wake('storage-content'));
    },
    lock(tx, id) {
      const disk = disks.require(id);
      readers.requireNone(diskKey(id), `The image "${disk.name}"`);
      requireNotCopied(services, disk, `The image "${disk.name}"`);
      disks.update(tx, disk, { state: 'locked' });
    },
    async drop(id) {
      if (disks.find(id)) await attempt('The image of the template could not be deleted', () => locate(services, id).backend.deleteImage(id));
    },
    forget(tx, id) {
      space.release(tx, createRoom(id));
      const disk = disks.find(id);
      if (disk) disks.remove(tx, disk);
    },
    dependents: disks.lyingOn,
  };
}
