/**
 * The storage slice: storage domains, the disks and installation images in them. README.md tells how they lie on disk and what
 * a power cut does. Slices to the right find disks and files here and register what uses them.
 */
import type { Activity } from '../activity/activity.ts';
import type { Auth } from '../auth/auth.ts';
import type { Tx } from '../core/db.ts';
import { type Actor, bind, type Call } from '../core/operation.ts';
import { Problem } from '../core/problem.ts';
import type { Core, Slice } from '../core/services.ts';
import type { Metric } from '../host/metrics.ts';
import type { ImageSource, World } from '../world.ts';
import { type Carried, carriedFiles } from './carried.ts';
import { beginCopy, type CopyWish, copyTask } from './copy.ts';
import { exportTask } from './disk-download.ts';
import { createDisks, type DiskRow, type Disks } from './disks.ts';
import { beginCreate, beginDelete, type NewDisk } from './disk-verbs.ts';
import { createDomains } from './domains.ts';
import { type FileUpload, receiveFile } from './file-upload.ts';
import { importTasks } from './import-task.ts';
import { createIsos } from './isos.ts';
import { type DiskLayers, diskLayers } from './disk-layers.ts';
import { createLayers } from './layers.ts';
import { collapseTask } from './layer-work.ts';
import { storageOperations } from './operations.ts';
import { createReaders, diskKey } from './readers.ts';
import { createReceiver } from './receiver.ts';
import { storageReconcilers } from './reconcile.ts';
import type { StorageServices } from './services.ts';
import { createSpace } from './space.ts';
import { beginReset, resetTask } from './reset-task.ts';
import { diskTasks } from './tasks.ts';
import { type TemplateImages, templateImages } from './template-images.ts';
import { cancelUpload, showUpload } from './upload-verbs.ts';
import { createUploads } from './uploads.ts';
import { createUsers, type StorageUsers } from './users.ts';

export interface Storage extends Slice, Pick<StorageUsers, 'registerUsage' | 'registerGrowth' | 'registerMerge'> {
  /** By id or name; throws `not-found`. */
  requireDisk: Disks['require'];
  findDisk: Disks['find'];
  /** Many at once; unknown ids are left out. */
  disks(ids: string[]): DiskRow[];
  /** What QEMU opens, with the layers below. Throws unless the disk is ready and nobody downloads it. */
  diskVolume(id: string): ImageSource;
  layers: DiskLayers;
  templates: TemplateImages;
  carried: Carried;
  /** Row and task in the caller's transaction; the task starts after the commit and locks the image. */
  createDisk(tx: Tx, wish: NewDisk & { domain?: string | undefined }): DiskRow;
  /** A disk over the image of a template: it is there at once, in the same domain, and holds only what differs. */
  createThinDisk(tx: Tx, wish: { name: string; description?: string; base: string }): DiskRow;
  /** A disk with the content of another one, or of a layer of it. What is read must stay as it is until the task has ended. */
  copyDisk(tx: Tx, wish: CopyWish): DiskRow;
  /** Starts the task that makes a disk that lies on a template's image as it was at first. Nothing may have it open. */
  resetDisk(tx: Tx, id: string): void;
  /** Starts the task that deletes it. Throws `in-use` while something uses it. */
  deleteDisk(tx: Tx, id: string): void;
  /** The data domain of that name or id; without one the domain where disks lie unless told otherwise. */
  dataDomain(ref: string | undefined): { id: string };
  /** Path of an installation image in any ISO domain that `actor` may read; throws `not-found`. */
  isoPath(name: string, actor?: Actor): string;
  /** Whether guests can go on writing to where that disk lies. */
  hasRoom(diskId: string): Promise<boolean>;
  /** Every storage domain, and whether the last look found it there. */
  domains(): { id: string; name: string; isActive: boolean }[];
  domainMetrics(): Metric[];
  /** A resumable upload of a file for a slice to the right. */
  receiveFile(call: Call, request: Request, wish: FileUpload): Promise<Response>;
  /** Where that upload stands; `undefined` when there is none. */
  fileUpload(target: string): ReturnType<typeof showUpload> | undefined;
  /** Starts the task that gives it up. */
  cancelFileUpload(tx: Tx, target: string): string;
}

export interface StorageDeps extends Core {
  world: Pick<World, 'imageTool' | 'disk'>;
  activity: Pick<Activity, 'event' | 'settle' | 'samples'>;
  /** Without people there are none. */
  quotas?: Pick<Auth['quotas'], 'take'>;
}

export function createStorage({ world, activity, quotas = { take: () => {} }, ...core }: StorageDeps): Storage {
  const domains = createDomains({ ...core, disk: world.disk });
  const disks = createDisks(core);
  const services: StorageServices = {
    ...core, imageTool: world.imageTool, activity, quotas, domains, disks,
    layers: createLayers(core, disks),
    isos: createIsos(core),
    space: createSpace({ ...core, domains }),
    uploads: createUploads(core),
    receiver: createReceiver(core),
    readers: createReaders(),
    users: createUsers(),
  };
  core.tasks.define([...diskTasks(services), ...importTasks(services), exportTask(services), collapseTask(services), copyTask(services), resetTask(services)]);
  defineKinds(services);
  for (const reconciler of storageReconcilers(services)) core.reconcilers.add(reconciler);
  return { operations: bind(services, storageOperations), ...diskPort(services), isoPath: (name, actor) => isoPath(services, name, actor) };
}

const usualDomain = 'local';

/** Disks as slices to the right use them. */
function diskPort(services: StorageServices): Omit<Storage, 'operations' | 'isoPath'> {
  const { disks, domains, space, readers, users } = services;
  return {
    requireDisk: disks.require,
    findDisk: disks.find,
    disks: (ids) => ids.flatMap((id) => disks.find(id) ?? []),
    diskVolume(id) {
      const disk = disks.requireFor('start', id);
      const domain = domains.require(disk.domainId);
      domains.requireActive(domain);
      readers.requireNone(diskKey(disk.id), `The disk "${disk.name}"`);
      return services.layers.source(disk, domains.images(domain));
    },
    layers: diskLayers(services),
    templates: templateImages(services),
    carried: carriedFiles(services),
    dataDomain: (ref = usualDomain) => domains.requireKind(ref, 'data'),
    createDisk: (tx, { domain = usualDomain, ...wish }) => beginCreate(services, tx, wish, space.recall(domains.requireKind(domain, 'data'))).disk,
    createThinDisk(tx, { base: ref, ...wish }) {
      const base = disks.requireFor('copy', ref);
      return beginCreate(services, tx, { ...wish, base, sizeBytes: base.sizeBytes }, space.recall(domains.requireKind(base.domainId, 'data'))).disk;
    },
    copyDisk: (tx, wish) => beginCopy(services, tx, wish).disk,
    resetDisk: (tx, id) => void beginReset(services, tx, id),
    deleteDisk: (tx, id) => void beginDelete(services, tx, id),
    async hasRoom(diskId) {
      const { freeBytes, domain } = await space.look(domains.require(disks.require(diskId).domainId));
      return freeBytes > domain.criticalSpaceBytes;
    },
    domainMetrics: () => domainMetrics(services),
    domains: () => domains.list().map(({ id, name }) => ({ id, name, isActive: domains.fact(id)?.status === 'active' })),
    receiveFile: (call, request, wish) => receiveFile(services, call, request, wish),
    fileUpload: (target) => (services.uploads.find(target) ? showUpload(services, target) : undefined),
    cancelFileUpload: (tx, target) => cancelUpload(services, tx, target, []),
    registerUsage: users.registerUsage,
    registerGrowth: users.registerGrowth,
    registerMerge: users.registerMerge,
  };
}

function defineKinds({ objects, disks, domains }: StorageServices): void {
  objects.define('disk', { find: (ref) => disks.find(ref)?.id, nameOf: (id) => disks.find(id)?.name });
  objects.define('storage-domain', { find: (ref) => domains.find(ref)?.id, nameOf: (id) => domains.find(id)?.name });
  objects.belong('disk', { kind: 'storage-domain', links: disks.domainLinks });
}

function isoPath({ domains, isos }: StorageServices, name: string, actor: Actor | undefined): string {
  for (const domain of domains.list().filter(({ kind }) => kind === 'iso')) {
    if (!isos.find(domain.id, name) || actor?.reach.on('iso.read', { kind: 'storage-domain', id: domain.id }) === false) continue;
    isos.require(domain, name);
    return domains.files(domain).filePath(name);
  }
  throw new Problem('not-found', `There is no installation image "${name}". Upload it first.`);
}

/** What the last look at each domain found; one that does not answer has no room to tell of. */
function domainMetrics({ domains }: Pick<StorageServices, 'domains'>): Metric[] {
  const found = domains.list().map(({ id, name }) => ({ labels: { domain: name, id }, fact: domains.fact(id) }));
  const active = found.flatMap(({ labels, fact }) => (fact?.status === 'active' ? [{ labels, fact }] : []));
  return [
    { name: 'bothy_storage_domain_active', help: '1 while a storage domain can be used.', type: 'gauge', samples: found.map(({ labels, fact }) => ({ labels, value: fact?.status === 'active' ? 1 : 0 })) },
    { name: 'bothy_storage_domain_size_bytes', help: 'Size of what holds a storage domain.', type: 'gauge', samples: active.map(({ labels, fact }) => ({ labels, value: fact.totalBytes })) },
    { name: 'bothy_storage_domain_free_bytes', help: 'Room left there.', type: 'gauge', samples: active.map(({ labels, fact }) => ({ labels, value: fact.freeBytes })) },
  ];
}
