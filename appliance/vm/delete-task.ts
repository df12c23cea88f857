/**
 * Deleting a VM: its domain must be gone, then its folders go, then in one commit its rows, and its disks get tasks of their own.
 * From the request on the VM carries a mark, so that nothing else begins with it.
 */
import { rm } from 'node:fs/promises';
import * as z from 'zod';
import type { Tx } from '../core/db.ts';
import { exclusive } from '../core/locks.ts';
import { Problem } from '../core/problem.ts';
import { type AnyTask, defineTask } from '../core/task.ts';
import { findDomain, persist } from './domain.ts';
import { foldersOf } from './definition/guest.ts';
import { holderOfVm } from './firmware/variables.ts';
import { holderOf, previewHolder } from './snapshot/snapshots.ts';
import type { VmServices } from './services.ts';

export function deleteVmTask(services: VmServices): AnyTask {
  return defineTask<{ vm: string; keepDisks: boolean }>({
    kind: 'vm.delete',
    input: z.object({ vm: z.string(), keepDisks: z.boolean() }),
    canCancel: false,
    locks: ({ vm }) => [exclusive('vm', vm)],
    steps: [
      { name: 'Make sure that it is down', timeoutMs: 60_000, do: ({ input: { vm }, signal }) => requireGone(services, vm, signal) },
      { name: 'Remove its folders', do: ({ input: { vm } }) => removeFolders(services, vm) },
      { name: 'Forget its TPM', timeoutMs: 120_000, do: ({ input: { vm }, signal }) => persist(services, 'What its TPM keeps could not be removed', signal, () => services.hypervisor.forgetTpm(vm)) },
    ],
    finished(tx, { state, input: { vm, keepDisks } }) {
      if (state !== 'done') return services.facts.note(tx, vm, { isDeleting: false });
      const disks = services.rows.disks(vm).map(({ diskId }) => diskId);
      for (const holder of [holderOfVm(vm), previewHolder(vm), ...services.snapshots.of(vm).map(({ id }) => holderOf(id))]) services.variables.drop(tx, holder);
      services.snapshots.removeAll(tx, vm);
      services.rows.remove(tx, vm);
      if (!keepDisks) for (const disk of disks) deleteDisk(services, tx, disk);
    },
  });
}

function requireGone(services: VmServices, vm: string, signal: AbortSignal): Promise<void> {
  return persist(services, 'The VM could not be deleted', signal, async () => {
    if (await findDomain(services, vm)) throw new Problem('wrong-state', 'The VM still runs. Power it off, then delete it.');
  });
}

async function removeFolders({ statePath }: VmServices, vm: string): Promise<void> {
  const { run, kept } = foldersOf(statePath, vm);
  for (const folder of [run, kept]) await rm(folder, { recursive: true, force: true });
}

/** A disk that cannot be deleted now stays as a disk of no VM; the VM goes all the same. */
export function deleteDisk({ storage, activity, log }: VmServices, tx: Tx, id: string): void {
  const [disk] = storage.disks([id]);
  if (!disk) return;
  try {
    storage.deleteDisk(tx, id);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    log.warn('a disk outlives its VM', { disk: id, error });
    const about = [{ kind: 'disk', id, name: disk.name }];
    activity.event(tx, { severity: 'warning', code: 'disk.kept', message: `The disk ${disk.name} was not deleted: ${error.message}`, nextStep: 'Delete it from the list of disks.', about });
  }
}
