/**
 * Machines that are carried from one place to another, as the slice of VMs uses them: files in the ISO domain that are written by us or were uploaded,
 * and disks that are filled from an image within such a file.
 *
 * A file is written under another name and published whole; a disk is illegal until it is filled. So a power cut leaves nothing that anybody would use.
 */
import { existsSync } from 'node:fs';
import type { Tx } from '../core/db.ts';
import { newId } from '../core/id.ts';
import { Problem } from '../core/problem.ts';
import type { ImageInfo, ImageSource } from '../world.ts';
import { insertDisk } from './disk-verbs.ts';
import { type DiskRow, toolFormat, volumeOf } from './disks.ts';
import { isoKey } from './readers.ts';
import { volumeBytes } from './rules.ts';
import type { StorageServices } from './services.ts';
import { attempt, createRoom, locate } from './tasks.ts';
import { toImageProblem } from './tool-problem.ts';

export interface CarriedWork {
  signal: AbortSignal;
  progress(fraction: number): void;
}

export interface Carried {
  /** The file of that name, which stays until `leave` is called. Throws `not-found`. */
  open(domain: string, name: string): { domainId: string; path: string; leave(): void };
  /** Room for a file of at most `bytes`, under a name that is free; gives what it is written as. */
  begin(tx: Tx, wish: { domain: string | undefined; name: string; bytes: number }): { file: string; domainId: string };
  /** Where it is written, and disks on their way into it. */
  paths(domainId: string, file: string): { file: string; disk: string };
  /** Brought to the disk under its name. */
  publish(domainId: string, file: string, name: string): Promise<void>;
  /** Takes that back, where it has happened. */
  unpublish(domainId: string, file: string, name: string): Promise<void>;
  /** Deletes what there is of it. */
  discard(domainId: string, file: string): Promise<void>;
  /** It is there for all, or its room is free again. */
  end(tx: Tx, outcome: { domainId: string; file: string; name?: string | undefined; sizeBytes?: number | undefined }): void;
  /** The content of a disk as one image. */
  convertDisk(diskId: string, to: { path: string; format: 'vmdk' | 'qcow2' }, work: CarriedWork): Promise<void>;
  /** Bytes that a disk would take at most in such a file. */
  measureDisk(diskId: string, signal: AbortSignal): Promise<number>;
  look(source: ImageSource, signal: AbortSignal): Promise<ImageInfo>;
  /** The row of a disk that is to be filled, with room held for it. */
  beginDisk(tx: Tx, wish: { name: string; domain: string | undefined; sizeBytes: number; bytes: number }): DiskRow;
  /** May be repeated. */
  fillDisk(diskId: string, source: ImageSource, work: CarriedWork): Promise<void>;
  dropDisk(diskId: string): Promise<void>;
  /** It is whole, or cannot be used by anybody. */
  endDisk(tx: Tx, diskId: string, isWhole: boolean): void;
}

const fileRoom = (file: string) => `file.make/${file}`;

export function carriedFiles(services: StorageServices): Carried {
  const { domains, isos, readers, space, disks, layers, imageTool, reconcilers, clock } = services;
  const place = (ref: string) => domains.requireKind(ref, 'iso');
  const backendOf = (domainId: string) => domains.files(domains.require(domainId));
  const usualPlace = () => domains.list().find(({ kind }) => kind === 'iso')?.id ?? '';
  return {
    open(ref, name) {
      const domain = place(ref);
      isos.require(domain, name);
      return { domainId: domain.id, path: domains.files(domain).filePath(name), leave: readers.enter(isoKey(domain.id, name)) };
    },
    begin(tx, { domain: ref, name, bytes }) {
      const domain = place(ref ?? usualPlace());
      if (isos.find(domain.id, name)) throw new Problem('name-taken', `The storage domain "${domain.name}" already holds a file "${name}". Choose another name, or delete it first.`, { errors: [{ path: 'name', message: 'This name is taken.' }] });
      const file = newId<'file'>();
      space.reserve(tx, space.recall(domain), { id: fileRoom(file), bytes, path: domains.files(domain).uploadPath(file) });
      return { file, domainId: domain.id };
    },
    paths: (domainId, file) => ({ file: backendOf(domainId).uploadPath(file), disk: `${backendOf(domainId).uploadPath(file)}.disk` }),
    publish: (domainId, file, name) => attempt('The file could not be written', async () => {
      if (existsSync(backendOf(domainId).uploadPath(file)) && isos.find(domainId, name)) throw new Problem('name-taken', `Somebody has uploaded a file "${name}" meanwhile. Choose another name.`);
      await backendOf(domainId).publish(file, name);
    }),
    async unpublish(domainId, file, name) {
      if (!existsSync(backendOf(domainId).uploadPath(file))) await backendOf(domainId).deleteFile(name);
    },
    discard: (domainId, file) => backendOf(domainId).deleteUpload(file),
    end(tx, { domainId, file, name, sizeBytes }) {
      space.release(tx, fileRoom(file));
      if (name !== undefined && sizeBytes !== undefined) isos.put(tx, { domainId, name, sizeBytes, modifiedAt: clock.now(), sha256: null, state: 'ok' });
      tx.afterCommit(() => reconcilers.wake('storage-content'));
    },
    convertDisk: (diskId, to, { signal, progress }) => attempt('The disk could not be copied', async () => {
      const { disk, backend } = locate(services, diskId);
      await imageTool.convert(layers.source(disk, backend), { ...to, preallocated: false, isPacked: to.format === 'qcow2' }, { signal, progress });
    }),
    measureDisk: (diskId, signal) => attempt('The disk cannot be read', async () => {
      const { disk, backend } = locate(services, diskId);
      return (await imageTool.measure(layers.source(disk, backend), 'qcow2', signal)).requiredBytes;
    }),
    look: ({ path, format, part }, signal) => imageTool.info(path, format, signal, part).catch((error) => {
      throw toImageProblem('The image cannot be used', error);
    }),
    beginDisk(tx, { domain = 'local', bytes, ...wish }) {
      const disk = insertDisk(services, tx, wish, space.recall(domains.requireKind(domain, 'data')), bytes);
      return disk;
    },
    fillDisk: (diskId, source, work) => fillDisk(services, diskId, source, work),
    async dropDisk(diskId) {
      if (disks.find(diskId)) await attempt('The disk could not be deleted', () => locate(services, diskId).backend.deleteImage(diskId));
    },
    endDisk(tx, diskId, isWhole) {
      space.release(tx, createRoom(diskId));
      const disk = disks.find(diskId);
      if (disk?.state === 'creating') disks.update(tx, disk, { state: isWhole ? 'ok' : 'illegal' });
      tx.afterCommit(() => reconcilers.wake('storage-content'));
    },
  };
}

async function fillDisk(services: StorageServices, diskId: string, source: ImageSource, { signal, progress }: CarriedWork): Promise<void> {
  const { disk, backend } = locate(services, diskId);
  const { imageTool, space, domains, database } = services;
  try {
    const { requiredBytes } = await imageTool.measure(source, 'qcow2', signal);
    const room = await space.look(domains.require(disk.domainId));
    await backend.deleteVolume({ imageId: disk.id, volumeId: disk.volumeId });
    const path = await backend.stageVolume(volumeOf(disk));
    database.write({ actor: 'system', operation: 'ova.import' }, (tx) => space.reserve(tx, room, { id: createRoom(disk.id), bytes: Math.min(requiredBytes, volumeBytes({ ...disk, allocation: 'preallocated' })), path }));
    await imageTool.convert(source, { path, format: toolFormat[disk.format], preallocated: false }, { signal, progress });
    const { virtualSizeBytes } = await imageTool.info(path, toolFormat[disk.format], signal);
    if (virtualSizeBytes !== disk.sizeBytes) throw new Problem('invalid-input', 'The file has changed meanwhile. Import it again.');
    await backend.commitVolume(volumeOf(disk));
  } catch (error) {
    throw toImageProblem('The disk could not be read from the file', error);
  }
}
