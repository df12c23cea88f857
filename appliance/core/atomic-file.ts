/**
 * Files that a power cut leaves either old or new: written under another name, synced, renamed, and the folder synced,
 * because a name is data of its folder. Without the sync a file that was just made can be there after the cut and be empty.
 * Called by the slices that keep files.
 */
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** The name under which `path` is written first; what is found under such a name is garbage. */
export const unfinishedSuffix = '.new';

/** Replaces the file at `path`, or creates it; resolves when a power cut can no longer undo it. Leaves nothing when it fails. */
export async function writeFileAtomically(path: string, content: string | Uint8Array, mode = 0o660): Promise<void> {
  const unfinished = path + unfinishedSuffix;
  const file = await open(unfinished, 'w', mode);
  try {
    await file.writeFile(content).then(() => file.sync()).finally(() => file.close());
    await renameDurably(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true }).catch(() => {}); // what went wrong first is what to tell
    throw error;
  }
}

/** Renames within one file system and syncs the folders of both names. */
export async function renameDurably(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncPath(dirname(to));
  if (dirname(from) !== dirname(to)) await syncPath(dirname(from));
}

/** Brings a file's content, or a folder's names, to the disk. */
export async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
