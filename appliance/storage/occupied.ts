/** How much of the disk a file takes, holes not counted. */
import { lstat } from 'node:fs/promises';

/** Bytes; 0 for a file that does not exist. */
export async function occupiedBytes(path: string): Promise<number> {
  return lstat(path).then((facts) => facts.blocks * 512, (error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return 0;
    throw error;
  });
}
