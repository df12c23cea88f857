/**
 * What crosses from one version to the other: plain files below `<state>/update`, for the other version may not be able to read our
 * database, nor we its.
 *
 *   trial.json           the last switch: from, to, what must be there, how it ended. Written before the switch, ended by the health gate
 *   incoming/            bundles on their way
 *   staged/              what systemd-sysupdate reads: the parts of the version that is to be installed
 *   releases/<version>/  manifest and signatures of what is in the slots
 *
 * Readers take fields that they do not know and live without those that a version before them has not written.
 */
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { syncPath, writeFileAtomically } from '../core/atomic-file.ts';

const named = z.object({ id: z.string(), name: z.string() });

export const ExpectationSchema = z.object({
  domains: z.array(named).default([]),
  vms: z.array(named.extend({ isRequired: z.boolean().default(false) })).default([]),
  nics: z.array(z.object({ name: z.string(), hasAddress: z.boolean().default(false) })).default([]),
});

const Trial = z.object({
  /** The task that switches. */
  task: z.string(),
  from: z.string(),
  to: z.string(),
  /** The start of the kernel in which the boot loader was told; null until then. */
  armedIn: z.string().nullable().default(null),
  at: z.number(),
  actor: z.string().default('system'),
  /** Number of the newest migration of the version that it was switched from. */
  schema: z.number().default(0),
  /** Whoever asked knows that what was changed since the old version last ran may be lost. */
  acceptsLoss: z.boolean().default(false),
  expected: ExpectationSchema,
  outcome: z.object({ result: z.enum(['committed', 'failed']), at: z.number(), reasons: z.array(z.string()).default([]) }).nullable().default(null),
  /** The end was told as an event. */
  isTold: z.boolean().default(false),
});
export type Trial = z.output<typeof Trial>;

export const updateFolder = (statePath: string) => join(statePath, 'update');
/** What systemd-sysupdate's transfers read (image/rootfs/usr/lib/sysupdate.d). */
export const stagingFolder = (statePath: string) => join(updateFolder(statePath), 'staged');
const trialPath = (statePath: string) => join(updateFolder(statePath), 'trial.json');

/** The last switch. A file that cannot be read is as good as none. */
export function readTrial(statePath: string): Trial | undefined {
  try {
    return Trial.safeParse(JSON.parse(readFileSync(trialPath(statePath), 'utf8'))).data;
  } catch {
    return undefined;
  }
}

export async function writeTrial(statePath: string, trial: Trial): Promise<void> {
  await mkdir(updateFolder(statePath), { recursive: true, mode: 0o700 });
  await writeFileAtomically(trialPath(statePath), `${JSON.stringify(trial, null, 2)}\n`, 0o600);
}

export function removeTrial(statePath: string): void {
  rmSync(trialPath(statePath), { force: true });
}

/**
 * Whether a database of a newer version may be put aside at this start: that version was on trial and did not stand it, or whoever
 * went back has accepted it. Asked before the database is opened.
 */
export function mayReturn(statePath: string): boolean {
  const trial = readTrial(statePath);
  return trial !== undefined && (trial.acceptsLoss || trial.outcome?.result !== 'committed');
}

// ------------------------------------------------------------------------------------------------ bundles and releases

export const incomingPath = (statePath: string, id: string) => join(updateFolder(statePath), 'incoming', id);

export function makeIncoming(statePath: string): void {
  mkdirSync(join(updateFolder(statePath), 'incoming'), { recursive: true, mode: 0o700 });
}

/** Deletes what lies in `incoming` beside the files of these names. */
export async function sweepIncoming(statePath: string, kept: ReadonlySet<string>): Promise<void> {
  const folder = join(updateFolder(statePath), 'incoming');
  const names = await readdir(folder).catch(() => []);
  for (const name of names) if (!kept.has(name.replace(/\.etag$/, ''))) await rm(join(folder, name), { force: true });
}

export interface Release {
  manifest: Uint8Array;
  signatures: Uint8Array;
}

const releasePath = (statePath: string, version: string) => join(updateFolder(statePath), 'releases', version);

export async function keepRelease(statePath: string, version: string, { manifest, signatures }: Release): Promise<void> {
  const folder = releasePath(statePath, version);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFileAtomically(join(folder, 'signatures.json'), Buffer.from(signatures).toString('utf8'), 0o600);
  await writeFileAtomically(join(folder, 'manifest.json'), Buffer.from(manifest).toString('utf8'), 0o600);
  await syncPath(join(updateFolder(statePath), 'releases'));
}

/** The manifest of a version that was installed here, as it was signed. */
export function readRelease(statePath: string, version: string): Promise<string | undefined> {
  return readFile(join(releasePath(statePath, version), 'manifest.json'), 'utf8').catch(() => undefined);
}

export async function dropReleases(statePath: string, kept: ReadonlySet<string>): Promise<void> {
  const folder = join(updateFolder(statePath), 'releases');
  const names = await readdir(folder).catch(() => []);
  for (const name of names) if (!kept.has(name)) await rm(join(folder, name), { recursive: true, force: true });
}
