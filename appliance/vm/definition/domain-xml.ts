/**
 * The libvirt domain of a VM: one pure function from what it should be to XML.
 *
 * The devices themselves are in `device-xml.ts` (disks, NICs, CD-ROM) and `hardware-xml.ts` (all else). Consoles are on unix
 * sockets. The domain is transient: libvirt keeps nothing of it once it has stopped.
 */
import { type CdromDevice, cdromXml, type DiskDevice, deviceSlots, diskXml, floppyXml, type NicDevice, nicXml } from './device-xml.ts';
import { type SeedDevice, seedXml } from './seed-xml.ts';
import type { FirmwareName, Hardware } from './hardware.ts';
import { clockXml, controllers, cpuXml, featuresXml, memoryPlaceXml, osXml, otherDevices, sizeXml } from './hardware-xml.ts';
import { agentChannel, configXml } from './running.ts';
import { type Element, element, printXml } from './xml.ts';

export type BootDevice = 'disk' | 'cdrom' | 'network';

export interface DomainSpec {
  /** VM id, becomes the domain's UUID. */
  id: string;
  name: string;
  vcpus: number;
  memoryBytes: number;
  firmware: FirmwareName;
  hardware: Hardware;
  accelerator: 'kvm' | 'tcg';
  /** The processor model of VMs that have chosen none. */
  cpuDefault: Hardware['cpu'];
  /** Ids of the host's memory nodes. */
  hostNodes: readonly number[];
  bootOrder: BootDevice[];
  disks: DiskDevice[];
  cdrom: CdromDevice;
  /** Path of the floppy disk; of no meaning without a drive. */
  floppyPath: string | null;
  nics: NicDevice[];
  /** Absent without one. */
  seed?: SeedDevice | undefined;
  paths: DomainPaths;
}

export interface DomainPaths {
  serialSocket: string;
  serialLog: string;
  /** Sockets of further serial ports and of channels: how their names begin. */
  serialSockets: string;
  channelSockets: string;
  /** UEFI variables; unused with BIOS. Those of secure boot hold keys, so they are another file. */
  nvram: string;
  secureNvram: string;
}

export function domainXml(spec: DomainSpec): string {
  const bootable = withBootIndexes(spec);
  return printXml(
    element('domain', { type: spec.accelerator === 'kvm' ? 'kvm' : 'qemu' },
      element('name', {}, spec.name),
      element('uuid', {}, spec.id),
      configXml(spec),
      ...sizeXml(spec),
      ...memoryPlaceXml(spec),
      spec.hardware.ioThreads > 0 ? element('iothreads', {}, String(spec.hardware.ioThreads)) : undefined,
      osXml(spec),
      featuresXml(spec),
      cpuXml(spec),
      clockXml(spec),
      element('on_poweroff', {}, 'destroy'),
      element('on_reboot', {}, 'restart'),
      // Nobody is on site: a system that crashed starts anew, as on a machine of its own, and that is told.
      element('on_crash', {}, 'restart'),
      element('devices', {},
        ...bootable.disks.map(diskXml),
        cdromXml(bootable.cdrom),
        spec.hardware.floppyDrive ? floppyXml(spec.floppyPath) : undefined,
        ...(spec.seed ? seedXml(spec.seed, spec.hardware.machine) : []),
        ...bootable.nics.map(nicXml),
        ...rootPorts(spec),
        ...controllers(spec),
        agentXml(),
        ...otherDevices(spec))),
  );
}

/** Numbers the devices through: kinds in the wished order, within a kind by slot. */
function withBootIndexes({ bootOrder, disks, cdrom, nics }: DomainSpec): Pick<DomainSpec, 'disks' | 'cdrom' | 'nics'> {
  let next = 1;
  const numbered = <T extends { slot: number }>(kind: BootDevice, devices: T[]) => {
    const sorted = [...devices].sort((a, b) => a.slot - b.slot);
    const first = firstOf[kind];
    return first === undefined ? sorted : sorted.map((device, index) => ({ ...device, bootIndex: first + index }));
  };
  const firstOf: Partial<Record<BootDevice, number>> = {};
  const counts: Record<BootDevice, number> = { disk: disks.length, cdrom: 1, network: nics.length };
  for (const kind of bootOrder) {
    firstOf[kind] = next;
    next += counts[kind];
  }
  return {
    disks: numbered('disk', disks),
    cdrom: firstOf.cdrom === undefined ? cdrom : { ...cdrom, bootIndex: firstOf.cdrom },
    nics: numbered('network', nics),
  };
}

/** Each of q35's ports for disks and NICs. */
function rootPorts({ hardware }: DomainSpec): Element[] {
  if (hardware.machine !== 'q35') return [];
  return Array.from({ length: deviceSlots }, (_none, index) => element('controller', { type: 'pci', index: index + 1, model: 'pcie-root-port' }));
}

const agentXml = () => element('channel', { type: 'unix' }, element('target', { type: 'virtio', name: agentChannel }));
