/**
 * From a received image to the content of its disk, and from an upload that is given up to nothing.
 *
 *   disk.import     check -> convert (unless it can stay as it is) -> fit the size -> commit; then, in one commit with
 *                   the end of the task, the disk takes the new volume, and the old one is deleted
 *   upload.discard  delete what was received, unlock the disk
 *
 * Until that commit the disk has its old content, whole.
 */
import * as z from 'zod';
import { exclusive } from '../core/locks.ts';
import { Problem } from '../core/problem.ts';
import { type AnyTask, defineTask, type Outcome } from '../core/task.ts';
import type { Tx } from '../core/db.ts';
import { type DiskRow, toolFormat, volumeOf } from './disks.ts';
import { tooLargeText } from './disk-upload.ts';
import { deleteVolumes } from './leftovers.ts';
import { needsConversion } from './rules.ts';
import type { StorageServices } from './services.ts';
import { attempt, imageLock, locate } from './tasks.ts';
import { toImageProblem } from './tool-problem.ts';
import { uploadRoom } from './uploads.ts';

const hour = 3_600_000;
const importInput = z.object({ disk: z.uuid(), upload: z.uuid(), target: z.uuid() });
type ImportInput = z.output<typeof importInput>;

const importRoom = (diskId: string) => `disk.import/${diskId}`;

/** Disk, backend and upload of an import, and whether it converts. */
function open(services: StorageServices, input: ImportInput) {
  const { disk, backend } = locate(services, input.disk);
  const upload = services.uploads.get(input.upload);
  if (!upload?.volumeId || !upload.format) throw new Error(`upload ${input.upload} has gone`);
  const received = { imageId: disk.id, volumeId: upload.volumeId };
  const source = { path: backend.volumePath(received), format: upload.format };
  const target = { ...volumeOf(disk), volumeId: input.target };
  return { disk, backend, source, received, target, converts: needsConversion(disk, upload.format) };
}

export function importTasks(services: StorageServices): AnyTask[] {
  return [importTask(services), discardTask(services)];
}

function importTask(services: StorageServices): AnyTask {
  return defineTask<ImportInput>({
    kind: 'disk.import', input: importInput, canCancel: true,
    locks: ({ disk }) => [imageLock(disk)],
    steps: [
      {
        name: 'Check the image', timeoutMs: hour,
        do: ({ input, signal }) => checkImage(services, input, signal),
        async undo({ input }) {
          const { backend, received } = open(services, input);
          await backend.deleteVolume(received);
        },
      },
      {
        name: 'Convert the image', timeoutMs: 12 * hour,
        async do({ input, signal, progress }) {
          const { disk, backend, source, target, converts } = open(services, input);
          if (!converts) return;
          const to = { path: backend.volumePath(target), format: toolFormat[disk.format], preallocated: disk.allocation === 'preallocated' };
          await reserve(services, { disk, source, path: to.path, signal });
          await attempt('The image could not be converted', () => backend.stageVolume(target));
          await services.imageTool.convert(source, to, { signal, progress }).catch((error) => {
            throw toImageProblem('The image could not be converted', error);
          });
        },
        async undo({ input }) {
          const { backend, target, converts } = open(services, input);
          if (converts) await backend.deleteVolume(target);
        },
      },
      {
        name: 'Fit it to the size of the disk', timeoutMs: hour,
        async do({ input, signal }) {
          const { disk, backend, target } = open(services, input);
          const format = toolFormat[disk.format];
          const path = backend.volumePath(target);
          await attempt('The image could not be enlarged to the size of the disk', async () => {
            const { virtualSizeBytes } = await services.imageTool.info(path, format, signal);
            const { sizeBytes, allocation } = disk;
            if (virtualSizeBytes < sizeBytes) await services.imageTool.resize(path, { format, sizeBytes, preallocated: allocation === 'preallocated', signal });
          });
        },
      },
      {
        name: 'Finish the volume',
        async do({ input }) {
          const { backend, target } = open(services, input);
          await attempt('The image could not be written', () => backend.commitVolume(target));
        },
      },
    ],
    finished: (tx, outcome) => endImport(services, tx, outcome),
  });
}

/** The header was checked while it arrived; this asks QEMU, which sees the whole file. */
async function checkImage(services: StorageServices, input: ImportInput, signal: AbortSignal): Promise<void> {
  const { disk, source, converts } = open(services, input);
  const { imageTool } = services;
  try {
    const info = await imageTool.info(source.path, source.format, signal);
    if (info.backingFile !== undefined || info.dataFile !== undefined) throw new Problem('invalid-input', 'The image refers to another file, which does not come with it. Merge them first: qemu-img convert -O qcow2.');
    if (info.isEncrypted) throw new Problem('invalid-input', 'The image is encrypted. Decrypt it first: qemu-img convert with its secret.');
    if (info.virtualSizeBytes > disk.sizeBytes) throw new Problem('invalid-input', tooLargeText(disk, info.virtualSizeBytes));
    if (source.format !== 'qcow2' || converts) return;
    const { corruptions } = await imageTool.check(source.path, 'qcow2', signal);
    if (corruptions > 0) throw new Problem('invalid-input', `The image is damaged in ${corruptions} places. Repair it where it comes from, with qemu-img check -r all, or upload it again.`);
  } catch (error) {
    throw toImageProblem('The image cannot be used', error);
  }
}

/** A sparse copy takes what qcow2 would: its data and little more. */
async function reserve(services: StorageServices, plan: { disk: DiskRow; source: Parameters<StorageServices['imageTool']['measure']>[0]; path: string; signal: AbortSignal }): Promise<void> {
  const { disk, source, path, signal } = plan;
  const isSparse = disk.allocation === 'sparse';
  const sizes = await services.imageTool.measure(source, isSparse ? 'qcow2' : toolFormat[disk.format], signal).catch((error) => {
    throw toImageProblem('The image cannot be used', error);
  });
  const room = await services.space.look(services.domains.require(disk.domainId));
  services.database.write({ actor: 'system', operation: 'disk.import' }, (tx) => {
    services.space.reserve(tx, room, { id: importRoom(disk.id), bytes: isSparse ? sizes.requiredBytes : sizes.fullyAllocatedBytes, path });
  });
}

function endImport(services: StorageServices, tx: Tx, { state, input }: Outcome<ImportInput, unknown>): void {
  const disk = services.disks.require(input.disk);
  const upload = services.uploads.get(input.upload);
  services.space.release(tx, importRoom(disk.id));
  if (upload) {
    services.space.release(tx, uploadRoom(upload));
    services.uploads.remove(tx, upload);
  }
  if (state !== 'done') {
    services.disks.update(tx, disk, { state: 'ok' });
    return;
  }
  services.disks.update(tx, disk, { state: 'ok', volumeId: input.target });
  const old = [disk.volumeId, upload?.volumeId].filter((id): id is string => typeof id === 'string' && id !== input.target);
  tx.afterCommit(() => void deleteVolumes(services, disk, old));
  tx.afterCommit(() => services.reconcilers.wake('storage-content'));
}

function discardTask(services: StorageServices): AnyTask {
  return defineTask<{ upload: string }>({
    kind: 'upload.discard', input: z.object({ upload: z.uuid() }), canCancel: false,
    locks: ({ upload }) => [exclusive('upload', upload)],
    steps: [{
      name: 'Delete what was received', timeoutMs: hour,
      async do({ input }) {
        const upload = services.uploads.get(input.upload);
        if (!upload) return;
        const domain = services.domains.require(upload.domainId);
        await attempt('The upload could not be deleted', async () => {
          if (upload.diskId && upload.volumeId) await services.domains.images(domain).deleteVolume({ imageId: upload.diskId, volumeId: upload.volumeId });
          else await services.domains.files(domain).deleteUpload(upload.id);
        });
      },
    }],
    finished(tx, { input }) {
      tx.afterCommit(() => services.receiver.forget(input.upload));
      const upload = services.uploads.get(input.upload);
      if (!upload) return;
      services.space.release(tx, uploadRoom(upload));
      services.uploads.remove(tx, upload);
      const disk = upload.diskId ? services.disks.find(upload.diskId) : undefined;
      if (disk?.state === 'locked') services.disks.update(tx, disk, { state: 'ok' });
    },
  });
}
