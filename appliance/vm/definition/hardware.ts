/**
 * The virtual hardware of a VM: which models there are, what each is called, what a guest system gets unless told. Pure.
 *
 * A model is one row in a table here (its name in the API and its label), one row in a table of `hardware-xml.ts` or
 * `device-xml.ts` (its XML; the compiler asks for it) and one in `test/real/hardware.ts` (what a guest must see of it).
 * A setting is one row in `hardwareShape`, with its default in `plainHardware`. Form, site file, `pending` and undo follow.
 */
import * as z from 'zod';
import { MiB, TiB } from '../../core/units.ts';
import { floppyNameSchema } from '../../storage/schema.ts';
import { oneOf } from './choice.ts';
import { layoutFaults, memoryShape, plainLayout } from './memory.ts';

export const machines = { q35: 'Q35, PCI Express', pc: 'i440FX, PCI' } as const;
export const firmwares = { efi: 'UEFI', 'efi-secure': 'UEFI with secure boot', bios: 'BIOS' } as const;
export const videoModels = { vga: 'VGA (Bochs)', cirrus: 'Cirrus', qxl: 'QXL', virtio: 'virtio' } as const;
export const screens = { vnc: 'VNC', spice: 'SPICE and VNC' } as const;
export const soundModels = { none: 'None', ac97: 'AC97', es1370: 'ES1370', ich9: 'ICH9' } as const;
export const usbControllers = { xhci: 'USB 3 (xHCI)', ehci: 'USB 2 (EHCI)', uhci: 'USB 1 (UHCI)' } as const;
export const watchdogModels = { none: 'None', i6300esb: 'i6300ESB', ib700: 'iB700' } as const;
export const watchdogActions = { reset: 'Reset it', poweroff: 'Power it off', shutdown: 'Shut it down', pause: 'Pause it', 'inject-nmi': 'Interrupt it (NMI)', none: 'Do nothing' } as const;
/** Both are TPM 2.0: how a guest speaks to it. */
export const tpmModels = { none: 'None', crb: 'TPM 2.0', tis: 'TPM 2.0 (TIS)' } as const;
export const clocks = { utc: 'UTC', localtime: 'Local time' } as const;
export const diskBuses = { virtio: 'virtio', scsi: 'virtio-SCSI', sata: 'SATA', ide: 'IDE' } as const;
export const nicModels = { virtio: 'virtio', e1000e: 'e1000e', e1000: 'e1000', rtl8139: 'rtl8139' } as const;

/** Newest first; libvirt's own names, some of them newer than the libvirt of a host: its own list decides (`defaults/rules.ts`). The three at the top are no models: what all VMs get (`defaults/`), and what this host has. */
export const cpuModels = {
  auto: 'As all VMs', 'host-model': 'Like the host', 'host-passthrough': 'The host itself',
  'EPYC-Genoa': 'AMD EPYC Genoa', 'EPYC-Milan': 'AMD EPYC Milan', 'EPYC-Rome': 'AMD EPYC Rome', EPYC: 'AMD EPYC', Dhyana: 'Hygon Dhyana',
  'Opteron_G5': 'AMD Opteron G5', 'Opteron_G4': 'AMD Opteron G4', 'Opteron_G3': 'AMD Opteron G3', 'Opteron_G2': 'AMD Opteron G2', 'Opteron_G1': 'AMD Opteron G1',
  GraniteRapids: 'Intel Granite Rapids', SapphireRapids: 'Intel Sapphire Rapids', 'Icelake-Server-noTSX': 'Intel Icelake', Cooperlake: 'Intel Cooperlake', 'Cascadelake-Server-noTSX': 'Intel Cascadelake', 'Skylake-Server-noTSX-IBRS': 'Intel Skylake Server', 'Skylake-Client-noTSX-IBRS': 'Intel Skylake Client',
  'Broadwell-noTSX': 'Intel Broadwell', 'Haswell-noTSX': 'Intel Haswell', IvyBridge: 'Intel IvyBridge', SandyBridge: 'Intel SandyBridge', Westmere: 'Intel Westmere', Nehalem: 'Intel Nehalem', Penryn: 'Intel Penryn', Conroe: 'Intel Conroe',
  qemu64: 'QEMU64',
} as const;

export const guestSystems = {
  other: 'Other', linux: 'Linux', 'linux-old': 'Linux before 2008', freebsd: 'FreeBSD, OpenBSD, NetBSD',
  'windows-11': 'Windows 11, Server 2025', 'windows-10': 'Windows 8 to 10, Server 2012 to 2022', 'windows-7': 'Windows Vista to 7, Server 2008', 'windows-xp': 'Windows 2000 to XP, Server 2003',
} as const;

export const GuestSystem = oneOf(guestSystems, { label: 'Guest system', help: 'What is installed in it. Hardware that you do not choose yourself is what this system has drivers for.' });
export const Firmware = oneOf(firmwares, { label: 'Firmware', help: 'UEFI for current systems, BIOS for old ones. A system boots only with the firmware it was installed with.' });
export const DiskBus = oneOf(diskBuses, { label: 'Bus', help: 'virtio is the fastest. SATA and IDE need no driver, and do not change while the VM runs.' });
export const NicModel = oneOf(nicModels, { label: 'Model', help: 'virtio is the fastest. The others need no driver.' });

const channelName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

const memory = (meta: { label: string; help: string }) =>
  z.int().min(64 * MiB, 'At least 64 MiB.').max(4 * TiB, 'At most 4 TiB.').multipleOf(MiB, 'Whole MiB only.').nullable().meta({ ...meta, unit: 'bytes' });

/** Everything that is chosen for a VM as a whole; each holds from its next start on, unless `heldAtOnce` names it. */
export const hardwareShape = {
  os: GuestSystem,
  machine: oneOf(machines, { label: 'Machine', help: 'i440FX for systems from before 2010. A system that is installed may have to find its devices anew.' }),
  cpu: oneOf(cpuModels, { label: 'Processor model', help: 'What all VMs get stands on the page of the host. A named model looks the same on every host that has it.' }),
  sockets: z.int().min(1).max(64).meta({ label: 'Sockets', help: 'The processors are spread evenly over sockets. Some systems use no more than two.' }),
  threads: z.int().min(1).max(8).meta({ label: 'Threads per core', help: 'One is right for nearly all. A system counts them as processors.' }),
  maxVcpus: z.int().min(1).max(64, 'At most 64.').nullable().meta({ label: 'Most processors', help: 'So many can be given to it while it runs. Leave empty for no more than it starts with.' }),
  maxMemoryBytes: memory({ label: 'Most memory', help: 'So much can be given to it while it runs, in steps of 128 MiB. Leave empty for no more than it starts with.' }),
  guaranteedBytes: memory({ label: 'Guaranteed memory', help: 'So much it has in any case: what is above it may be borrowed while the host is short of memory. Leave empty to lend nothing and promise nothing. Applies at once.' }),
  clock: oneOf(clocks, { label: 'Clock', help: 'What its hardware clock shows. Windows expects local time.' }),
  video: oneOf(videoModels, { label: 'Graphics card', help: 'VGA and Cirrus need no driver. QXL and virtio are faster with one.' }),
  graphics: oneOf(screens, { label: 'Screen', help: 'SPICE is for virt-viewer: sound, and a screen of up to 2560x1600. The page always uses VNC.' }),
  sound: oneOf(soundModels, { label: 'Sound card', help: 'Is heard in virt-viewer, over SPICE.' }),
  usb: oneOf(usbControllers, { label: 'USB controller', help: 'USB 3 needs a driver in Windows 7 and older.' }),
  rng: z.boolean().meta({ label: 'Random numbers', help: 'Gives the guest random numbers of the host, so that it need not wait for its own.' }),
  watchdog: oneOf(watchdogModels, { label: 'Watchdog', help: 'A program in the guest must answer it, or the action follows.' }),
  watchdogAction: oneOf(watchdogActions, { label: 'When it does not answer', help: 'What happens to the VM when the watchdog has waited in vain.' }),
  tpm: oneOf(tpmModels, { label: 'TPM', help: 'Keeps keys for the guest, such as those of BitLocker. What it keeps goes with the VM. TIS is for systems that do not find the other.' }),
  floppyDrive: z.boolean().meta({ label: 'Floppy drive', help: 'For old systems, such as one that takes drivers from a floppy disk while it is installed.' }),
  floppy: floppyNameSchema.nullable().meta({ label: 'Floppy disk', help: 'An image of a floppy disk, write-protected. Leave empty to eject. Applies at once.' }),
  ioThreads: z.int().min(0).max(8).meta({ label: 'IO threads', help: 'Threads of their own for its disks, for guests with much disk traffic. 0: none.' }),
  ...memoryShape,
  serialPorts: z.int().min(1).max(4).meta({ label: 'Serial ports', help: 'The first is the console. Each other is a socket on the host.' }),
  channels: z.array(z.string().regex(channelName, 'Letters, digits, dots, dashes and underscores, such as org.example.port.0.')).max(8)
    .refine((names) => new Set(names).size === names.length, 'Name each channel once.')
    .refine((names) => !names.some((name) => reservedChannels.includes(name)), 'This channel is the appliance\'s own.')
    .meta({ label: 'Channels', help: 'Names of virtio-serial ports, with commas between. Each is a socket on the host.' }),
};
/** The guest agent's channel, and SPICE's. */
const reservedChannels = ['org.qemu.guest_agent.0', 'com.redhat.spice.0'];

export type Hardware = { [K in keyof typeof hardwareShape]: z.output<(typeof hardwareShape)[K]> };
export const hardwareNames = Object.keys(hardwareShape) as (keyof Hardware)[]; // its own keys
export type GuestSystemName = Hardware['os'];
export type FirmwareName = z.output<typeof Firmware>;
export type DiskBusName = z.output<typeof DiskBus>;
export type NicModelName = z.output<typeof NicModel>;

/** What a VM has unless it, or its guest system, says otherwise. Never changed after a release: VMs that exist rely on it. */
export const plainHardware: Hardware = {
  os: 'other', machine: 'q35', cpu: 'auto', sockets: 1, threads: 1, maxVcpus: null, maxMemoryBytes: null, guaranteedBytes: null, clock: 'utc', video: 'vga', graphics: 'vnc', sound: 'none', usb: 'xhci', rng: true,
  watchdog: 'none', watchdogAction: 'reset', tpm: 'none', floppyDrive: false, floppy: null, ...plainLayout, ioThreads: 0, serialPorts: 1, channels: [],
};

/** What nothing in a running domain depends on. */
export const heldAtOnce: readonly (keyof Hardware)[] = ['guaranteedBytes'];

/** Memory comes to a running guest in modules; guests take none that is smaller. */
export const memoryStep = 128 * MiB;

export interface SystemDefaults {
  firmware: FirmwareName;
  bus: DiskBusName;
  nic: NicModelName;
  hardware: Partial<Hardware>;
}

/** What each system can use as it comes from its installer. */
const systems: Record<GuestSystemName, SystemDefaults> = {
  other: { firmware: 'bios', bus: 'virtio', nic: 'virtio', hardware: {} },
  linux: { firmware: 'efi', bus: 'virtio', nic: 'virtio', hardware: {} },
  'linux-old': { firmware: 'bios', bus: 'ide', nic: 'e1000', hardware: { machine: 'pc', video: 'cirrus', usb: 'uhci', rng: false } },
  freebsd: { firmware: 'bios', bus: 'virtio', nic: 'virtio', hardware: {} },
  'windows-11': { firmware: 'efi-secure', bus: 'sata', nic: 'e1000e', hardware: { clock: 'localtime', sound: 'ich9', tpm: 'crb' } },
  'windows-10': { firmware: 'efi', bus: 'sata', nic: 'e1000e', hardware: { clock: 'localtime', sound: 'ich9' } },
  'windows-7': { firmware: 'bios', bus: 'sata', nic: 'e1000', hardware: { clock: 'localtime', sound: 'ich9', usb: 'ehci' } },
  'windows-xp': { firmware: 'bios', bus: 'ide', nic: 'rtl8139', hardware: { machine: 'pc', clock: 'localtime', video: 'cirrus', sound: 'ac97', usb: 'uhci' } },
};

export const systemDefaults = (os: GuestSystemName): SystemDefaults => systems[os];

/** What new disks are on unless told. */
export function defaultBus({ os, machine }: Pick<Hardware, 'os' | 'machine'>): DiskBusName {
  const { bus } = systems[os];
  return bus === 'ide' && machine !== 'pc' ? 'sata' : bus;
}

/** `given` over what its guest system has, over what every VM has; also how rows of older versions are read. */
export function completeHardware(given: { [K in keyof Hardware]?: Hardware[K] | undefined }): Hardware {
  const chosen = Object.fromEntries(hardwareNames.flatMap((name) => (given[name] === undefined ? [] : [[name, given[name]]])));
  return { ...plainHardware, ...systems[given.os ?? 'other'].hardware, ...chosen };
}

/** The hardware among other settings. */
export function pickHardware(settings: { [K in keyof Hardware]?: Hardware[K] | undefined }): Partial<Hardware> {
  return Object.fromEntries(hardwareNames.flatMap((name) => (settings[name] === undefined ? [] : [[name, settings[name]]])));
}

// ------------------------------------------------------------------------------------------------ what fits together

export interface Fault {
  /** The field that is to change. */
  path: string;
  message: string;
}

export interface Machinery extends Hardware {
  vcpus: number;
  memoryBytes: number;
  firmware: FirmwareName;
  buses: readonly DiskBusName[];
}

/** Four drives are on the two cables of an IDE controller; one of them is the CD-ROM. */
export const mostIdeDisks = 3;

/** What of a VM does not fit together; empty for a VM that can start. */
export function faultsOf({ sockets, threads, machine, firmware, buses, floppy, floppyDrive, ...size }: Machinery): Fault[] {
  const ide = buses.filter((bus) => bus === 'ide').length;
  const most = mostVcpus(size);
  return [
    ...sizeFaults(size),
    ...layoutFaults(size),
    ...(most % (sockets * threads) === 0 ? [] : [{ path: 'sockets', message: `${most} processors cannot be spread evenly over ${sockets} sockets with ${threads} threads per core.` }]),
    ...(machine === 'q35' && ide > 0 ? [{ path: 'machine', message: 'Only the machine i440FX (pc) has IDE. Choose that machine, or another bus for its disks.' }] : []),
    ...(ide > mostIdeDisks ? [{ path: 'disks', message: `A VM has at most ${mostIdeDisks} IDE disks beside its CD-ROM drive. Choose another bus.` }] : []),
    ...(floppy !== null && !floppyDrive ? [{ path: 'floppy', message: 'It has no floppy drive. Give it one, or leave the floppy disk out.' }] : []),
    ...(machine === 'pc' && firmware === 'efi-secure' ? [{ path: 'firmware', message: 'Only the machine Q35 has secure boot. Choose that machine, or another firmware.' }] : []),
  ];
}

type Size = Pick<Machinery, 'vcpus' | 'memoryBytes' | 'maxVcpus' | 'maxMemoryBytes' | 'guaranteedBytes'>;

/** Sockets, cores and threads are those of all processors that it can have. */
export const mostVcpus = ({ vcpus, maxVcpus }: Pick<Size, 'vcpus' | 'maxVcpus'>): number => maxVcpus ?? vcpus;

function sizeFaults({ vcpus, memoryBytes, maxVcpus, maxMemoryBytes, guaranteedBytes }: Size): Fault[] {
  return [
    ...(maxVcpus !== null && maxVcpus < vcpus ? [{ path: 'maxVcpus', message: `It has ${vcpus} processors; the most cannot be fewer.` }] : []),
    ...(maxMemoryBytes !== null && maxMemoryBytes < memoryBytes ? [{ path: 'maxMemoryBytes', message: 'It has more memory than that; the most cannot be less.' }] : []),
    ...(guaranteedBytes !== null && guaranteedBytes > memoryBytes ? [{ path: 'guaranteedBytes', message: 'It has less memory than that. Guarantee no more than it has.' }] : []),
  ];
}

// ------------------------------------------------------------------------------------------------ disks and network interfaces

const perSecond = (label: string) => z.int().min(1).max(1_000_000).nullable().meta({ label, help: 'Leave empty for no limit. Applies at once.' });
const bytesPerSecond = (label: string) => z.int().min(4096, 'At least 4 KiB.').max(2 ** 40).nullable().meta({ label, unit: 'bytes', firstUnit: 'MiB', help: 'Leave empty for no limit. Applies at once.' });

export const limitShape = {
  readBytesPerSecond: bytesPerSecond('Read per second'),
  writeBytesPerSecond: bytesPerSecond('Written per second'),
  readsPerSecond: perSecond('Reads per second'),
  writesPerSecond: perSecond('Writes per second'),
};

/** How a disk is plugged in. All but the limits hold from the next start, or the next plugging in, on. */
export const diskShape = {
  bus: DiskBus,
  discard: z.boolean().meta({ label: 'Discard', help: 'What the guest frees is freed in the storage domain, too.' }),
  serial: z.string().trim().regex(/^[A-Za-z0-9_.+-]{1,20}$/, 'At most 20 letters, digits and the signs _ . + -').nullable().meta({ label: 'Serial number', help: 'What the guest finds it by. Leave empty to have one made.' }),
  ...limitShape,
};

export const nicShape = {
  model: NicModel,
  isLinked: z.boolean().meta({ label: 'Cable plugged in', help: 'Applies at once.' }),
};

type Values<S extends Record<string, z.ZodType>> = { [K in keyof S]: z.output<S[K]> };
export type DiskLimits = Values<typeof limitShape>;
export type NicSettings = Values<typeof nicShape>;
/** `unit` is the drive's place on the IDE cables, of no meaning on other buses. */
export type DiskSettings = Values<typeof diskShape> & { unit: number };

export const noLimits: DiskLimits = { readBytesPerSecond: null, writeBytesPerSecond: null, readsPerSecond: null, writesPerSecond: null };
export const plainDisk: DiskSettings = { bus: 'virtio', discard: true, serial: null, unit: 0, ...noLimits };
export const plainNic: NicSettings = { model: 'virtio', isLinked: true };
export const limitNames = Object.keys(limitShape) as (keyof DiskLimits)[]; // its own keys
/** What of a disk can be changed by people. */
export const diskNames = Object.keys(diskShape) as (keyof typeof diskShape)[]; // its own keys
export const nicNames = Object.keys(nicShape) as (keyof NicSettings)[]; // its own keys

/** Places on the IDE cables; the third, where systems look for it, is the CD-ROM drive's. */
const ideUnits = [0, 1, 3];

/** A place on the cables that none of `taken` has. */
export const freeIdeUnit = (taken: readonly number[]): number => ideUnits.find((unit) => !taken.includes(unit)) ?? 0;

/** Of a running VM: buses whose disks come and go while it runs. A SCSI controller is there only since it was started with a SCSI disk. */
export const isHotPlug = (bus: DiskBusName, hasScsi: boolean): boolean => bus === 'virtio' || (bus === 'scsi' && hasScsi);
