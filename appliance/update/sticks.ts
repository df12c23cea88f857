/**
 * Updates on sticks: whenever something is plugged in or taken out, the beginnings of all bundles at the top of sticks and discs are
 * read, and what is signed by a trusted key is offered. None is installed by itself: a stick may lie in the box for
 * years, or be somebody else's.
 *
 *   plugged in -> listed -> signature of the manifest -> offered      update.install-from-stick -> copied to incoming/ -> as an upload
 */
import { open } from 'node:fs/promises';
import type { Origin } from '../core/db.ts';
import { Problem } from '../core/problem.ts';
import type { Reconciler } from '../core/reconciler.ts';
import { formatBytes } from '../core/units.ts';
import type { CarriedFile, SlotFacts } from '../world.ts';
import { headBytes, readHead } from './bundle.ts';
import { type Manifest, manifestFault } from './manifest.ts';
import type { UpdateServices } from './services.ts';

const origin: Origin = { actor: 'system', operation: 'update.look-at-sticks' };

export interface CarriedUpdate extends CarriedFile {
  /** Absent where the file is none of ours; `fault` says why. */
  manifest?: Manifest;
  fault?: string;
}

export interface StickWatch extends Reconciler {
  updates(): readonly CarriedUpdate[];
}

export function watchSticks(services: UpdateServices): StickWatch {
  const { world: { siteSources, slots } } = services;
  let seen: string | undefined;
  let updates: CarriedUpdate[] = [];
  return {
    name: 'update-sticks', periodMs: 10_000,
    updates: () => updates,
    async run(signal) {
      const fingerprint = await siteSources.fingerprint();
      if (fingerprint === seen) return;
      const files = fingerprint === '' ? [] : await siteSources.listFiles('.bundle', signal);
      const found: CarriedUpdate[] = [];
      for (const file of files) found.push(await look(services, file, signal));
      const facts = await slots.facts();
      seen = fingerprint;
      if (JSON.stringify(found) === JSON.stringify(updates)) return;
      tell(services, found.filter((update) => carriedFault(update, facts, false) === undefined), updates);
      updates = found;
    },
  };
}

async function look({ world: { siteSources }, keys }: UpdateServices, file: CarriedFile, signal: AbortSignal): Promise<CarriedUpdate> {
  try {
    return { ...file, manifest: await readHead(await readBeginning(siteSources, file.name, signal), keys()) };
  } catch (error) {
    if (error instanceof Problem) return { ...file, fault: error.message };
    return { ...file, fault: 'It cannot be read. The stick may be damaged: try another one.' };
  }
}

async function readBeginning(siteSources: UpdateServices['world']['siteSources'], name: string, signal: AbortSignal): Promise<Uint8Array> {
  const opened = await siteSources.openFile(name, signal);
  if (!opened) throw new Error(`${name} has gone`);
  try {
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    for await (const piece of opened.stream) {
      pieces.push(piece);
      bytes += piece.length;
      if (bytes >= headBytes) break;
    }
    return Buffer.concat(pieces).subarray(0, headBytes);
  } finally {
    await opened.close();
  }
}

/** Why it cannot be installed here now. */
export function carriedFault({ manifest, fault }: CarriedUpdate, facts: SlotFacts, allowOlder: boolean): string | undefined {
  if (!manifest) return fault ?? 'It cannot be read.';
  return manifestFault(manifest, facts, allowOlder)?.detail;
}

/** Once for each that was not there before. */
function tell({ database, activity, journal, host }: UpdateServices, fit: readonly CarriedUpdate[], before: readonly CarriedUpdate[]): void {
  const isNew = ({ manifest }: CarriedUpdate) => !before.some((each) => each.manifest?.version === manifest?.version);
  database.write(origin, (tx) => {
    for (const { manifest, source } of fit.filter(isNew)) {
      activity.event(tx, {
        severity: 'info', code: 'update.on-stick', message: `Version ${manifest?.version} lies on ${source}.`, about: [],
        nextStep: 'Install it on the page "Updates", or with: bothy update install. It is not installed by itself.',
      });
    }
    journal.observed(tx, { kind: 'update', id: host.id, what: 'updated' });
  });
}

/** The one of that version. */
export function chooseCarried(updates: readonly CarriedUpdate[], version: string): CarriedUpdate {
  const found = updates.find(({ manifest }) => manifest?.version === version);
  if (found) return found;
  throw new Problem('not-found', `No plugged in stick holds version ${version}. Plug the stick in, wait a few seconds and try again.`);
}

// ------------------------------------------------------------------------------------------------ taking one

export interface Copy {
  /** Its name on the stick. */
  file: string;
  /** Where it goes. */
  path: string;
  signal: AbortSignal;
  progress(fraction: number, text: string): void;
}

/** The whole file, on the disk for sure. What was copied before is copied anew: nobody knows which stick it was from. */
export async function copyFromStick({ world: { siteSources, disk }, statePath }: UpdateServices, { file, path, signal, progress }: Copy): Promise<void> {
  const opened = await siteSources.openFile(file, signal);
  if (!opened) throw new Problem('unavailable', `The stick with ${file} is not there any more. Plug it in and try again.`);
  try {
    const { freeBytes } = await disk.capacity(statePath);
    if (freeBytes < opened.sizeBytes) throw new Problem('insufficient-storage', `This update has ${formatBytes(opened.sizeBytes)}, but only ${formatBytes(freeBytes)} are free. Delete disks or images that are not needed, then try again.`);
    const target = await open(path, 'w', 0o600);
    try {
      let done = 0;
      for await (const piece of opened.stream) {
        signal.throwIfAborted();
        await target.writeFile(piece);
        done += piece.length;
        progress(done / opened.sizeBytes, `${formatBytes(done)} of ${formatBytes(opened.sizeBytes)}`);
      }
      await target.datasync();
    } finally {
      await target.close();
    }
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof Problem ? error : copyProblem(error, file);
  } finally {
    await opened.close();
  }
}

function copyProblem(error: unknown, file: string): Problem {
  if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return new Problem('insufficient-storage', 'The file system became full while the update was copied. Delete disks or images that are not needed, then try again.', { cause: error }); // thrown by a write
  return new Problem('unavailable', `${file} could not be read from its stick to the end. Plug the stick in again, or try another one.`, { cause: error });
}
