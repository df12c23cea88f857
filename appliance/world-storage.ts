/** The part of the World that makes, reads and merges the files of disks. Slices see it through `world.ts`. */
export type ImageFormat = 'raw' | 'qcow2' | 'vmdk' | 'vhdx' | 'vdi';

export interface ImageInfo {
  format: ImageFormat;
  virtualSizeBytes: number;
  /** Bytes that the file occupies on its file system. */
  actualSizeBytes: number;
  /** What the header names, as it stands there; absent if none. */
  backingFile?: string;
  dataFile?: string;
  isEncrypted: boolean;
}

/** An image and what lies below it where it is a layer. Chains are always told, never read from headers: a guest can write headers. */
export interface ImageSource {
  path: string;
  format: ImageFormat;
  below?: ImageSource;
  /** Where it lies within the file, in whole sectors; else it is the file. */
  part?: ImagePart;
}

export interface ImagePart {
  offsetBytes: number;
  sizeBytes: number;
}

/** How a layer's header calls what lies below: for programs that know no more than the files. */
export interface BelowName {
  name: string;
  format: 'raw' | 'qcow2';
}

export interface Progress {
  /** 0 to 1. */
  (fraction: number): void;
}

/** qemu-img, always with an explicit format, under resource limits and a deadline; never probing. */
export interface ImageTool {
  create(path: string, options: { format: 'raw' | 'qcow2'; sizeBytes: number; preallocated: boolean; signal: AbortSignal }): Promise<void>;
  info(path: string, format: ImageFormat, signal: AbortSignal, part?: ImagePart): Promise<ImageInfo>;
  /** Grows an image; `preallocated` also takes the room that it gains. Rejects a smaller size. */
  resize(path: string, options: { format: 'raw' | 'qcow2'; sizeBytes: number; preallocated: boolean; signal: AbortSignal }): Promise<void>;
  /** A chain becomes one image. A vmdk is a compressed one that is written from its beginning to its end (streamOptimized); a `isPacked` qcow2 is compressed, too. */
  convert(from: ImageSource, to: { path: string; format: 'raw' | 'qcow2' | 'vmdk'; preallocated: boolean; isPacked?: boolean }, options: { signal: AbortSignal; progress: Progress }): Promise<void>;
  /** An empty qcow2 layer: what it does not hold itself shows through from below. */
  createLayer(path: string, options: { sizeBytes: number; below: BelowName; signal: AbortSignal }): Promise<void>;
  /** Writes what the topmost layer holds into the one below it. May be repeated; on the way, and afterwards, `top` shows what it showed before. */
  commit(top: ImageSource, options: { signal: AbortSignal; progress: Progress }): Promise<void>;
  /** Only names in a qcow2 header what lies below; the content stays as it is. */
  nameBelow(path: string, below: BelowName, signal: AbortSignal): Promise<void>;
  /** Bytes that a conversion into `to` would occupy at most (qemu-img measure). */
  measure(from: ImageSource, to: 'raw' | 'qcow2', signal: AbortSignal): Promise<{ requiredBytes: number; fullyAllocatedBytes: number }>;
  /** Consistency of a qcow2 file; `leaks` is harmless waste. A raw file has nothing to check. */
  check(path: string, format: 'raw' | 'qcow2', signal: AbortSignal): Promise<{ corruptions: number; leaks: number }>;
}

/** Takes out of a system on disks what makes it that one machine: keys, ids, leases, logs. */
export interface Generaliser {
  /** Whether this machine has what it takes. */
  isInstalled(): boolean;
  /** All disks of one system, which are changed in place. Cut short it leaves them as nobody should use them. */
  generalise(images: { path: string; format: 'raw' | 'qcow2' }[], options: { accelerator: 'kvm' | 'tcg'; signal: AbortSignal; progress: Progress }): Promise<void>;
}

/** By name; at the top of the volume. */
export type SeedFiles = Record<string, string>;

/** Small volumes that tell a guest about itself. */
export interface SeedTool {
  /** A file with a file system of 1 MiB that any guest reads; readable by its owner only. Replaces the one that is there, whole or not at all. */
  write(path: string, seed: { label: string; files: SeedFiles; signal: AbortSignal }): Promise<void>;
}

export interface DiskSpace {
  /** The file system that holds `path`: its size and what an unprivileged writer may still use. */
  capacity(path: string): Promise<{ totalBytes: number; freeBytes: number }>;
}
