/**
 * The content of a disk as a download. In the disk's own format it is read where it lies; in the other one, or where it lies in layers, a
 * copy is converted first (`disk.export`) and kept for an hour after its last use, so that the download can be resumed.
 *
 * A disk that a running guest writes is refused: what it holds at one moment is not what it holds at the next.
 */
import { stat } from 'node:fs/promises';
import { and, eq } from 'drizzle-orm';
import * as z from 'zod';
import { shared } from '../core/locks.ts';
import { newId } from '../core/id.ts';
import type { Call } from '../core/operation.ts';
import { Problem, type ProblemJson } from '../core/problem.ts';
import { type AnyTask, defineTask } from '../core/task.ts';
import { type DiskRow, toolFormat, volumeOf } from './disks.ts';
import { answerFile } from './download.ts';
import { requireIdle } from './disk-upload.ts';
import { diskKey } from './readers.ts';
import type { StorageServices } from './services.ts';
import { exportTable } from './table.ts';
import { attempt, locate } from './tasks.ts';

type ToolFormat = 'raw' | 'qcow2';

const hour = 3_600_000;
export const exportRoom = (volumeId: string) => `disk.export/${volumeId}`;
const fileEnding: Record<ToolFormat, string> = { raw: 'img', qcow2: 'qcow2' };

export async function downloadDisk(services: StorageServices, call: Call, request: Request, wish: { ref: string; format: ToolFormat | undefined }): Promise<Response> {
  const disk = services.disks.requireFor('download', wish.ref);
  const backend = services.domains.images(services.domains.require(disk.domainId));
  requireIdle(services, disk);
  const own = toolFormat[disk.format];
  const format = wish.format ?? own;
  const leave = services.readers.enter(diskKey(disk.id));
  try {
    const modifiedAt = await modificationOf(backend.volumePath(volumeOf(disk)));
    const volumeId = format === own && disk.parentId === null ? disk.volumeId : await ensureExport(services, call, { disk, format, modifiedAt });
    const path = backend.volumePath({ imageId: disk.id, volumeId });
    const etag = `"${disk.volumeId}-${modifiedAt}-${format}"`;
    return await answerFile(request, { path, fileName: `${disk.name}.${fileEnding[format]}`, etag, onEnd: leave });
  } catch (error) {
    leave();
    throw error;
  }
}

async function modificationOf(path: string): Promise<number> {
  return Math.floor((await attempt('The disk cannot be read', () => stat(path))).mtimeMs);
}

interface Wanted {
  disk: DiskRow;
  format: ToolFormat;
  modifiedAt: number;
}

/** Id of a volume that holds the disk's present content in that format; makes it if there is none. */
async function ensureExport(services: StorageServices, call: Call, { disk, format, modifiedAt }: Wanted): Promise<string> {
  const { database, tasks, clock } = services;
  const isWanted = and(eq(exportTable.diskId, disk.id), eq(exportTable.sourceVolumeId, disk.volumeId), eq(exportTable.sourceModifiedAt, modifiedAt), eq(exportTable.format, format));
  const known = database.sql.select().from(exportTable).where(isWanted).get();
  const origin = { actor: call.actor.name, operation: 'disk.download', requestId: call.requestId };
  if (known?.state === 'ok') {
    database.write(origin, (tx) => tx.sql.update(exportTable).set({ usedAt: clock.now() }).where(eq(exportTable.volumeId, known.volumeId)).run());
    return known.volumeId;
  }
  const running = known && tasks.list({ limit: 10, isActive: true, about: disk.id }).find(({ kind, input }) => kind === 'disk.export' && exportInput.safeParse(input).data?.volume === known.volumeId);
  const task = running?.id ?? (await startExport(services, origin, { disk, format, modifiedAt }));
  const row = await tasks.ended(task, call.signal);
  if (row.state === 'done') return exportInput.parse(row.input).volume;
  const { type = 'internal', detail = 'The conversion was cancelled.' } = (row.problem ?? {}) as Partial<ProblemJson>; // written by the task engine
  throw new Problem(type, detail);
}

async function startExport(services: StorageServices, origin: { actor: string; operation: string; requestId: string }, { disk, format, modifiedAt }: Wanted): Promise<string> {
  const { domains, imageTool, space, database, tasks, clock } = services;
  const domain = domains.require(disk.domainId);
  const backend = domains.images(domain);
  const source = services.layers.source(disk, backend);
  const { requiredBytes } = await attempt('The disk cannot be read', () => imageTool.measure(source, 'qcow2', AbortSignal.timeout(hour)));
  const room = await space.look(domain);
  return database.write(origin, (tx) => {
    const volumeId = newId<'volume'>();
    space.reserve(tx, room, { id: exportRoom(volumeId), bytes: requiredBytes, path: backend.volumePath({ imageId: disk.id, volumeId }) });
    tx.sql.insert(exportTable).values({ volumeId, diskId: disk.id, sourceVolumeId: disk.volumeId, sourceModifiedAt: modifiedAt, format, state: 'making', usedAt: clock.now() }).run();
    return tasks.start(tx, 'disk.export', { disk: disk.id, volume: volumeId, format }, [{ kind: 'disk', id: disk.id, name: disk.name }]);
  });
}

const exportInput = z.object({ disk: z.uuid(), volume: z.uuid(), format: z.enum(['raw', 'qcow2']) });

export function exportTask(services: StorageServices): AnyTask {
  return defineTask<z.output<typeof exportInput>>({
    kind: 'disk.export', input: exportInput, canCancel: true,
    locks: ({ disk }) => [shared('image', disk)],
    steps: [{
      name: 'Convert a copy', timeoutMs: 12 * hour,
      async do({ input, signal, progress }) {
        const { disk, backend } = locate(services, input.disk);
        const source = services.layers.source(disk, backend);
        const { parentId: _parent, ...leaf } = volumeOf(disk);
        const copy = { ...leaf, volumeId: input.volume, format: input.format === 'raw' ? ('raw' as const) : ('cow' as const), allocation: 'sparse' as const };
        await attempt('The disk could not be converted', async () => {
          const path = await backend.stageVolume(copy);
          await services.imageTool.convert(source, { path, format: input.format, preallocated: false }, { signal, progress });
        });
      },
      async undo({ input }) {
        const { backend } = locate(services, input.disk);
        await backend.deleteVolume({ imageId: input.disk, volumeId: input.volume });
      },
    }],
    finished(tx, { state, input }) {
      services.space.release(tx, exportRoom(input.volume));
      if (state === 'done') tx.sql.update(exportTable).set({ state: 'ok', usedAt: services.clock.now() }).where(eq(exportTable.volumeId, input.volume)).run();
      else tx.sql.delete(exportTable).where(eq(exportTable.volumeId, input.volume)).run();
    },
  });
}
