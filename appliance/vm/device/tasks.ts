/**
 * Changing the devices of a VM, running or not: plug and unplug disks and NICs, change the medium in the CD-ROM drive.
 *
 * The wish to have a device is a row from the request on and goes again when plugging fails; a device that is to go keeps its
 * row until the guest has let it go. A VM that is down only has its rows changed. What the guest has is read anew at
 * the end.
 */
import * as z from 'zod';
import type { Tx } from '../../core/db.ts';
import { exclusive, shared } from '../../core/locks.ts';
import { Problem } from '../../core/problem.ts';
import { type AnyTask, defineTask, type StepContext } from '../../core/task.ts';
import { HypervisorError } from '../../world.ts';
import { applyTask } from './apply-task.ts';
import { deleteDisk } from '../delete-task.ts';
import { cdromXml, diskXml, nicXml } from '../definition/device-xml.ts';
import { lookAt, persist } from '../domain.ts';
import { isHotPlug } from '../definition/hardware.ts';
import { diskDevice, nicDevice } from '../definition/guest.ts';
import type { Running } from '../definition/running.ts';
import type { VmServices } from '../services.ts';
import { printXml } from '../definition/xml.ts';

interface Device {
  vm: string;
  kind: 'disk' | 'nic';
  id: string;
  /** Of a disk that is plugged: it was made for this; of one that is unplugged: it is to be deleted. */
  withDisk: boolean;
}

interface Memory {
  running: Running | null;
}

type Context<I> = StepContext<I, Memory>;

const device = z.object({ vm: z.string(), kind: z.enum(['disk', 'nic']), id: z.string(), withDisk: z.boolean() });
const locks = ({ vm, kind, id }: Device) => [exclusive('vm', vm), ...(kind === 'disk' ? [shared('image', id)] : [])];

export function deviceTasks(services: VmServices): AnyTask[] {
  return [plugTask(services), unplugTask(services), cdromTask(services), applyTask(services)];
}

/** Last step of each: what the guest has now. */
function look<I extends { vm: string }>(services: VmServices) {
  return {
    name: 'See what the guest has',
    timeoutMs: 60_000,
    do: ({ input, signal }: Context<I>) => persist(services, 'The guest cannot be seen', signal, async () => ({ running: await lookAt(services, input.vm) })),
  };
}

function plugTask(services: VmServices): AnyTask {
  const { rows, facts } = services;
  return defineTask<Device, Memory>({
    kind: 'vm.plug', input: device, canCancel: true, locks,
    steps: [
      {
        name: 'Plug it in', timeoutMs: 120_000,
        do: ({ input, signal }) => persist(services, 'The device could not be plugged in', signal, () => plug(services, input)),
        undo: ({ input, signal }) => persist(services, 'The device could not be taken out', signal, () => unplug(services, input, signal)),
      },
      look<Device>(services),
    ],
    finished(tx, { state, input: { vm, kind, id, withDisk }, memory }) {
      if (state === 'done') return facts.note(tx, vm, { running: memory.running ?? null });
      lookAgain(services, tx, vm);
      if (kind === 'nic') return rows.removeNic(tx, vm, id);
      rows.unlinkDisk(tx, vm, id);
      if (withDisk) deleteDisk(services, tx, id);
    },
  });
}

/** After a failure only the guest itself can tell what it has. */
function lookAgain({ seenDevices, reconcilers }: VmServices, tx: Tx, vm: string): void {
  tx.afterCommit(() => {
    seenDevices.delete(vm);
    reconcilers.wake('vm.observe');
  });
}

const has = (running: Running, { kind, id }: Device) => (kind === 'disk' ? running.disks : running.nics).includes(id);

async function plug(services: VmServices, input: Device): Promise<void> {
  if (input.kind === 'disk') services.storage.diskVolume(input.id); // one that could not be made is of no use to a VM that is down, either
  const running = await lookAt(services, input.vm);
  if (!running || has(running, input) || waitsForStart(services, input, running)) return;
  await services.hypervisor.attachDevice(input.vm, await xmlOf(services, input, running));
}

/** A bus that takes no disks while the guest runs: the disk is there from the next start on. */
function waitsForStart({ rows }: VmServices, { vm, id }: Device, running: Running): boolean {
  const disk = rows.disks(vm).find(({ diskId }) => diskId === id);
  return disk !== undefined && !isHotPlug(disk.settings.bus, running.hasScsi);
}

/** As the guest has it, or is to have it, on the machine that runs: what is wished for it may only hold from the next start on. */
async function xmlOf(services: VmServices, { vm, kind, id }: Device, { hardware, diskSettings, nicSettings }: Running): Promise<string> {
  const disk = kind === 'disk' && services.rows.disks(vm).find(({ diskId }) => diskId === id);
  if (disk) return printXml(diskXml(diskDevice(services.storage, { ...disk, settings: { ...disk.settings, ...diskSettings[id] } }, hardware)));
  const nic = kind === 'nic' && services.rows.nics(vm).find((row) => row.id === id);
  if (!nic) throw new Problem('not-found', 'The device is no longer one of the VM. Look at its devices, then try again.');
  const { mac = nic.mac, model = nic.settings.model, isLinked = nic.settings.isLinked } = nicSettings[id] ?? {};
  await services.network.ensureNetwork(nic.network);
  return printXml(nicXml(nicDevice(services, { ...nic, mac, settings: { model, isLinked } }, hardware)));
}

function unplugTask(services: VmServices): AnyTask {
  const { rows, facts } = services;
  return defineTask<Device, Memory>({
    kind: 'vm.unplug', input: device, canCancel: true, locks,
    steps: [
      {
        name: 'Ask the guest to let go', timeoutMs: 120_000,
        do: ({ input, signal }) => persist(services, 'The device could not be taken out', signal, () => unplug(services, input, signal)),
        undo: ({ input, signal }) => persist(services, 'The device could not be put back', signal, () => putBack(services, input, signal)),
      },
      look<Device>(services),
    ],
    finished(tx, { state, input: { vm, kind, id, withDisk }, memory }) {
      if (state !== 'done') return lookAgain(services, tx, vm);
      facts.note(tx, vm, { running: memory.running ?? null });
      if (kind === 'nic') return rows.removeNic(tx, vm, id);
      rows.unlinkDisk(tx, vm, id);
      if (withDisk) deleteDisk(services, tx, id);
    },
  });
}

const lettingGoMs = 60_000;
/** A guest that is going to let go does so within a moment. */
const momentMs = 5_000;
const pollMs = 500;

/** A guest without a running system never lets go; then the device stays, and the person is told how to go on. */
async function unplug(services: VmServices, input: Device, signal: AbortSignal): Promise<void> {
  const running = await lookAt(services, input.vm);
  if (!running || !has(running, input)) return;
  await services.hypervisor.detachDevice(input.vm, await xmlOf(services, input, running)).catch((error: unknown) => {
    if (!isPendingUnplug(error)) throw error;
  });
  if (await isGone(services, input, { withinMs: lettingGoMs, signal })) return;
  throw new Problem('unavailable', 'The guest has not let the device go. Its system must be up and support hot-plug: try again then, or shut the VM down first.');
}

/** A request to let go cannot be withdrawn, so what is still there may go in a moment; what has gone is plugged in again. */
async function putBack(services: VmServices, input: Device, signal: AbortSignal): Promise<void> {
  if (await isGone(services, input, { withinMs: momentMs, signal })) await plug(services, input);
}

async function isGone(services: VmServices, input: Device, { withinMs, signal }: { withinMs: number; signal: AbortSignal }): Promise<boolean> {
  for (const startedAt = services.clock.now(); services.clock.now() - startedAt <= withinMs; await services.clock.sleep(pollMs, signal)) {
    const running = await lookAt(services, input.vm);
    if (!running || !has(running, input)) return true;
  }
  return false;
}

/** QEMU's word for a second request while the guest has not answered the first. */
const isPendingUnplug = (error: unknown) => error instanceof HypervisorError && /already in the process of unplug/.test(error.message);

interface Medium {
  vm: string;
  /** Name of an ISO image, and its path; both null to eject. */
  iso: string | null;
  path: string | null;
}

function cdromTask(services: VmServices): AnyTask {
  const { rows, facts } = services;
  const change = (vm: string, path: string | null, signal: AbortSignal) =>
    persist(services, 'The medium could not be changed', signal, async () => {
      const running = await lookAt(services, vm);
      if (!running || running.cdromPath === path) return;
      await services.hypervisor.updateDevice(vm, printXml(cdromXml({ path, machine: running.hardware.machine })));
    });
  return defineTask<Medium, Memory>({
    kind: 'vm.change-cdrom',
    input: z.object({ vm: z.string(), iso: z.string().nullable(), path: z.string().nullable() }),
    canCancel: false,
    locks: ({ vm }) => [exclusive('vm', vm)],
    steps: [
      {
        name: 'Change the medium', timeoutMs: 60_000,
        do: ({ input, signal }) => change(input.vm, input.path, signal),
        undo: ({ input, signal }) => change(input.vm, mediumOf(services, input.vm), signal),
      },
      look<Medium>(services),
    ],
    finished(tx, { state, input: { vm, iso }, memory }) {
      if (state !== 'done') return lookAgain(services, tx, vm);
      facts.note(tx, vm, { running: memory.running ?? null });
      rows.update(tx, vm, { cdrom: iso });
    },
  });
}

/** The medium that the VM is to have until this task has ended. */
function mediumOf({ rows, storage }: VmServices, vm: string): string | null {
  const { cdrom } = rows.require(vm);
  return cdrom === null ? null : storage.isoPath(cdrom);
}
