/**
 * Other addresses for a port, on trial: applied, and taken back unless somebody confirms in time, or where nobody is awaited, unless the
 * network behind the port answers. Whoever has cut themselves off cannot
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

const Input = z.object({ port: z.string(), settings: PortSettingsSchema, before: PortSettingsSchema.nullable(), confirmMs: z.number(), confirmBy: z.enum(['person', 'network']).default('person') });
export type PortTaskInput = z.output<typeof Input>;

interface Memory {
  until: number;
}

/** How often a confirmation is looked for. Asking the network costs a packet and a process. */
const lookMs = { person: 250, network: 1_000 };

export function portTask({ world, clock, database, journal }: Core & { world: World }): AnyTask {
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
        name: 'Wait until they are confirmed', timeoutMs: 900_000,
        async do({ taskId, memory: { until = 0 }, signal, progress, input }) {
          const { port, settings, confirmBy, confirmMs } = input;
          const isKept = async () => isConfirmed(taskId) || (confirmBy === 'network' && (await world.hostNetwork.answers(port, settings)));
          while (!(await isKept())) {
            const left = until - clock.now();
            if (left <= 0) throw new Problem('unavailable', untold(input));
            progress(1 - left / confirmMs, confirmBy === 'person' ? `Confirm within ${Math.ceil(left / 1000)} s` : `Asking the network for ${Math.ceil(left / 1000)} s`);
            await clock.sleep(lookMs[confirmBy], signal);
          }
        },
      },
    ],
    finished(tx, { input: { port } }) {
      tx.sql.delete(portTrialTable).run();
      journal.observed(tx, { kind: 'network', id: port, what: 'updated' });
    },
  });
}

function untold({ confirmBy, port, settings: { method, gateway } }: PortTaskInput): string {
  if (confirmBy === 'person') return 'Nobody confirmed the new addresses in time, so the old ones are back.';
  const silence = method === 'dhcp' ? `No address came to ${port} by DHCP` : gateway ? `Nothing answered at the gateway ${gateway} behind ${port}` : `No cable is in ${port}`;
  return `${silence}, so the old addresses are back. Check cable, address and gateway.`;
}

async function tell(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    throw new Problem('unavailable', `The system refuses the addresses: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}
