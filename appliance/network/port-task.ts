/**
 * Other addresses for a port, on trial: applied, and taken back unless somebody confirms in time. Whoever has cut themselves off cannot
 * confirm, so the old address comes back by itself; also after a power cut, since the task goes on at the next start.
 */
import { eq } from 'drizzle-orm';
import * as z from 'zod';
import { exclusive } from '../core/locks.ts';
import { Problem } from '../core/problem.ts';
import type { Core } from '../core/services.ts';
import { type AnyTask, defineTask } from '../core/task.ts';
import type { World } from '../world.ts';
import { PortSettingsSchema } from './schema.ts';
import { portTrialTable } from './table.ts';

export const portTaskKind = 'host-network.set';

const Input = z.object({ port: z.string(), settings: PortSettingsSchema, before: PortSettingsSchema.nullable(), confirmMs: z.number() });
export type PortTaskInput = z.output<typeof Input>;

interface Memory {
  until: number;
}

const lookMs = 250;

export function portTask({ world, clock, database }: Core & { world: World }): AnyTask {
  const isConfirmed = (taskId: string) => database.sql.select().from(portTrialTable).where(eq(portTrialTable.taskId, taskId)).get() !== undefined;
  return defineTask<PortTaskInput, Memory>({
    kind: portTaskKind, input: Input, canCancel: true,
    locks: () => [exclusive('host-network', 'this')],
    steps: [
      {
        name: 'Apply the new addresses', timeoutMs: 120_000,
        async do({ input: { port, settings, confirmMs } }) {
          await tell(world.hostNetwork.set(port, settings));
          return { until: clock.now() + confirmMs };
        },
        undo: ({ input: { port, before } }) => tell(world.hostNetwork.set(port, before)),
      },
      {
        name: 'Wait until somebody confirms', timeoutMs: 900_000,
        async do({ taskId, memory: { until = 0 }, signal, progress, input: { confirmMs } }) {
          while (!isConfirmed(taskId)) {
            const left = until - clock.now();
            if (left <= 0) throw new Problem('unavailable', 'Nobody confirmed the new addresses in time, so the old ones are back.');
            progress(1 - left / confirmMs, `Confirm within ${Math.ceil(left / 1000)} s`);
            await clock.sleep(lookMs, signal);
          }
        },
      },
    ],
    finished(tx) { tx.sql.delete(portTrialTable).run(); },
  });
}

async function tell(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    throw new Problem('unavailable', `The system refuses the addresses: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}
