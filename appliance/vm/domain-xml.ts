/**
 * The libvirt domain of a VM: one pure function from what it should be to XML.
 *
 * q35 with BIOS or UEFI; virtio disks and NICs, each in its own PCIe port; a SATA CD-ROM drive; VNC and the serial console on
 * unix sockets; guest agent channel, balloon with statistics, RNG, USB tablet. The domain is transient: libvirt keeps nothing
 * of it once it has stopped.
 */
import { type CdromDevice, cdromXml, type DiskDevice, deviceSlots, diskXml, type NicDevice, nicXml } from './device-xml.ts';
import { agentChannel, configXml } from './running.ts';
import { type Element, element, printXml } from './xml.ts';

export type BootDevice = 'disk' | 'cdrom' | 'network';

export interface DomainSpec {
  /** VM id, becomes the domain's UUID. */
  id: string;
  name: string;
  vcpus: number;
  memoryBytes: number;
  firmware: 'bios' | 'efi';
  accelerator: 'kvm' | 'tcg';
  bootOrder: BootDevice[];
  disks: DiskDevice[];
  cdrom: CdromDevice;
  nics: NicDevice[];
  paths: DomainPaths;
}

export interface DomainPaths {
  serialSocket: string;
  serialLog: string;
  /** UEFI variables; unused with BIOS. */
  nvram: string;
}

export function domainXml(spec: DomainSpec): string {
  const bootable = withBootIndexes(spec);
  return printXml(
    element('domain', { type: spec.accelerator === 'kvm' ? 'kvm' : 'qemu' },
      element('name', {}, spec.name),
      element('uuid', {}, spec.id),
      configXml(spec),
      element('memory', { unit: 'b' }, String(spec.memoryBytes)),
      element('vcpu', { placement: 'static' }, String(spec.vcpus)),
      osXml(spec),
      element('features', {}, element('acpi'), element('apic')),
      cpuXml(spec),
      clockXml(spec),
      element('on_poweroff', {}, 'destroy'),
      element('on_reboot', {}, 'restart'),
      element('on_crash', {}, 'destroy'),
      element('devices', {},
        ...bootable.disks.map(diskXml),
        cdromXml(bootable.cdrom),
        ...bootable.nics.map(nicXml),
        ...fixedDevices(spec.paths))),
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

function osXml({ firmware, paths }: DomainSpec): Element {
  const type = element('type', { arch: 'x86_64', machine: 'q35' }, 'hvm');
  if (firmware === 'bios') return element('os', {}, type);
  const features = element('firmware', {}, element('feature', { enabled: 'no', name: 'secure-boot' }));
  return element('os', { firmware: 'efi' }, type, features, element('nvram', {}, paths.nvram));
}

/** The host's own model with KVM. TCG emulates all that it can, because today's systems refuse a bare x86-64. */
function cpuXml({ accelerator, vcpus }: DomainSpec): Element {
  // One socket: some systems are licensed for, or use, no more than two.
  const topology = element('topology', { sockets: 1, dies: 1, cores: vcpus, threads: 1 });
  return element('cpu', { mode: accelerator === 'kvm' ? 'host-model' : 'maximum' }, topology);
}

function clockXml({ accelerator }: DomainSpec): Element {
  const timer = (name: string, attributes: Record<string, string>) => element('timer', { name, ...attributes });
  if (accelerator === 'tcg') return element('clock', { offset: 'utc' });
  return element('clock', { offset: 'utc' }, timer('rtc', { tickpolicy: 'catchup' }), timer('pit', { tickpolicy: 'delay' }), timer('hpet', { present: 'no' }));
}

/** Devices that every VM has. They sit on the root bus, so that all ports stay free for disks and NICs. */
function fixedDevices(paths: DomainPaths): Element[] {
  const onRoot = (slot: number) => element('address', { type: 'pci', domain: '0x0000', bus: '0x00', slot: `0x${slot.toString(16)}`, function: '0x0' });
  return [
    ...Array.from({ length: deviceSlots }, (_none, index) => element('controller', { type: 'pci', index: index + 1, model: 'pcie-root-port' })),
    element('controller', { type: 'usb', index: 0, model: 'qemu-xhci' }, onRoot(0x1a)),
    element('controller', { type: 'virtio-serial', index: 0 }, onRoot(0x1b)),
    element('serial', { type: 'unix' },
      element('source', { mode: 'bind', path: paths.serialSocket }),
      element('log', { file: paths.serialLog, append: 'on' }),
      element('target', { type: 'isa-serial', port: 0 })),
    element('channel', { type: 'unix' }, element('target', { type: 'virtio', name: agentChannel })),
    element('input', { type: 'tablet', bus: 'usb' }),
    element('graphics', { type: 'vnc' }, element('listen', { type: 'socket' })),
    element('video', {}, element('model', { type: 'vga' })),
    element('memballoon', { model: 'virtio' }, element('stats', { period: 10 }), onRoot(0x1c)),
    element('rng', { model: 'virtio' }, element('backend', { model: 'random' }, '/dev/urandom'), onRoot(0x1d)),
  ];
}
