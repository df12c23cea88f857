/**
 * A VM of its own from a snapshot: its hardware, copies of the disks as they were, and network interfaces with addresses of their own. Rows in one transaction, and
 * a task for each copy; a start that comes meanwhile waits for them. The snapshot's layers are frozen, so the VM that it is of may run.
 */
import type { Tx } from '../../core/db.ts';
import { type Call, write } from '../../core/operation.ts';
import { Problem } from '../../core/problem.ts';
import { answerOf, requireFit } from '../answers.ts';
import { requireOn } from '../device/operations.ts';
import { snapshotFault } from './rules.ts';
import { VmOutput } from '../schema.ts';
import { SnapshotCloneInput } from './schema.ts';
import type { VmServices } from '../services.ts';
import { holderOf, type SnapshotRow } from './snapshots.ts';
import { usualStartup } from '../power/startup-rules.ts';
import { withoutIdentity } from '../template/templates.ts';

type CallTx = Tx & { call: Call };

export const snapshotClone = write<VmServices>()({
  id: 'snapshot.clone', method: 'POST', path: '/vms/{vm}/snapshots/{snapshot}/clone', permission: 'vm.snapshot', status: 201, summary: 'Make a VM of its own from a snapshot',
  input: SnapshotCloneInput, output: VmOutput,
  run(services, tx, { vm: ref, snapshot: snapshotRef, name, description }) {
    const { actor } = tx.call;
    if (!actor.reach.somewhere('vm.create')) throw new Problem('forbidden', `${actor.name} may not create VMs: it needs the permission "vm.create". Ask who manages this appliance.`);
    const snapshot = services.snapshots.require(services.rows.require(ref), snapshotRef);
    const fault = snapshotFault('clone', snapshot);
    if (fault) throw new Problem('wrong-state', fault);
    const { hardware } = withoutIdentity(snapshot.config);
    const id = services.rows.insert(tx, { ...hardware, name, description, cdrom: null, autostart: false, startup: usualStartup }, (vmId) => addDevices(services, tx, { vmId, name, snapshot }));
    requireFit(services, id);
    return answerOf(services, services.rows.require(id));
  },
});

/** The guest finds each device where the snapshot had it. */
function addDevices({ rows, storage, network }: VmServices, tx: CallTx, { vmId, name, snapshot }: { vmId: string; name: string; snapshot: SnapshotRow }): void {
  const { actor } = tx.call;
  const { disks, nics } = withoutIdentity(snapshot.config);
  for (const { diskId, slot, settings } of disks) {
    const layer = storage.layers.held(diskId, holderOf(snapshot.id));
    if (!layer) continue;
    requireOn(actor, 'disk.transfer', { kind: 'disk', id: diskId });
    requireOn(actor, 'disk.create', { kind: 'storage-domain', id: storage.requireDisk(diskId).domainId });
    const copy = storage.copyDisk(tx, { name: freeDiskName(storage, name, rows.disks(vmId).length + 1), from: diskId, volume: layer.id });
    rows.linkDisk(tx, vmId, copy.id, settings, slot);
  }
  for (const { slot, network: wanted, settings } of nics) {
    const found = network.requireNetwork(wanted);
    requireOn(actor, 'network.use', { kind: 'network', id: found.id });
    rows.addNic(tx, vmId, { slot, network: found.name, mac: network.allocateMac(tx), settings });
  }
}

function freeDiskName(storage: VmServices['storage'], vmName: string, first: number): string {
  for (let number = first; ; number++) {
    const name = `${vmName.slice(0, 48)}-disk${number}`;
    if (!storage.findDisk(name)) return name;
  }
}
