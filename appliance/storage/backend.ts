/**
 * What a storage domain can do, whatever it is made of: files in a folder now (`file-domain.ts`), logical volumes later.
 *
 * An image is a chain of volumes. A volume is made in three moves, each of which may be repeated: `stageVolume` makes
 * its place, illegal; the image tool fills the path; `commitVolume` brings the data to the disk and then says that it is
 * legal. So a power cut leaves at worst an illegal volume, which nothing starts from and which is deleted. New content
 * for a disk is always a new volume: old and new never share a file.
 *
 * Called by the slice's tasks and reconcilers; knows no database and no policy.
 */
import type { Volume } from './volume-metadata.ts';

/** Why a domain cannot be used, for the person who looks after it. */
export class DomainFault extends Error {
  override readonly name = 'DomainFault';
}

export interface VolumeRef {
  imageId: string;
  volumeId: string;
}

export interface StorageDomain {
  readonly id: string;
  /** Rejects with a DomainFault unless the metadata is readable and sound and the place writable. */
  verify(): Promise<void>;
  capacity(): Promise<{ totalBytes: number; freeBytes: number }>;
  /** Deletes what a power cut has left half-made or half-deleted. Call it once, before anything else uses the domain. */
  sweep(): Promise<void>;
}

export interface ImageDomain extends StorageDomain {
  /** What QEMU opens. */
  volumePath(ref: VolumeRef): string;
  /** Ids of all images. */
  images(): Promise<string[]>;
  /** All volumes of an image, also illegal ones; one whose metadata cannot be read is left out. */
  volumes(imageId: string): Promise<Volume[]>;
  /** Makes room and metadata for a volume that is not legal yet; resolves to its path. */
  stageVolume(volume: Volume): Promise<string>;
  /** The volume is complete: syncs its data, then writes its metadata as legal. Nobody may write to a shared one. */
  commitVolume(volume: Volume): Promise<void>;
  /** Shows a shared volume in the place of another image, too, at whose bottom it is to lie. May be repeated. */
  shareVolume(ref: VolumeRef, imageId: string): Promise<void>;
  /** Writes metadata of a volume that exists. */
  writeMetadata(volume: Volume): Promise<void>;
  /** Bytes that the volume occupies. */
  occupiedBytes(ref: VolumeRef): Promise<number>;
  deleteVolume(ref: VolumeRef): Promise<void>;
  deleteImage(imageId: string): Promise<void>;
}

/** A domain of plain files by name: ISO images. */
export interface FileDomain extends StorageDomain {
  filePath(name: string): string;
  files(): Promise<{ name: string; sizeBytes: number; modifiedAt: number }[]>;
  /** Where an upload grows until `publish` gives it its name, replacing what had it. */
  uploadPath(uploadId: string): string;
  publish(uploadId: string, name: string): Promise<void>;
  deleteFile(name: string): Promise<void>;
  deleteUpload(uploadId: string): Promise<void>;
}
