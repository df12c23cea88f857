/**
 * Starting a VM that is suspended: it goes on where it stood.
 *
 *   saved -> powering-up -> QEMU has its memory and stands still -> written down: the file is used up -> the guest goes on -> up
 *                     \-> saved: it could not be read; the file is as it was
 *
 * A guest whose file is not used up has not run: whatever ends it then, the file is good for another start. Once it is used up nobody reads it again: a guest that is gone then
 * has ended as in a power cut.
 */
import { existsSync } from 'node:fs';
import * as z from 'zod';
import { exclusive, shared } from '../../core/locks.ts';
import { Problem } from '../../core/problem.ts';
import { type AnyTask, defineTask, type Outcome, type StepContext } from '../../core/task.ts';
import type { Tx } from '../../core/db.ts';
import { writeSeed } from '../cloud-init/write-seed.ts';
import { diskDevice, foldersOf } from '../definition/guest.ts';
import type { Running } from '../definition/running.ts';
import { findDomain, lookAt, persist } from '../domain.ts';
import { noteStoodStill, setClockIfDue } from '../guest/clock.ts';
import { requireMemory } from '../power/balloon.ts';
import { bringNetworksUp, endDomain, prepareFolders } from '../power/start-task.ts';
import type { Vm } from '../rows.ts';
import type { VmServices } from '../services.ts';
import { knownDisks, memoryPath, removeMemory, type SavedMemory } from './files.ts';
import { restoredXml } from './restored-xml.ts';
import { unlessEnded } from './suspend-task.ts';

interface Input {
  vm: string;
  disks: string[];
  saved: SavedMemory;
}

interface Memory {
  wasRunning: boolean;
  running: Running;
}

type Context = StepContext<Input, Memory>;

const hour = 3_600_000;

export function restoreTask(services: VmServices): AnyTask {
  return defineTask<Input, Memory>({
    kind: 'vm.restore', canCancel: true,
    input: z.object({ vm: z.string(), disks: z.array(z.string()), saved: z.custom<SavedMemory>((value) => typeof value === 'object') }),
    locks: ({ vm, disks }) => [exclusive('vm', vm), ...disks.map((disk) => shared('image', disk))],
    steps: [
      { name: 'Check what it needs', timeoutMs: 60_000, do: (context) => check(services, context) },
      { name: 'Prepare its folders', timeoutMs: 120_000, do: (context) => prepare(services, context) },
      { name: 'Bring its networks up', timeoutMs: 60_000, do: ({ input, signal }) => bringNetworksUp(services, input.vm, signal) },
      { name: 'Read its memory', timeoutMs: 2 * hour, do: (context) => restore(services, context), undo: (context) => end(services, context) },
      { name: 'Let the guest go on', timeoutMs: 60_000, do: (context) => goOn(services, context) },
      { name: 'Remove the file', do: ({ input: { vm, saved } }) => (saved.snapshot === null ? removeMemory(services.statePath, vm, saved.file) : undefined) as Promise<void> },
    ],
    finished: (tx, outcome) => finish(services, tx, outcome),
  });
}

const isUsedUp = ({ rows }: VmServices, vm: string) => (rows.find(vm)?.fact.saved ?? null) === null;

function finish(services: VmServices, tx: Tx, { state, input: { vm, saved }, memory: { running }, problem }: Outcome<Input, Memory>): void {
  const { facts, reconcilers } = services;
  if (state === 'done') facts.enter(tx, vm, saved.wasPaused ? 'paused' : 'up', saved.wasPaused ? 'user' : 'running', { running: running ?? null });
  else if (isUsedUp(services, vm)) facts.enter(tx, vm, 'unknown', 'start'); // the next look decides
  else facts.enter(tx, vm, 'saved', state === 'failed' ? 'restore-failed' : saved.snapshot === null ? 'user' : 'snapshot', { said: state === 'failed' ? (problem?.detail ?? '') : '' });
  tx.afterCommit(() => reconcilers.wake('vm.observe'));
}

function check(services: VmServices, { input, signal }: Context): Promise<Partial<Memory>> {
  return persist(services, 'The VM could not go on', signal, async () => {
    const vm = services.rows.require(input.vm);
    if (await findDomain(services, vm.id)) return { wasRunning: true };
    await definition(services, vm, input.saved);
    await requireMemory(services, vm);
    return { wasRunning: false };
  });
}

/** The guest may have its seed mounted, so it stays as it was; made anew only where it is lost. */
async function prepare(services: VmServices, { input: { vm }, memory, signal }: Context): Promise<void> {
  await prepareFolders(services, vm, memory.wasRunning === true);
  if (!existsSync(foldersOf(services.statePath, vm).seed)) await writeSeed(services, vm, signal);
}

/** Throws where the memory and the disks do not belong together, or the file cannot be read. */
async function definition(services: VmServices, vm: Vm, saved: SavedMemory): Promise<string> {
  const { rows, storage, hypervisor, statePath } = services;
  const known = knownDisks(services, vm.id);
  const isSame = Object.entries(saved.disks).every(([id, disk]) => known[id]?.volume === disk.volume && known[id]?.sizeBytes === disk.sizeBytes);
  if (!isSame) throw new Problem('wrong-state', `The disks of ${vm.name} have changed since it was suspended, and its memory would spoil them. Discard the memory, then start it.`);
  const xml = await hypervisor.savedXml(memoryPath(statePath, vm.id, saved.file));
  const disks = rows.disks(vm.id).map((link) => diskDevice(storage, link, vm.hardware));
  const { nvram, secureNvram } = foldersOf(statePath, vm.id);
  return restoredXml(xml, disks, vm.firmware === 'bios' ? undefined : vm.firmware === 'efi-secure' ? secureNvram : nvram);
}

async function restore(services: VmServices, { input, signal, progress }: Context): Promise<void> {
  await persist(services, 'The VM could not go on', signal, async () => {
    if (await findDomain(services, input.vm)) return;
    if (isUsedUp(services, input.vm)) throw new Problem('wrong-state', 'The memory of this VM has been used up. Start it again: it comes up from its disks.');
    progress(0.1, 'Reading');
    const xml = await definition(services, services.rows.require(input.vm), input.saved);
    await services.hypervisor.restoreMemory(input.vm, memoryPath(services.statePath, input.vm, input.saved.file), xml);
  });
}

/** A guest that has not run yet leaves nothing behind; one that has is left alone. */
async function end(services: VmServices, { input: { vm }, signal }: Context): Promise<void> {
  if (isUsedUp(services, vm)) return;
  await persist(services, 'The VM could not be ended', signal, () => endDomain(services, vm, signal));
}

async function goOn(services: VmServices, { input: { vm, saved }, signal, origin }: Context): Promise<Partial<Memory>> {
  const { hypervisor, database, facts } = services;
  return persist(services, 'The VM could not go on', signal, async () => {
    const domain = await findDomain(services, vm);
    if (!domain) throw new Problem('unavailable', isUsedUp(services, vm) ? 'The guest ended as soon as it went on. Start it again: it comes up from its disks.' : 'QEMU ended before the guest went on. Start it again.');
    if (!isUsedUp(services, vm)) database.write(origin, (tx) => facts.note(tx, vm, { saved: null }));
    noteStoodStill(services, vm);
    if (domain.state === 'paused' && !saved.wasPaused) await hypervisor.resume(vm).catch(unlessEnded);
    const running = await lookAt(services, vm);
    if (!running) throw new Problem('unavailable', 'The guest ended as soon as it went on. Start it again: it comes up from its disks.');
    if (running.hasAgent) database.write(origin, (tx) => facts.note(tx, vm, { hasAgent: true }));
    setClockIfDue(services, vm);
    return { running };
  });
}
