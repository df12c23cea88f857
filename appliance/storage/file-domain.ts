/**
 * A storage domain in a folder, laid out like an oVirt version 5 file domain, so that either can read the other's:
 *
 *   <folder>/<domain>/dom_md/     metadata  ids  leases  inbox  outbox
 *   <folder>/<domain>/images/     <image>/<volume>  <volume>.meta  <volume>.lease
 *                                 11111111-1111-1111-1111-111111111111/<file>       (ISO domain)
 *
 * A domain appears whole: it is made under another name and renamed. An image disappears at once: it is renamed to
 * `_remove_me_<image>`, then emptied. `sweep` clears away what a power cut left of either. Ids are checked before they
 * become part of a path and a link is never followed, so no path leaves the domain.
 */
import { access, chmod, constants, link, lstat, mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isId } from '../core/id.ts';
import { MiB } from '../core/units.ts';
import type { DiskSpace } from '../world.ts';
import { renameDurably, syncPath, unfinishedSuffix, writeFileAtomically } from '../core/atomic-file.ts';
import { DomainFault, type FileDomain, type ImageDomain, type StorageDomain, type VolumeRef } from './backend.ts';
import { type DomainClass, type DomainMetadata, formatDomainMetadata, parseDomainMetadata } from './domain-metadata.ts';
import { exists, hasFolder, makeFile, readFolder, requireFolder, unlessGone } from './folders.ts';
import { occupiedBytes } from './occupied.ts';
import { formatVolumeMetadata, parseVolumeMetadata, type Volume } from './volume-metadata.ts';

const isoImageId = '11111111-1111-1111-1111-111111111111';
const removedPrefix = '_remove_me_';
const uploadPrefix = '.upload-';
/** Read and written by several hosts at fixed offsets; on a file system only the mailboxes have a size from the start. */
const specialFiles = { ids: 0, leases: 0, inbox: 16 * MiB, outbox: 16 * MiB };
/** The group may write, so that QEMU can run as another user than we do. */
const volumeMode = 0o660;
/** Of the image of a template: QEMU, which is not root, cannot open it for writing whatever it is told. */
const sharedMode = 0o440;
const folderMode = 0o755;

/** Makes a domain in `folder` unless it is there; what is there is left as it is. */
export async function createFileDomain(folder: string, domain: DomainMetadata): Promise<void> {
  const root = join(folder, requireId(domain.id));
  if (await exists(root)) return;
  const unfinished = root + unfinishedSuffix;
  await rm(unfinished, { recursive: true, force: true });
  const [metadataFolder, imagesFolder] = [join(unfinished, 'dom_md'), join(unfinished, 'images')];
  for (const made of [metadataFolder, imagesFolder]) await mkdir(made, { recursive: true, mode: folderMode });
  if (domain.class === 'iso') await mkdir(join(imagesFolder, isoImageId), { mode: folderMode });
  for (const [name, sizeBytes] of Object.entries(specialFiles)) await makeFile(join(metadataFolder, name), { mode: volumeMode, sizeBytes });
  await writeFileAtomically(join(metadataFolder, 'metadata'), formatDomainMetadata(domain));
  for (const made of [imagesFolder, unfinished]) await syncPath(made);
  await renameDurably(unfinished, root);
}

/** Domains found in `folder`, by id; one that cannot be read is named with its fault. */
export async function findFileDomains(folder: string): Promise<{ id: string; domain: DomainMetadata | undefined; fault: string }[]> {
  const ids = (await readFolder(folder)).filter((entry) => entry.isDirectory() && isId(entry.name)).map((entry) => entry.name);
  return Promise.all(ids.map(async (id) => {
    try {
      return { id, domain: await readMetadata(join(folder, id), id), fault: '' };
    } catch (error) {
      return { id, domain: undefined, fault: error instanceof Error ? error.message : String(error) };
    }
  }));
}

interface Place {
  folder: string;
  id: string;
  disk: DiskSpace;
}

/** The data domain `id` in `folder`. Opening looks at nothing: `verify` does. */
export function openImageDomain(place: Place): ImageDomain {
  const images = join(place.folder, requireId(place.id), 'images');
  const imageFolder = (imageId: string) => join(images, requireId(imageId));
  const volumePath = ({ imageId, volumeId }: VolumeRef) => join(imageFolder(imageId), requireId(volumeId));
  const writeMetadata = async (volume: Volume) => {
    await requireFolder(imageFolder(volume.imageId));
    await writeFileAtomically(`${volumePath(volume)}.meta`, formatVolumeMetadata(volume));
  };
  return {
    ...commonParts(place, 'data'),
    volumePath,
    writeMetadata,
    async images() {
      return (await readFolder(images)).filter((entry) => entry.isDirectory() && isId(entry.name)).map((entry) => entry.name);
    },
    async volumes(imageId) {
      return (await hasFolder(imageFolder(imageId))) ? readVolumes(imageFolder(imageId)) : [];
    },
    async stageVolume(volume) {
      if (!(await hasFolder(imageFolder(volume.imageId)))) await mkdir(imageFolder(volume.imageId), { mode: folderMode });
      await syncPath(images);
      await writeMetadata({ ...volume, isLegal: false });
      await makeFile(`${volumePath(volume)}.lease`, { mode: volumeMode });
      return volumePath(volume);
    },
    async commitVolume(volume) {
      await chmod(volumePath(volume), volume.role === 'shared' ? sharedMode : volumeMode);
      await syncPath(volumePath(volume));
      await writeMetadata({ ...volume, isLegal: true });
    },
    async shareVolume(ref, imageId) {
      // As oVirt does it: an image names only what lies in its own folder, and outlives the loss of the folder that it came from.
      const to = { imageId, volumeId: ref.volumeId };
      for (const suffix of ['', '.lease', '.meta']) {
        if (!(await exists(volumePath(to) + suffix))) await link(volumePath(ref) + suffix, volumePath(to) + suffix);
      }
      await syncPath(imageFolder(imageId));
    },
    occupiedBytes: (ref) => occupiedBytes(volumePath(ref)),
    async deleteVolume(ref) {
      if (!(await hasFolder(imageFolder(ref.imageId)))) return;
      // The metadata goes last: while it is there, the rest can still be found and deleted.
      for (const suffix of ['', '.lease', `.meta${unfinishedSuffix}`, '.meta']) await rm(volumePath(ref) + suffix, { force: true });
      await syncPath(imageFolder(ref.imageId));
    },
    async deleteImage(imageId) {
      const removed = join(images, removedPrefix + imageId);
      if (await exists(imageFolder(imageId))) await renameDurably(imageFolder(imageId), removed);
      await rm(removed, { recursive: true, force: true });
    },
  };
}

/** The ISO domain `id` in `folder`. */
export function openIsoDomain(place: Place): FileDomain {
  const files = join(place.folder, requireId(place.id), 'images', isoImageId);
  const filePath = (name: string) => join(files, requireFileName(name));
  const uploadPath = (uploadId: string) => join(files, uploadPrefix + requireId(uploadId));
  return {
    ...commonParts(place, 'iso'),
    filePath,
    uploadPath,
    async files() {
      const found = (await readFolder(files)).filter((entry) => entry.isFile() && isFileName(entry.name));
      return Promise.all(found.map(async ({ name }) => {
        const facts = await lstat(join(files, name));
        return { name, sizeBytes: facts.size, modifiedAt: Math.round(facts.mtimeMs) };
      }));
    },
    async publish(uploadId, name) {
      const upload = uploadPath(uploadId);
      if (!(await exists(upload)) && (await exists(filePath(name)))) return;
      await chmod(upload, 0o644);
      await syncPath(upload);
      await renameDurably(upload, filePath(name));
    },
    async deleteFile(name) {
      await rm(filePath(name), { force: true });
      await syncPath(files);
    },
    deleteUpload: (uploadId) => rm(uploadPath(uploadId), { force: true }),
  };
}

function commonParts({ folder, id, disk }: Place, wanted: DomainClass): StorageDomain {
  const root = join(folder, requireId(id));
  const images = join(root, 'images');
  return {
    id,
    async verify() {
      const { class: found } = await readMetadata(root, id);
      if (found !== wanted) throw new DomainFault(`${root} is a domain of class ${found}, not ${wanted}.`);
      await requireFolder(images);
      // Fails on a file system that was remounted read-only after an error, also for root.
      await access(images, constants.W_OK).catch((error) => {
        throw new DomainFault(`${images} cannot be written: ${error.message}. Check the file system and remount it.`);
      });
    },
    capacity: () => disk.capacity(root),
    async sweep() {
      for (const { name } of await readFolder(images)) {
        if (name.startsWith(removedPrefix)) await rm(join(images, name), { recursive: true, force: true });
      }
      await rm(root + unfinishedSuffix, { recursive: true, force: true });
    },
  };
}

async function readMetadata(root: string, id: string): Promise<DomainMetadata> {
  const path = join(root, 'dom_md', 'metadata');
  const text = await readFile(path, 'utf8').catch((error) => {
    throw new DomainFault(`${path} cannot be read: ${error.message}. Check that its disk is there and mounted.`);
  });
  const parsed = parseDomainMetadata(text);
  if (!parsed.isOk) throw new DomainFault(`${path} is not usable: ${parsed.reason}. Restore it from a backup.`);
  if (parsed.domain.id !== id) throw new DomainFault(`${path} belongs to another domain, ${parsed.domain.id}. The folder was copied or renamed; restore its name.`);
  return parsed.domain;
}

async function readVolumes(folder: string): Promise<Volume[]> {
  const volumes: Volume[] = [];
  for (const entry of await readFolder(folder)) {
    const volumeId = entry.name.slice(0, -'.meta'.length);
    if (!entry.isFile() || !entry.name.endsWith('.meta') || !isId(volumeId)) continue;
    const text = await readFile(join(folder, entry.name), 'utf8').catch(unlessGone);
    const parsed = text === undefined ? undefined : parseVolumeMetadata(volumeId, text);
    if (parsed?.isOk) volumes.push(parsed.volume);
  }
  return volumes;
}

function requireId(id: string): string {
  if (!isId(id)) throw new Error(`not an id: ${JSON.stringify(id)}`);
  return id;
}

/** Schemas check names before they come here; this is the last line. */
function isFileName(name: string): boolean {
  return name.length > 0 && Buffer.byteLength(name) <= 255 && !/^[.-]|[/\p{C}]/u.test(name);
}

function requireFileName(name: string): string {
  if (!isFileName(name)) throw new Error(`not a file name: ${JSON.stringify(name)}`);
  return name;
}
