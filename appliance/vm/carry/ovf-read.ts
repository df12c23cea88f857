/**
 * What an OVF description says of a machine, in words of ours, and what of it has no place here. Reads what VMware, VirtualBox and oVirt write (OVF 1.0 to 2.0):
 * their prefixes, units and names of devices differ. Pure; the XML reader knows no entities beyond the five and no other files.
 */
import * as z from 'zod';
import { type DiskBusName, diskShape, type FirmwareName, type GuestSystemName, type Hardware, hardwareShape, nicShape, type NicModelName, pickHardware } from '../definition/hardware.ts';
import { type Element, parseXml } from '../definition/xml.ts';

export interface OvfDisk {
  /** Name of the member of the archive. */
  file: string;
  bus: DiskBusName;
  /** Of the image, as the description says it. */
  format: string;
  settings: Partial<z.output<typeof diskSettings>>;
}

export interface OvfMachine {
  name: string;
  os: GuestSystemName;
  firmware: FirmwareName;
  vcpus: number;
  memoryBytes: number;
  disks: OvfDisk[];
  nics: { network: string; model: NicModelName }[];
  hardware: Partial<Hardware>;
  /** What has no place here, in whole sentences. */
  notes: string[];
}

const diskSettings = z.object(diskShape).partial();
const own = z.object({ os: hardwareShape.os, hardware: z.object(hardwareShape).partial(), disks: z.array(diskSettings), nics: z.array(z.object(nicShape).partial()) }).partial();

const local = (name: string) => name.slice(name.indexOf(':') + 1);
const kids = (tree: Element | undefined, name: string): Element[] => (tree?.children ?? []).filter((child): child is Element => typeof child !== 'string' && local(child.name) === name);
const kid = (tree: Element | undefined, ...path: string[]): Element | undefined => path.reduce<Element | undefined>((found, name) => kids(found, name)[0], tree);
const text = (tree: Element | undefined): string => (tree?.children ?? []).filter((child) => typeof child === 'string').join('').trim();
const attribute = (tree: Element | undefined, name: string): string => Object.entries(tree?.attributes ?? {}).find(([key]) => local(key) === name)?.[1] ?? '';
const everywhere = (tree: Element, name: string): Element[] => tree.children.flatMap((child) => (typeof child === 'string' ? [] : [...(local(child.name) === name ? [child] : []), ...everywhere(child, name)]));

/** Throws an Error with a whole sentence. */
export function readOvf(source: string): OvfMachine {
  const envelope = parse(source);
  const systems = everywhere(envelope, 'VirtualSystem');
  const [system] = systems;
  const hardware = kid(system, 'VirtualHardwareSection');
  if (!system || !hardware) throw new Error('Its description names no machine.');
  if (systems.length > 1) throw new Error('It holds several machines. Export them one by one.');
  const items = [...kids(hardware, 'Item'), ...kids(hardware, 'StorageItem'), ...kids(hardware, 'EthernetPortItem')].map(readItem);
  const ours = readOwn(hardware);
  const notes = new Set<string>();
  return {
    name: text(kid(system, 'Name')) || attribute(system, 'id'),
    os: ours.os ?? systemOf(system),
    firmware: firmwareOf(system, hardware),
    vcpus: quantity(items, '3') || 1,
    memoryBytes: memoryOf(items),
    disks: disksOf(envelope, items, ours, notes),
    nics: items.filter(({ type }) => type === '10').map(({ connection, subType }, index) => ({ network: connection, model: ours.nics?.[index]?.model ?? nicOf(subType, notes) })),
    hardware: carriedHardware(ours.hardware ?? {}),
    notes: [...notes, ...others(items)],
  };
}

/**
 * What may come in a file that anybody can have written. What reaches into the host (its devices, its pages, its files) is never among it, also not what a later
 * version adds: that has to be named here.
 */
const carried: readonly (keyof Hardware)[] = [
  'os', 'machine', 'cpu', 'sockets', 'threads', 'maxVcpus', 'maxMemoryBytes', 'clock', 'video', 'graphics', 'sound', 'usb', 'rng', 'watchdog', 'watchdogAction', 'ioThreads', 'serialPorts', 'channels', 'floppyDrive', 'tpm', 'numaNodes',
];

function carriedHardware(hardware: { [K in keyof Hardware]?: Hardware[K] | undefined }): Partial<Hardware> {
  return Object.fromEntries(Object.entries(pickHardware(hardware)).filter(([name]) => (carried as readonly string[]).includes(name)));
}

/** Deeper than any description; a deeper one would be meant to exhaust us. */
const mostDepth = 32;

function parse(source: string): Element {
  const root = parseWhole(source.replace(/^\ufeff/, ''));
  let level = [root];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > mostDepth) throw new Error('Its description cannot be read: it is nested too deeply.');
    level = level.flatMap(({ children }) => children.filter((child) => typeof child !== 'string'));
  }
  return root;
}

function parseWhole(source: string): Element {
  try {
    return parseXml(source);
  } catch {
    throw new Error('Its description cannot be read: it is no whole XML.');
  }
}

interface Item {
  id: string;
  type: string;
  subType: string;
  caption: string;
  parent: string;
  quantity: number;
  units: string;
  connection: string;
  hosts: string[];
}

function readItem(item: Element): Item {
  const word = (name: string) => text(kid(item, name));
  return {
    id: word('InstanceID') || word('InstanceId'), type: word('ResourceType'), subType: word('ResourceSubType'), caption: word('ElementName') || word('Caption') || word('Description'), parent: word('Parent'),
    quantity: Number(word('VirtualQuantity')) || 0, units: word('AllocationUnits'), connection: word('Connection'), hosts: kids(item, 'HostResource').map(text),
  };
}

/** What we have written ourselves, so that a machine comes back as it was. Held to the same schemas as any request. */
function readOwn(hardware: Element): z.output<typeof own> {
  const entry = kids(hardware, 'ExtraConfig').find((each) => attribute(each, 'key') === 'bothy.machine');
  try {
    const read = own.safeParse(JSON.parse(attribute(entry, 'value')));
    return read.success ? read.data : {};
  } catch {
    return {};
  }
}

const quantity = (items: Item[], type: string) => items.find((item) => item.type === type)?.quantity ?? 0;

const units: [RegExp, number][] = [[/^byte$/i, 0], [/^(kilobytes|kb|kib)$/i, 10], [/^(megabytes|mb|mib)$/i, 20], [/^(gigabytes|gb|gib)$/i, 30]];

function memoryOf(items: Item[]): number {
  const item = items.find(({ type }) => type === '4');
  if (!item) return 0;
  const power = /^byte\s*\*\s*2\s*\^\s*(\d{1,2})$/i.exec(item.units)?.[1] ?? units.find(([pattern]) => pattern.test(item.units))?.[1] ?? 20;
  return item.quantity * 2 ** Number(power);
}

// ------------------------------------------------------------------------------------------------ system and firmware

const systemWords: [RegExp, GuestSystemName][] = [
  [/windows.?(11|12|2019srvnext|2022srvnext|server.?2025)/i, 'windows-11'], [/windows.?(8|9|10|2012|2016|2019|2022|server.?20(12|16|19|22))/i, 'windows-10'], [/win(dows)?.?(vista|7|2008|longhorn)/i, 'windows-7'],
  [/win(dows)?.?(2000|xp|2003|net)/i, 'windows-xp'], [/windows/i, 'windows-10'], [/freebsd|openbsd|netbsd/i, 'freebsd'],
  [/linux|debian|ubuntu|rhel|red.?hat|centos|fedora|suse|oracle|alma|rocky|arch|gentoo|photon/i, 'linux'],
];

function systemOf(system: Element): GuestSystemName {
  const section = kid(system, 'OperatingSystemSection');
  const said = [attribute(section, 'osType'), text(kid(section, 'Description')), text(kid(section, 'OSType')), ...everywhere(system, 'OSType').map(text)].join(' ');
  return systemWords.find(([pattern]) => pattern.test(said))?.[1] ?? 'other';
}

/** What is not said is BIOS, with all who write descriptions. */
function firmwareOf(system: Element, hardware: Element): FirmwareName {
  const config = (key: string) => attribute([...kids(hardware, 'Config'), ...kids(hardware, 'ExtraConfig')].find((each) => attribute(each, 'key') === key), 'value');
  const biosType = text(everywhere(system, 'BiosType')[0]); // oVirt: 2 and 3 are UEFI, 4 with secure boot
  if (config('bootOptions.efiSecureBootEnabled') === 'true' || biosType === '4') return 'efi-secure';
  const virtualBox = attribute(everywhere(system, 'Firmware')[0], 'type');
  return config('firmware') === 'efi' || /^EFI/i.test(virtualBox) || biosType === '2' || biosType === '3' ? 'efi' : 'bios';
}

// ------------------------------------------------------------------------------------------------ disks and network interfaces

function disksOf(envelope: Element, items: Item[], ours: z.output<typeof own>, notes: Set<string>): OvfDisk[] {
  const files = new Map(kids(kid(envelope, 'References'), 'File').map((file) => [attribute(file, 'id'), file]));
  const disks = new Map([...kids(kid(envelope, 'DiskSection'), 'Disk'), ...kids(kid(envelope, 'Section'), 'Disk')].map((disk) => [attribute(disk, 'diskId'), disk]));
  return items.filter(({ type }) => type === '17').map((item, index) => {
    const ref = item.hosts[0]?.replace(/^(?:ovf:)?\/?/, '') ?? '';
    const disk = disks.get(ref.replace(/^disk\//, ''));
    const file = files.get(ref.startsWith('file/') ? ref.slice('file/'.length) : attribute(disk, 'fileRef'));
    const href = attribute(file, 'href');
    if (attribute(disk, 'parentRef') !== '') throw new Error('A disk in it is a layer over another one. Merge its snapshots where it comes from, then export it again.');
    if (!file || href === '') throw new Error(`The description names no file for the disk "${item.caption || index + 1}".`);
    if (attribute(file, 'compression') !== '' && attribute(file, 'compression') !== 'identity') throw new Error(`The file "${href}" is compressed as a whole. Export without compression of files.`);
    if (attribute(file, 'chunkSize') !== '') throw new Error(`The file "${href}" is cut into pieces. Export it as one file.`);
    const settings = ours.disks?.[index] ?? {};
    return { file: href.replace(/^\.\//, ''), format: attribute(disk, 'format') || attribute(disk, 'volume-format'), bus: settings.bus ?? busOf(items, item, { said: attribute(disk, 'disk-interface'), notes }), settings };
  });
}

function busOf(items: Item[], item: Item, { said, notes }: { said: string; notes: Set<string> }): DiskBusName {
  if (/^virtio$/i.test(said)) return 'virtio';
  if (/virtio.?scsi/i.test(said)) return 'scsi';
  const controller = items.find(({ id }) => id !== '' && id === item.parent);
  if (controller?.type === '6' && /virtio/i.test(controller.subType)) return /scsi/i.test(controller.subType) ? 'scsi' : 'virtio';
  const isSata = controller?.type === '20' || /ahci|sata/i.test(`${controller?.subType} ${said}`);
  if (!isSata) notes.add(`Disks on ${controller?.type === '5' || /ide/i.test(said) ? 'IDE' : controller?.subType ? `the controller "${controller.subType}"` : 'another controller'} are on SATA here.`);
  return 'sata';
}

const nicWords: [RegExp, NicModelName, boolean][] = [
  [/^(virtio.*|3)$/i, 'virtio', true], [/^e1000e$/i, 'e1000e', true], [/^(e1000|2|82540em|82545em|82543gc)$/i, 'e1000', true], [/^(rtl8139|1)$/i, 'rtl8139', true], [/vmxnet/i, 'e1000e', false], [/pcnet/i, 'rtl8139', false],
];

function nicOf(subType: string, notes: Set<string>): NicModelName {
  const [, model = 'e1000', isSame = subType === ''] = nicWords.find(([pattern]) => pattern.test(subType)) ?? [];
  if (!isSame) notes.add(`Network interfaces of the model "${subType}" are ${model} here.`);
  return model;
}

/** Controllers, drives and cards that each machine here has in its own way. */
const known = new Set(['3', '4', '5', '6', '10', '14', '15', '16', '17', '20', '23', '24', '13']);

const others = (items: Item[]): string[] => [...new Set(items.filter(({ type, caption }) => !known.has(type) && !(type === '1' && /vmci|video|vmw/i.test(caption)) && type !== '0').map(({ type, caption }) => `"${caption || `device of type ${type}`}" was left out.`))];
