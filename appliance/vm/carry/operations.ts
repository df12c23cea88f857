/** The verbs that carry machines: out into a file, a look at what came, and in from it. */
import type * as z from 'zod';
import type { Tx } from '../../core/db.ts';
import { type Call, type Operation, read, startTask } from '../../core/operation.ts';
import { Problem } from '../../core/problem.ts';
import { MiB } from '../../core/units.ts';
import { allow, requireFit } from '../answers.ts';
import { hostnameOf } from '../cloud-init/seed.ts';
import { requireOn } from '../device/operations.ts';
import { completeHardware, freeIdeUnit, type NicModelName, plainDisk, plainNic } from '../definition/hardware.ts';
import { aboutVm } from '../power/operations.ts';
import { usualStartup } from '../power/startup-rules.ts';
import type { Vm } from '../rows.ts';
import { VmName } from '../schema.ts';
import type { VmServices } from '../services.ts';
import { requireNoSnapshotTask } from '../snapshot/operations.ts';
import { type CarriedLook, lookAtOva } from './look.ts';
import type { CarriedMachine } from './ovf-write.ts';
import { CarriedOutput, ExportInput, ImportInput, OvaRef } from './schema.ts';
import type { ExportTask, ImportTask } from './tasks.ts';

type CallTx = Tx & { call: Call };

// ------------------------------------------------------------------------------------------------ out

export const vmExport = startTask<VmServices>()({
  id: 'vm.export', method: 'POST', path: '/vms/{vm}/export', permission: 'vm.edit', summary: 'Export a VM that is down as an OVA file',
  input: ExportInput,
  async prepare({ rows, storage }, { signal }, { vm: ref }) {
    const vm = rows.require(ref);
    allow('export', vm); // before a tool meets disks that a guest has open
    const sizes: number[] = [];
    for (const { diskId } of rows.disks(vm.id)) sizes.push(await storage.carried.measureDisk(diskId, signal));
    return sizes;
  },
  run(services, tx, { vm: ref, name, format }, sizes) {
    const { rows, storage, clock } = services;
    const vm = rows.require(ref);
    allow('export', vm);
    requireNoSnapshotTask(services, vm);
    const stem = hostnameOf(vm.name);
    const machine = machineOf(services, vm, { stem, format });
    const disks = rows.disks(vm.id).map(({ diskId }) => diskId);
    for (const id of disks) {
      requireOn(tx.call.actor, 'disk.transfer', { kind: 'disk', id });
      storage.layers.lock(tx, id);
    }
    const bytes = sizes.reduce((sum, size) => sum + size, MiB) + Math.max(0, ...sizes); // one disk lies beside the file
    const file = name ?? `${stem}.ova`;
    const { file: id, domainId } = storage.carried.begin(tx, { domain: undefined, name: file, bytes });
    requireOn(tx.call.actor, 'iso.upload', { kind: 'storage-domain', id: domainId });
    const input: ExportTask = { vm: vm.id, domain: domainId, file: id, name: file, stem, format, modifiedAt: clock.now(), disks, machine };
    const about = storage.disks(disks).map((disk) => ({ kind: 'disk', id: disk.id, name: disk.name }));
    return services.tasks.start(tx, 'vm.export', input, [...aboutVm(vm), ...about, { kind: 'iso', id: file, name: file }]);
  },
});

function machineOf({ rows, storage }: VmServices, vm: Vm, { stem, format }: { stem: string; format: 'vmdk' | 'qcow2' }): CarriedMachine {
  const { name, description, vcpus, memoryBytes, firmware, hardware } = vm;
  const disks = rows.disks(vm.id).map(({ diskId, settings }, index) => ({ file: `${stem}-disk${index + 1}.${format}`, fileBytes: 0, sizeBytes: storage.requireDisk(diskId).sizeBytes, format, settings }));
  const nics = rows.nics(vm.id).map(({ network, settings }) => ({ network, settings }));
  return { name, description, vcpus, memoryBytes, firmware, hardware: { ...hardware, floppy: null }, disks, nics };
}

// ------------------------------------------------------------------------------------------------ in

async function look({ storage }: VmServices, { actor, signal }: Call, { domain, name }: { domain: string; name: string }): Promise<CarriedLook> {
  const file = storage.carried.open(domain, name);
  try {
    requireOn(actor, 'iso.read', { kind: 'storage-domain', id: file.domainId });
    return await lookAtOva(storage.carried, file.path, signal);
  } finally {
    file.leave();
  }
}

export const ovaLook = read<VmServices>()({
  id: 'ova.look', method: 'GET', path: '/storage-domains/{domain}/files/{name}/machine', permission: 'iso.read', summary: 'Show which machine an OVA file holds',
  input: OvaRef, output: CarriedOutput,
  async run(services, call, { domain, name }) {
    const { machine, disks, hasSums, notes } = await look(services, call, { domain, name });
    const { name: called, os, firmware, vcpus, memoryBytes, nics } = machine;
    return { name: called, os, firmware, vcpus, memoryBytes, disks: disks.map(({ of, source, sizeBytes }) => ({ file: of.file, format: source.format, sizeBytes, bus: of.bus })), nics, hasSums, notes };
  },
});

export const ovaImport = startTask<VmServices>()({
  id: 'ova.import', method: 'POST', path: '/storage-domains/{domain}/files/{name}/machine', permission: 'vm.create', scope: 'each', summary: 'Create a VM from an OVA file',
  input: ImportInput,
  prepare: (services, call, { domain, name }) => look(services, call, { domain, name }),
  run(services, tx, wish, found) {
    const name = nameFor(wish, found);
    const disks: ImportTask['disks'] = [];
    const id = insertVm(services, tx, { wish, found, name, disks });
    requireFit(services, id);
    const { domainId, leave } = services.storage.carried.open(wish.domain, wish.name);
    leave();
    const vm = services.rows.require(id);
    const about = services.storage.disks(disks.map(({ disk }) => disk)).map((disk) => ({ kind: 'disk', id: disk.id, name: disk.name }));
    return services.tasks.start(tx, 'vm.import', { vm: id, domain: domainId, name: wish.name, sum: found.sum, disks } satisfies ImportTask, [...aboutVm(vm), ...about, { kind: 'iso', id: wish.name, name: wish.name }]);
  },
});

type Wish = z.output<typeof ImportInput>;

function nameFor({ vm, name }: Wish, { machine }: CarriedLook): string {
  for (const each of [vm, machine.name, name.replace(/\.ova$/i, '')]) {
    const read = VmName.safeParse(each);
    if (read.success) return read.data;
  }
  throw new Problem('invalid-input', 'Its name cannot be used here. Give it another one.', { errors: [{ path: 'vm', message: 'Give a name.' }] });
}

interface Coming {
  wish: Wish;
  found: CarriedLook;
  name: string;
  /** Is filled. */
  disks: ImportTask['disks'];
}

function insertVm(services: VmServices, tx: CallTx, { wish, found, name, disks }: Coming): string {
  const { machine } = found;
  const hardware = completeHardware({ os: machine.os, ...machine.hardware });
  const { vcpus, memoryBytes, firmware } = machine;
  return services.rows.insert(tx, { name, description: '', vcpus, memoryBytes, firmware, hardware, bootOrder: ['disk', 'cdrom'], cdrom: null, autostart: false, startup: usualStartup }, (vmId) => {
    addDisks(services, tx, vmId, { wish, found, name, disks });
    for (const { network, model } of machine.nics) addNic(services, tx, vmId, { wanted: wish.network ?? knownNetwork(services, network), model });
  });
}

function addDisks({ rows, storage }: VmServices, tx: CallTx, vmId: string, { wish, found, name, disks }: Coming): void {
  const target = storage.dataDomain(wish.target);
  const units: number[] = [];
  for (const [index, { of, source, sizeBytes }] of found.disks.entries()) {
    requireOn(tx.call.actor, 'disk.create', { kind: 'storage-domain', id: target.id });
    const disk = storage.carried.beginDisk(tx, { name: freeDiskName(storage, name, index + 1), domain: target.id, sizeBytes, bytes: Math.min(sizeBytes, source.part?.sizeBytes ?? sizeBytes) });
    const unit = of.bus === 'ide' ? freeIdeUnit(units) : 0;
    if (of.bus === 'ide') units.push(unit);
    const given = Object.fromEntries(Object.entries(of.settings).filter(([, value]) => value !== undefined));
    rows.linkDisk(tx, vmId, disk.id, { ...plainDisk, ...given, bus: of.bus, unit });
    if (source.part) disks.push({ disk: disk.id, part: source.part, format: source.format });
  }
}

function freeDiskName(storage: VmServices['storage'], vmName: string, first: number): string {
  for (let number = first; ; number++) {
    const name = `${vmName.slice(0, 48)}-disk${number}`;
    if (!storage.findDisk(name)) return name;
  }
}

/** With an address of its own: the machine may still run where it comes from. */
function addNic({ rows, network }: VmServices, tx: CallTx, vmId: string, { wanted, model }: { wanted: string; model: NicModelName }): void {
  const found = network.requireNetwork(wanted);
  requireOn(tx.call.actor, 'network.use', { kind: 'network', id: found.id });
  rows.addNic(tx, vmId, { network: found.name, mac: network.allocateMac(tx), settings: { ...plainNic, model } });
}

/** The network of that name, if there is one here. */
function knownNetwork({ network }: VmServices, name: string): string {
  try {
    return network.requireNetwork(name).name;
  } catch {
    return 'default';
  }
}

export const carryOperations: Operation<VmServices>[] = [vmExport, ovaLook, ovaImport] as Operation<VmServices>[]; // each record was checked where it was made
