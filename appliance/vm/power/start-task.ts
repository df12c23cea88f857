/**
 * Starting a VM: check, make room, bring the network up, run QEMU, look.
 *
 *   down -> powering-up (with the request, in one commit) -> up
 *                                                        \-> down, reason start-failed, everything undone that this start did
 *
 * Every step may run twice. QEMU found running is as good as started; it is ended on the way back only if this task found
 * none before it began.
 */
import { mkdir, rm } from 'node:fs/promises';
import * as z from 'zod';
import { exclusive, shared } from '../../core/locks.ts';
import { Problem } from '../../core/problem.ts';
import { type AnyTask, defineTask, type StepContext } from '../../core/task.ts';
import { requireMemory } from './balloon.ts';
import { writeSeed } from '../cloud-init/write-seed.ts';
import { findDomain, isDisconnected, isNoDomain, lookAt, persist } from '../domain.ts';
import { foldersOf, guestXml, requireLayout } from '../definition/guest.ts';
import type { Running } from '../definition/running.ts';
import type { VmServices } from '../services.ts';

interface Input {
  vm: string;
  /** Its disks: the start waits until they are made, and holds off their change. */
  disks: string[];
}

interface Memory {
  wasRunning: boolean;
  running: Running;
}

type Context = StepContext<Input, Memory>;

export function startVmTask(services: VmServices): AnyTask {
  const { facts, reconcilers } = services;
  return defineTask<Input, Memory>({
    kind: 'vm.start',
    input: z.object({ vm: z.string(), disks: z.array(z.string()) }),
    canCancel: true,
    locks: ({ vm, disks }) => [exclusive('vm', vm), ...disks.map((disk) => shared('image', disk))],
    steps: [
      { name: 'Check what it needs', timeoutMs: 60_000, do: (context) => check(services, context) },
      { name: 'Prepare its folders', timeoutMs: 120_000, do: (context) => prepare(services, context) },
      { name: 'Bring its networks up', timeoutMs: 60_000, do: ({ input, signal }) => bringNetworksUp(services, input.vm, signal) },
      { name: 'Run the guest', timeoutMs: 180_000, do: (context) => run(services, context), undo: (context) => end(services, context) },
      { name: 'See it running', timeoutMs: 60_000, do: (context) => confirm(services, context) },
    ],
    finished(tx, { state, input: { vm }, memory: { running }, problem }) {
      if (state === 'done') facts.enter(tx, vm, 'up', 'running', { running: running ?? null });
      else facts.enter(tx, vm, 'down', state === 'failed' ? 'start-failed' : 'power-off', { said: state === 'failed' ? (problem?.detail ?? '') : '' });
      tx.afterCommit(() => reconcilers.wake('vm.observe'));
    },
  });
}

function check(services: VmServices, { input, signal }: Context): Promise<Partial<Memory>> {
  return persist(services, 'The VM could not be started', signal, async () => {
    const vm = services.rows.require(input.vm);
    await guestXml(services, vm);
    const wasRunning = (await findDomain(services, input.vm)) !== undefined;
    if (!wasRunning) {
      await requireMemory(services, vm);
      await requireLayout(services, vm);
    }
    return { wasRunning };
  });
}

async function prepare(services: VmServices, { input, memory, signal }: Context): Promise<void> {
  await prepareFolders(services, input.vm, memory.wasRunning === true);
  if (!memory.wasRunning) await writeSeed(services, input.vm, signal);
}

/** QEMU opens the kept folder as its own user, so others may pass through; what lies inside has its own rights. */
export async function prepareFolders({ statePath, variables }: VmServices, vm: string, isRunning: boolean): Promise<void> {
  const { run: runFolder, kept, serialSocket } = foldersOf(statePath, vm);
  await mkdir(runFolder, { recursive: true, mode: 0o711 });
  await mkdir(kept, { recursive: true, mode: 0o711 });
  if (isRunning) return;
  await rm(serialSocket, { force: true });
  await variables.settle(vm);
}

export async function bringNetworksUp(services: VmServices, vm: string, signal: AbortSignal): Promise<void> {
  const names = new Set(services.rows.nics(vm).map(({ network }) => network));
  for (const name of names) await persist(services, `The network "${name}" could not be brought up`, signal, () => services.network.ensureNetwork(name));
}

async function run(services: VmServices, { input, signal, progress }: Context): Promise<void> {
  await persist(services, 'The VM could not be started', signal, async () => {
    if (await findDomain(services, input.vm)) return;
    progress(0.1, 'Starting QEMU');
    await services.hypervisor.create(await guestXml(services, services.rows.require(input.vm)));
  });
}

async function end(services: VmServices, { input, memory, signal }: Context): Promise<void> {
  if (memory.wasRunning) return;
  await persist(services, 'The VM could not be ended', signal, () => endDomain(services, input.vm, signal));
}

const endTries = 4;
const endPauseMs = 2_000;

/**
 * Ends QEMU; one that has ended is as good. A process that waits for its disk outlives even SIGKILL for a while, and libvirt then
 * gives up with an error although it ends a moment later: so it is asked again.
 */
export async function endDomain({ hypervisor, clock }: Pick<VmServices, 'hypervisor' | 'clock'>, vmId: string, signal: AbortSignal): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await hypervisor.destroy(vmId);
    } catch (error) {
      if (isNoDomain(error)) return;
      if (isDisconnected(error) || tries >= endTries) throw error;
    }
    await clock.sleep(endPauseMs, signal);
  }
}

function confirm(services: VmServices, { input, signal }: Context): Promise<Partial<Memory>> {
  return persist(services, 'The VM could not be started', signal, async () => {
    const running = await lookAt(services, input.vm);
    if (!running) throw new Problem('unavailable', 'QEMU started and ended at once. Look at the serial console and at libvirt\'s log of this VM.');
    return { running };
  });
}
