/**
 * Which disks and files are being downloaded now. A guest that starts would change a disk under its reader, and a deletion
 * would end the download half-way; so both ask here. Lives in memory: no download outlives the service.
 */
import { Problem } from '../core/problem.ts';

export interface Readers {
  /** Counts a reader until the returned function is called. */
  enter(key: string): () => void;
  isReading(key: string): boolean;
  /** Throws `in-use` while `key` is being read. */
  requireNone(key: string, what: string): void;
}

export function createReaders(): Readers {
  const counts = new Map<string, number>();
  const add = (key: string, change: number) => {
    const count = (counts.get(key) ?? 0) + change;
    if (count > 0) counts.set(key, count);
    else counts.delete(key);
  };
  return {
    enter(key) {
      add(key, 1);
      let isIn = true;
      return () => {
        if (isIn) add(key, -1);
        isIn = false;
      };
    },
    isReading: (key) => counts.has(key),
    requireNone(key, what) {
      if (counts.has(key)) throw new Problem('in-use', `${what} is being downloaded. Wait until that has ended.`);
    },
  };
}

export const diskKey = (id: string) => `disk/${id}`;
export const isoKey = (domainId: string, name: string) => `iso/${domainId}/${name}`;
