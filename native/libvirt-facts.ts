/**
 * What libvirt says about the host and its domains, as the World's facts. The XML is libvirt's own, never a user's, and we
 * need a few values of it, so patterns do instead of a parser.
 */
import type { DomainFact, DomainStats, HypervisorFacts } from '../appliance/world.ts';
import { nameReason, nameState, nameVersion } from './libvirt-names.ts';

/** One domain of the bulk read-out: libvirt's own names for each statistic (virConnectGetAllDomainStats). */
export interface RawStats {
  uuid: string;
  name: string;
  [statistic: string]: unknown;
}

export function toDomainFact(raw: RawStats): DomainFact {
  const state = Number(raw['state.state']);
  return { uuid: raw.uuid, name: raw.name, state: nameState(state), reason: nameReason(state, Number(raw['state.reason'])) };
}

/**
 * `undefined` for a domain that is busy with another call or hung: libvirt then leaves out what QEMU and its process would
 * tell, `balloon.rss` among it, which every other active domain has.
 */
export function toDomainStats(raw: RawStats): DomainStats | undefined {
  const number = (name: string) => Number(raw[name] ?? 0);
  if (raw['balloon.rss'] === undefined) return undefined;
  return {
    uuid: raw.uuid,
    state: nameState(number('state.state')),
    cpuTimeNs: number('cpu.time'),
    vcpus: number('vcpu.current'),
    memoryBytes: number('balloon.current') * 1024,
    ...(raw['balloon.unused'] !== undefined && { unusedBytes: number('balloon.unused') * 1024 }),
    residentBytes: number('balloon.rss') * 1024,
    blocks: Array.from({ length: number('block.count') }, (_, i) => ({
      target: String(raw[`block.${i}.name`] ?? ''),
      readBytes: number(`block.${i}.rd.bytes`),
      writtenBytes: number(`block.${i}.wr.bytes`),
      readRequests: number(`block.${i}.rd.reqs`),
      writeRequests: number(`block.${i}.wr.reqs`),
      capacityBytes: number(`block.${i}.capacity`),
      allocationBytes: number(`block.${i}.allocation`),
      physicalBytes: number(`block.${i}.physical`),
    })),
    interfaces: Array.from({ length: number('net.count') }, (_, i) => ({
      name: String(raw[`net.${i}.name`] ?? ''),
      receivedBytes: number(`net.${i}.rx.bytes`),
      sentBytes: number(`net.${i}.tx.bytes`),
    })),
  };
}

/** The host's architecture, from virConnectGetCapabilities. */
export function hostArch(capabilities: string): string {
  return first(hostOf(capabilities), /<arch>([^<]*)</);
}

/** The machine type whose firmware matters: ours, or libvirt's default where there is no q35. */
export const machineFor = (arch: string): string => (arch === 'x86_64' ? 'q35' : '');

export function toFacts(raw: {
  versions: { libvirt: number; hypervisor: number };
  capabilities: string;
  domainCapabilities: string;
}): HypervisorFacts {
  const host = hostOf(raw.capabilities);
  const arch = hostArch(raw.capabilities);
  return {
    libvirtVersion: nameVersion(raw.versions.libvirt),
    hypervisorVersion: nameVersion(raw.versions.hypervisor),
    hostUuid: first(host, /<uuid>([^<]*)</),
    arch,
    cpuModel: first(host, /<model>([^<]*)</),
    cpuVendor: first(host, /<vendor>([^<]*)</),
    domainTypes: domainTypes(raw.capabilities, arch),
    firmware: firmware(raw.domainCapabilities),
    screens: deviceValues(raw.domainCapabilities, 'graphics', 'type'),
    videoModels: deviceValues(raw.domainCapabilities, 'video', 'modelType'),
    tpmModels: tpmModels(raw.domainCapabilities),
    cpuModels: [...first(raw.domainCapabilities, /<mode name='custom' supported='yes'>([\s\S]*?)<\/mode>/).matchAll(/<model usable='(\w+)'[^>]*>([^<]*)</g)].map(([, usable, name = '']) => ({ name, isUsable: usable === 'yes' })),
  };
}

const hostOf = (capabilities: string): string => first(capabilities, /<host>([\s\S]*?)<\/host>/);

/** Types under the full-virtualization guest of this architecture. */
function domainTypes(capabilities: string, arch: string): string[] {
  const guests = capabilities.match(/<guest>[\s\S]*?<\/guest>/g) ?? [];
  const guest = guests.find((xml) => xml.includes('<os_type>hvm</os_type>') && xml.includes(`<arch name='${arch}'>`)) ?? '';
  return [...new Set([...guest.matchAll(/<domain type='([^']*)'/g)].map((match) => match[1] ?? ''))];
}

/** What a kind of device can be here. */
function deviceValues(domainCapabilities: string, device: string, name: string): string[] {
  const kind = first(domainCapabilities, new RegExp(`<${device} supported='yes'>([\\s\\S]*?)</${device}>`));
  const values = first(kind, new RegExp(`<enum name='${name}'>([\\s\\S]*?)</enum>`));
  return [...values.matchAll(/<value>([^<]*)</g)].map((match) => match[1] ?? '');
}

/** libvirt names the models that QEMU has whether or not there is a program to emulate them with. */
function tpmModels(domainCapabilities: string): string[] {
  const has = (name: string, value: string) => deviceValues(domainCapabilities, 'tpm', name).includes(value);
  return has('backendModel', 'emulator') && has('backendVersion', '2.0') ? deviceValues(domainCapabilities, 'tpm', 'model') : [];
}

function firmware(domainCapabilities: string): HypervisorFacts['firmware'] {
  const values = first(domainCapabilities, /<enum name='firmware'>([\s\S]*?)<\/enum>/);
  return (['bios', 'efi'] as const).filter((kind) => values.includes(`<value>${kind}</value>`));
}

const first = (text: string, pattern: RegExp): string => pattern.exec(text)?.[1] ?? '';
