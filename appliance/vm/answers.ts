/** A VM as the API shows it: its wish, its fact, its devices and what the state means. */
import type { z } from 'zod';
import { Problem } from '../core/problem.ts';
import { diskTarget } from './definition/device-xml.ts';
import { nicSource } from './definition/guest.ts';
import { explain, explainWaiting } from './explanations.ts';
import { diskNames, faultsOf, mostVcpus, nicNames } from './definition/hardware.ts';
import type { Vm } from './rows.ts';
import { pendingChanges, pendingMove, pendingPlug, pendingSettings, refusal, type Standing, type VmVerb, vmCan } from './rules.ts';
import type { VmOutput, VmSummary } from './schema.ts';
import type { VmServices } from './services.ts';
import { shownStartup } from './power/startup.ts';

/** Throws `wrong-state` with what to do unless `verb` is allowed now. */
export function allow(verb: VmVerb, vm: Vm): void {
  const standing: Standing = vm.fact;
  if (!vmCan(verb, standing)) throw new Problem('wrong-state', refusal(verb, vm.name, standing));
}

/** Throws `wrong-state` for a VM of a pool: each time it is given back it is as its template again, with the disks of that. */
export function requireOwnDisks(vm: Pick<Vm, 'name' | 'pool'>): void {
  if (vm.pool !== null) throw new Problem('wrong-state', `${vm.name} is one of the pool "${vm.pool}", whose VMs have the disks of their template. Make a new version of the template with what they need, and give that to the pool.`);
}

/** Throws `invalid-input` unless what the VM is to have now fits together. `path` names the field where it is not one of the VM. */
export function requireFit({ rows }: Pick<VmServices, 'rows'>, vmId: string, path?: string): void {
  const { vcpus, memoryBytes, firmware, hardware } = rows.require(vmId);
  const faults = faultsOf({ ...hardware, vcpus, memoryBytes, firmware, buses: rows.disks(vmId).map(({ settings }) => settings.bus) });
  const [first] = faults;
  if (first) throw new Problem('invalid-input', first.message, { errors: faults.map((fault) => (path === undefined ? fault : { ...fault, path })) });
}

export function summaryOf(vm: Vm): z.input<typeof VmSummary> {
  const { id, name, description, vcpus, memoryBytes, firmware, autostart, pool, generation } = vm;
  const { state, reason, since, isDeleting } = vm.fact;
  return { id, name, description, state, reason, since, vcpus, memoryBytes, firmware, autostart, isDeleting, pool, generation };
}

export function answerOf({ rows, storage, network: networks, guests, waitsFor, cloudInits, defaults, passes, templates }: Pick<VmServices, 'rows' | 'storage' | 'network' | 'guests' | 'waitsFor' | 'cloudInits' | 'defaults' | 'passes' | 'templates'>, vm: Vm): z.input<typeof VmOutput> {
  const { running, hasAgent, startedAt } = vm.fact;
  const links = rows.disks(vm.id);
  const disks = new Map(storage.disks(links.map(({ diskId }) => diskId)).map((disk) => [disk.id, disk]));
  return {
    ...summaryOf(vm),
    explanation: explainWaiting(vm.fact.state === 'down' ? waitsFor(vm.id) : undefined) ?? explain(vm.fact),
    said: vm.fact.said,
    disks: links.flatMap((link) => {
      const disk = disks.get(link.diskId);
      if (!disk) return [];
      const { id, name, sizeBytes, format, allocation, state } = disk;
      const runs = running?.diskSettings[id];
      const { unit: _unit, ...settings } = link.settings;
      const isPlugged = running?.disks.includes(id) ?? false;
      return [{ id, name, sizeBytes, format, allocation, state, ...settings, target: runs?.target ?? diskTarget({ ...link.settings, slot: link.slot }), isPlugged, pending: [...pendingMove({ isPlugged, leaving: link.leaving, bus: settings.bus }, running), ...pendingSettings(diskNames, settings, runs)] }];
    }),
    cdrom: vm.cdrom,
    nics: rows.nics(vm.id).map(({ id, network, mac, settings }) => ({ id, network, mac, ...settings, isPlugged: running?.nics.includes(id) ?? false, pending: [...pendingPlug({ mac, source: nicSource({ network: networks }, { network }) }, running?.nicSettings[id]), ...pendingSettings(nicNames, settings, running?.nicSettings[id])] })),
    bootOrder: vm.bootOrder,
    ...vm.hardware,
    cores: Math.floor(mostVcpus({ ...vm.hardware, vcpus: vm.vcpus }) / vm.hardware.sockets / vm.hardware.threads),
    ...shownStartup(rows, vm.startup),
    pending: pendingChanges(vm, running, defaults.wanted().cpu),
    template: [...disks.values()].flatMap(({ baseDiskId }) => (baseDiskId === null ? [] : templates.usersOfDisk(baseDiskId)))[0]?.name ?? null,
    hasCloudInit: cloudInits.find(vm.id) !== undefined,
    hostDevices: passes.of(vm.id).map(({ id, rule }) => ({ id, device: rule })),
    hasAgent, startedAt,
    guest: hasAgent ? guests.look(vm.id) : null,
    createdAt: vm.createdAt,
  };
}
