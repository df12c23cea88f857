/** Trimming the file systems of a guest. To trim twice does no harm. */
import * as z from 'zod';
import { exclusive } from '../../core/locks.ts';
import { type AnyTask, defineTask } from '../../core/task.ts';
import { persist } from '../domain.ts';
import type { VmServices } from '../services.ts';

export function trimTask(services: VmServices): AnyTask {
  return defineTask<{ vm: string }>({
    kind: 'vm.trim', canCancel: true,
    input: z.object({ vm: z.string() }),
    // Not the VM itself: it may be powered off meanwhile, which ends this, too.
    locks: ({ vm }) => [exclusive('vm-trim', vm)],
    steps: [{
      name: 'Trim its file systems', timeoutMs: 1_800_000,
      do: ({ input: { vm }, signal }) => persist(services, 'Its file systems could not be trimmed', signal, () => services.hypervisor.trimGuest(vm)),
    }],
  });
}
