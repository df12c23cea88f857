/**
 * What a running domain was given: read from libvirt's live XML, the same way after a start, after hot-plug and when a VM is
 * found running. Pure.
 *
 * Disks and NICs are recognised by the alias that `device-xml.ts` gave them, and read as libvirt has them now, as are processors and memory; settings of the VM as a
 * whole, which libvirt changes or forgets, travel in the domain's metadata.
 */
import type { BootDevice } from './domain-xml.ts';
import { type NicSource, serialOf } from './device-xml.ts';
import { seedAlias } from './seed-xml.ts';
import { type DiskSettings, type FirmwareName, type Hardware, hardwareNames, type NicSettings, pickHardware, plainHardware } from './hardware.ts';
import { readPassed } from '../pass/usb-xml.ts';
import { type Element, element, find, findAll, parseXml, textOf } from './xml.ts';

export type RunningDisk = Omit<DiskSettings, 'unit'> & { target: string };
/** `source` is what its cable is plugged into, as libvirt calls that. */
export type RunningNic = NicSettings & { mac: string; source: NicSource };

export interface Running {
  /** What libvirt calls it until it ends: a VM may have been renamed since. */
  name: string;
  vcpus: number;
  memoryBytes: number;
  firmware: FirmwareName;
  bootOrder: BootDevice[];
  hardware: Hardware;
  /** The processor model of VMs that have chosen none, as it was at its start. */
  cpuDefault?: Hardware['cpu'];
  /** Ids of disks and NICs that the guest has now. */
  disks: string[];
  nics: string[];
  /** How they are plugged in, by id. */
  diskSettings: Record<string, RunningDisk>;
  nicSettings: Record<string, RunningNic>;
  /** Places of devices of the host, by the id of the wish for each; absent in facts of before there were any. */
  hostDevices?: Record<string, string>;
  /** Disks on the bus can be plugged in. */
  hasScsi: boolean;
  /** Path of the medium in the drive. */
  cdromPath: string | null;
  vncSocket: string | null;
  spiceSocket: string | null;
  serialSocket: string | null;
  /** The guest agent was connected then; `null` where libvirt does not say. */
  hasAgent: boolean | null;
}

type Config = Pick<Running, 'vcpus' | 'memoryBytes' | 'firmware' | 'bootOrder' | 'hardware' | 'cpuDefault'>;

export const agentChannel = 'org.qemu.guest_agent.0';
const namespace = 'urn:bothy:vm:1';

/** The settings as one element for the domain's metadata. */
export function configXml({ firmware, bootOrder, hardware, cpuDefault }: Omit<Config, 'vcpus' | 'memoryBytes'>): Element {
  const attributes = { 'xmlns:bothy': namespace, firmware, bootOrder: bootOrder.join(' '), cpuDefault };
  return element('metadata', {}, element('bothy:vm', attributes, JSON.stringify(pickHardware(hardware))));
}

export function readRunning(liveXml: string): Running {
  const domain = parseXml(liveXml);
  const drives = findAll(domain, 'devices', 'disk').filter((drive) => find(drive, 'alias')?.attributes.name !== seedAlias);
  const cdrom = drives.find((disk) => disk.attributes.device === 'cdrom');
  const floppy = drives.find((disk) => disk.attributes.device === 'floppy');
  const disks = drives.filter((disk) => disk !== cdrom && disk !== floppy);
  const nics = findAll(domain, 'devices', 'interface');
  return {
    name: textOf(find(domain, 'name')),
    ...readConfig(domain, floppy),
    disks: disks.flatMap(ourId),
    nics: nics.flatMap(ourId),
    diskSettings: byId(disks, readDisk),
    nicSettings: byId(nics, readNic),
    hostDevices: readPassed(domain),
    hasScsi: findAll(domain, 'devices', 'controller').some(({ attributes }) => attributes.type === 'scsi'),
    cdromPath: cdrom ? (find(cdrom, 'source')?.attributes.file ?? null) : null,
    vncSocket: screenSocket(domain, 'vnc'),
    spiceSocket: screenSocket(domain, 'spice'),
    serialSocket: find(domain, 'devices', 'serial', 'source')?.attributes.path ?? null,
    hasAgent: agentState(domain),
  };
}

function screenSocket(domain: Element, type: 'vnc' | 'spice'): string | null {
  const screen = findAll(domain, 'devices', 'graphics').find(({ attributes }) => attributes.type === type);
  return (screen && find(screen, 'listen')?.attributes.socket) ?? null;
}

function agentState(domain: Element): boolean | null {
  const agent = findAll(domain, 'devices', 'channel', 'target').find(({ attributes }) => attributes.name === agentChannel);
  return agent?.attributes.state === undefined ? null : agent.attributes.state === 'connected';
}

function ourId(device: Element): string[] {
  const alias = find(device, 'alias')?.attributes.name ?? '';
  return alias.startsWith('ua-') ? [alias.slice('ua-'.length)] : [];
}

const byId = <T>(devices: Element[], read: (device: Element, id: string) => T): Record<string, T> =>
  Object.fromEntries(devices.flatMap((device) => ourId(device).map((id) => [id, read(device, id)])));

/** A serial number that was made from the id is none of its own, as in the wish. */
function readDisk(disk: Element, id: string): RunningDisk {
  const target = find(disk, 'target')?.attributes ?? {};
  const serial = textOf(find(disk, 'serial'));
  const limit = (name: string) => Number(textOf(find(disk, 'iotune', name))) || null;
  return {
    target: target.dev ?? '',
    bus: target.bus as DiskSettings['bus'], // a disk of ours is on a bus of ours
    discard: find(disk, 'driver')?.attributes.discard !== 'ignore',
    serial: serial === '' || serial === serialOf(id) ? null : serial,
    readBytesPerSecond: limit('read_bytes_sec'), writeBytesPerSecond: limit('write_bytes_sec'),
    readsPerSecond: limit('read_iops_sec'), writesPerSecond: limit('write_iops_sec'),
  };
}

function readNic(nic: Element): RunningNic {
  const { network, bridge = '' } = find(nic, 'source')?.attributes ?? {};
  return {
    model: find(nic, 'model')?.attributes.type as NicSettings['model'], isLinked: find(nic, 'link')?.attributes.state !== 'down', // a NIC of ours has a model of ours
    mac: find(nic, 'mac')?.attributes.address ?? '', source: network === undefined ? { kind: 'bridge', name: bridge } : { kind: 'nat', name: network },
  };
}

const mediumOf = (drive: Element | undefined): string | null => (drive && find(drive, 'source')?.attributes.file?.replace(/^.*\//, '')) ?? null;

/** libvirt tells memory in KiB; with what has been added since the start. */
const bytesOf = (memory: Element | undefined) => Number(textOf(memory)) * (memory?.attributes.unit === 'b' ? 1 : 1024);

function readConfig(domain: Element, floppy: Element | undefined): Config {
  const config = find(domain, 'metadata', 'bothy:vm');
  const { firmware, bootOrder, cpuDefault = 'auto' } = config?.attributes ?? {};
  const vcpu = find(domain, 'vcpu');
  return {
    vcpus: Number(vcpu?.attributes.current ?? textOf(vcpu)),
    memoryBytes: bytesOf(find(domain, 'memory')),
    firmware: firmware === 'efi' || firmware === 'efi-secure' ? firmware : 'bios',
    cpuDefault: cpuDefault as Hardware['cpu'], // ours, see configXml
    // The disk in its drive is changed while it runs.
    hardware: { ...readHardware(textOf(config)), floppy: mediumOf(floppy) },
    bootOrder: (bootOrder ?? '').split(' ').filter((device): device is BootDevice => device === 'disk' || device === 'cdrom' || device === 'network'),
  };
}

/** A VM that an older version started has none, or not all, of the settings; then it has what every VM had. */
function readHardware(text: string): Hardware {
  const written: Partial<Hardware> = text === '' ? {} : (JSON.parse(text) as Partial<Hardware>); // ours, see configXml
  const known = hardwareNames.flatMap((name) => (name in written ? [[name, written[name]]] : []));
  return { ...plainHardware, ...Object.fromEntries(known) };
}
