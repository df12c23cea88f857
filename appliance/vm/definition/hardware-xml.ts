/**
 * The hardware of `hardware.ts` as libvirt XML: one table for each kind of device, one row for each model. Pure.
 *
 * What is there for as long as the VM runs sits on the root bus at a place of its own, so that all ports stay free for disks and
 * NICs and nothing moves when something else is chosen.
 */
import { effectiveModel } from '../defaults/rules.ts';
import { rootAddress, sataUnits } from './device-xml.ts';
import type { DomainSpec } from './domain-xml.ts';
import { type Hardware, mostVcpus } from './hardware.ts';
import { memoryCells, pageBytes } from './memory.ts';
import { type Element, element } from './xml.ts';

/** Places on the root bus. i440FX has disks and NICs up to 0x12. */
const at = { sata: 0x14, scsi: 0x17, watchdog: 0x18, sound: 0x19, usb: 0x1a, virtioSerial: 0x1b, balloon: 0x1c, rng: 0x1d } as const;

type Table<K extends keyof Hardware> = Record<Hardware[K] & string, (spec: DomainSpec) => (Element | undefined)[]>;

const usb = (model: string, ...children: (Element | undefined)[]) => element('controller', { type: 'usb', index: 0, model }, ...children);
const companion = (number: number) => usb(`ich9-uhci${number}`, element('master', { startport: (number - 1) * 2 }), rootAddress(at.usb, number - 1, number === 1 ? { multifunction: 'on' } : {}));

const usbControllers: Table<'usb'> = {
  xhci: () => [usb('qemu-xhci', rootAddress(at.usb))],
  ehci: () => [usb('ich9-ehci1', rootAddress(at.usb, 7)), companion(1), companion(2), companion(3)],
  // On i440FX it is a part of the chipset, and has its place there.
  uhci: ({ hardware }) => [usb('piix3-uhci', hardware.machine === 'pc' ? undefined : rootAddress(at.usb))],
};

const soundCard = (model: string, ...more: Element[]) => [element('sound', { model }, ...more, rootAddress(at.sound))];
const soundCards: Table<'sound'> = {
  none: () => [],
  ac97: () => soundCard('ac97'),
  es1370: () => soundCard('es1370'),
  ich9: () => soundCard('ich9', element('codec', { type: 'duplex' })),
};

const watchdog = (model: string, action: string, address?: Element) => [element('watchdog', { model, action }, address)];
const watchdogs: Table<'watchdog'> = {
  none: () => [],
  i6300esb: ({ hardware }) => watchdog('i6300esb', hardware.watchdogAction, rootAddress(at.watchdog)),
  ib700: ({ hardware }) => watchdog('ib700', hardware.watchdogAction),
};

/** libvirt runs it beside QEMU and keeps what it keeps under the VM's id, also while the VM is down (`Hypervisor.forgetTpm`). */
const tpm = (model: string) => [element('tpm', { model }, element('backend', { type: 'emulator', version: '2.0', persistent_state: 'yes' }))];
const tpms: Table<'tpm'> = { none: () => [], crb: () => tpm('tpm-crb'), tis: () => tpm('tpm-tis') };

/** Each has room for 2560x1600 in 32 bits. */
const videoCards: Table<'video'> = {
  vga: () => [element('video', {}, element('model', { type: 'vga', vram: 16_384 }))],
  cirrus: () => [element('video', {}, element('model', { type: 'cirrus' }))],
  qxl: () => [element('video', {}, element('model', { type: 'qxl', ram: 65_536, vram: 65_536, vgamem: 16_384 }))],
  virtio: () => [element('video', {}, element('model', { type: 'virtio' }))],
};

/** Nobody knows the first password of SPICE, and it is over: whoever asks for a viewer's file gets one of their own (`spice-password.ts`). */
const ended = { passwd: 'over', passwdValidTo: '1970-01-01T00:00:01' };
const display = (type: string, more: Record<string, string> = {}) => element('graphics', { type, ...more }, element('listen', { type: 'socket' }));
const screens: Table<'graphics'> = {
  vnc: () => [display('vnc')],
  spice: () => [display('vnc'), display('spice', ended), element('channel', { type: 'spicevmc' }, element('target', { type: 'virtio', name: 'com.redhat.spice.0' }))],
};

/** Controllers, in the order in which libvirt's own come. */
export function controllers(spec: DomainSpec): (Element | undefined)[] {
  const { hardware, disks } = spec;
  const has = (bus: string) => disks.some((disk) => disk.bus === bus);
  const sata = Math.max(0, ...disks.filter(({ bus }) => bus === 'sata').map(({ slot }) => Math.floor((slot + 1) / sataUnits) + 1));
  const isOwn = (index: number) => hardware.machine === 'q35' && index === 0; // a part of the chipset
  const thread = hardware.ioThreads > 0 ? [element('driver', { iothread: 1 })] : [];
  return [
    ...usbControllers[hardware.usb](spec),
    ...(has('scsi') ? [element('controller', { type: 'scsi', index: 0, model: 'virtio-scsi' }, ...thread, rootAddress(at.scsi))] : []),
    ...Array.from({ length: sata }, (_none, index) => (isOwn(index) ? undefined : element('controller', { type: 'sata', index }, rootAddress(at.sata + index)))),
    element('controller', { type: 'virtio-serial', index: 0 }, rootAddress(at.virtioSerial)),
  ];
}

export function otherDevices(spec: DomainSpec): (Element | undefined)[] {
  const { hardware, paths } = spec;
  return [
    ...serialPorts(spec),
    ...hardware.channels.map((name, index) => element('channel', { type: 'unix' }, element('source', { mode: 'bind', path: `${paths.channelSockets}${index + 1}.sock` }), element('target', { type: 'virtio', name }))),
    element('input', { type: 'tablet', bus: 'usb' }),
    ...screens[hardware.graphics](spec),
    ...soundCards[hardware.sound](spec),
    ...videoCards[hardware.video](spec),
    ...watchdogs[hardware.watchdog](spec),
    ...tpms[hardware.tpm](spec),
    // By it a guest tells that its system has crashed. It is no PCI device, and guests without a driver for it show nothing.
    element('panic', { model: 'isa' }),
    element('memballoon', { model: 'virtio' }, element('stats', { period: 10 }), rootAddress(at.balloon)),
    hardware.rng ? element('rng', { model: 'virtio' }, element('backend', { model: 'random' }, '/dev/urandom'), rootAddress(at.rng)) : undefined,
  ];
}

/** The first is the console and has a log; others are sockets for programs on the host. */
function serialPorts({ hardware, paths }: DomainSpec): Element[] {
  const serial = (port: number, path: string, log?: Element) =>
    element('serial', { type: 'unix' }, element('source', { mode: 'bind', path }), log, element('target', { type: 'isa-serial', port }));
  return Array.from({ length: hardware.serialPorts }, (_none, index) =>
    (index === 0 ? serial(0, paths.serialSocket, element('log', { file: paths.serialLog, append: 'on' })) : serial(index, `${paths.serialSockets}${index + 1}.sock`)));
}

// ------------------------------------------------------------------------------------------------ processor, memory, chipset, clock

/** Places for modules of memory that come while the guest runs. */
const memorySlots = 16;

export function sizeXml({ vcpus, memoryBytes, hardware }: DomainSpec): (Element | undefined)[] {
  const { maxVcpus, maxMemoryBytes } = hardware;
  const most = mostVcpus({ vcpus, maxVcpus });
  return [
    hasMoreMemory({ memoryBytes, maxMemoryBytes }) ? element('maxMemory', { slots: memorySlots, unit: 'b' }, String(maxMemoryBytes)) : undefined,
    element('memory', { unit: 'b' }, String(memoryBytes)),
    element('vcpu', { placement: 'static', current: maxVcpus === null ? undefined : vcpus }, String(most)),
  ];
}

const hasMoreMemory = ({ memoryBytes, maxMemoryBytes }: { memoryBytes: number; maxMemoryBytes: number | null }) => maxMemoryBytes !== null && maxMemoryBytes > memoryBytes;

/** Memory that comes later belongs to a node, so a guest that can have more is one; so does memory that keeps to a node of the host. */
function cellsOf({ vcpus, memoryBytes, hardware, hostNodes }: DomainSpec) {
  const isPlain = hardware.numaNodes === 1 && hardware.numaBinding === 'none' && !hasMoreMemory({ memoryBytes, maxMemoryBytes: hardware.maxMemoryBytes });
  return isPlain ? [] : memoryCells({ ...hardware, vcpus, memoryBytes }, hostNodes);
}

function nodesXml(spec: DomainSpec): Element | undefined {
  const cells = cellsOf(spec);
  if (cells.length === 0) return undefined;
  return element('numa', {}, ...cells.map(({ firstVcpu, lastVcpu, memoryBytes }, id) => element('cell', { id, cpus: `${firstVcpu}-${lastVcpu}`, memory: memoryBytes, unit: 'b' })));
}

/** Larger pages, and which nodes of the host its memory keeps to. */
export function memoryPlaceXml(spec: DomainSpec): (Element | undefined)[] {
  const { hardware } = spec;
  const bytes = pageBytes(hardware);
  const bound = cellsOf(spec).flatMap(({ hostNode }, cellid) => (hostNode === undefined ? [] : [element('memnode', { cellid, mode: hardware.numaBinding, nodeset: hostNode })]));
  return [
    bytes > 0 ? element('memoryBacking', {}, element('hugepages', {}, element('page', { size: bytes, unit: 'b' }))) : undefined,
    bound.length > 0 ? element('numatune', {}, ...bound) : undefined,
  ];
}

/** A module of memory for a running guest. */
export const memoryXml = (bytes: number): Element => element('memory', { model: 'dimm' }, element('target', {}, element('size', { unit: 'b' }, String(bytes)), element('node', {}, '0')));

export function cpuXml(spec: DomainSpec): Element {
  const { accelerator, vcpus, hardware, cpuDefault } = spec;
  const { sockets, threads, maxVcpus } = hardware;
  const cpu = effectiveModel(hardware, cpuDefault);
  const topology = [element('topology', { sockets, dies: 1, cores: mostVcpus({ vcpus, maxVcpus }) / sockets / threads, threads }), nodesXml(spec)];
  if (cpu === 'host-model' || cpu === 'host-passthrough') return element('cpu', { mode: cpu }, ...topology);
  // The host's own model with KVM. TCG emulates all that it can, because today's systems refuse a bare x86-64.
  if (cpu === 'auto') return element('cpu', { mode: accelerator === 'kvm' ? 'host-model' : 'maximum' }, ...topology);
  if (accelerator === 'tcg') return element('cpu', { mode: 'custom', match: 'exact', check: 'none' }, element('model', { fallback: 'forbid' }, cpu), ...topology);
  // x2APIC is emulated by KVM itself, on any host: large guests need it and all gain by it.
  return element('cpu', { mode: 'custom', match: 'exact', check: 'partial' }, element('model', { fallback: 'forbid' }, cpu), ...topology, element('feature', { policy: 'require', name: 'x2apic' }));
}

const isWindows = ({ hardware }: DomainSpec) => hardware.os.startsWith('windows');

export function featuresXml(spec: DomainSpec): Element {
  // Windows under KVM waits less when it knows that it is a guest; software emulation has none of this.
  const hyperv = isWindows(spec) && spec.accelerator === 'kvm'
    ? element('hyperv', {}, ...['relaxed', 'vapic', 'vpindex', 'synic', 'stimer'].map((name) => element(name, { state: 'on' })), element('spinlocks', { state: 'on', retries: 8191 }))
    : undefined;
  return element('features', {}, element('acpi'), element('apic'), hyperv, spec.firmware === 'efi-secure' ? element('smm', { state: 'on' }) : undefined);
}

export function clockXml(spec: DomainSpec): Element {
  const timer = (name: string, attributes: Record<string, string>) => element('timer', { name, ...attributes });
  const offset = spec.hardware.clock;
  if (spec.accelerator === 'tcg') return element('clock', { offset });
  return element('clock', { offset }, timer('rtc', { tickpolicy: 'catchup' }), timer('pit', { tickpolicy: 'delay' }), timer('hpet', { present: 'no' }), isWindows(spec) ? timer('hypervclock', { present: 'yes' }) : undefined);
}

export function osXml({ firmware, paths, hardware }: DomainSpec): Element {
  const type = element('type', { arch: 'x86_64', machine: hardware.machine }, 'hvm');
  if (firmware === 'bios') return element('os', {}, type);
  const isSecure = firmware === 'efi-secure';
  const feature = (name: string) => element('feature', { enabled: isSecure ? 'yes' : 'no', name });
  const features = isSecure ? [feature('secure-boot'), feature('enrolled-keys')] : [feature('secure-boot')];
  return element('os', { firmware: 'efi' }, type, element('firmware', {}, ...features), element('nvram', {}, isSecure ? paths.secureNvram : paths.nvram));
}
