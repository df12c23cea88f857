/** Files and folders of a storage domain as they really lie there: what is missing is told from what cannot be read, and no link is followed. */
import type { Dirent } from 'node:fs';
import { lstat, open, readdir } from 'node:fs/promises';
import { DomainFault } from './backend.ts';

/** A sparse file of this size, unless it is there. */
export async function makeFile(path: string, { mode, sizeBytes = 0 }: { mode: number; sizeBytes?: number }): Promise<void> {
  const file = await open(path, 'a', mode);
  try {
    await file.chmod(mode);
    if (sizeBytes > 0) await file.truncate(sizeBytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Entries of a folder; none when there is no such folder. */
export async function readFolder(path: string): Promise<Dirent[]> {
  return (await readdir(path, { withFileTypes: true }).catch(unlessGone)) ?? [];
}

/** What others delete while a folder is read was never seen. */
export function unlessGone(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

export async function requireFolder(path: string): Promise<void> {
  if (!(await hasFolder(path))) throw new DomainFault(`${path} is missing. Check that its disk is there and mounted.`);
}

/** A link to a folder is not one: following it would leave the domain. */
export async function hasFolder(path: string): Promise<boolean> {
  if (!(await exists(path))) return false;
  if (!(await lstat(path)).isDirectory()) throw new DomainFault(`${path} is not a folder. Check what was put there.`);
  return true;
}

export async function exists(path: string): Promise<boolean> {
  return lstat(path).then(() => true, (error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return false;
    throw error;
  });
}
