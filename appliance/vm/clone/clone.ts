/**
 * A VM of its own from what is kept of another or from what another is now: its hardware, copies of its disks, and network interfaces with addresses of
 * their own. Rows in one transaction, and a task for each copy; a start that comes meanwhile waits for them.
 */
import type { Tx } from '../../core/db.ts';
import type { Call } from '../../core/operation.ts';
import { Problem } from '../../core/problem.ts';
import { requireFit } from '../answers.ts';
import { forAnother } from '../cloud-init/settings.ts';
import { requireOn } from '../device/operations.ts';
import { holderOfVm } from '../firmware/variables.ts';
import { usualStartup } from '../power/startup-rules.ts';
import type { VmServices } from '../services.ts';
import { holderOf, type KeptConfig } from '../snapshot/snapshots.ts';
import { withoutIdentity } from '../template/templates.ts';

type CallTx = Tx & { call: Call };

export interface CloneWish {
  name: string;
  description: string;
  config: KeptConfig;
  /** The VM that it is a clone of: what that is told by cloud-init. */
  of: string;
  /** The snapshot of that; without one it is a clone of what that VM is now. */
  snapshot?: string;
  /** The layers that are copied, by disk; a disk without one is left out. Without any: what each disk shows now. */
  layers?: Map<string, string>;
}

/** Returns its id. */
export function makeClone(services: VmServices, tx: CallTx, wish: CloneWish): string {
  const { actor } = tx.call;
  if (!actor.reach.somewhere('vm.create')) throw new Problem('forbidden', `${actor.name} may not create VMs: it needs the permission "vm.create". Ask who manages this appliance.`);
  const { hardware } = withoutIdentity(wish.config);
  const { name, description } = wish;
  const id = services.rows.insert(tx, { ...hardware, name, description, cdrom: null, autostart: false, startup: usualStartup }, (vmId) => addDevices(services, tx, vmId, wish));
  requireFit(services, id);
  if (wish.snapshot === undefined) services.variables.keep(tx, holderOfVm(id), wish.of);
  else services.variables.copy(tx, holderOf(wish.snapshot), holderOfVm(id));
  const told = services.cloudInits.find(wish.of);
  if (told) services.cloudInits.set(tx, id, forAnother(told.settings));
  return id;
}

/** The guest finds each device where the other one had it. */
function addDevices({ rows, storage, network }: VmServices, tx: CallTx, vmId: string, { name, config, layers }: CloneWish): void {
  const { actor } = tx.call;
  const { disks, nics } = withoutIdentity(config);
  for (const { diskId, slot, settings } of disks) {
    const volume = layers?.get(diskId);
    if (layers && volume === undefined) continue;
    requireOn(actor, 'disk.transfer', { kind: 'disk', id: diskId });
    requireOn(actor, 'disk.create', { kind: 'storage-domain', id: storage.requireDisk(diskId).domainId });
    const copy = storage.copyDisk(tx, { name: freeDiskName(storage, name, rows.disks(vmId).length + 1), from: diskId, volume });
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
