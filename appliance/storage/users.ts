/**
 * Who uses disks and ISO files. Slices to the right (VMs) register here, so that what is used is not deleted or overwritten;
 * nothing of them is imported.
 */
import type { Actor } from '../core/operation.ts';
import { Problem } from '../core/problem.ts';

export interface Use {
  kind: string;
  id: string;
  name: string;
  /** It has the thing open now. A user that cannot tell counts as active. */
  isActive?: boolean;
}

/** Uses of a disk, by its id, or of an ISO file, by its name. */
export type FindUses = (kind: 'disk' | 'iso', idOrName: string) => Use[];

/** Grows a disk inside the running guest that has it open; resolves to false if none has. May be repeated. */
export type GrowLive = (diskId: string, sizeBytes: number, signal: AbortSignal) => Promise<boolean>;

/** Two layers of a disk, the upper of which goes into the lower, as paths. */
export interface LiveMerge {
  from: string;
  into: string;
  signal: AbortSignal;
  progress(fraction: number): void;
  /** Writes down that `into` has taken the place of `from`. Once the guest writes to `into`, it must not run on before this. */
  settle(): Promise<void>;
}

/** Merges layers inside the running guest that has them open, and settles that; resolves to false if none has. May be repeated at any point. */
export type MergeLive = (diskId: string, merge: LiveMerge) => Promise<boolean>;

export interface StorageUsers {
  registerUsage(find: FindUses): void;
  registerGrowth(grow: GrowLive): void;
  registerMerge(merge: MergeLive): void;
  find: FindUses;
  growLive: GrowLive;
  mergeLive: MergeLive;
}

export function createUsers(): StorageUsers {
  const finders: FindUses[] = [];
  const growers: GrowLive[] = [];
  const mergers: MergeLive[] = [];
  return {
    registerUsage: (find) => void finders.push(find),
    registerGrowth: (grow) => void growers.push(grow),
    registerMerge: (merge) => void mergers.push(merge),
    async mergeLive(diskId, merge) {
      for (const live of mergers) if (await live(diskId, merge)) return true;
      return false;
    },
    find: (kind, idOrName) => finders.flatMap((find) => find(kind, idOrName)),
    async growLive(diskId, sizeBytes, signal) {
      for (const grow of growers) if (await grow(diskId, sizeBytes, signal)) return true;
      return false;
    },
  };
}

/** Throws `in-use` and names who uses `what`. */
export function requireUnused(what: string, uses: Use[], advice: string): void {
  if (uses.length === 0) return;
  throw new Problem('in-use', `${what} is used by ${uses.map(({ kind, name }) => `${kind === 'vm' ? 'the VM' : kind} "${name}"`).join(', ')}. ${advice}`);
}

export const isActive = (use: Use): boolean => use.isActive ?? true;

/** Whether somebody may know of it. */
export const isSeen = ({ reach }: Actor, { kind, id }: Use): boolean => reach.sees(`${kind}.read`, { kind, id });

/** A use as answers show it. */
export const shownUse = ({ kind, id, name }: Use) => ({ kind, id, name });
