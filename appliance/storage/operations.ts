/** The verbs of storage domains and of the installation images in them; those of disks are in `disk-operations.ts`. */
import * as z from 'zod';
import { questionOf } from '../activity/sample-query.ts';
import { refSchema } from '../core/id.ts';
import { type Actor, read, startTask, stream, write } from '../core/operation.ts';
import { diskOperations } from './disk-operations.ts';
import type { DomainRow } from './domains.ts';
import { answerFile } from './download.ts';
import { isoUpload } from './iso-upload.ts';
import type { IsoRow } from './isos.ts';
import { pageOf } from './page.ts';
import { isoKey } from './readers.ts';
import { DomainEditInput, DomainHistoryInput, DomainHistoryOutput, DomainOutput, DomainPage, FileInput, type FileOutput, FilePage, ListInput, UploadOutput } from './schema.ts';
import type { StorageServices } from './services.ts';
import { attempt } from './tasks.ts';
import { acceptUpload } from './upload.ts';
import { cancelUpload, showUpload } from './upload-verbs.ts';
import { isoTarget } from './uploads.ts';
import { isSeen, requireUnused, shownUse } from './users.ts';

export { diskCreate, diskDelete, diskDownload, diskEdit, diskGet, diskList, diskResize, diskUploadCancel, diskUploadGet, diskUploadPut } from './disk-operations.ts';

function showDomain({ domains, space }: StorageServices, domain: DomainRow): z.input<typeof DomainOutput> {
  const { id, name, description, kind, type, lowSpacePercent, criticalSpaceBytes, generation } = domain;
  const { status = 'unknown', reason = '', space: state = 'ok', totalBytes = 0, freeBytes = 0, since = null } = domains.fact(id) ?? {};
  return { id, name, description, kind, type, status, reason, space: state, totalBytes, freeBytes, since, reservedBytes: space.reservedBytes(id), lowSpacePercent, criticalSpaceBytes, generation };
}

export const domainList = read<StorageServices>()({
  id: 'storage-domain.list', method: 'GET', path: '/storage-domains', permission: 'storage.read', scope: 'each',
  summary: 'List storage domains',
  input: ListInput, output: DomainPage,
  run(services, { actor }, { limit, after }) {
    const visible = actor.reach.rows('storage.read', 'storage-domain', services.domains.idColumn);
    const { rows, next } = pageOf(services.domains.list(after, limit + 1, visible), limit);
    return { items: rows.map((row) => showDomain(services, row)), next };
  },
});

export const domainGet = read<StorageServices>()({
  id: 'storage-domain.get', method: 'GET', path: '/storage-domains/{domain}', permission: 'storage.read',
  summary: 'Show a storage domain, its state and its space',
  input: z.object({ domain: refSchema }), output: DomainOutput,
  run: (services, _call, { domain }) => showDomain(services, services.domains.require(domain)),
});

export const domainHistory = read<StorageServices>()({
  id: 'storage-domain.history', method: 'GET', path: '/storage-domains/{domain}/history', permission: 'storage.read',
  summary: 'Show how full a storage domain was, over hours or years',
  input: DomainHistoryInput, output: DomainHistoryOutput,
  run: ({ domains, activity, clock }, _call, { domain, ...input }) => activity.samples.read({ kind: 'storage-domain', id: domains.require(domain).id, ...questionOf(input, clock.now()) }),
});

export const domainEdit = write<StorageServices>()({
  id: 'storage-domain.edit', method: 'PATCH', path: '/storage-domains/{domain}', permission: 'storage.edit', status: 200,
  summary: 'Change the description or the space limits of a storage domain',
  input: DomainEditInput, output: DomainOutput,
  generation: ({ domains }, { domain }) => domains.require(domain).generation,
  run(services, tx, { domain, ...changes }) {
    const wanted = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
    const after = services.domains.update(tx, services.domains.require(domain), wanted);
    tx.afterCommit(() => services.reconcilers.wake('storage-domains'));
    return showDomain(services, after);
  },
});

// ---------------------------------------------------------------------------------------------- ISO files

const isoDomain = ({ domains }: StorageServices, ref: string) => domains.requireKind(ref, 'iso');

function showFile({ users }: StorageServices, actor: Actor, { name, sizeBytes, modifiedAt, sha256, state }: IsoRow): z.input<typeof FileOutput> {
  return { name, sizeBytes, modifiedAt, sha256, state, usedBy: users.find('iso', name).filter((use) => isSeen(actor, use)).map(shownUse) };
}

export const fileList = read<StorageServices>()({
  id: 'iso.list', method: 'GET', path: '/storage-domains/{domain}/files', permission: 'iso.read',
  summary: 'List the installation images of a storage domain',
  input: ListInput.extend({ domain: refSchema }), output: FilePage,
  run(services, { actor }, { domain, limit, after }) {
    const { rows, next } = pageOf(services.isos.list(isoDomain(services, domain).id, after, limit + 1), limit);
    return { items: rows.map((row) => showFile(services, actor, row)), next };
  },
});

export const fileUpload = stream<StorageServices>()({
  id: 'iso.upload', method: 'PUT', path: '/storage-domains/{domain}/files/{name}', permission: 'iso.upload',
  summary: 'Upload an installation image, or go on with an upload',
  input: FileInput, requestType: 'application/octet-stream', responseType: 'application/json',
  run: (services, call, { domain, name }, request) => acceptUpload(services, call, request, isoUpload(services, call, { domain: isoDomain(services, domain), name })),
});

export const fileUploadGet = read<StorageServices>()({
  id: 'iso.upload-state', method: 'GET', path: '/storage-domains/{domain}/files/{name}/upload', permission: 'iso.read',
  summary: 'Show where the upload of an installation image stands',
  input: FileInput, output: UploadOutput,
  run: (services, _call, { domain, name }) => showUpload(services, isoTarget(isoDomain(services, domain).id, name)),
});

export const fileUploadCancel = startTask<StorageServices>()({
  id: 'iso.cancel-upload', method: 'DELETE', path: '/storage-domains/{domain}/files/{name}/upload', permission: 'iso.upload',
  summary: 'Cancel the upload of an installation image',
  input: FileInput,
  run: (services, tx, { domain, name }) => cancelUpload(services, tx, isoTarget(isoDomain(services, domain).id, name), []),
});

export const fileDownload = stream<StorageServices>()({
  id: 'iso.download', method: 'GET', path: '/storage-domains/{domain}/files/{name}', permission: 'iso.read',
  summary: 'Download an installation image, whole or a range of it',
  input: FileInput, responseType: 'application/octet-stream',
  run: (services, _call, { domain: ref, name }, request) => downloadFile(services, { domain: isoDomain(services, ref), name, request }),
});

function downloadFile({ domains, isos, readers }: StorageServices, wish: { domain: DomainRow; name: string; request: Request }): Promise<Response> {
  const { domain, name, request } = wish;
  const { sizeBytes, modifiedAt } = isos.require(domain, name);
  const onEnd = readers.enter(isoKey(domain.id, name));
  const path = domains.files(domain).filePath(name);
  return attempt('The file cannot be read', () => answerFile(request, { path, fileName: name, etag: `"${sizeBytes}-${modifiedAt}"`, onEnd }));
}

export const fileDelete = startTask<StorageServices>()({
  id: 'iso.delete', method: 'DELETE', path: '/storage-domains/{domain}/files/{name}', permission: 'iso.delete',
  summary: 'Delete an installation image that no VM uses',
  input: FileInput,
  run(services, tx, { domain: ref, name }) {
    const domain = isoDomain(services, ref);
    const iso = services.isos.require(domain, name);
    requireUnused(`The file "${name}"`, services.users.find('iso', name), 'Eject it there first.');
    services.readers.requireNone(isoKey(domain.id, name), `The file "${name}"`);
    services.isos.put(tx, { ...iso, state: 'deleting' });
    return services.tasks.start(tx, 'iso.delete', { domain: domain.id, name }, [{ kind: 'iso', id: name, name }]);
  },
});

export const storageOperations = [domainList, domainGet, domainHistory, domainEdit, fileList, fileUpload, fileUploadGet, fileUploadCancel, fileDownload, fileDelete, ...diskOperations];
