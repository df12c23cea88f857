/**
 * Shutting down and restarting the host: first the VMs, in order and within a deadline, then the machine.
 *
 *   note what runs -> ask one guest after another, wait, end what is left at the deadline -> systemctl poweroff | reboot
 *
 * Cancelled, or refused by the system, it starts the VMs again that it has shut down. The input names the boot in which it was asked for: after
 * a restart of the machine, wanted or not, every step finds that there is nothing left to do. So a box never switches itself off again
 * because of a request from before.
 */
import * as z from 'zod';
import type { Activity } from '../activity/activity.ts';
import { exclusive } from '../core/locks.ts';
import { Problem } from '../core/problem.ts';
import type { Core } from '../core/services.ts';
import { type AnyTask, defineTask, type StepContext } from '../core/task.ts';
import type { TaskRow } from '../core/task-rows.ts';
import type { World } from '../world.ts';
import type { Guest, Guests } from './guests.ts';
import { pauseBetween } from './rules.ts';

export type PowerVerb = 'shutdown' | 'reboot';
/** Tasks that empty the host and leave it: those here, and the restart into another version. Their input names the boot that they end. */
const leavingKinds: readonly string[] = ['host.shutdown', 'host.reboot', 'update.switch'];

const Input = z.object({ host: z.string(), hostName: z.string(), bootId: z.string(), askedAt: z.number(), deadlineMs: z.number() });
export type PowerInput = z.output<typeof Input>;

interface Memory {
  guests: Pick<Guest, 'id' | 'name'>[];
}

type Context = StepContext<PowerInput, Memory>;

export interface PowerServices extends Core {
  world: World;
  activity: Pick<Activity, 'event'>;
  guests(): Guests;
}

const lookMs = 500;
/** QEMU is gone within seconds of being ended, unless its disk hangs. */
const endMs = 60_000;
/** A guest that was asked may still go down so long afterwards. */
const patienceMs = 200_000;
/** From `systemctl poweroff` until this service is stopped: others may be stopped before it. */
const leaveMs = 300_000;

/** The task by which the host is being left in this boot; one that goes on in the next boot leaves it no more. */
export function leavingTask(tasks: Pick<Core['tasks'], 'list'>, hostId: string, bootId: string): TaskRow | undefined {
  const isLeaving = ({ kind, input }: TaskRow) => leavingKinds.includes(kind) && (input as { bootId: string }).bootId === bootId; // the task's own input
  return tasks.list({ limit: 50, isActive: true, about: hostId }).find(isLeaving);
}

export const powerTasks = (services: PowerServices): AnyTask[] => [powerTask(services, 'shutdown'), powerTask(services, 'reboot')];

function powerTask(services: PowerServices, verb: PowerVerb): AnyTask {
  return defineTask<PowerInput, Memory>({
    kind: `host.${verb}`, input: Input, canCancel: true,
    locks: ({ host }) => [exclusive('host-power', host)],
    steps: [
      { name: 'See which VMs run', do: async () => ({ guests: services.guests().running().map(({ id, name }) => ({ id, name })) }) },
      { name: 'Shut the VMs down', timeoutMs: 4 * 3_600_000, do: (context) => emptyHost(services, context), undo: (context) => startAgain(services, context) },
      { name: 'Hand over to the system', timeoutMs: leaveMs + 60_000, do: (context) => leave(services, context, verb) },
    ],
  });
}

const isOver = async ({ world }: PowerServices, { input }: Context) => (await world.power.bootId()) !== input.bootId;

/** Those of the noted VMs that still run, in the same order. */
function remaining(services: PowerServices, { memory }: Context): Guest[] {
  const running = services.guests().running();
  return (memory.guests ?? []).flatMap(({ id }) => running.find((guest) => guest.id === id) ?? []);
}

async function emptyHost(services: PowerServices, context: Context): Promise<void> {
  if (await isOver(services, context)) return;
  const { clock, database } = services;
  const { input, memory, signal, origin } = context;
  const total = memory.guests?.length ?? 0;
  const pauseMs = pauseBetween(total, input.deadlineMs);
  const turns = new Map((memory.guests ?? []).map(({ id }, index) => [id, input.askedAt + index * pauseMs]));
  for (let left = remaining(services, context); left.length > 0; left = remaining(services, context)) {
    if (clock.now() >= input.askedAt + input.deadlineMs) return endRest(services, context, left);
    const [first] = left;
    context.progress(1 - left.length / total, `Shutting down ${first?.name}: ${total - left.length + 1} of ${total}`);
    const due = left.filter(({ id, isLeaving }) => !isLeaving && (id === first?.id || clock.now() >= (turns.get(id) ?? 0)));
    if (due.length > 0) database.write(origin, (tx) => { for (const { id } of due) services.guests().askDown(tx, id); });
    await clock.sleep(lookMs, signal);
  }
}

/** A guest that has not ended in time is ended, and people are told which. */
async function endRest(services: PowerServices, context: Context, left: Guest[]): Promise<void> {
  const { clock, database, activity } = services;
  const { input, signal, origin } = context;
  const until = clock.now() + endMs;
  const names = left.map(({ name }) => name).join(', ');
  context.progress(0.9, `Ending ${names}`);
  database.write(origin, (tx) => {
    for (const { id } of left) services.guests().end(tx, id);
    activity.event(tx, {
      severity: 'warning', code: 'host.guests-ended', about: [{ kind: 'host', id: input.host, name: input.hostName }],
      message: `Not shut down in time, so powered off with the host: ${names}.`, nextStep: 'See that their programs are well. Next time give them longer.',
    });
  });
  while (remaining(services, context).length > 0 && clock.now() < until) await clock.sleep(lookMs, signal);
}

async function leave(services: PowerServices, context: Context, verb: PowerVerb): Promise<void> {
  if (await isOver(services, context)) return;
  const { world, clock } = services;
  const { signal } = context;
  context.progress(0.5, verb === 'shutdown' ? 'Switching off' : 'Restarting');
  try {
    await (verb === 'shutdown' ? world.power.powerOff() : world.power.reboot());
  } catch (error) {
    throw new Problem('unavailable', `The system refuses: ${error instanceof Error ? error.message : String(error)}. The VMs are started again.`, { cause: error });
  }
  const until = clock.now() + leaveMs;
  while (!(await isOver(services, context))) {
    if (clock.now() >= until) throw new Problem('unavailable', 'The system accepted, but still runs after five minutes. The VMs are started again; see its log.');
    await clock.sleep(lookMs, signal);
  }
}

/** Waits for guests that are on their way down: they can be started only then. */
async function startAgain(services: PowerServices, context: Context): Promise<void> {
  const { clock, database } = services;
  const { memory, signal, origin } = context;
  const until = clock.now() + patienceMs;
  for (;;) {
    if (await isOver(services, context)) return;
    const running = remaining(services, context);
    const down = (memory.guests ?? []).filter(({ id }) => !running.some((guest) => guest.id === id)).reverse();
    if (down.length > 0) database.write(origin, (tx) => { for (const { id } of down) services.guests().start(tx, id); });
    if (running.every(({ isLeaving }) => !isLeaving) || clock.now() >= until) return;
    await clock.sleep(lookMs, signal);
  }
}
