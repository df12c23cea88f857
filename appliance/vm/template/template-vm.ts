/**
 * A VM from a template: rows in one transaction, and a task for each disk. Thin disks are an empty layer over the template's image; those of a
 * clone are copied. A start that comes meanwhile waits for them.
 */
import type { Tx } from '../../core/db.ts';
import type { Actor } from '../../core/operation.ts';
import { requireFit } from '../answers.ts';
import type { CloudInit } from '../cloud-init/settings.ts';
import { requireOn } from '../device/operations.ts';
import { holderOfTemplate, holderOfVm } from '../firmware/variables.ts';
import type { VmServices } from '../services.ts';
import { usualStartup } from '../power/startup-rules.ts';
import type { TemplateRow } from './templates.ts';

export interface TemplateVmWish {
  template: TemplateRow;
  name: string;
  description: string;
  mode: 'thin' | 'clone';
  vcpus?: number | undefined;
  memoryBytes?: number | undefined;
  cloudInit?: CloudInit | undefined;
}

/** Returns its id. `actor` must be allowed to make disks and to use the networks. */
export function vmFromTemplate(services: VmServices, tx: Tx, actor: Actor, { template, name, description, mode, vcpus, memoryBytes, cloudInit }: TemplateVmWish): string {
  const { rows, templates, storage, network } = services;
  const hardware = { ...template.hardware, vcpus: vcpus ?? template.hardware.vcpus, memoryBytes: memoryBytes ?? template.hardware.memoryBytes };
  const id = rows.insert(tx, { ...hardware, name, description, cdrom: null, autostart: false, startup: usualStartup }, (vmId) => {
    for (const { diskId, slot, settings } of templates.disks(template.id)) {
      requireOn(actor, 'disk.create', { kind: 'storage-domain', id: storage.requireDisk(diskId).domainId });
      const wish = { name: freeDiskName(services, name, vmId), description: '' };
      const disk = mode === 'thin' ? storage.createThinDisk(tx, { ...wish, base: diskId }) : storage.copyDisk(tx, { ...wish, from: diskId });
      rows.linkDisk(tx, vmId, disk.id, settings, slot); // the guest finds each device where the template had it
    }
    for (const { slot, network: wanted, settings } of template.nics) {
      const found = network.requireNetwork(wanted);
      requireOn(actor, 'network.use', { kind: 'network', id: found.id });
      rows.addNic(tx, vmId, { slot, network: found.name, mac: network.allocateMac(tx), settings });
    }
  });
  requireFit(services, id);
  services.variables.copy(tx, holderOfTemplate(template.id), holderOfVm(id));
  if (cloudInit) services.cloudInits.set(tx, id, cloudInit);
  return id;
}

function freeDiskName({ rows, storage }: VmServices, vmName: string, vmId: string): string {
  for (let number = rows.disks(vmId).length + 1; ; number++) {
    const name = `${vmName.slice(0, 48)}-disk${number}`;
    if (!storage.findDisk(name)) return name;
  }
}
