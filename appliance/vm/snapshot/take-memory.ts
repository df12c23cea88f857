/**
 * Taking a snapshot with memory: libvirt holds the guest, writes its memory to a file, changes its disks over to the new layers, and lets it go on.
 *
 *   written down: the new layers are on top, the guest is held -> libvirt does all of it -> the file is whole and on the disk -> end
 *
 * libvirt goes on with it while the service is gone. So a step that runs a second time waits for it, and then looks: a guest that has changed over has a file that
 * is whole, for that comes first; one that has not begins anew. A guest that has ended meanwhile leaves nobody who could say of which instant the file is: no snapshot.
 */
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncPath } from '../../core/atomic-file.ts';
import { Problem } from '../../core/problem.ts';
import type { StepContext } from '../../core/task.ts';
import { HypervisorError } from '../../world.ts';
import { isDisconnected } from '../domain.ts';
import { fileBytes, memoryPath, removeMemory } from '../memory/files.ts';
import { abortable, waitForOther } from '../memory/suspend-task.ts';
import { observerOrigin } from '../observe/facts.ts';
import type { VmServices } from '../services.ts';
import type { LayersInput } from './layers.ts';

/** What is kept of a guest with a snapshot of it. */
export interface SnapshotMemory {
  /** In the folder that is kept of the VM. */
  file: string;
  bytes: number;
  /** How long the guest stood still for it; null where nobody has seen that. */
  heldMs: number | null;
  /** Somebody had paused it: it comes back so. */
  wasPaused: boolean;
}

export type MemoryWish = NonNullable<LayersInput['memory']>;

export interface LiveLayers {
  /** Path of the new layer, by target. */
  wanted: Record<string, string>;
  isDone: boolean;
  /** At least one of them is on top in the guest. */
  isBegun: boolean;
}

interface Steps {
  look(): Promise<LiveLayers | undefined>;
  /** The layers are on top from now on. */
  note(): unknown;
  /** They are not: each disk is again as it was. */
  takeBack(): unknown;
}

type Taken = Pick<SnapshotMemory, 'bytes' | 'heldMs'>;

export async function takeWithMemory(services: VmServices, { input, signal, progress }: StepContext<LayersInput, unknown>, wish: MemoryWish, { look, note, takeBack }: Steps): Promise<Taken> {
  const path = memoryPath(services.statePath, input.vm, wish.file);
  await waitForOther(services, input.vm, signal);
  const live = await look();
  if (!live) throw new Problem('wrong-state', 'The guest ended while its memory was to be written, so there is no snapshot of it. Start it again, or take a snapshot of its disks alone.');
  const heldMs = live.isDone ? null : await write();
  await services.hypervisor.savedXml(path).catch((error: unknown) => {
    if (isDisconnected(error)) throw error;
    throw new Problem('unavailable', 'The memory was not written whole, so there is no snapshot. Take it again.', { cause: error });
  });
  await syncPath(path);
  await syncPath(dirname(path));
  return { bytes: await fileBytes(path), heldMs };

  async function write(): Promise<number | null> {
    await mkdir(dirname(path), { recursive: true, mode: 0o711 });
    await removeMemory(services.statePath, input.vm, wish.file); // of an attempt that was cut short
    signal.throwIfAborted(); // from here on an abort is heard
    note();
    services.database.write(observerOrigin, (tx) => services.facts.note(tx, input.vm, { heldFrom: wish.wasPaused ? 'paused' : 'up' }));
    progress(0.1, 'Writing');
    const watch = watchHeld(services, input.vm);
    try {
      await abortable(services, input.vm, signal, services.hypervisor.stackLayers(input.vm, live?.wanted ?? {}, { isQuiet: false, memoryPath: path }));
      return await watch.heldMs();
    } catch (error) {
      // libvirt has said that it is over and nothing came of it. Where it has not answered it may go on with it.
      const isOver = error instanceof HypervisorError && error.kind !== 'timeout' && !isDisconnected(error);
      if (isOver && (await look())?.isBegun === false) takeBack();
      throw error;
    } finally {
      watch.close();
    }
  }
}

/** libvirt tells of it a moment after it has answered. */
const lateMs = 1_000;

/** How long the guest stood still, by what libvirt told of it. */
function watchHeld({ hypervisor, clock }: VmServices, vm: string) {
  let stoodAt: number | undefined;
  let went: number | undefined;
  const told = new AbortController();
  const close = hypervisor.onEvent((event) => {
    if (event.type !== 'lifecycle' || event.uuid !== vm) return;
    if (event.event === 'suspended') stoodAt ??= clock.now();
    if (event.event !== 'resumed' || stoodAt === undefined) return;
    went = clock.now();
    told.abort();
  });
  return {
    close,
    async heldMs(): Promise<number | null> {
      if (stoodAt !== undefined && went === undefined) await clock.sleep(lateMs, told.signal).catch(() => {});
      return stoodAt === undefined || went === undefined ? null : went - stoodAt;
    },
  };
}
