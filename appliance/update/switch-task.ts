/**
 * Switching to another version, and back: one task that crosses a restart of the machine.
 *
 *   update.switch   write down what must be there again -> arm the boot loader -> shut the VMs down -> restart the host
 *                   ---- the other version goes on with the same task, or this one, if the other did not come up ----
 *                   -> start the VMs that ran -> see it come up well
 *
 * The record holds the kernel's boot id of the time when the boot loader was told, so that a power cut is as good as a restart from then on,
 * and is none before.
 * When the task fails on this side of it everything is undone; when the new version fails its trial, the old one ends the task with the
 * reasons. Names and order of these steps are part of the format between versions: change them only together with `update.switch`.
 */
import * as z from 'zod';
import { Problem } from '../core/problem.ts';
import { type AnyTask, defineTask, type StepContext } from '../core/task.ts';
import { slotLock, slotProblem } from './install-task.ts';
import { shutVmsDown, startVms } from './quiesce.ts';
import { ExpectationSchema, readTrial, removeTrial, type Trial, writeTrial } from './record.ts';
import type { UpdateServices } from './services.ts';

const minute = 60_000;
/** Longer than the health gate takes to decide. */
const trialMs = 45 * minute;
const restartMs = 15 * minute;
const pollMs = 2_000;

const switchInput = z.object({
  from: z.string(),
  to: z.string(),
  at: z.number(),
  acceptsLoss: z.boolean(),
  /** VMs that libvirt does not show are ended by the restart itself. */
  cutsOff: z.boolean().default(false),
  /** The start of the kernel in which it was asked for: until the next one nothing new is started (host/power-task.ts). */
  bootId: z.string().default(''),
  shutdownMs: z.number(),
  expected: ExpectationSchema,
});
export type SwitchTaskInput = z.output<typeof switchInput>;

type Context = StepContext<SwitchTaskInput, Record<string, never>>;

export function switchTask(services: UpdateServices): AnyTask {
  const { world: { slots }, journal, host } = services;
  return defineTask<SwitchTaskInput>({
    kind: 'update.switch', input: switchInput, canCancel: false,
    locks: () => [slotLock],
    steps: [
      { name: 'Write down what must be there again', do: (context) => record(services, context), undo: (context) => forget(services, context) },
      {
        name: 'Make it the next to start', timeoutMs: 30 * minute,
        do: (context) => arm(services, context),
        undo: ({ input, signal }) => slots.disarm(input.to, signal),
      },
      {
        name: 'Shut the virtual machines down', timeoutMs: 90 * minute,
        do: (context) => shutDown(services, context),
        undo: ({ input, signal }) => startVms(services, input.expected.vms, signal),
      },
      { name: 'Restart the host', timeoutMs: restartMs, do: (context) => restart(services, context) },
      { name: 'Start the virtual machines that ran', timeoutMs: 10 * minute, do: ({ input, signal }) => startVms(services, input.expected.vms, signal) },
      { name: 'See it come up well', timeoutMs: trialMs, do: (context) => awaitOutcome(services, context) },
    ],
    finished: (tx) => journal.observed(tx, { kind: 'update', id: host.id, what: 'updated' }),
  });
}

async function record({ statePath, database }: UpdateServices, { input, taskId, origin }: Context): Promise<void> {
  if (ownTrial(statePath, taskId)) return;
  const { from, to, at, acceptsLoss, expected } = input;
  await writeTrial(statePath, { task: taskId, from, to, armedIn: null, at, actor: origin.actor, schema: database.schema, acceptsLoss, expected, outcome: null, isTold: false });
}

function ownTrial(statePath: string, task: string): Trial | undefined {
  const trial = readTrial(statePath);
  return trial?.task === task ? trial : undefined;
}

/** The host has restarted since the boot loader was told. */
async function hasRestarted({ world, statePath }: UpdateServices, { input, taskId }: Context): Promise<boolean> {
  const { running } = await world.slots.facts();
  const bootId = await world.power.bootId();
  const armedIn = ownTrial(statePath, taskId)?.armedIn ?? null;
  return running === input.to || (armedIn !== null && armedIn !== bootId);
}

/** What has happened stays on record; what did not begin never was. */
async function forget(services: UpdateServices, context: Context): Promise<void> {
  if (!(await hasRestarted(services, context)) && ownTrial(services.statePath, context.taskId)) removeTrial(services.statePath);
}

async function arm(services: UpdateServices, context: Context): Promise<void> {
  const { world: { slots, power }, statePath } = services;
  const { input, taskId, signal } = context;
  const { running } = await slots.facts();
  const bootId = await power.bootId();
  if (running === input.to) return; // a power cut has made the switch
  await slots.arm(input.to, signal).catch((error) => { throw slotProblem('The boot loader could not be told', error); });
  const trial = ownTrial(statePath, taskId);
  if (!trial) throw new Problem('wrong-state', 'Another switch has begun meanwhile.');
  await writeTrial(statePath, { ...trial, armedIn: bootId });
}

async function shutDown(services: UpdateServices, context: Context): Promise<void> {
  if (await hasRestarted(services, context)) return;
  const { input: { shutdownMs, cutsOff }, signal, progress } = context;
  await shutVmsDown(services, { shutdownMs, cutsOff, signal, progress });
}

async function restart(services: UpdateServices, context: Context): Promise<void> {
  const { world: { power }, clock } = services;
  if (await hasRestarted(services, context)) return;
  context.progress(0, 'The host is restarting');
  await power.reboot().catch((error) => { throw slotProblem('The host could not be restarted', error); });
  while (!(await hasRestarted(services, context))) await clock.sleep(pollMs, context.signal);
}

async function awaitOutcome({ world: { slots }, statePath, clock }: UpdateServices, { input, taskId, signal, progress }: Context): Promise<void> {
  let { running } = await slots.facts();
  for (;;) {
    const trial = readTrial(statePath);
    const outcome = trial?.task === taskId ? trial.outcome : undefined;
    if (outcome) running = (await slots.facts()).running;
    if (running === input.to && outcome?.result === 'committed') return;
    if (running !== input.to) throw new Problem('unavailable', failureText(input, outcome?.reasons ?? []));
    progress(0.5, 'The health gate decides');
    await clock.sleep(pollMs, signal);
  }
}

const failureText = ({ from, to }: SwitchTaskInput, reasons: string[]) =>
  `Version ${to} did not come up well, so the appliance is back at version ${from}. ${reasons.join(' ') || 'It did not come up far enough to say why.'}`;
