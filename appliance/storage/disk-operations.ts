/** The verbs of disks. */
import type * as z from 'zod';
import { type Actor, read, startTask, stream, write } from '../core/operation.ts';
import { Problem } from '../core/problem.ts';
import { downloadDisk } from './disk-download.ts';
import { diskUpload } from './disk-upload.ts';
import { beginCreate, beginDelete, beginResize } from './disk-verbs.ts';
import type { DiskRow } from './disks.ts';
import { pageOf } from './page.ts';
import { DiskCreateInput, DiskDownloadInput, DiskEditInput, DiskInput, DiskOutput, DiskPage, DiskResizeInput, DiskUploadInput, imageFormatSchema, ListInput, UploadOutput } from './schema.ts';
import type { StorageServices } from './services.ts';
import { acceptUpload } from './upload.ts';
import { cancelUpload, showUpload } from './upload-verbs.ts';
import { diskTarget } from './uploads.ts';
import { isSeen, shownUse } from './users.ts';

type Shown = z.input<typeof DiskOutput>;

function showDisks({ users, domains, disks }: StorageServices, actor: Actor, rows: DiskRow[]): Shown[] {
  const occupied = disks.occupied(rows.map(({ id }) => id));
  const names = new Map(domains.list().map(({ id, name }) => [id, name]));
  return rows.map(({ id, name, description, domainId, baseDiskId, format, allocation, sizeBytes, state, generation, createdAt }) => ({
    id, name, description, domain: names.get(domainId) ?? '', format, allocation, sizeBytes,
    occupiedBytes: occupied.get(id) ?? null, state, base: baseDiskId && (disks.find(baseDiskId)?.name ?? null), usedBy: users.find('disk', id).filter((use) => isSeen(actor, use)).map(shownUse), generation, createdAt,
  }));
}

function showOne(services: StorageServices, actor: Actor, disk: DiskRow): Shown {
  const [shown] = showDisks(services, actor, [disk]);
  if (!shown) throw new Error('one row gives one answer');
  return shown;
}
const generation = ({ disks }: StorageServices, { disk }: { disk: string }) => disks.require(disk).generation;

export const diskList = read<StorageServices>()({
  id: 'disk.list', method: 'GET', path: '/disks', permission: 'disk.read', scope: 'each',
  summary: 'List disks',
  input: ListInput, output: DiskPage,
  run(services, { actor }, { limit, after }) {
    const visible = actor.reach.rows('disk.read', 'disk', services.disks.idColumn);
    const { rows, next } = pageOf(services.disks.list(after, limit + 1, visible), limit);
    return { items: showDisks(services, actor, rows), next };
  },
});

export const diskGet = read<StorageServices>()({
  id: 'disk.get', method: 'GET', path: '/disks/{disk}', permission: 'disk.read',
  summary: 'Show a disk',
  input: DiskInput, output: DiskOutput,
  run: (services, { actor }, { disk }) => showOne(services, actor, services.disks.require(disk)),
});

export const diskCreate = startTask<StorageServices>()({
  id: 'disk.create', method: 'POST', path: '/disks', permission: 'disk.create', scope: 'each',
  summary: 'Create an empty disk',
  input: DiskCreateInput,
  prepare({ domains, space }, { actor }, { domain: ref }) {
    const domain = domains.requireKind(ref, 'data');
    if (!actor.reach.on('disk.create', { kind: 'storage-domain', id: domain.id })) throw new Problem('forbidden', `${actor.name} may not make disks in the storage domain "${ref}": it needs the permission "disk.create" there. Ask who manages it.`);
    return space.look(domain);
  },
  run: (services, tx, wish, room) => beginCreate(services, tx, wish, room).task,
});

export const diskEdit = write<StorageServices>()({
  id: 'disk.edit', method: 'PATCH', path: '/disks/{disk}', permission: 'disk.edit', status: 200,
  summary: 'Rename or describe a disk',
  input: DiskEditInput, output: DiskOutput, generation,
  run(services, tx, { disk: ref, name, description }) {
    const disk = services.disks.requireFor('edit', ref);
    if (name !== undefined) services.disks.requireFreeName(name, disk.id);
    return showOne(services, tx.call.actor, services.disks.edit(tx, disk, { name: name ?? disk.name, description: description ?? disk.description }));
  },
});

export const diskResize = startTask<StorageServices>()({
  id: 'disk.resize', method: 'POST', path: '/disks/{disk}/resize', permission: 'disk.edit',
  summary: 'Enlarge a disk, also under a running guest',
  input: DiskResizeInput, generation,
  prepare: ({ disks, domains, space }, _call, { disk }) => space.look(domains.require(disks.require(disk).domainId)),
  run: (services, tx, { disk: ref, sizeBytes }, room) => beginResize(services, tx, { ref, sizeBytes, room }),
});

export const diskDelete = startTask<StorageServices>()({
  id: 'disk.delete', method: 'DELETE', path: '/disks/{disk}', permission: 'disk.delete',
  summary: 'Delete a disk that nothing uses, with its content',
  input: DiskInput, generation,
  run: (services, tx, { disk }) => beginDelete(services, tx, disk),
});

export const diskUploadPut = stream<StorageServices>()({
  id: 'disk.upload', method: 'PUT', path: '/disks/{disk}/content', permission: 'disk.transfer',
  summary: 'Upload an image as the content of a disk, or go on with an upload',
  input: DiskUploadInput, requestType: 'application/octet-stream', responseType: 'application/json',
  async run(services, call, { disk: ref, format: wanted }, request) {
    const declared = wanted ?? request.headers.get('x-image-format') ?? services.uploads.find(diskTarget(services.disks.require(ref).id))?.format;
    const format = imageFormatSchema.safeParse(declared);
    if (!format.success) {
      throw new Problem('invalid-input', `Say what the file is with the header "x-image-format": ${imageFormatSchema.options.join(', ')}.`, { errors: [{ path: 'format', message: 'Choose the format of the file.' }] });
    }
    const disk = await created(services, services.disks.require(ref), call.signal);
    return acceptUpload(services, call, request, diskUpload(services, call, { disk, format: format.data }));
  },
});

/** An upload right after the creation waits for it. */
async function created({ disks, tasks }: StorageServices, disk: DiskRow, signal: AbortSignal): Promise<DiskRow> {
  if (disk.state !== 'creating') return disk;
  const task = tasks.list({ limit: 10, isActive: true, about: disk.id }).find(({ kind }) => kind === 'disk.create');
  if (task) await tasks.ended(task.id, signal);
  return disks.require(disk.id);
}

export const diskUploadGet = read<StorageServices>()({
  id: 'disk.upload-state', method: 'GET', path: '/disks/{disk}/upload', permission: 'disk.read',
  summary: 'Show where the upload to a disk stands',
  input: DiskInput, output: UploadOutput,
  run: (services, _call, { disk }) => showUpload(services, diskTarget(services.disks.require(disk).id)),
});

export const diskUploadCancel = startTask<StorageServices>()({
  id: 'disk.cancel-upload', method: 'DELETE', path: '/disks/{disk}/upload', permission: 'disk.transfer',
  summary: 'Cancel the upload to a disk; it keeps its old content',
  input: DiskInput,
  run(services, tx, { disk: ref }) {
    const { id, name } = services.disks.require(ref);
    return cancelUpload(services, tx, diskTarget(id), [{ kind: 'disk', id, name }]);
  },
});

export const diskDownload = stream<StorageServices>()({
  id: 'disk.download', method: 'GET', path: '/disks/{disk}/content', permission: 'disk.transfer',
  summary: 'Download the content of a disk, whole or a range of it',
  input: DiskDownloadInput, responseType: 'application/octet-stream',
  run: (services, call, { disk, format }, request) => downloadDisk(services, call, request, { ref: disk, format }),
});

export const diskOperations = [diskList, diskGet, diskCreate, diskEdit, diskResize, diskDelete, diskUploadPut, diskUploadGet, diskUploadCancel, diskDownload];
