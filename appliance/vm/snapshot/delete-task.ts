/**
 * Deleting a snapshot: what it kept of each disk is let go with the request, so that from then on nobody goes back to it; the task merges the
 * layers that nobody keeps any more. A disk whose merge fails keeps its layers, the guest's content is the same, and the snapshot
 * waits, as broken, to be deleted again.
 */
import * as z from 'zod';
import { exclusive } from '../../core/locks.ts';
import { type AnyTask, defineTask, type StepContext } from '../../core/task.ts';
import { removeMemory } from '../memory/files.ts';
import type { VmServices } from '../services.ts';

interface Input {
  vm: string;
  snapshot: string;
  disks: string[];
  /** Of its memory; null without. */
  file: string | null;
}

const hour = 3_600_000;

export function deleteSnapshotTask(services: VmServices): AnyTask {
  const { storage, snapshots } = services;
  return defineTask<Input>({
    kind: 'vm.delete-snapshot',
    input: z.object({ vm: z.string(), snapshot: z.string(), disks: z.array(z.string()), file: z.string().nullable() }),
    canCancel: true,
    // Not the VM: its power is not to wait for hours of copying. A start waits for its disks.
    locks: ({ disks }) => disks.map((disk) => exclusive('image', disk)),
    steps: [
      { name: 'Remove its memory', do: async ({ input: { vm, file } }) => { if (file !== null) await removeMemory(services.statePath, vm, file); } },
      { name: 'Merge its layers', timeoutMs: 12 * hour, do: (context) => mergeAll(services, context) },
    ],
    finished(tx, { state, input }) {
      for (const disk of input.disks) storage.layers.unlock(tx, disk);
      const snapshot = snapshots.get(input.snapshot);
      if (!snapshot) return;
      if (state === 'done') snapshots.remove(tx, snapshot);
      else snapshots.update(tx, snapshot, { state: 'broken' });
    },
  });
}

/** One disk that fails does not keep the others from being merged. */
async function mergeAll({ storage }: VmServices, { input, signal, progress }: StepContext<Input, Record<string, never>>): Promise<void> {
  const failures: unknown[] = [];
  for (const [index, disk] of input.disks.entries()) {
    const share = (fraction: number, message?: string) => progress((index + fraction) / input.disks.length, message);
    await storage.layers.collapse(disk, { signal, progress: share }).catch((error) => failures.push(error));
  }
  if (failures.length > 0) throw failures[0];
}
