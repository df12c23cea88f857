/**
 * What can change in a running guest does so at once: limits of disks, the cables of network interfaces and what these are plugged into, processors and memory as far as
 * the guest was started with room for them. All else waits for the
 * next start, and is shown as `pending` until then. A VM that is down has nothing to change.
 */
import * as z from 'zod';
import { exclusive } from '../../core/locks.ts';
import { type AnyTask, defineTask } from '../../core/task.ts';
import { deviceAlias, floppyXml, type NicSource, withCable } from '../definition/device-xml.ts';
import { lookAt, persist } from '../domain.ts';
import { nicSource } from '../definition/guest.ts';
import { limitNames } from '../definition/hardware.ts';
import { memoryXml } from '../definition/hardware-xml.ts';
import { growthOf, isElsewhere, pendingSettings } from '../rules.ts';
import type { Running } from '../definition/running.ts';
import type { VmServices } from '../services.ts';
import { find, findAll, parseXml, printXml } from '../definition/xml.ts';

interface Input {
  vm: string;
}

interface Memory {
  running: Running | null;
}

export function applyTask(services: VmServices): AnyTask {
  return defineTask<Input, Memory>({
    kind: 'vm.apply', input: z.object({ vm: z.string() }), canCancel: true,
    locks: ({ vm }) => [exclusive('vm', vm)],
    steps: [
      { name: 'Tell the running guest', timeoutMs: 120_000, do: ({ input, signal }) => persist(services, 'The running guest could not be changed', signal, () => apply(services, input.vm)) },
      { name: 'See what the guest has', timeoutMs: 60_000, do: ({ input, signal }) => persist(services, 'The guest cannot be seen', signal, async () => ({ running: await lookAt(services, input.vm) })) },
    ],
    finished(tx, { state, input: { vm }, memory: { running } }) {
      if (state === 'done') return services.facts.note(tx, vm, { running: running ?? null });
      // Some of it may have been done: only the guest itself can tell what it has.
      tx.afterCommit(() => {
        services.seenDevices.delete(vm);
        services.reconcilers.wake('vm.observe');
      });
    },
  });
}

/** Every wish of the VM, not only the one that was just made: so the step can run twice, and one that failed before is made good. */
async function apply(services: VmServices, vmId: string): Promise<void> {
  const { rows, hypervisor } = services;
  const running = await lookAt({ hypervisor }, vmId);
  if (!running) return;
  const { vcpus, addBytes } = growthOf(rows.require(vmId), running);
  if (vcpus !== undefined) await hypervisor.setVcpus(vmId, vcpus);
  if (addBytes !== undefined) await hypervisor.attachDevice(vmId, printXml(memoryXml(addBytes)));
  await changeFloppy(services, vmId, running);
  for (const { diskId, settings } of rows.disks(vmId)) {
    const runs = running.diskSettings[diskId];
    if (runs && pendingSettings(limitNames, settings, runs).length > 0) await hypervisor.setBlockLimits(vmId, runs.target, settings);
  }
  for (const nic of rows.nics(vmId)) {
    const runs = running.nicSettings[nic.id];
    if (!runs) continue;
    const source = nicSource(services, nic);
    const isMoved = isElsewhere(runs, source);
    if (isMoved) await services.network.ensureNetwork(nic.network);
    if (isMoved || runs.isLinked !== nic.settings.isLinked) await setCable({ hypervisor }, { vmId, nicId: nic.id, isLinked: nic.settings.isLinked, source });
  }
}

/** Into the drive that it was started with. */
async function changeFloppy({ rows, hypervisor, storage }: VmServices, vmId: string, { hardware }: Running): Promise<void> {
  const { floppy } = rows.require(vmId).hardware;
  if (hardware.floppyDrive && floppy !== hardware.floppy) await hypervisor.updateDevice(vmId, printXml(floppyXml(floppy === null ? null : storage.isoPath(floppy))));
}

interface Cable {
  vmId: string;
  nicId: string;
  isLinked: boolean;
  source: NicSource;
}

/** libvirt wants the interface whole, as it is but for the cable. */
async function setCable({ hypervisor }: Pick<VmServices, 'hypervisor'>, { vmId, nicId, ...cable }: Cable): Promise<void> {
  const nic = findAll(parseXml(await hypervisor.domainXml(vmId)), 'devices', 'interface').find((device) => find(device, 'alias')?.attributes['name'] === deviceAlias(nicId));
  if (nic) await hypervisor.updateDevice(vmId, printXml(withCable(nic, cable)));
}
