/**
 * A machine as an OVF description (DMTF DSP0243, version 1.1) that VMware, VirtualBox and oVirt read, and the sums of its files. Pure.
 *
 * What OVF has no word for travels as one setting of ours, which others pass over: so a machine comes back here as it was.
 */
import type { FirmwareName, Hardware, NicSettings } from '../definition/hardware.ts';
import { diskNames, type DiskSettings, nicNames } from '../definition/hardware.ts';
import { type Element, element, printXml } from '../definition/xml.ts';

export interface CarriedDisk {
  /** Name of the file. */
  file: string;
  fileBytes: number;
  sizeBytes: number;
  format: 'vmdk' | 'qcow2';
  settings: DiskSettings;
}

export interface CarriedMachine {
  name: string;
  description: string;
  vcpus: number;
  memoryBytes: number;
  firmware: FirmwareName;
  hardware: Hardware;
  disks: CarriedDisk[];
  nics: { network: string; settings: NicSettings }[];
}

const formats = { vmdk: 'http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized', qcow2: 'http://www.gnome.org/~markmc/qcow-image-format.html' };
/** CIM's numbers of operating systems: Linux, FreeBSD, Windows and "other". */
const systemIds: Record<Hardware['os'], number> = { other: 1, linux: 36, 'linux-old': 36, freebsd: 42, 'windows-11': 120, 'windows-10': 120, 'windows-7': 105, 'windows-xp': 67 };

const info = (words: string) => element('Info', {}, words);
const idOf = (index: number) => `${index + 1}`;

export function ovfOf(machine: CarriedMachine): string {
  const networks = [...new Set(machine.nics.map(({ network }) => network))];
  return `<?xml version="1.0" encoding="UTF-8"?>\n${printXml(element('Envelope', {
    xmlns: 'http://schemas.dmtf.org/ovf/envelope/1', 'xmlns:ovf': 'http://schemas.dmtf.org/ovf/envelope/1', 'xmlns:vmw': 'http://www.vmware.com/schema/ovf',
    'xmlns:rasd': 'http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData', 'xmlns:vssd': 'http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData',
  },
  element('References', {}, ...machine.disks.map(({ file, fileBytes }, index) => element('File', { 'ovf:id': `file${idOf(index)}`, 'ovf:href': file, 'ovf:size': fileBytes }))),
  element('DiskSection', {}, info('Its disks'), ...machine.disks.map(({ sizeBytes, format }, index) =>
    element('Disk', { 'ovf:diskId': `disk${idOf(index)}`, 'ovf:fileRef': `file${idOf(index)}`, 'ovf:capacity': sizeBytes, 'ovf:capacityAllocationUnits': 'byte', 'ovf:format': formats[format] }))),
  element('NetworkSection', {}, info('Its networks'), ...networks.map((name) => element('Network', { 'ovf:name': name }, element('Description', {}, name)))),
  systemXml(machine)))}\n`;
}

function systemXml(machine: CarriedMachine): Element {
  const { name, description, hardware } = machine;
  return element('VirtualSystem', { 'ovf:id': name },
    info('A virtual machine'),
    element('Name', {}, name),
    description === '' ? undefined : element('AnnotationSection', {}, info('What it is for'), element('Annotation', {}, description)),
    element('OperatingSystemSection', { 'ovf:id': systemIds[hardware.os] }, info('What is installed in it'), element('Description', {}, hardware.os)),
    hardwareXml(machine));
}

function hardwareXml({ name, vcpus, memoryBytes, firmware, hardware, disks, nics }: CarriedMachine): Element {
  const config = (key: string, value: string) => element('vmw:Config', { 'ovf:required': 'false', 'vmw:key': key, 'vmw:value': value });
  const pick = (names: readonly string[], settings: object) => Object.fromEntries(Object.entries(settings).filter(([key]) => names.includes(key)));
  const ours = { os: hardware.os, hardware, disks: disks.map(({ settings }) => pick(diskNames, settings)), nics: nics.map(({ settings }) => pick(nicNames, settings)) };
  return element('VirtualHardwareSection', {}, info('What it is made of'),
    element('System', {}, rasd('vssd', 'ElementName', 'Virtual Hardware Family'), rasd('vssd', 'InstanceID', '0'), rasd('vssd', 'VirtualSystemIdentifier', name), rasd('vssd', 'VirtualSystemType', 'vmx-14')),
    item({ ElementName: `${vcpus} processors`, InstanceID: '1', ResourceType: '3', VirtualQuantity: vcpus }),
    item({ AllocationUnits: 'byte * 2^20', ElementName: 'memory', InstanceID: '2', ResourceType: '4', VirtualQuantity: memoryBytes / 2 ** 20 }),
    item({ Address: '0', ElementName: 'SATA controller', InstanceID: '3', ResourceSubType: 'AHCI', ResourceType: '20' }),
    ...disks.map((_disk, index) => item({ AddressOnParent: index, ElementName: `disk ${idOf(index)}`, HostResource: `ovf:/disk/disk${idOf(index)}`, InstanceID: 10 + index, Parent: '3', ResourceType: '17' })),
    ...nics.map(({ network, settings }, index) => item({ AutomaticAllocation: 'true', Connection: network, ElementName: `network interface ${idOf(index)}`, InstanceID: 40 + index, ResourceSubType: nicWords[settings.model], ResourceType: '10' })),
    firmware === 'bios' ? undefined : config('firmware', 'efi'),
    firmware === 'efi-secure' ? config('bootOptions.efiSecureBootEnabled', 'true') : undefined,
    element('vmw:ExtraConfig', { 'ovf:required': 'false', 'vmw:key': 'bothy.machine', 'vmw:value': JSON.stringify(ours) }));
}

/** What the others have; none of them has all of ours. */
const nicWords = { virtio: 'E1000', e1000: 'E1000', e1000e: 'E1000e', rtl8139: 'PCNet32' } as const;

const rasd = (prefix: string, name: string, value: string | number) => element(`${prefix}:${name}`, {}, String(value));
/** Its words in the order of their letters, as the schema wants them. */
const item = (words: Record<string, string | number>) => element('Item', {}, ...Object.entries(words).sort(([one], [other]) => (one < other ? -1 : 1)).map(([name, value]) => rasd('rasd', name, value)));

/** As `sha256sum --tag` and the others write it. */
export const manifestOf = (sums: { name: string; sha256: string }[]): string => sums.map(({ name, sha256 }) => `SHA256(${name})= ${sha256}\n`).join('');

/** Sums by name of file; lines that are none are passed over. */
export function readManifest(text: string): { name: string; algorithm: string; sum: string }[] {
  return [...text.matchAll(/^(SHA1|SHA256|SHA384|SHA512) ?\((.+?)\) ?= ?([0-9a-f]{40,128})\s*$/gim)].map(([, algorithm = '', name = '', sum = '']) => ({ name: name.replace(/^\.\//, ''), algorithm: algorithm.toLowerCase(), sum: sum.toLowerCase() }));
}
