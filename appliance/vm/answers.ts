/** A VM as the API shows it: its wish, its fact, its devices and what the state means. */
import type { z } from 'zod';
import { Problem } from '../core/problem.ts';
import { diskTarget } from './device-xml.ts';
import { explain } from './explanations.ts';
import type { Vm } from './rows.ts';
import { pendingChanges, refusal, type Standing, type VmVerb, vmCan } from './rules.ts';
import type { VmOutput, VmSummary } from './schema.ts';
import type { VmServices } from './services.ts';

/** Throws `wrong-state` with what to do unless `verb` is allowed now. */
export function allow(verb: VmVerb, vm: Vm): void {
  const standing: Standing = vm.fact;
  if (!vmCan(verb, standing)) throw new Problem('wrong-state', refusal(verb, vm.name, standing));
}

export function summaryOf(vm: Vm): z.input<typeof VmSummary> {
  const { id, name, description, vcpus, memoryBytes, firmware, autostart, generation } = vm;
  const { state, reason, since, isDeleting } = vm.fact;
  return { id, name, description, state, reason, since, vcpus, memoryBytes, firmware, autostart, isDeleting, generation };
}

export function answerOf({ rows, storage, guests }: Pick<VmServices, 'rows' | 'storage' | 'guests'>, vm: Vm): z.input<typeof VmOutput> {
  const { running, hasAgent, startedAt } = vm.fact;
  const links = rows.disks(vm.id);
  const disks = new Map(storage.disks(links.map(({ diskId }) => diskId)).map((disk) => [disk.id, disk]));
  return {
    ...summaryOf(vm),
    explanation: explain(vm.fact),
    disks: links.flatMap(({ diskId, slot }) => {
      const disk = disks.get(diskId);
      if (!disk) return [];
      const { id, name, sizeBytes, format, allocation, state } = disk;
      return [{ id, name, sizeBytes, format, allocation, state, target: diskTarget(slot), isPlugged: running?.disks.includes(id) ?? false }];
    }),
    cdrom: vm.cdrom,
    nics: rows.nics(vm.id).map(({ id, network, mac }) => ({ id, network, mac, model: 'virtio' as const, isPlugged: running?.nics.includes(id) ?? false })),
    bootOrder: vm.bootOrder,
    graphics: 'vnc',
    pending: pendingChanges(vm, running),
    hasAgent, startedAt,
    guest: hasAgent ? guests.look(vm.id) : null,
    createdAt: vm.createdAt,
  };
}
