/** Letting go of the memory of a VM that is suspended. From the request on it is used up; only the file is left to be removed. */
import * as z from 'zod';
import { exclusive } from '../../core/locks.ts';
import { type AnyTask, defineTask } from '../../core/task.ts';
import type { VmServices } from '../services.ts';
import { removeMemory } from './files.ts';

export function discardMemoryTask({ statePath, facts }: VmServices): AnyTask {
  return defineTask<{ vm: string; file: string | null }>({
    kind: 'vm.discard-memory', canCancel: false,
    input: z.object({ vm: z.string(), file: z.string().nullable() }),
    locks: ({ vm }) => [exclusive('vm', vm)],
    steps: [{ name: 'Remove the file', do: async ({ input: { vm, file } }) => { if (file !== null) await removeMemory(statePath, vm, file); } }],
    finished: (tx, { input: { vm } }) => facts.enter(tx, vm, 'down', 'memory-discarded'),
  });
}
