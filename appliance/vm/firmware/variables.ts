/**
 * UEFI variables: what a guest's firmware remembers, such as what to start from and whom to trust.
 *
 * While a VM has its own they lie in its folder, where QEMU writes them. What snapshots, previews and templates keep of them, and what a VM is to have
 * from its next start on, lies in the database: so it changes in the same commit as the layers of disks, and a kill finds both as before or both as after.
 *
 *   vm/<id>          what that VM has from its next start on: then written to its folder, and forgotten here once that is on the disk
 *   snapshot/<id>, preview/<vm>, template/<id>   kept in that name
 *
 * TPMs are left out on purpose: a copy of one would be a copy of its secrets, and one that goes back would let go of keys that a guest has made since.
 */
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { eq } from 'drizzle-orm';
import { syncPath, writeFileAtomically } from '../../core/atomic-file.ts';
import type { Tx } from '../../core/db.ts';
import type { Core } from '../../core/services.ts';
import { foldersOf } from '../definition/guest.ts';
import { observerOrigin } from '../observe/facts.ts';
import { vmVariablesTable } from '../table.ts';

/** Deflated: nearly all of such a file is empty. Null for a file that is not there, which firmware makes anew. */
interface Variables {
  plain: Buffer | null;
  /** Of firmware with secure boot, which has a file of its own. */
  secure: Buffer | null;
}

export const holderOfVm = (vmId: string) => `vm/${vmId}`;
export const holderOfTemplate = (templateId: string) => `template/${templateId}`;

export type FirmwareVariables = ReturnType<typeof createVariables>;

export function createVariables({ database, statePath }: Pick<Core, 'database' | 'statePath'>) {
  const read = (holder: string) => database.sql.select().from(vmVariablesTable).where(eq(vmVariablesTable.holder, holder)).get();
  const put = (tx: Tx, holder: string, { plain, secure }: Variables) => {
    tx.sql.insert(vmVariablesTable).values({ holder, plain, secure }).onConflictDoUpdate({ target: vmVariablesTable.holder, set: { plain, secure } }).run();
  };
  const drop = (tx: Tx, holder: string) => void tx.sql.delete(vmVariablesTable).where(eq(vmVariablesTable.holder, holder)).run();
  const copy = (tx: Tx, from: string, to: string) => {
    const kept = read(from);
    if (kept) put(tx, to, kept);
  };

  return {
    drop,
    /** What that VM has now, running or not, is kept in a name. */
    keep(tx: Tx, holder: string, vmId: string): void {
      put(tx, holder, read(holderOfVm(vmId)) ?? onDisk(statePath, vmId));
    },
    /** Does nothing where nothing is kept: a snapshot of before they were part of it leaves them as they are. */
    copy,
    move(tx: Tx, from: string, to: string): void {
      copy(tx, from, to);
      drop(tx, from);
    },
    /** As firmware makes them that has never run. */
    forget: (tx: Tx, vmId: string) => put(tx, holderOfVm(vmId), { plain: null, secure: null }),
    /** Before its QEMU starts: what the VM is to have lies where QEMU looks for it. May be repeated, for until it is forgotten here no QEMU has written there. */
    async settle(vmId: string): Promise<void> {
      const due = read(holderOfVm(vmId));
      if (!due) return;
      const { kept, nvram, secureNvram } = foldersOf(statePath, vmId);
      for (const [path, content] of [[nvram, due.plain], [secureNvram, due.secure]] as const) {
        if (content) await writeFileAtomically(path, inflateRawSync(content), 0o600);
        else await rm(path, { force: true });
      }
      await syncPath(kept);
      database.write(observerOrigin, (tx) => drop(tx, holderOfVm(vmId)));
    },
  };
}

function onDisk(statePath: string, vmId: string): Variables {
  const { nvram, secureNvram } = foldersOf(statePath, vmId);
  return { plain: readWhole(nvram), secure: readWhole(secureNvram) };
}

const mostReads = 5;

/**
 * Firmware of a guest that runs may be writing: two reads that agree have met no write. Where none do, the last one is what a power cut might leave, which firmware
 * is made for: it writes down what it is about to change.
 */
function readWhole(path: string): Buffer | null {
  let [before, now] = [undefined as Buffer | undefined, readIfThere(path)];
  for (let reads = 1; now && !(before?.equals(now) ?? false) && reads < mostReads; reads++) [before, now] = [now, readIfThere(path)];
  return now ? deflateRawSync(now, { level: 1 }) : null;
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
