/** The tasks of storage, cut at any instant and failing at any step. With the real qemu-img: test/contract/storage-tasks. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import { newId } from '../../appliance/core/id.ts';
import { MiB } from '../../appliance/core/units.ts';
import { beginCreate, beginDelete, beginResize } from '../../appliance/storage/disk-verbs.ts';
import type { DiskRow } from '../../appliance/storage/disks.ts';
import type { StorageServices } from '../../appliance/storage/services.ts';
import { createStorage, type Storage } from '../../appliance/storage/storage.ts';
import { exportTable } from '../../appliance/storage/table.ts';
import { cancelUpload } from '../../appliance/storage/upload-verbs.ts';
import { diskTarget, isoTarget } from '../../appliance/storage/uploads.ts';
import { type Door, openDoor } from '../world/door.ts';
import { noSamples } from '../world/samples.ts';
import { isoImage } from '../world/iso-bytes.ts';
import { checkTask, type Life, settle, type TaskCase, waitFor } from './harness.ts';

interface Site {
  storage: Storage;
  services: StorageServices;
  door: Door;
}

async function open(life: Life): Promise<Site> {
  const { core, world, signal, clock } = life;
  const storage = createStorage({ ...core, world, activity: { event: () => {}, settle: () => {}, samples: noSamples } });
  core.reconcilers.start(signal).catch(() => {});
  let hasLooked = false;
  core.reconcilers.haveLooked().then(() => { hasLooked = true; }, () => {});
  await waitFor(clock, () => hasLooked, 'every reconciler has looked');
  return { storage, services: storage.operations[0]?.services as StorageServices, door: openDoor(core, storage) }; // all records of a slice share its services
}

const origin = { actor: 'admin@internal', operation: 'test' };
const write = <T>({ services: { database } }: Site, work: Parameters<typeof database.write<T>>[1]): T => database.write(origin, work);
const roomOf = ({ services: { space, domains } }: Site) => space.recall(domains.require('local'));
const rootOf = ({ services: { disks } }: Site) => disks.require('root');

/** Disks with their content and metadata, uploads, files, and the room that is still held. */
function observe({ services }: Site): unknown {
  const { domains, disks, isos, uploads, space } = services;
  const images = (name: string) => join(domains.folder(domains.require(name)), domains.require(name).id, 'images');
  return {
    disks: disks.list().map((disk) => ({ ...disk, createdAt: 0, volumeId: '', files: filesOf(images('local'), disk), content: contentOf(images('local'), disk) })),
    imageCount: readdirSync(images('local')).length,
    isos: isos.list(domains.require('isos').id).map(({ name, state }) => ({ name, state })),
    isUploading: disks.list().map(({ id }) => uploads.find(diskTarget(id))?.state),
    reserved: ['local', 'isos'].map((name) => space.reservedBytes(domains.require(name).id)),
  };
}

function filesOf(images: string, { id, volumeId }: DiskRow): string[] {
  return readdirSync(join(images, id)).filter((name) => name.startsWith(volumeId)).map((name) => name.replace(volumeId, 'current')).sort();
}

/** What the guest would read at the beginning: the simulated qcow2 keeps it behind a header of 64 KiB. */
function contentOf(images: string, { id, volumeId, format }: DiskRow): string {
  return readFileSync(join(images, id, volumeId)).subarray(format === 'raw' ? 0 : 65536).subarray(0, 9).toString('latin1');
}

async function makeDisk(site: Site, life: Life, format: 'raw' | 'cow' = 'cow'): Promise<void> {
  write(site, (tx) => beginCreate(site.services, tx, { name: 'root', sizeBytes: MiB, format }, roomOf(site)));
  await settle(life);
}

/** Sends content; with `isAll` the appliance has every byte but does not know yet that it was the last. */
async function send(site: Site, text: string, { isAll = false } = {}): Promise<void> {
  const body = Buffer.alloc(90_000, text);
  const headers = { 'x-image-format': 'raw', ...(isAll && { 'content-range': `bytes 0-${body.length - 1}/*` }) };
  const response = await site.door.fetch('/api/v1/disks/root/content', { method: 'PUT', body, headers: { ...headers, ...(!isAll && { 'content-length': `${body.length}` }) } });
  if (!response.ok) throw new Error(await response.text());
}

async function fill(site: Site, life: Life, format: 'raw' | 'cow' = 'cow'): Promise<void> {
  await makeDisk(site, life, format);
  await send(site, 'old text ');
  await settle(life);
}

function beginImport(site: Site, isConverted: boolean): string {
  const disk = rootOf(site);
  return write(site, (tx) => {
    const upload = site.services.uploads.find(diskTarget(disk.id));
    if (!upload?.volumeId) throw new Error('nothing was sent');
    site.services.uploads.update(tx, upload, { state: 'importing' });
    const target = isConverted ? newId() : upload.volumeId;
    return site.services.tasks.start(tx, 'disk.import', { disk: disk.id, upload: upload.id, target }, [{ kind: 'disk', id: disk.id, name: disk.name }]);
  });
}

/** As `before`, the upload given up and the disk free again. */
// biome-ignore lint/suspicious/noExplicitAny: plain data made by observe
const withoutUpload = ({ before }: { before: any }) => ({
  ...before, isUploading: [null], reserved: [0, 0],
  disks: before.disks.map((disk: DiskRow) => ({ ...disk, state: 'ok' })),
});
// biome-ignore lint/suspicious/noExplicitAny: plain data made by observe
const withState = (state: string) => ({ before }: { before: any }) => ({ ...before, disks: before.disks.map((disk: DiskRow) => ({ ...disk, state })) });

const cases: TaskCase<Site>[] = [
  {
    name: 'disk.create', open, observe,
    begin: (site) => write(site, (tx) => beginCreate(site.services, tx, { name: 'root', sizeBytes: MiB }, roomOf(site)).task),
  },
  {
    name: 'disk.resize', open, observe, prepare: fill,
    begin: (site) => write(site, (tx) => beginResize(site.services, tx, { ref: 'root', sizeBytes: 4 * MiB, room: roomOf(site) })),
  },
  {
    // Half a deletion cannot be undone: what is left is a disk that can only be deleted.
    name: 'disk.delete', open, prepare: fill,
    observe: ({ services }) => ({ disks: services.disks.list().map(({ name, state }) => ({ name, state })) }),
    begin: (site) => write(site, (tx) => beginDelete(site.services, tx, 'root')),
    undone: withState('illegal'),
  },
  {
    name: 'disk.import', open, observe, undone: withoutUpload,
    prepare: async (site, life) => { await fill(site, life); await send(site, 'new text ', { isAll: true }); },
    begin: (site) => beginImport(site, true),
  },
  {
    name: 'disk.import', open, observe, undone: withoutUpload,
    prepare: async (site, life) => { await fill(site, life, 'raw'); await send(site, 'new text ', { isAll: true }); },
    begin: (site) => beginImport(site, false),
  },
  {
    name: 'disk.export', open, observe, prepare: fill,
    begin: (site) => write(site, (tx) => {
      const { id, volumeId, name } = rootOf(site);
      const copy = newId();
      tx.sql.insert(exportTable).values({ volumeId: copy, diskId: id, sourceVolumeId: volumeId, sourceModifiedAt: 0, format: 'raw', state: 'making', usedAt: 0 }).run();
      return site.services.tasks.start(tx, 'disk.export', { disk: id, volume: copy, format: 'raw' }, [{ kind: 'disk', id, name }]);
    }),
  },
  {
    name: 'upload.discard', open, observe, undone: withoutUpload,
    prepare: async (site, life) => { await fill(site, life); await send(site, 'new text ', { isAll: true }); },
    begin: (site) => write(site, (tx) => cancelUpload(site.services, tx, diskTarget(rootOf(site).id), [])),
  },
  {
    name: 'iso.delete', open, observe,
    async prepare(site) {
      const response = await site.door.fetch('/api/v1/storage-domains/isos/files/a.iso', { method: 'PUT', body: isoImage() });
      if (!response.ok) throw new Error(await response.text());
    },
    begin: (site) => write(site, (tx) => {
      const { domains, isos, tasks } = site.services;
      const domain = domains.require('isos');
      isos.put(tx, { ...isos.require(domain, 'a.iso'), state: 'deleting' });
      return tasks.start(tx, 'iso.delete', { domain: domain.id, name: 'a.iso' }, [{ kind: 'iso', id: isoTarget(domain.id, 'a.iso'), name: 'a.iso' }]);
    }),
  },
];

for (const each of cases) checkTask(test, each);

test.run();
