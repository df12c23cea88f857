/** What this slice needs of the slices to its left, as small as it is used; `app.ts` passes the slices themselves. */
import type { NewEvent } from '../activity/events.ts';
import type { Tx } from '../core/db.ts';


export interface DiskRow {
  id: string;
  name: string;
  sizeBytes: number;
  format: 'raw' | 'cow';
  allocation: 'sparse' | 'preallocated';
  /** Only an `ok` disk can be used; `creating` becomes `ok` when its task has ended. */
  state: string;
}

export interface NewDiskSpec {
  name: string;
  sizeBytes: number;
  format?: 'raw' | 'cow' | undefined;
  allocation?: 'sparse' | 'preallocated' | undefined;
  domain?: string | undefined;
}

export interface StoragePort {
  /** By id or name; throws `not-found`. */
  requireDisk(ref: string): DiskRow;
  findDisk(ref: string): DiskRow | undefined;
  /** Many at once; unknown ids are left out. */
  disks(ids: string[]): DiskRow[];
  /** What QEMU opens. Throws a Problem when the disk is not usable. */
  diskVolume(id: string): { path: string; format: 'raw' | 'qcow2' };
  /** Row and task in the caller's transaction; the task starts after the commit and locks the image. */
  createDisk(tx: Tx, spec: NewDiskSpec): DiskRow;
  /** Starts the task that deletes it. */
  deleteDisk(tx: Tx, id: string): void;
  /** Path of an ISO image; throws `not-found`. */
  isoPath(name: string): string;
  /** Whether the place of that disk has room enough to go on writing. */
  hasRoom(diskId: string): Promise<boolean>;
  /** Registers who can say what uses a disk (by id) or an ISO image (by name). */
  registerUsage(find: (kind: 'disk' | 'iso', idOrName: string) => { kind: string; id: string; name: string }[]): void;
}

export interface NetworkSource {
  name: string;
  kind: 'nat' | 'bridge';
  /** Name of the bridge on this host. */
  bridge: string;
}

export interface NetworkPort {
  /** By name; throws `not-found` or why it cannot be used. */
  requireNetwork(name: string): NetworkSource | Promise<NetworkSource>;
  /** An address that no vNIC has. */
  allocateMac(tx: Tx): string;
  /** Brings the network up if it is ours to bring up. */
  ensureNetwork(name: string): Promise<void>;
}

export interface ActivityPort {
  event(tx: Tx, event: NewEvent): void;
  settle(tx: Tx, code: string, ids: string[]): void;
}

export interface HostPort {
  /** `kvm` where the host can, else `tcg`. */
  accelerator(): Promise<'kvm' | 'tcg'> | 'kvm' | 'tcg';
}
