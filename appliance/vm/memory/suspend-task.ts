/**
 * Suspending a VM to disk: its memory goes to a file, and QEMU ends.
 *
 *   up, paused -> powering-down (with the request, in one commit) -> saved: the file is whole, and written down with the end of the task
 *                                                               \-> as before: it could not be written, and libvirt let the guest go on
 *                                                                \-> down: QEMU or the host died over it, as in a power cut
 *
 * A save outlives the service: libvirt goes on with it. So a step that runs a second time looks first: a guest that libvirt holds still for it is waited for,
 * one that is gone is suspended if its file is whole. The file is named after the task, so none of before is taken for it.
 */
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import * as z from 'zod';
import { syncPath } from '../../core/atomic-file.ts';
import { exclusive, shared } from '../../core/locks.ts';
import { Problem } from '../../core/problem.ts';
import { type AnyTask, defineTask, type StepContext } from '../../core/task.ts';
import { HypervisorError } from '../../world.ts';
import { findDomain, isDisconnected, isNoDomain, persist } from '../domain.ts';
import type { VmServices } from '../services.ts';
import { takeOffAll } from '../pass/take-off.ts';
import { fileBytes, knownDisks, memoryPath, removeMemory, requireRoom } from './files.ts';

interface Input {
  vm: string;
  disks: string[];
  file: string;
  /** At most. */
  bytes: number;
  wasPaused: boolean;
}

interface Memory {
  bytes: number;
}

type Context = StepContext<Input, Memory>;

const hour = 3_600_000;
const lookPeriodMs = 1_000;

export function suspendTask(services: VmServices): AnyTask {
  const { facts, clock, reconcilers } = services;
  return defineTask<Input, Memory>({
    kind: 'vm.suspend', canCancel: true,
    input: z.object({ vm: z.string(), disks: z.array(z.string()), file: z.string(), bytes: z.number(), wasPaused: z.boolean() }),
    locks: ({ vm, disks }) => [exclusive('vm', vm), ...disks.map((disk) => shared('image', disk))],
    steps: [
      { name: 'Look for room', timeoutMs: 60_000, do: ({ input, taskId }) => requireRoom(services, input.bytes, taskId) },
      { name: 'Write its memory', timeoutMs: 2 * hour, do: (context) => save(services, context), undo: (context) => goOn(services, context) },
    ],
    finished(tx, { state, input: { vm, file, wasPaused }, memory: { bytes = 0 } }) {
      if (state === 'done') facts.enter(tx, vm, 'saved', 'user', { saved: { file, bytes, savedAt: clock.now(), wasPaused, snapshot: null, disks: knownDisks(services, vm) } });
      else facts.enter(tx, vm, 'unknown', 'suspend'); // the next look decides
      tx.afterCommit(() => reconcilers.wake('vm.observe'));
    },
  });
}

function save(services: VmServices, { input, signal, progress }: Context): Promise<Partial<Memory>> {
  const { hypervisor, statePath } = services;
  const path = memoryPath(statePath, input.vm, input.file);
  return persist(services, 'The VM could not be suspended', signal, async () => {
    const domain = await waitForOther(services, input.vm, signal);
    if (domain) {
      await takeOffAll(services, input.vm, signal);
      await mkdir(dirname(path), { recursive: true, mode: 0o711 });
      progress(0.1, 'Writing');
      signal.throwIfAborted(); // from here on an abort is heard
      await abortable(services, input.vm, signal, hypervisor.saveMemory(input.vm, path));
    }
    await hypervisor.savedXml(path).catch((error: unknown) => {
      if (isDisconnected(error)) throw error;
      throw new Problem('wrong-state', 'The guest ended before its memory was written. Start it again: it comes up from its disks.', { cause: error });
    });
    await syncPath(path);
    await syncPath(dirname(path));
    return { bytes: await fileBytes(path) };
  });
}

/** Why libvirt holds a guest whose memory it writes. */
const isWriting = new Set(['save', 'snapshot']);

/** The domain as soon as no save of a life before this one is under way; `undefined` when it is gone. */
export async function waitForOther(services: VmServices, vm: string, signal: AbortSignal) {
  for (;;) {
    const domain = await findDomain(services, vm);
    if (domain?.state !== 'paused' || !isWriting.has(domain.reason)) return domain;
    await services.clock.sleep(lookPeriodMs, signal);
  }
}

/** A save that somebody cancels, or that takes too long, is aborted, and the guest goes on. Where the service stops it is left to libvirt: the next life finds it. */
export async function abortable({ hypervisor, log }: VmServices, vm: string, signal: AbortSignal, saving: Promise<void>): Promise<void> {
  const stopping = new AbortController();
  const onAbort = () => {
    if (isStopping(signal)) return stopping.abort();
    hypervisor.abortSave(vm).catch((error: unknown) => log.info('a save was not aborted', { vm, error }));
  };
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await Promise.race([saving, aborted(stopping.signal)]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

const aborted = (signal: AbortSignal) => new Promise<never>((_resolve, reject) => { signal.addEventListener('abort', () => reject(signal.reason), { once: true }); });

/** Neither cancelled nor out of time. */
const isStopping = ({ reason }: AbortSignal) => !(reason instanceof Problem) && (reason as { name?: string }).name !== 'TimeoutError';

/** As it was before: the guest runs, also where its memory had been written already. The file goes before it runs on, so nobody goes back to it. */
async function goOn(services: VmServices, { input: { vm, file, wasPaused }, signal }: Context): Promise<void> {
  const { hypervisor, statePath } = services;
  const path = memoryPath(statePath, vm, file);
  await persist(services, 'The VM could not go on', signal, async () => {
    if (!(await waitForOther(services, vm, signal))) {
      const xml = await hypervisor.savedXml(path).catch((error: unknown) => {
        if (isDisconnected(error)) throw error;
        return undefined;
      });
      if (xml !== undefined) await hypervisor.restoreMemory(vm, path, xml);
    }
    await removeMemory(statePath, vm, file);
    const domain = await findDomain(services, vm);
    if (domain?.state === 'paused' && !wasPaused) await hypervisor.resume(vm).catch(unlessEnded);
  });
}

export function unlessEnded(error: unknown): void {
  if (isNoDomain(error) || (error instanceof HypervisorError && error.kind === 'invalid-operation')) return;
  throw error;
}
