/**
 * The long verbs of disks and files. Each step may run twice: a volume is staged under an id that was chosen before, and is
 * only legal once it is whole.
 *
 *   disk.create   stage -> allocate, or a layer over the image of a template -> commit       failed: the image and its row go
 *   disk.resize   grow the image (in the guest, if one runs) -> metadata
 *   disk.delete   delete the image, then its row
 *   iso.delete    delete the file, then its row
 */
import * as z from 'zod';
import { exclusive } from '../core/locks.ts';
import { type AnyTask, defineTask, type Outcome } from '../core/task.ts';
import type { Tx } from '../core/db.ts';
import { type DiskRow, toolFormat, volumeOf } from './disks.ts';
import type { StorageServices } from './services.ts';
import { toProblem } from './tool-problem.ts';

const hour = 3_600_000;
const diskInput = z.object({ disk: z.uuid() });

/** Names under which these tasks hold room. */
export const createRoom = (diskId: string) => `disk.create/${diskId}`;
export const resizeRoom = (diskId: string) => `disk.resize/${diskId}`;

export const imageLock = (diskId: string) => exclusive('image', diskId);

/** Runs `work` on what a tool does; what fails is told as `what`. */
export async function attempt<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toProblem(what, error);
  }
}

export function diskTasks(services: StorageServices): AnyTask[] {
  return [createTask(services), resizeTask(services), deleteTask(services), deleteIsoTask(services)];
}

/** The disk of a task and the domain that holds it. */
export function locate({ disks, domains }: StorageServices, id: string) {
  const disk = disks.require(id);
  return { disk, backend: domains.images(domains.require(disk.domainId)) };
}

function createTask(services: StorageServices): AnyTask {
  const what = 'The disk could not be created';
  return defineTask<{ disk: string }>({
    kind: 'disk.create', input: diskInput, canCancel: true,
    locks: ({ disk }) => [imageLock(disk)],
    steps: [
      {
        name: 'Prepare the volume',
        async do({ input }) {
          const { disk, backend } = locate(services, input.disk);
          await attempt(what, () => backend.stageVolume(volumeOf(disk)));
        },
        async undo({ input }) {
          const { disk, backend } = locate(services, input.disk);
          await backend.deleteImage(disk.id);
        },
      },
      {
        name: 'Allocate the volume', timeoutMs: 12 * hour,
        async do({ input, signal }) {
          const { disk, backend } = locate(services, input.disk);
          await services.space.requireReserved(services.domains.require(disk.domainId), createRoom(disk.id));
          if (disk.baseDiskId !== null) return attempt(what, () => layOn(services, disk, signal));
          const wish = { format: toolFormat[disk.format], sizeBytes: disk.sizeBytes, preallocated: disk.allocation === 'preallocated', signal };
          await attempt(what, () => services.imageTool.create(backend.volumePath(volumeOf(disk)), wish));
        },
      },
      {
        name: 'Finish the volume',
        async do({ input }) {
          const { disk, backend } = locate(services, input.disk);
          await attempt(what, () => backend.commitVolume(volumeOf(disk)));
        },
      },
    ],
    finished: (tx, outcome) => endCreate(services, tx, outcome),
  });
}

/** An empty layer over the image of a template. */
async function layOn(services: StorageServices, disk: DiskRow, signal: AbortSignal): Promise<void> {
  const base = services.disks.require(disk.baseDiskId ?? '');
  const { backend } = locate(services, disk.id);
  await backend.shareVolume({ imageId: base.id, volumeId: base.volumeId }, disk.id);
  await services.imageTool.createLayer(backend.volumePath(volumeOf(disk)), { sizeBytes: disk.sizeBytes, below: { name: base.volumeId, format: toolFormat[base.format] }, signal });
}

export function endCreate(services: StorageServices, tx: Tx, { state, input, problem }: Outcome<{ disk: string }, unknown>): void {
  const disk = services.disks.find(input.disk);
  services.space.release(tx, createRoom(input.disk));
  if (!disk) return;
  if (state === 'done') {
    if (disk.state === 'creating') services.disks.update(tx, disk, { state: 'ok' });
    tx.afterCommit(() => services.reconcilers.wake('storage-content'));
    return;
  }
  if (services.users.find('disk', disk.id).length === 0) {
    services.disks.remove(tx, disk);
    return;
  }
  services.disks.update(tx, disk, { state: 'illegal' });
  services.activity.event(tx, {
    severity: 'error', code: 'disk.not-created', message: `The disk "${disk.name}" was not created: ${problem?.detail ?? state}.`,
    nextStep: 'Detach and delete it, then create it again.', about: [{ kind: 'disk', id: disk.id, name: disk.name }],
  });
}

function resizeTask(services: StorageServices): AnyTask {
  const what = 'The disk could not be enlarged';
  const grow = async (disk: DiskRow, path: string, { sizeBytes, signal }: { sizeBytes: number; signal: AbortSignal }) => {
    if (await services.users.growLive(disk.id, sizeBytes, signal)) return;
    const format = toolFormat[disk.format];
    const { virtualSizeBytes } = await services.imageTool.info(path, format, signal);
    if (virtualSizeBytes < sizeBytes) await services.imageTool.resize(path, { format, sizeBytes, preallocated: disk.allocation === 'preallocated', signal });
  };
  return defineTask<{ disk: string; sizeBytes: number }>({
    kind: 'disk.resize', input: diskInput.extend({ sizeBytes: z.number() }), canCancel: false,
    locks: ({ disk }) => [imageLock(disk)],
    steps: [
      {
        name: 'Enlarge the image', timeoutMs: 12 * hour,
        async do({ input, signal }) {
          const { disk, backend } = locate(services, input.disk);
          await attempt(what, () => grow(disk, backend.volumePath(volumeOf(disk)), { sizeBytes: input.sizeBytes, signal }));
        },
      },
      {
        name: 'Write its metadata',
        async do({ input }) {
          const { disk, backend } = locate(services, input.disk);
          await attempt(what, () => backend.writeMetadata({ ...volumeOf(disk), sizeBytes: input.sizeBytes }));
        },
      },
    ],
    finished(tx, { state, input }) {
      const disk = services.disks.require(input.disk);
      services.space.release(tx, resizeRoom(disk.id));
      if (state === 'done') services.disks.edit(tx, disk, { state: 'ok', sizeBytes: input.sizeBytes });
      else services.disks.update(tx, disk, { state: 'ok' });
    },
  });
}

function deleteTask(services: StorageServices): AnyTask {
  return defineTask<{ disk: string }>({
    kind: 'disk.delete', input: diskInput, canCancel: false,
    locks: ({ disk }) => [imageLock(disk)],
    steps: [{
      name: 'Delete the image', timeoutMs: hour,
      async do({ input }) {
        // A creation that failed meanwhile has taken the row along.
        if (!services.disks.find(input.disk)) return;
        const { disk, backend } = locate(services, input.disk);
        await attempt('The disk could not be deleted', () => backend.deleteImage(disk.id));
      },
    }],
    finished(tx, { state, input }) {
      const disk = services.disks.find(input.disk);
      if (!disk) return;
      if (state === 'done') services.disks.remove(tx, disk);
      else services.disks.update(tx, disk, { state: 'illegal' });
    },
  });
}

function deleteIsoTask(services: StorageServices): AnyTask {
  return defineTask<{ domain: string; name: string }>({
    kind: 'iso.delete', input: z.object({ domain: z.uuid(), name: z.string() }), canCancel: false,
    locks: ({ domain, name }) => [exclusive('iso', `${domain}/${name}`)],
    steps: [{
      name: 'Delete the file', timeoutMs: hour,
      do: ({ input }) => attempt('The file could not be deleted', () => services.domains.files(services.domains.require(input.domain)).deleteFile(input.name)),
    }],
    finished(tx, { state, input }) {
      const iso = services.isos.find(input.domain, input.name);
      if (!iso) return;
      if (state === 'done') services.isos.remove(tx, iso);
      else services.isos.put(tx, { ...iso, state: 'ok' });
    },
  });
}
