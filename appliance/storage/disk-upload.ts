/**
 * The content of a disk as an upload: received into a volume of its own beside the one in use, then imported by a task.
 *
 * What needs no conversion is received as it will stay: a raw image into a volume of the disk's full size, a qcow2 image into
 * one that grows. The disk is locked from the first byte until the import has ended or the upload was cancelled; its old
 * content stays whole until the new one takes its place.
 */
import { open } from 'node:fs/promises';
import type { Call } from '../core/operation.ts';
import { newId } from '../core/id.ts';
import { Problem } from '../core/problem.ts';
import { formatBytes, GiB } from '../core/units.ts';
import type { ImageFormat } from '../world.ts';
import { type DiskRow, volumeOf } from './disks.ts';
import { checkDeclared, type HeaderCheck } from './image-header.ts';
import { requireNoLayers } from './layer-work.ts';
import { diskKey } from './readers.ts';
import { needsConversion, volumeBytes } from './rules.ts';
import type { StorageServices } from './services.ts';
import { attempt } from './tasks.ts';
import type { UploadKind } from './upload.ts';
import { diskTarget, type UploadRow } from './uploads.ts';
import { isActive, requireUnused } from './users.ts';

export function diskUpload(services: StorageServices, call: Call, { disk, format }: { disk: DiskRow; format: ImageFormat }): UploadKind {
  const domain = services.domains.require(disk.domainId);
  const backend = services.domains.images(domain);
  const isPlace = disk.format === 'raw' && format === 'raw';
  const isFull = isPlace && disk.allocation === 'preallocated';
  const refOf = (upload: UploadRow) => ({ imageId: disk.id, volumeId: upload.volumeId ?? '' });
  const pathOf = (upload: UploadRow) => backend.volumePath(refOf(upload));
  return {
    target: diskTarget(disk.id),
    domain,
    // Tables and padding make an image file larger than its disk, but not without bound.
    limitBytes: format === 'raw' ? disk.sizeBytes : disk.sizeBytes * 2 + GiB,
    limitAdvice: `Enlarge the disk "${disk.name}" first, then upload again.`,
    isSparse: !isFull,
    begin(tx, known) {
      const current = known ? services.disks.require(disk.id) : services.disks.requireFor('upload', disk.id);
      requireIdle(services, current);
      requireNoLayers(services, current);
      services.readers.requireNone(diskKey(disk.id), `The disk "${disk.name}"`);
      services.disks.update(tx, current, { state: 'locked' });
      return { diskId: disk.id, volumeId: known?.volumeId ?? newId<'volume'>(), name: null, format };
    },
    neededBytes(totalBytes) {
      if (isFull) return volumeBytes(disk);
      return totalBytes + (disk.allocation === 'preallocated' ? volumeBytes(disk) : 0);
    },
    path: pathOf,
    makeFile: (upload) => attempt('The upload could not begin', async () => {
      const path = await backend.stageVolume({ ...volumeOf(disk), ...refOf(upload), format: isPlace ? 'raw' : disk.format });
      if (isPlace) await services.imageTool.create(path, { format: 'raw', sizeBytes: disk.sizeBytes, preallocated: isFull, signal: call.signal });
      else await (await open(path, 'w')).close();
    }),
    async cutFile(upload) {
      if (isFull) return;
      const file = await open(pathOf(upload), 'r+');
      try {
        await file.truncate(upload.receivedBytes);
        if (isPlace) await file.truncate(disk.sizeBytes);
      } finally {
        await file.close();
      }
    },
    check: (head, fileSizeBytes) => checkFits(disk, checkDeclared(format, head, fileSizeBytes ?? head.length)),
    finish: async (upload, sha256) => startImport(services, { call, disk, upload, sha256 }),
  };
}

/** Throws `in-use` while a running guest has the disk open. */
export function requireIdle({ users }: StorageServices, disk: DiskRow): void {
  requireUnused(`The disk "${disk.name}"`, users.find('disk', disk.id).filter(isActive), 'Shut it down first.');
}

function checkFits(disk: DiskRow, check: HeaderCheck): HeaderCheck {
  if (!check.isOk || check.virtualSizeBytes === undefined || check.virtualSizeBytes <= disk.sizeBytes) return check;
  return { isOk: false, reason: tooLargeText(disk, check.virtualSizeBytes) };
}

export function tooLargeText(disk: DiskRow, virtualSizeBytes: number): string {
  return `The image holds a disk of ${virtualSizeBytes} bytes (${formatBytes(virtualSizeBytes)}), but "${disk.name}" has only ${disk.sizeBytes} (${formatBytes(disk.sizeBytes)}). Enlarge it first, then upload again.`;
}

interface Whole {
  call: Call;
  disk: DiskRow;
  upload: UploadRow;
  sha256: string;
}

function startImport(services: StorageServices, { call, disk, upload, sha256 }: Whole): Response {
  const { format } = upload;
  if (!format) throw new Problem('internal', 'The upload has no format. Start it again.');
  const target = needsConversion(disk, format) ? newId<'volume'>() : upload.volumeId;
  const origin = { actor: call.actor.name, operation: 'disk.upload', requestId: call.requestId };
  const task = services.database.write(origin, (tx) => {
    services.uploads.update(tx, upload, { state: 'importing' });
    return services.tasks.start(tx, 'disk.import', { disk: disk.id, upload: upload.id, target }, [{ kind: 'disk', id: disk.id, name: disk.name }]);
  });
  const body = { id: task, kind: 'disk.import', state: 'pending', receivedBytes: upload.receivedBytes, sha256 };
  return Response.json(body, { status: 202, headers: { location: `/api/v1/tasks/${task}` } });
}
