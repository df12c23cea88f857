/**
 * What a running domain was given: read from libvirt's live XML, the same way after a start, after hot-plug and when a VM is
 * found running. Pure.
 *
 * Disks and NICs are recognised by the alias that `device-xml.ts` gave them; settings that libvirt changes or forgets travel in
 * the domain's metadata (`configOf`).
 */
import type { BootDevice } from './domain-xml.ts';
import { type Element, element, find, findAll, parseXml, textOf } from './xml.ts';

export interface Running {
  /** What libvirt calls it until it ends: a VM may have been renamed since. */
  name: string;
  vcpus: number;
  memoryBytes: number;
  firmware: 'bios' | 'efi';
  bootOrder: BootDevice[];
  /** Ids of disks and NICs that the guest has now. */
  disks: string[];
  nics: string[];
  /** Path of the medium in the drive. */
  cdromPath: string | null;
  vncSocket: string | null;
  serialSocket: string | null;
  /** The guest agent was connected then; `null` where libvirt does not say. */
  hasAgent: boolean | null;
}

type Config = Pick<Running, 'vcpus' | 'memoryBytes' | 'firmware' | 'bootOrder'>;

export const agentChannel = 'org.qemu.guest_agent.0';
const namespace = 'urn:bothy:vm:1';

/** The settings as one element for the domain's metadata. */
export function configXml({ vcpus, memoryBytes, firmware, bootOrder }: Config): Element {
  return element('metadata', {}, element('bothy:vm', { 'xmlns:bothy': namespace, vcpus, memoryBytes, firmware, bootOrder: bootOrder.join(' ') }));
}

export function readRunning(liveXml: string): Running {
  const domain = parseXml(liveXml);
  const disks = findAll(domain, 'devices', 'disk');
  const cdrom = disks.find((disk) => disk.attributes.device === 'cdrom');
  return {
    name: textOf(find(domain, 'name')),
    ...readConfig(domain),
    disks: disks.filter((disk) => disk !== cdrom).flatMap(ourId),
    nics: findAll(domain, 'devices', 'interface').flatMap(ourId),
    cdromPath: cdrom ? (find(cdrom, 'source')?.attributes.file ?? null) : null,
    vncSocket: findAll(domain, 'devices', 'graphics', 'listen').find((listen) => listen.attributes.type === 'socket')?.attributes.socket ?? null,
    serialSocket: find(domain, 'devices', 'serial', 'source')?.attributes.path ?? null,
    hasAgent: agentState(domain),
  };
}

function agentState(domain: Element): boolean | null {
  const agent = findAll(domain, 'devices', 'channel', 'target').find(({ attributes }) => attributes.name === agentChannel);
  return agent?.attributes.state === undefined ? null : agent.attributes.state === 'connected';
}

function ourId(device: Element): string[] {
  const alias = find(device, 'alias')?.attributes.name ?? '';
  return alias.startsWith('ua-') ? [alias.slice('ua-'.length)] : [];
}

function readConfig(domain: Element): Config {
  const { vcpus, memoryBytes, firmware, bootOrder } = find(domain, 'metadata', 'bothy:vm')?.attributes ?? {};
  return {
    vcpus: Number(vcpus ?? textOf(find(domain, 'vcpu'))),
    memoryBytes: Number(memoryBytes ?? 0),
    firmware: firmware === 'efi' ? 'efi' : 'bios',
    bootOrder: (bootOrder ?? '').split(' ').filter((device): device is BootDevice => device === 'disk' || device === 'cdrom' || device === 'network'),
  };
}
