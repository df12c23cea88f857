/**
 * Layers as files: making one, merging one away. Every function may be repeated, whatever a power cut has left of it.
 *
 * A merge writes what the upper layer holds into the lower one, which nobody wants as it is; what the upper one shows is the same before,
 * meanwhile and afterwards. Then the headers of what lies above learn the new name, and one commit of the database takes the upper
 * layer out. Its file goes last: what a kill leaves of that is swept at the next start.
 */
import * as z from 'zod';
import { exclusive } from '../core/locks.ts';
import { Problem } from '../core/problem.ts';
import { type AnyTask, defineTask } from '../core/task.ts';
import { MiB } from '../core/units.ts';
import { type DiskRow, toolFormat, volumeOf } from './disks.ts';
import type { CollapseStep } from './layer-rules.ts';
import { deleteVolumes } from './leftovers.ts';
import type { StorageServices } from './services.ts';
import { toProblem } from './tool-problem.ts';

const origin = { actor: 'system', operation: 'disk.merge' };
const hour = 3_600_000;
const mergeRoom = (diskId: string) => `disk.merge/${diskId}`;
/** What a new layer takes before anything is written to it. */
export const layerBytes = MiB;

export type Merge = Extract<CollapseStep, { kind: 'merge' }>;

export interface CollapseOptions {
  signal: AbortSignal;
  progress(fraction: number, message?: string): void;
}

function locate({ disks, domains }: StorageServices, diskId: string) {
  const disk = disks.require(diskId);
  return { disk, backend: domains.images(domains.require(disk.domainId)) };
}

/** An empty layer on `on`, legal, about to become the leaf; resolves to its path. Only to be repeated while nobody has written to it. */
export async function makeLayer(services: StorageServices, diskId: string, { volumeId, on, signal }: { volumeId: string; on: string; signal: AbortSignal }): Promise<string> {
  const { disk, backend } = locate(services, diskId);
  const below = services.layers.volume(disk, on);
  const layer = { ...volumeOf(disk), volumeId, parentId: on, format: 'cow' as const, allocation: 'sparse' as const, sizeBytes: below.sizeBytes };
  try {
    const path = await backend.stageVolume(layer);
    await services.imageTool.createLayer(path, { sizeBytes: below.sizeBytes, below: { name: on, format: toolFormat[below.format] }, signal });
    await backend.commitVolume(layer);
    await backend.writeMetadata({ ...volumeOf(disk), role: 'internal' });
    return path;
  } catch (error) {
    throw toProblem(`A layer for the disk "${disk.name}" could not be made`, error);
  }
}

export async function dropLayer(services: StorageServices, diskId: string, volumeId: string): Promise<void> {
  if (!services.disks.find(diskId)) return;
  const { disk, backend } = locate(services, diskId);
  await backend.deleteVolume({ imageId: diskId, volumeId });
  await backend.writeMetadata(volumeOf(disk));
}

/** Deletes and merges until every layer of the disk is wanted. */
export async function collapse(services: StorageServices, diskId: string, options: CollapseOptions): Promise<void> {
  for (;;) {
    options.signal.throwIfAborted();
    const disk = services.disks.find(diskId);
    const step = disk && services.layers.next(disk);
    if (!disk) return;
    if (!step) return writeChain(services, diskId);
    try {
      if (step.kind === 'delete') await deleteLayer(services, disk, step.layer);
      else await merge(services, disk, step, options);
    } catch (error) {
      throw toProblem(`The layers of the disk "${disk.name}" could not be merged`, error);
    }
  }
}

async function deleteLayer(services: StorageServices, disk: DiskRow, layer: string): Promise<void> {
  await locate(services, disk.id).backend.deleteVolume({ imageId: disk.id, volumeId: layer });
  services.database.write(origin, (tx) => services.layers.remove(tx, layer));
}

async function merge(services: StorageServices, disk: DiskRow, step: Merge, options: CollapseOptions): Promise<void> {
  const { backend } = locate(services, disk.id);
  const path = (volumeId: string) => backend.volumePath({ imageId: disk.id, volumeId });
  await reserve(services, disk, step);
  try {
    const progress = (fraction: number) => options.progress(fraction, disk.name);
    let isSettled = false; // also where its guest ends in the next instant
    const settleLive = async () => {
      await settle(services, disk, step, true);
      isSettled = true;
    };
    const live = { from: path(step.from), into: path(step.into), signal: options.signal, progress, settle: settleLive };
    if (!(await services.users.mergeLive(disk.id, live)) && !isSettled) {
      await mergeFiles(services, disk, step, options);
      await settle(services, disk, step, false);
    }
    await writeChain(services, disk.id);
  } finally {
    services.database.write(origin, (tx) => services.space.release(tx, mergeRoom(disk.id)));
  }
  await deleteVolumes(services, disk, [step.from]);
}

/** From here on the lower layer is what the upper one was. Not to be broken off: a guest may stand still until it is done. */
async function settle(services: StorageServices, disk: DiskRow, step: Merge, isLive: boolean): Promise<void> {
  const { backend } = locate(services, disk.id);
  await nameAnew(services, disk, step, isLive);
  // Synced before anything relies on it.
  await backend.commitVolume({ ...services.layers.volume(disk, step.into), sizeBytes: services.layers.volume(disk, step.from).sizeBytes });
  services.database.write(origin, (tx) => services.layers.merged(tx, services.disks.require(disk.id), step));
}

/** The lower layer takes in at most what the upper one holds, and never more than a whole disk. */
async function reserve(services: StorageServices, disk: DiskRow, { from, into }: Merge): Promise<void> {
  const { backend } = locate(services, disk.id);
  const [upper, lower] = [services.layers.volume(disk, from), services.layers.volume(disk, into)];
  const occupied = await Promise.all([upper, lower].map((volume) => backend.occupiedBytes(volume)));
  const leftBytes = Math.max(0, upper.sizeBytes - (occupied[1] ?? 0)) + layerBytes;
  const room = await services.space.look(services.domains.require(disk.domainId));
  services.database.write(origin, (tx) => services.space.reserve(tx, room, { id: mergeRoom(disk.id), bytes: Math.min(occupied[0] ?? 0, leftBytes), path: '' }));
}

/** A disk may have been enlarged since the lower layer was frozen. */
async function growLower(services: StorageServices, disk: DiskRow, { from, into }: Pick<Merge, 'from' | 'into'>, signal: AbortSignal): Promise<void> {
  const { backend } = locate(services, disk.id);
  const [upper, lower] = [services.layers.volume(disk, from), services.layers.volume(disk, into)];
  if (lower.sizeBytes >= upper.sizeBytes) return;
  const [path, format] = [backend.volumePath(lower), toolFormat[lower.format]];
  const { virtualSizeBytes } = await services.imageTool.info(path, format, signal);
  if (virtualSizeBytes < upper.sizeBytes) await services.imageTool.resize(path, { format, sizeBytes: upper.sizeBytes, preallocated: lower.allocation === 'preallocated', signal });
}

async function mergeFiles(services: StorageServices, disk: DiskRow, { from, into }: Merge, { signal, progress }: CollapseOptions): Promise<void> {
  const { backend } = locate(services, disk.id);
  await growLower(services, disk, { from, into }, signal);
  await services.imageTool.commit(services.layers.source(disk, backend, from), { signal, progress: (fraction) => progress(fraction, disk.name) });
}

/** A running guest's QEMU has renamed what it has open itself. */
async function nameAnew(services: StorageServices, disk: DiskRow, { into, above }: Merge, isLive: boolean): Promise<void> {
  const { backend } = locate(services, disk.id);
  const { signal } = new AbortController();
  const lower = services.layers.volume(disk, into);
  const open = new Set(isLive ? openIn(services, disk) : []);
  for (const id of above.filter((each) => !open.has(each))) {
    await services.imageTool.nameBelow(backend.volumePath({ imageId: disk.id, volumeId: id }), { name: into, format: toolFormat[lower.format] }, signal);
  }
}

function openIn({ layers }: StorageServices, disk: DiskRow): string[] {
  const parents = new Map(layers.volumes(disk).map(({ volumeId, parentId }) => [volumeId, parentId]));
  const chain: string[] = [];
  for (let id: string | undefined = disk.volumeId; id !== undefined; id = parents.get(id)) chain.push(id);
  return chain;
}

/** The volumes' metadata as the database has them. Whoever calls it holds the image, or it would write beside a deletion. */
async function writeChain(services: StorageServices, diskId: string): Promise<void> {
  if (!services.disks.find(diskId)) return;
  const { disk, backend } = locate(services, diskId);
  const written = new Map((await backend.volumes(diskId)).map((volume) => [volume.volumeId, volume]));
  for (const volume of services.layers.volumes(disk)) {
    const found = written.get(volume.volumeId);
    const isSame = found && found.parentId === volume.parentId && found.role === volume.role && found.sizeBytes === volume.sizeBytes;
    if (found && !isSame) await backend.writeMetadata(volume);
  }
}

const collapseInput = z.object({ disk: z.uuid() });

/** Clears up what nobody wants any more of a disk that no guest has open. */
export function collapseTask(services: StorageServices): AnyTask {
  return defineTask<z.output<typeof collapseInput>>({
    kind: 'disk.merge', input: collapseInput, canCancel: true,
    locks: ({ disk }) => [exclusive('image', disk)],
    steps: [{
      name: 'Merge the layers that are not needed', timeoutMs: 12 * hour,
      do: ({ input, signal, progress }) => collapse(services, input.disk, { signal, progress }),
    }],
    finished(tx, { state, input, problem }) {
      const disk = services.disks.find(input.disk);
      if (!disk) return;
      if (disk.state === 'locked') services.disks.update(tx, disk, { state: 'ok' });
      if (state === 'failed') services.activity.event(tx, {
        severity: 'warning', code: 'disk.not-merged', message: `Layers of the disk "${disk.name}" that nobody needs are still there: ${problem?.detail ?? state}`,
        nextStep: 'They go when a snapshot of it is deleted next. Until then they take room and nothing else.', about: [{ kind: 'disk', id: disk.id, name: disk.name }],
      });
    },
  });
}

/** Throws `in-use` while a disk has layers: for what would replace its content. */
export function requireNoLayers({ layers }: StorageServices, disk: DiskRow): void {
  if (disk.baseDiskId !== null) throw new Problem('in-use', `The disk "${disk.name}" lies on the image of a template and holds only what differs from that. Use another disk.`);
  if (layers.of(disk.id).length > 0) throw new Problem('in-use', `The disk "${disk.name}" has snapshots, which lie on its present content. Delete them first, or use another disk.`);
}
