/** How full a file system is, as the World's `disk`: what `df` shows, for an unprivileged writer. */
import { statfs } from 'node:fs/promises';
import { systemClock } from '../core/clock.ts';
import type { DiskSpace } from '../world.ts';

/** A file system that does not answer within this is as good as gone (a dead NFS server answers never). */
const timeoutMs = 10_000;

export function createDiskSpace(): DiskSpace {
  return {
    async capacity(path) {
      const answered = new AbortController();
      const tooLate = systemClock.sleep(timeoutMs, answered.signal).then(() => {
        throw new Error(`the file system of ${path} does not answer`);
      });
      tooLate.catch(() => {});
      try {
        const facts = await Promise.race([statfs(path), tooLate]);
        return { totalBytes: facts.blocks * facts.bsize, freeBytes: facts.bavail * facts.bsize };
      } finally {
        answered.abort();
      }
    },
  };
}
