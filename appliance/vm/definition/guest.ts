/**
 * From a VM's wishes to the domain that is to run: finds its disks, medium and networks, and says what is missing before
 * libvirt would.
 */
import { join } from 'node:path';
import { Problem } from '../../core/problem.ts';
import type { Storage } from '../../storage/storage.ts';
import type { HypervisorFacts } from '../../world.ts';
import { effectiveModel, modelFault } from '../defaults/rules.ts';
import type { DiskDevice, NicDevice, NicSource } from './device-xml.ts';
import { type DomainPaths, type DomainSpec, domainXml } from './domain-xml.ts';
import { cpuModels, type Hardware, systemDefaults, videoModels } from './hardware.ts';
import { hostLacks } from './memory.ts';
import type { DiskLink, NicRow, Vm } from '../rows.ts';
import type { VmServices } from '../services.ts';

/** A unix socket's path may have 107 bytes, and libvirt refuses a longer one with words that help nobody. */
const longestSocketPath = 107;

export interface VmFolders extends DomainPaths {
  /** Sockets and the console's log: of use while the VM runs. */
  run: string;
  /** What must be kept: UEFI variables. */
  kept: string;
  /** What tells the guest about itself: made anew at each start. */
  seed: string;
}

export function foldersOf(statePath: string, vmId: string): VmFolders {
  const run = join(statePath, 'run/vms', vmId);
  const kept = join(statePath, 'vms', vmId);
  return {
    run, kept, seed: join(run, 'seed.img'), serialSocket: join(run, 'serial.sock'), serialLog: join(run, 'serial.log'), serialSockets: join(run, 'serial-'), channelSockets: join(run, 'channel-'),
    nvram: join(kept, 'nvram.fd'), secureNvram: join(kept, 'nvram-secure.fd'),
  };
}

/** `hardware` is that of the VM that is to have it: for hot-plug what runs, for a start what is wished. */
export function diskDevice(storage: Storage, { diskId, slot, settings }: DiskLink, { machine, ioThreads }: Hardware): DiskDevice {
  return { id: diskId, slot, ...settings, machine, ioThread: ioThreads > 0 ? (slot % ioThreads) + 1 : undefined, ...storage.diskVolume(diskId) };
}

export function nicDevice(services: Pick<VmServices, 'network'>, nic: NicRow, { machine }: Hardware): NicDevice {
  return { id: nic.id, slot: nic.slot, mac: nic.mac, ...nic.settings, machine, source: nicSource(services, nic) };
}

export function nicSource({ network }: Pick<VmServices, 'network'>, nic: Pick<NicRow, 'network'>): NicSource {
  const { kind, name, bridge } = network.requireNetwork(nic.network);
  return kind === 'nat' ? { kind, name } : { kind, name: bridge };
}

/** The XML to start `vm` with. Throws a Problem that names what is missing. */
export async function guestXml(services: VmServices, vm: Vm): Promise<string> {
  const { rows, storage, host, machine, statePath } = services;
  const { hardware } = vm;
  const paths = foldersOf(statePath, vm.id);
  if (Buffer.byteLength(paths.serialSocket) > longestSocketPath) throw new Problem('unavailable', `The state folder ${statePath} has too long a path for sockets. Use one that is shorter.`);
  // QEMU always brings a BIOS; UEFI is a package of its own.
  if (vm.firmware !== 'bios' && !(await hasEfi(services))) throw new Problem('wrong-state', `This host has no UEFI firmware for guests. Install it (package "ovmf"), or change the firmware of ${vm.name}.`);
  await requireModules(services, vm);
  await requireTpm(services, vm);
  const nodes = await machine.memoryNodes();
  const accelerator = await host.accelerator();
  const cpuDefault = services.defaults.wanted().cpu;
  await requireModel(services, effectiveModel(hardware, cpuDefault), accelerator);
  const spec: DomainSpec = {
    id: vm.id, name: vm.name, vcpus: vm.vcpus, memoryBytes: vm.memoryBytes, firmware: vm.firmware, hardware, bootOrder: vm.bootOrder, paths, accelerator, cpuDefault, hostNodes: nodes.map(({ id }) => id),
    disks: rows.disks(vm.id).map((link) => diskDevice(storage, link, hardware)),
    cdrom: { path: vm.cdrom === null ? null : storage.isoPath(vm.cdrom), machine: hardware.machine },
    floppyPath: hardware.floppy === null ? null : storage.isoPath(hardware.floppy),
    nics: rows.nics(vm.id).map((nic) => nicDevice(services, nic, hardware)),
    seed: services.cloudInits.find(vm.id) && { path: paths.seed, bus: systemDefaults(hardware.os).bus === 'virtio' ? 'virtio' : 'usb' },
  };
  return domainXml(spec);
}

/** libvirt's words for a processor that it does not know, or that this host cannot be, name features. Asked anew where it was not offered: QEMU may have been updated. */
async function requireModel({ host, hypervisor }: VmServices, model: Hardware['cpu'], accelerator: 'kvm' | 'tcg'): Promise<void> {
  if (modelFault(model, host.hypervisorFacts()?.cpuModels, accelerator) === '') return;
  const fault = modelFault(model, (await hypervisor.facts()).cpuModels, accelerator);
  if (fault !== '') throw new Problem('wrong-state', `${fault} Choose another processor model, such as "${cpuModels['host-model']}".`);
}

/** SPICE and some graphics cards are packages of their own, without which QEMU ends with words that help nobody. Asked anew where they were missing. */
async function requireModules({ host, hypervisor }: VmServices, { name, hardware: { graphics, video } }: Vm): Promise<void> {
  const has = (facts: HypervisorFacts | undefined) => facts?.screens.includes(graphics) && facts.videoModels.includes(video);
  if (has(host.hypervisorFacts()) || has(await hypervisor.facts())) return;
  throw new Problem('wrong-state', `QEMU on this host has no ${graphics === 'spice' ? 'SPICE, or no ' : ''}${videoModels[video]} graphics card. Install what it lacks (package "qemu-system-modules-spice"), or change the screen or the graphics card of ${name}.`);
}

/** The program that emulates it is a package of its own. */
async function requireTpm({ host, hypervisor }: VmServices, { name, hardware: { tpm } }: Vm): Promise<void> {
  const has = (facts: HypervisorFacts | undefined) => tpm === 'none' || facts?.tpmModels.includes(`tpm-${tpm}`);
  if (has(host.hypervisorFacts()) || has(await hypervisor.facts())) return;
  throw new Problem('wrong-state', `This host has no TPM for guests. Install what emulates it (packages "swtpm" and "swtpm-tools"), or choose none for ${name}.`);
}

/** Asked before it starts, and not while it runs: what it uses itself is no longer free. */
export async function requireLayout({ machine }: Pick<VmServices, 'machine'>, { name, vcpus, memoryBytes, hardware }: Vm): Promise<void> {
  if (hardware.hugePages === 'none' && hardware.numaBinding === 'none') return;
  const lack = hostLacks({ ...hardware, name, vcpus, memoryBytes }, await machine.memoryNodes());
  if (lack !== '') throw new Problem('unavailable', lack);
}

/** As told at the connection; asked anew only where it was missing then, for it may have been installed since. */
async function hasEfi({ host, hypervisor }: VmServices): Promise<boolean> {
  const known = host.hypervisorFacts()?.firmware.includes('efi') ?? false;
  return known || (await hypervisor.facts()).firmware.includes('efi');
}
