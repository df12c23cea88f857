/**
 * One device of a VM as libvirt XML, the same for a start and for hot-plug. Pure.
 *
 * What a guest can see of a device never changes with its neighbours: the PCI port, the target name and the alias come from the
 * device's own slot and id, so a disk stays `vda` and a NIC keeps its name when another device is removed.
 */
import type { ImageSource } from '../../world.ts';
import type { DiskBusName, DiskSettings, Hardware, NicSettings } from './hardware.ts';
import { type Element, element } from './xml.ts';

/** Ports for disks and NICs; on q35 each sits behind a PCIe root port of its own, so each can be hot-plugged. */
export const deviceSlots = 16;

type Machine = Hardware['machine'];

export interface DiskDevice extends DiskSettings, ImageSource {
  /** Disk id. */
  id: string;
  /** 0 to `deviceSlots - 1`, unique among the VM's disks and NICs. */
  slot: number;
  machine: Machine;
  /** The thread that carries out its reads and writes, from 1; absent for QEMU's own. */
  ioThread?: number | undefined;
  /** Position in the boot order from 1; absent if it does not boot. */
  bootIndex?: number;
}

/** A network of libvirt's, or a bridge of the host. */
export interface NicSource {
  kind: 'nat' | 'bridge';
  name: string;
}

export interface NicDevice extends NicSettings {
  id: string;
  slot: number;
  mac: string;
  source: NicSource;
  machine: Machine;
  bootIndex?: number;
}

export interface CdromDevice {
  /** Path of the medium; `null` when the tray is empty. */
  path: string | null;
  machine: Machine;
  bootIndex?: number;
}

const letter = (index: number) => String.fromCharCode('a'.charCodeAt(0) + index);
/** libvirt keeps a name of ours only if it starts with `ua-`. */
export const deviceAlias = (id: string) => `ua-${id}`;

/** A place on the root bus, for devices that are there for as long as the VM runs. */
export const rootAddress = (slot: number, func = 0, more: Record<string, string> = {}) =>
  element('address', { type: 'pci', domain: '0x0000', bus: '0x00', slot: `0x${slot.toString(16).padStart(2, '0')}`, function: `0x${func}`, ...more });
/** i440FX has one bus, on which everything can be hot-plugged; its first three places are the chipset's and the screen's. */
const port = (machine: Machine, slot: number) =>
  machine === 'pc' ? rootAddress(slot + 3) : element('address', { type: 'pci', domain: '0x0000', bus: `0x${(slot + 1).toString(16).padStart(2, '0')}`, slot: '0x00', function: '0x0' });
const drive = (controller: number, bus: number, target: number, unit: number) => element('address', { type: 'drive', controller, bus, target, unit });
const boot = (order: number | undefined) => (order === undefined ? undefined : element('boot', { order }));

/** Drives of one AHCI controller. The first of the first is the CD-ROM's on q35, and left free on i440FX. */
export const sataUnits = 6;

interface Place {
  slot: number;
  unit: number;
  machine: Machine;
}

/** What a bus calls its disks, and where they sit on it. */
const buses: Record<DiskBusName, { bus: string; target(place: Place): string; address(place: Place): Element }> = {
  virtio: { bus: 'virtio', target: ({ slot }) => `vd${letter(slot)}`, address: ({ slot, machine }) => port(machine, slot) },
  scsi: { bus: 'scsi', target: ({ slot }) => `sd${letter(slot + 1)}`, address: ({ slot }) => drive(0, 0, slot, 0) },
  sata: { bus: 'sata', target: ({ slot }) => `sd${letter(slot + 1)}`, address: ({ slot }) => drive(Math.floor((slot + 1) / sataUnits), 0, 0, (slot + 1) % sataUnits) },
  ide: { bus: 'ide', target: ({ unit }) => `hd${letter(unit)}`, address: ({ unit }) => drive(0, Math.floor(unit / 2), 0, unit % 2) },
};

export const diskTarget = (disk: Pick<DiskSettings, 'bus' | 'unit'> & { slot: number }) => buses[disk.bus].target({ ...disk, machine: 'q35' });

/** The other way round, of a disk that runs on IDE. */
export const ideUnitOf = (target: string) => target.charCodeAt(2) - 'a'.charCodeAt(0);

export function diskXml(disk: DiskDevice): Element {
  const { id, path, format, below, discard, serial, ioThread, bootIndex } = disk;
  const { bus, target, address } = buses[disk.bus];
  const thread = disk.bus === 'virtio' ? ioThread : undefined;
  return element('disk', { type: 'file', device: 'disk' },
    // The format is never probed. An error stops the guest: it waits instead of losing a write.
    element('driver', { name: 'qemu', type: format, cache: 'none', io: 'native', discard: discard ? 'unmap' : 'ignore', error_policy: 'stop', rerror_policy: 'stop', iothread: thread }),
    element('source', { file: path }),
    belowXml(below),
    element('target', { dev: target(disk), bus }),
    limitsXml(disk),
    element('serial', {}, serial ?? serialOf(id)),
    boot(bootIndex),
    element('alias', { name: deviceAlias(id) }),
    address(disk));
}

function limitsXml({ readBytesPerSecond, writeBytesPerSecond, readsPerSecond, writesPerSecond }: DiskSettings): Element | undefined {
  const limits = { read_bytes_sec: readBytesPerSecond, write_bytes_sec: writeBytesPerSecond, read_iops_sec: readsPerSecond, write_iops_sec: writesPerSecond };
  const given = Object.entries(limits).flatMap(([name, value]) => (value === null ? [] : [element(name, {}, String(value))]));
  return given.length === 0 ? undefined : element('iotune', {}, ...given);
}

/** The layers below, to the last one: libvirt reads no header to find more. */
function belowXml(below: ImageSource | undefined): Element {
  if (!below) return element('backingStore');
  return element('backingStore', { type: 'file' }, element('format', { type: below.format }), element('source', { file: below.path }), belowXml(below.below));
}

/** What the guest shows under /dev/disk/by-id: virtio has room for 20 characters. */
export const serialOf = (diskId: string) => diskId.replaceAll('-', '').slice(0, 20);

/** i440FX has no SATA of its own; there the drive is where systems of its time look for it. */
const cdroms: Record<Machine, { dev: string; bus: string }> = { q35: { dev: 'sda', bus: 'sata' }, pc: { dev: 'hdc', bus: 'ide' } };

export function cdromXml({ path, machine, bootIndex }: CdromDevice): Element {
  return element('disk', { type: 'file', device: 'cdrom' },
    element('driver', { name: 'qemu', type: 'raw' }),
    path === null ? undefined : element('source', { file: path }),
    element('target', cdroms[machine]),
    element('readonly'),
    boot(bootIndex),
    element('alias', { name: 'ua-cdrom' }));
}

/** The image is of all VMs, so nobody writes to it. */
export const floppyXml = (path: string | null): Element => element('disk', { type: 'file', device: 'floppy' },
  element('driver', { name: 'qemu', type: 'raw' }),
  path === null ? undefined : element('source', { file: path }),
  element('target', { dev: 'fda', bus: 'fdc' }),
  element('readonly'),
  element('alias', { name: 'ua-floppy' }));

const sourceXml = ({ kind, name }: NicSource): Element => element('source', kind === 'nat' ? { network: name } : { bridge: name });

export function nicXml({ id, slot, mac, source, model, isLinked, machine, bootIndex }: NicDevice): Element {
  return element('interface', { type: source.kind === 'nat' ? 'network' : 'bridge' },
    element('mac', { address: mac }),
    sourceXml(source),
    element('model', { type: model }),
    isLinked ? undefined : element('link', { state: 'down' }),
    boot(bootIndex),
    element('alias', { name: deviceAlias(id) }),
    port(machine, slot));
}

/** A network interface of a running guest with its cable plugged in elsewhere, or pulled out; all else is as libvirt has it. */
export function withCable(nic: Element, { isLinked, source }: Pick<NicDevice, 'isLinked' | 'source'>): Element {
  const others = nic.children.filter((child) => typeof child === 'string' || (child.name !== 'link' && child.name !== 'source'));
  return { ...nic, attributes: { ...nic.attributes, type: source.kind === 'nat' ? 'network' : 'bridge' }, children: [sourceXml(source), ...others, element('link', { state: isLinked ? 'up' : 'down' })] };
}
