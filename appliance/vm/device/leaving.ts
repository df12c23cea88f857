/**
 * A disk that is to go from a VM, on a bus that lets none go while the guest runs: it stays, marked, and goes in the same commit in which the VM is
 * seen to be down. Until then the mark shows among what waits, and `discard-changes` takes it away.
 */
import type { Tx } from '../../core/db.ts';
import { deleteDisk } from '../delete-task.ts';
import type { VmServices } from '../services.ts';

/** The VM is down: what waited for that goes now. */
export function letLeave(services: VmServices, tx: Tx, vmId: string): void {
  const { rows, storage } = services;
  for (const { diskId, leaving } of rows.disks(vmId)) {
    if (leaving === null) continue;
    if (storage.layers.of(diskId).length > 0) {
      keep(services, tx, { vmId, diskId });
      continue;
    }
    rows.unlinkDisk(tx, vmId, diskId);
    if (leaving === 'delete') deleteDisk(services, tx, diskId);
  }
}

/** A snapshot that was taken meanwhile could not go back without it. */
function keep({ rows, storage, activity }: VmServices, tx: Tx, { vmId, diskId }: { vmId: string; diskId: string }): void {
  rows.setLeaving(tx, vmId, diskId, null);
  const [vm, [disk]] = [rows.require(vmId), storage.disks([diskId])];
  if (!disk) return;
  activity.event(tx, {
    severity: 'warning', code: 'vm.disk-stays', message: `${vm.name} keeps the disk ${disk.name}: it is part of a snapshot that was taken since it was to be detached.`, nextStep: 'Delete the snapshot, then detach the disk.',
    about: [{ kind: 'vm', id: vmId, name: vm.name }, { kind: 'disk', id: diskId, name: disk.name }],
  });
}
