/**
 * Installing an update: get the bundle (from an address or a stick; an upload is here), see who made it, unpack it under its sums, write the other slot.
 *
 *   update.install   fetch (unless it is here) -> check -> unpack to `staged` -> write the slot -> note what it is
 *
 * Nothing of a bundle reaches a slot before all of it is verified, and a slot that is written is not startable: that is the switch's
 * last step. So a cut or a failure anywhere leaves the machine as it was, but for what the other slot held.
 */
import { rmSync } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { exclusive } from '../core/locks.ts';
import { Problem } from '../core/problem.ts';
import { ToolError } from '../core/run.ts';
import { type AnyTask, defineTask, type StepContext } from '../core/task.ts';
import { formatBytes, GiB, MiB } from '../core/units.ts';
import { syncPath } from '../core/atomic-file.ts';
import { type Bundle, openBundle, unpack } from './bundle.ts';
import { type Manifest, manifestFault } from './manifest.ts';
import { dropReleases, incomingPath, keepRelease, makeIncoming, readRelease } from './record.ts';
import type { UpdateServices } from './services.ts';
import { copyFromStick } from './sticks.ts';

const hour = 3_600_000;
export const mostBundleBytes = 4 * GiB;
/** Room that stays free beside what is unpacked: the database and the guests go on. */
const spareBytes = 256 * MiB;

const installInput = z.object({
  /** Its name in `incoming`. */
  bundle: z.string(),
  url: z.string().nullable(),
  /** It is copied from a stick: the file there, and the version that it was offered as. */
  stick: z.object({ file: z.string(), version: z.string() }).nullable().default(null),
  allowOlder: z.boolean(),
});
export type InstallTaskInput = z.output<typeof installInput>;

interface Memory {
  version: string;
}

type Context = StepContext<InstallTaskInput, Memory>;

/** Installs and switches come one after the other. */
export const slotLock = exclusive('update', 'slots');

export function installTask(services: UpdateServices): AnyTask {
  const { world, statePath, journal, host } = services;
  return defineTask<InstallTaskInput, Memory>({
    kind: 'update.install', input: installInput, canCancel: true,
    locks: () => [slotLock],
    steps: [
      { name: 'Get the update', timeoutMs: 48 * hour, do: (context) => getBundle(services, context) },
      { name: 'See who made it', do: async ({ input }) => ({ version: (await checkBundle(services, input)).manifest.version }) },
      {
        name: 'Verify and unpack it', timeoutMs: hour,
        do: (context) => stage(services, context),
        undo: async () => rm(world.slots.stagingPath, { recursive: true, force: true }),
      },
      { name: 'Write the other slot', timeoutMs: hour, do: (context) => writeSlot(services, context) },
      { name: 'Note what it is', do: (context) => note(services, context) },
    ],
    finished(tx, { input, state, memory }) {
      tx.afterCommit(() => rmSync(incomingPath(statePath, input.bundle), { force: true }));
      journal.observed(tx, { kind: 'update', id: host.id, what: 'updated' });
      if (state === 'done') services.activity.event(tx, { severity: 'info', code: 'update.installed', message: `Version ${memory.version} is installed. Switch to it when a restart suits.`, about: [] });
    },
  });
}

async function getBundle(services: UpdateServices, { input, signal, progress }: Context): Promise<void> {
  const { world, statePath } = services;
  if (input.url === null && input.stick === null) return;
  makeIncoming(statePath);
  if (input.stick) await copyFromStick(services, { file: input.stick.file, path: incomingPath(statePath, input.bundle), signal, progress });
  if (input.url === null) return;
  await world.downloads.fetch({
    url: input.url, path: incomingPath(statePath, input.bundle), limitBytes: mostBundleBytes, signal, isVerifiedLater: true,
    progress: (received, total) => progress(total ? received / total : 0, total ? `${formatBytes(received)} of ${formatBytes(total)}` : formatBytes(received)),
  });
}

async function checkBundle(services: UpdateServices, input: InstallTaskInput): Promise<Bundle> {
  const bundle = await openBundle(incomingPath(services.statePath, input.bundle), services.keys());
  const fault = manifestFault(bundle.manifest, await services.world.slots.facts(), input.allowOlder);
  if (fault) throw new Problem(fault.type, fault.detail);
  const wanted = input.stick?.version ?? bundle.manifest.version;
  if (wanted !== bundle.manifest.version) throw new Problem('wrong-state', `The stick holds version ${bundle.manifest.version} now, not ${wanted}. Take the other stick out, or choose again.`);
  return bundle;
}

async function requireRoom({ world, statePath }: UpdateServices, { parts }: Manifest): Promise<void> {
  const neededBytes = parts.kernel.sizeBytes + parts.root.sizeBytes + spareBytes;
  const { freeBytes } = await world.disk.capacity(statePath);
  if (freeBytes >= neededBytes) return;
  throw new Problem('insufficient-storage', `Unpacking this update needs ${formatBytes(neededBytes)}, but only ${formatBytes(freeBytes)} are free. Delete disks or images that are not needed, then try again.`);
}

export const stagedFiles = (version: string) => ({ root: `bothy_${version}.root.squashfs`, kernel: `bothy_${version}.efi` });

async function stage(services: UpdateServices, { input, signal, progress }: Context): Promise<void> {
  const { stagingPath } = services.world.slots;
  const bundle = await checkBundle(services, input);
  const files = stagedFiles(bundle.manifest.version);
  const unfinished = `${stagingPath}.new`;
  for (const folder of [unfinished, stagingPath]) await rm(folder, { recursive: true, force: true });
  await requireRoom(services, bundle.manifest);
  await mkdir(unfinished, { recursive: true, mode: 0o700 });
  try {
    await unpack(incomingPath(services.statePath, input.bundle), bundle, { root: join(unfinished, files.root), kernel: join(unfinished, files.kernel) }, { signal, progress });
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    throw asFull(error);
  }
  await syncPath(unfinished);
  await rename(unfinished, stagingPath);
  await syncPath(join(stagingPath, '..'));
}

function asFull(error: unknown): unknown {
  if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') return error; // thrown by a write
  return new Problem('insufficient-storage', 'The file system became full while the update was unpacked. Delete disks or images that are not needed, then try again.', { cause: error });
}

/** A slot that already holds the very same build is as good as written; another build under the same version is refused. */
async function writeSlot(services: UpdateServices, { input, signal, progress }: Context): Promise<void> {
  const { world: { slots }, statePath } = services;
  const bundle = await checkBundle(services, input);
  const { version } = bundle.manifest;
  const { slots: now } = await slots.facts();
  const known = await readRelease(statePath, version);
  const isThere = now.some((slot) => slot.version === version);
  if (isThere && known !== undefined && known !== Buffer.from(bundle.manifestBytes).toString('utf8')) {
    throw new Problem('wrong-state', `The other slot holds another build of version ${version}. Two builds must not bear one version: get one with a version of its own.`);
  }
  progress(0.1, `Writing version ${version}`);
  await slots.write(version, signal).catch((error) => {
    throw slotProblem('The other slot could not be written', error);
  });
}

async function note(services: UpdateServices, { input }: Context): Promise<void> {
  const { world: { slots }, statePath } = services;
  const bundle = await checkBundle(services, input);
  const { version } = bundle.manifest;
  await keepRelease(statePath, version, { manifest: bundle.manifestBytes, signatures: bundle.signatureBytes });
  await dropReleases(statePath, new Set([version, ...(await slots.facts()).slots.map((slot) => slot.version)]));
  await rm(join(slots.stagingPath, stagedFiles(version).root), { force: true }); // the kernel stays for the switch
}

/** Whether everything that a switch to `version` needs is there. */
export async function isStaged({ world: { slots } }: Pick<UpdateServices, 'world'>, version: string): Promise<boolean> {
  return stat(join(slots.stagingPath, stagedFiles(version).kernel)).then(() => true, () => false);
}

export function slotProblem(what: string, error: unknown): unknown {
  if (error instanceof Problem) return error;
  const said = error instanceof ToolError ? (error.stderr.trim().split('\n').at(-1) ?? '') : '';
  return new Problem('unavailable', `${what}${said ? `: ${said.slice(0, 300)}` : ''}. The version that runs is untouched. Try again; if it fails again, the disk of this machine may be worn out.`, { cause: error });
}
