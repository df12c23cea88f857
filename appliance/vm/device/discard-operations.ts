/** Undoing what waits for the next start: the wishes become what runs, so the next start changes nothing. */
import { write } from '../../core/operation.ts';
import { Problem } from '../../core/problem.ts';
import { allow, answerOf } from '../answers.ts';
import { ideUnitOf } from '../definition/device-xml.ts';
import { heldAtOnce, isHotPlug } from '../definition/hardware.ts';
import { VmOutput, VmRef } from '../schema.ts';
import type { VmServices } from '../services.ts';

export const vmDiscardChanges = write<VmServices>()({
  id: 'vm.discard-changes', method: 'POST', path: '/vms/{vm}/discard-changes', permission: 'vm.edit', status: 200, summary: 'Undo changes that wait for the next start',
  input: VmRef, output: VmOutput,
  generation: ({ rows }, { vm }) => rows.require(vm).generation,
  run(services, tx, { vm: ref }) {
    const { rows } = services;
    const vm = rows.require(ref);
    allow('edit', vm);
    const { running } = vm.fact;
    if (!running) throw new Problem('wrong-state', `${vm.name} does not run, so nothing waits for its next start.`);
    const { name, vcpus, memoryBytes, firmware, bootOrder, hardware } = running;
    const kept = Object.fromEntries(heldAtOnce.map((name) => [name, vm.hardware[name]]));
    rows.update(tx, vm.id, { name, vcpus, memoryBytes, firmware, bootOrder, hardware: { ...hardware, ...kept } });
    for (const { diskId, settings, leaving } of rows.disks(vm.id)) {
      if (leaving) rows.setLeaving(tx, vm.id, diskId, null);
      const runs = running.diskSettings[diskId];
      if (!runs) {
        // What came since and waits goes again, and stays as a disk of no VM; unless a snapshot holds it by now.
        if (!isHotPlug(settings.bus, running.hasScsi) && services.storage.layers.of(diskId).length === 0) rows.unlinkDisk(tx, vm.id, diskId);
        continue;
      }
      const { target, ...rest } = runs;
      const unit = rest.bus === 'ide' ? ideUnitOf(target) : settings.unit;
      rows.setDisk(tx, vm.id, diskId, { ...rest, unit });
    }
    for (const { id } of rows.nics(vm.id)) {
      const runs = running.nicSettings[id];
      if (!runs) continue;
      const { mac, source, ...settings } = runs;
      const network = services.network.networkOf(source);
      rows.setNic(tx, vm.id, id, { settings, mac, ...(network !== undefined && { network }) });
    }
    return answerOf(services, rows.require(vm.id));
  },
});
