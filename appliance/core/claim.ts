/**
 * One service for each state folder. Two would drive the same tasks on at once and take away each other's local socket.
 *
 * The claim is SQLite's exclusive lock on a file of its own: the kernel ends it with the process, however that dies.
 * Called by `main.ts` before anything is opened or begun.
 */
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';

/** Long enough for a service that is about to end. */
const patienceMs = 2_000;

/** Claims the folder until the returned function is called. Throws while another process has it. */
export function claimState(statePath: string): () => void {
  mkdirSync(statePath, { recursive: true });
  const file = join(statePath, 'claim');
  closeSync(openSync(file, 'a', 0o600)); // whoever can read it could hold the lock
  const held = new Sqlite(file, { timeout: patienceMs });
  try {
    held.pragma('journal_mode = memory'); // nothing is ever written
    held.exec('begin exclusive');
  } catch (error) {
    held.close();
    throw new Error(`Another Bothy is running on ${statePath}. Stop that one first, or set BOTHY_STATE to a folder of its own.`, { cause: error });
  }
  return () => held.close();
}
