/** The verbs of a VM's devices: disks, network interfaces, the medium in its CD-ROM drive. All work on a running VM, too. */
import type { z } from 'zod';
import type { Tx } from '../../core/db.ts';
import type { ObjectRef } from '../../core/objects.ts';
import { type Actor, type Call, startTask } from '../../core/operation.ts';
import { Problem } from '../../core/problem.ts';
import { allow, requireFit, requireOwnDisks } from '../answers.ts';
import { type DiskSettings, defaultBus, diskNames, freeIdeUnit, type Hardware, isHotPlug, nicNames, systemDefaults } from '../definition/hardware.ts';
import { aboutVm } from '../power/operations.ts';
import type { DiskLink, Vm } from '../rows.ts';
import type { VmVerb } from '../rules.ts';
import { AddNicInput, AttachDiskInput, ChangeCdromInput, DetachDiskInput, EditDiskInput, EditNicInput, type NewDisk, type NewNic, RemoveNicInput } from '../schema.ts';
import type { VmServices } from '../services.ts';

type Named = Pick<Vm, 'id' | 'name'> & { hardware: Hardware };
type CallTx = Tx & { call: Call };

/** For what a request names beside the VM: whoever may change a VM may not take the disks of others for it. */
export function requireOn({ name, reach }: Actor, permission: string, object: ObjectRef): void {
  if (!reach.on(permission, object)) throw new Problem('forbidden', `${name} may not do this: it needs the permission "${permission}" on the ${object.kind.replace('-', ' ')}. Ask who manages it.`);
}

/** Links an existing disk, or a new one whose making starts with the commit. Returns its id. `path` names the field in problems. */
export function addDisk(services: VmServices, tx: CallTx, vm: Named, wanted: z.output<typeof NewDisk>, path = ''): string {
  const { rows, storage } = services;
  const { disk: ref, sizeBytes, format, allocation, domain } = wanted;
  const settings = newSettings(services, vm, wanted);
  if (ref === undefined) {
    if (sizeBytes === undefined) throw new Error('the schema lets no new disk through without a size');
    requireOn(tx.call.actor, 'disk.create', { kind: 'storage-domain', id: storage.dataDomain(domain).id });
    const disk = storage.createDisk(tx, { name: wanted.name ?? freeDiskName(services, vm), sizeBytes, format, allocation, domain });
    rows.linkDisk(tx, vm.id, disk.id, settings);
    return disk.id;
  }
  const disk = storage.requireDisk(ref);
  requireOn(tx.call.actor, 'disk.edit', { kind: 'disk', id: disk.id });
  if (disk.state === 'template') throw new Problem('in-use', `The disk ${disk.name} is the image of a template, which nobody changes. Make a VM from the template.`);
  const [user] = rows.usersOfDisk(disk.id);
  const field = path === '' ? 'disk' : `${path}.disk`;
  if (user) throw new Problem('in-use', `The disk ${disk.name} belongs to the VM ${user.name}. Detach it there first.`, { errors: [{ path: field, message: `In use by ${user.name}.` }] });
  rows.linkDisk(tx, vm.id, disk.id, settings);
  return disk.id;
}

function newSettings({ rows }: VmServices, vm: Named, wanted: z.output<typeof NewDisk>): DiskSettings {
  const { bus = defaultBus(vm.hardware), discard, serial, readBytesPerSecond, writeBytesPerSecond, readsPerSecond, writesPerSecond } = wanted;
  return { bus, discard, serial, readBytesPerSecond, writeBytesPerSecond, readsPerSecond, writesPerSecond, unit: ideUnit(rows.disks(vm.id)) };
}

const ideUnit = (disks: DiskLink[]) => freeIdeUnit(disks.filter(({ settings }) => settings.bus === 'ide').map(({ settings }) => settings.unit));

/** `web-1-disk1`, or the next number that no disk has. */
function freeDiskName({ rows, storage }: VmServices, vm: Named): string {
  const stem = vm.name.slice(0, 48);
  for (let number = rows.disks(vm.id).length + 1; ; number++) {
    const name = `${stem}-disk${number}`;
    if (!storage.findDisk(name)) return name;
  }
}

export function addNic({ rows, network }: VmServices, tx: CallTx, vm: Named, wanted: z.output<typeof NewNic>, path = ''): string {
  const name = networkFor({ network }, tx, wanted.network);
  const mac = wanted.mac ?? network.allocateMac(tx);
  if (rows.hasMac(mac)) refuseMac(mac, path === '' ? 'mac' : `${path}.mac`);
  const settings = { model: wanted.model ?? systemDefaults(vm.hardware.os).nic, isLinked: wanted.isLinked };
  return rows.addNic(tx, vm.id, { network: name, mac, settings });
}

/** The name of a network that whoever asks may plug a cable into. */
function networkFor({ network }: Pick<VmServices, 'network'>, tx: CallTx, ref: string): string {
  const { id, name } = network.requireNetwork(ref);
  requireOn(tx.call.actor, 'network.use', { kind: 'network', id });
  return name;
}

function refuseMac(mac: string, path: string): never {
  throw new Problem('in-use', `Another network interface already has the MAC address ${mac}. Choose another, or leave it empty.`, { errors: [{ path, message: 'This address is taken.' }] });
}

function requireFor({ rows }: VmServices, verb: VmVerb, ref: string): Vm {
  const vm = rows.require(ref);
  allow(verb, vm);
  return vm;
}

const generation = ({ rows }: VmServices, { vm }: { vm: string }) => rows.require(vm).generation;

export const diskAttach = startTask<VmServices>()({
  id: 'vm.attach-disk', method: 'POST', path: '/vms/{vm}/disks', permission: 'vm.edit', summary: 'Attach a disk to a VM',
  input: AttachDiskInput, generation,
  run(services, tx, { vm: ref, ...wanted }) {
    const vm = requireFor(services, 'attach-disk', ref);
    requireOwnDisks(vm);
    const id = addDisk(services, tx, vm, wanted);
    services.rows.touch(tx, vm.id);
    requireFit(services, vm.id, 'bus');
    const disk = services.storage.requireDisk(id);
    return services.tasks.start(tx, 'vm.plug', { vm: vm.id, kind: 'disk', id, withDisk: wanted.disk === undefined }, [...aboutVm(vm), { kind: 'disk', id, name: disk.name }]);
  },
});

export const diskDetach = startTask<VmServices>()({
  id: 'vm.detach-disk', method: 'DELETE', path: '/vms/{vm}/disks/{disk}', permission: 'vm.edit', summary: 'Detach a disk from a VM',
  input: DetachDiskInput, generation,
  run(services, tx, { vm: ref, disk: diskRef, delete: withDisk }) {
    const vm = requireFor(services, 'detach-disk', ref);
    requireOwnDisks(vm);
    const disk = services.storage.requireDisk(diskRef);
    if (!services.rows.disks(vm.id).some(({ diskId }) => diskId === disk.id)) throw new Problem('not-found', `${vm.name} has no disk "${disk.name}". It may have been detached.`);
    if (services.storage.layers.of(disk.id).length > 0) throw new Problem('in-use', `The disk ${disk.name} is part of snapshots of ${vm.name}, which could not go back to them without it. Delete these first.`);
    if (withDisk) requireOn(tx.call.actor, 'disk.delete', { kind: 'disk', id: disk.id });
    const running = vm.fact.running;
    const bus = running?.diskSettings[disk.id]?.bus;
    if (bus && !isHotPlug(bus, true)) {
      services.rows.setLeaving(tx, vm.id, disk.id, withDisk ? 'delete' : 'detach');
      return services.tasks.start(tx, 'vm.apply', { vm: vm.id }, [...aboutVm(vm), { kind: 'disk', id: disk.id, name: disk.name }]);
    }
    return services.tasks.start(tx, 'vm.unplug', { vm: vm.id, kind: 'disk', id: disk.id, withDisk }, [...aboutVm(vm), { kind: 'disk', id: disk.id, name: disk.name }]);
  },
});

export const diskEdit = startTask<VmServices>()({
  id: 'vm.edit-disk', method: 'PATCH', path: '/vms/{vm}/disks/{disk}', permission: 'vm.edit', summary: 'Change how a disk is plugged in',
  input: EditDiskInput, generation,
  run(services, tx, { vm: ref, disk: diskRef, ...changes }) {
    const { rows } = services;
    const vm = requireFor(services, 'edit', ref);
    const disk = services.storage.requireDisk(diskRef);
    const links = rows.disks(vm.id);
    const link = links.find(({ diskId }) => diskId === disk.id);
    if (!link) throw new Problem('not-found', `${vm.name} has no disk "${disk.name}". It may have been detached.`);
    const unit = link.settings.bus === 'ide' ? link.settings.unit : ideUnit(links);
    rows.setDisk(tx, vm.id, disk.id, { ...link.settings, ...given(diskNames, changes), unit });
    requireFit(services, vm.id, 'bus');
    return services.tasks.start(tx, 'vm.apply', { vm: vm.id }, [...aboutVm(vm), { kind: 'disk', id: disk.id, name: disk.name }]);
  },
});

/** Those of `names` that a request brings. */
function given<T extends object>(names: readonly (keyof T & string)[], changes: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const brought = names.filter((name) => changes[name] !== undefined).map((name) => [name, changes[name]]);
  return Object.fromEntries(brought) as { [K in keyof T]: Exclude<T[K], undefined> }; // what is undefined was left out
}

export const nicEdit = startTask<VmServices>()({
  id: 'vm.edit-nic', method: 'PATCH', path: '/vms/{vm}/nics/{nic}', permission: 'vm.edit', summary: 'Change a network interface',
  input: EditNicInput, generation,
  run(services, tx, { vm: ref, nic: id, network: wanted, mac = '', ...changes }) {
    const { rows } = services;
    const vm = requireFor(services, 'edit', ref);
    const nic = rows.nics(vm.id).find((row) => row.id === id);
    if (!nic) throw new Problem('not-found', `${vm.name} has no such network interface. It may have been removed.`);
    const network = wanted === undefined || wanted === nic.network ? nic.network : networkFor(services, tx, wanted);
    if (mac !== '' && rows.hasMac(mac, id)) refuseMac(mac, 'mac');
    rows.setNic(tx, vm.id, id, { network, mac: mac === '' ? nic.mac : mac, settings: { ...nic.settings, ...given(nicNames, changes) } });
    return services.tasks.start(tx, 'vm.apply', { vm: vm.id }, aboutVm(vm));
  },
});

export const nicAdd = startTask<VmServices>()({
  id: 'vm.add-nic', method: 'POST', path: '/vms/{vm}/nics', permission: 'vm.edit', summary: 'Add a network interface to a VM',
  input: AddNicInput, generation,
  run(services, tx, { vm: ref, ...wanted }) {
    const vm = requireFor(services, 'add-nic', ref);
    const id = addNic(services, tx, vm, wanted);
    services.rows.touch(tx, vm.id);
    return services.tasks.start(tx, 'vm.plug', { vm: vm.id, kind: 'nic', id, withDisk: false }, aboutVm(vm));
  },
});

export const nicRemove = startTask<VmServices>()({
  id: 'vm.remove-nic', method: 'DELETE', path: '/vms/{vm}/nics/{nic}', permission: 'vm.edit', summary: 'Remove a network interface from a VM',
  input: RemoveNicInput, generation,
  run(services, tx, { vm: ref, nic }) {
    const vm = requireFor(services, 'remove-nic', ref);
    if (!services.rows.nics(vm.id).some(({ id }) => id === nic)) throw new Problem('not-found', `${vm.name} has no such network interface. It may have been removed.`);
    return services.tasks.start(tx, 'vm.unplug', { vm: vm.id, kind: 'nic', id: nic, withDisk: false }, aboutVm(vm));
  },
});

export const cdromChange = startTask<VmServices>()({
  id: 'vm.change-cdrom', method: 'PUT', path: '/vms/{vm}/cdrom', permission: 'vm.operate', summary: 'Change or eject the CD-ROM of a VM',
  input: ChangeCdromInput,
  run(services, tx, { vm: ref, iso }) {
    const vm = requireFor(services, 'change-cdrom', ref);
    const path = iso === null ? null : services.storage.isoPath(iso, tx.call.actor);
    return services.tasks.start(tx, 'vm.change-cdrom', { vm: vm.id, iso, path }, aboutVm(vm));
  },
});

export const deviceOperations = [diskAttach, diskDetach, diskEdit, nicAdd, nicEdit, nicRemove, cdromChange];
