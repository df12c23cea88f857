/**
 * A disk that lies on the image of a template, as it was at first: `disk.reset` makes an empty layer and puts it in the place of the one that was
 * written to, in the commit that ends the task. The old one goes afterwards; what a kill leaves of it is swept at the next start.
 */
import * as z from 'zod';
import type { Tx } from '../core/db.ts';
import { newId } from '../core/id.ts';
import { type AnyTask, defineTask } from '../core/task.ts';
import { about } from './disk-verbs.ts';
import { type DiskRow, toolFormat, volumeOf } from './disks.ts';
import { deleteVolumes } from './leftovers.ts';
import type { StorageServices } from './services.ts';
import { attempt, imageLock, locate } from './tasks.ts';

const what = 'The disk could not be made as it was';
const input = z.object({ disk: z.uuid(), volume: z.uuid() });
type Input = z.output<typeof input>;

export function beginReset({ disks, layers, tasks }: StorageServices, tx: Tx, ref: string): string {
  const disk = disks.requireFor('reset', ref);
  if (disk.baseDiskId === null || layers.of(disk.id).length > 0) throw new Error(`the disk ${disk.id} is not one empty layer over a template`);
  disks.update(tx, disk, { state: 'locked' });
  return tasks.start(tx, 'disk.reset', { disk: disk.id, volume: newId<'volume'>() }, about(disk));
}

export function resetTask(services: StorageServices): AnyTask {
  const fresh = (disk: DiskRow, { volume }: Input) => ({ ...volumeOf(disk), volumeId: volume });
  return defineTask<Input>({
    kind: 'disk.reset', input, canCancel: false,
    locks: ({ disk }) => [imageLock(disk)],
    steps: [{
      name: 'Make an empty layer',
      async do({ input: wish, signal }) {
        const { disk, backend } = locate(services, wish.disk);
        const base = services.disks.require(disk.baseDiskId ?? '');
        await attempt(what, async () => {
          const path = await backend.stageVolume(fresh(disk, wish));
          await services.imageTool.createLayer(path, { sizeBytes: base.sizeBytes, below: { name: base.volumeId, format: toolFormat[base.format] }, signal });
          await backend.commitVolume({ ...fresh(disk, wish), sizeBytes: base.sizeBytes });
        });
      },
      undo: ({ input: wish }) => locate(services, wish.disk).backend.deleteVolume({ imageId: wish.disk, volumeId: wish.volume }),
    }],
    finished(tx, { state, input: wish }) {
      const disk = services.disks.find(wish.disk);
      if (!disk) return;
      // Nobody is to find what somebody else has written: such a disk is of no use any more.
      if (state !== 'done') return void services.disks.update(tx, disk, { state: 'illegal' });
      const base = services.disks.require(disk.baseDiskId ?? '');
      services.disks.update(tx, disk, { state: 'ok', volumeId: wish.volume, sizeBytes: base.sizeBytes });
      tx.afterCommit(() => void deleteVolumes(services, disk, [disk.volumeId]));
    },
  });
}
