/**
 * One simulated domain: what libvirt would know of it, as data. Made from the XML that starts it, completed as libvirt
 * completes a live definition (aliases, MACs, tap devices), and asked for its facts and figures. No events, no waiting:
 * `libvirt.ts` does those.
 *
 * Guest time runs only while the domain runs; the figures follow from it, so equal histories give equal figures.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import type { DomainFact, DomainState, DomainStats, GuestInfo } from '../../appliance/world.ts';
import type { MergeJob } from './layers.ts';
import { type Element, ensureChild, find, findAll, parseXml } from './xml.ts';

/** How the software inside the guest behaves. */
export interface GuestBehaviour {
  /** From the ACPI button to the end; `never` as a guest without an operating system. */
  shutdownMs: number | 'never';
  /** From the request to unplug a device until it is let go; `never` lets go at the next reset. */
  unplugMs: number | 'never';
  /** From the start until the guest agent speaks; `never` without one. */
  agentMs: number | 'never';
  /** Code of the key at which the guest restarts itself; `never` without one. */
  resetKey: number | 'never';
  /** Of one processor, while it runs. */
  cpuFraction: number;
  /** How long it takes to merge layers of its disks. */
  mergeMs: number;
  /** How long it takes to write its memory to a file. */
  saveMs: number;
  /** Its agent can still its file systems. */
  canBeStilled: boolean;
}

export interface SimulatedDomain {
  uuid: string;
  name: string;
  state: DomainState;
  reason: string;
  tree: Element;
  /** Guest time up to `runningSince`, and since when it runs now. */
  ranMs: number;
  runningSince: number | undefined;
  /** Aliases of devices that the guest was asked to let go. */
  unplugging: Set<string>;
  diskErrors: Record<string, 'no-space' | 'unspecified'>;
  capacities: Map<string, number>;
  /** Merges of layers that run now, by target. */
  jobs: Map<string, MergeJob>;
  /** Its memory is being written to a file: ends that. */
  abortSave?: () => void;
  /** It comes from a file of memory: what happens when it first runs. */
  onRun?: () => void;
  hasAgent: boolean;
  /** What was pressed while it ran. */
  keys: number[][];
  /** What its clock was set to, and how often its file systems were trimmed. */
  setTimes: number[];
  trims: number;
  /** Its QEMU no longer answers. */
  isHung: boolean;
  /** The button was pressed while the vCPUs stood still. */
  isButtonPending: boolean;
}

const deviceNames = new Set(['disk', 'interface', 'controller', 'graphics', 'video', 'channel', 'serial', 'console', 'rng', 'memballoon', 'input', 'tpm', 'watchdog', 'panic', 'memory', 'hostdev']);

/** Parses and completes; throws what is wrong with the XML. */
export function makeDomain(xml: string): SimulatedDomain {
  const tree = parseXml(xml);
  const name = find(tree, 'name')?.text;
  if (tree.name !== 'domain' || !name) throw new Error('XML error: missing domain name');
  const uuid = ensureChild(tree, 'uuid');
  uuid.text ||= randomUUID();
  for (const device of devicesOf(tree)) completeDevice(tree, device);
  return {
    uuid: uuid.text, name, tree, state: 'paused', reason: 'starting-up', ranMs: 0, runningSince: undefined, unplugging: new Set(),
    diskErrors: {}, capacities: new Map(), jobs: new Map(), hasAgent: false, keys: [], setTimes: [], trims: 0, isHung: false, isButtonPending: false,
  };
}

export function devicesOf(tree: Element): Element[] {
  return find(tree, 'devices')?.children.filter((child) => deviceNames.has(child.name)) ?? [];
}

export const aliasOf = (device: Element) => find(device, 'alias')?.attributes['name'] ?? '';
export const targetOf = (device: Element) => find(device, 'target')?.attributes['dev'] ?? '';
const macOf = (device: Element) => find(device, 'mac')?.attributes['address']?.toLowerCase() ?? '';
export const sourceOf = (disk: Element) => find(disk, 'source')?.attributes['file'] ?? '';
export const isWritable = (disk: Element) => disk.name === 'disk' && !find(disk, 'readonly') && disk.attributes['device'] !== 'cdrom';

/** The device of the domain that `wanted` means, as libvirt matches: disks by target, interfaces by MAC, others by alias. */
export function matchDevice(tree: Element, wanted: Element): Element | undefined {
  const key = wanted.name === 'disk' ? targetOf : wanted.name === 'interface' ? macOf : aliasOf;
  return devicesOf(tree).find((device) => device.name === wanted.name && key(device) !== '' && key(device) === key(wanted));
}

export function completeDevice(tree: Element, device: Element): void {
  if (device.name === 'interface') completeInterface(tree, device);
  const alias = ensureChild(device, 'alias');
  alias.attributes['name'] ??= freeName(new Set(devicesOf(tree).map(aliasOf)), aliasPrefix(device));
}

function completeInterface(tree: Element, device: Element): void {
  ensureChild(device, 'mac').attributes['address'] ??= `52:54:00:${[...randomBytes(3)].map((byte) => byte.toString(16).padStart(2, '0')).join(':')}`;
  const target = ensureChild(device, 'target');
  target.attributes['dev'] ??= freeName(new Set(findAll(tree, 'devices/interface').map(targetOf)), 'vnet');
}

function aliasPrefix(device: Element): string {
  const bus = find(device, 'target')?.attributes['bus'] ?? '';
  if (device.name === 'disk') return bus === 'virtio' ? 'virtio-disk' : `${bus}0-0-`;
  if (device.name === 'interface') return 'net';
  return device.name === 'memballoon' ? 'balloon' : device.name;
}

function freeName(taken: Set<string>, prefix: string): string {
  for (let number = 0; ; number++) if (!taken.has(`${prefix}${number}`)) return `${prefix}${number}`;
}

/** Changes the state and keeps the guest's time. */
export function enter(domain: SimulatedDomain, state: DomainState, reason: string, now: number): void {
  domain.ranMs = ranMs(domain, now);
  domain.state = state;
  domain.reason = reason;
  domain.runningSince = state === 'running' ? now : undefined;
}

const ranMs = (domain: SimulatedDomain, now: number) => domain.ranMs + (domain.runningSince === undefined ? 0 : now - domain.runningSince);

export const factOf = ({ uuid, name, state, reason }: SimulatedDomain): DomainFact => ({ uuid, name, state, reason });

export function statsOf(domain: SimulatedDomain, behaviour: GuestBehaviour, now: number): DomainStats {
  const seconds = ranMs(domain, now) / 1000;
  const vcpu = find(domain.tree, 'vcpu');
  const vcpus = Number(vcpu?.attributes['current'] ?? vcpu?.text ?? 1);
  const memoryBytes = memoryOf(domain.tree, 'currentMemory');
  return {
    uuid: domain.uuid, state: domain.state, vcpus, memoryBytes,
    cpuTimeNs: Math.round(seconds * 1e9 * behaviour.cpuFraction),
    residentBytes: Math.round(memoryBytes * Math.min(1, 0.1 + seconds / 600)),
    ...(domain.hasAgent && { unusedBytes: Math.round(memoryBytes / 2) }),
    blocks: findAll(domain.tree, 'devices/disk').map((disk) => blockOf(domain, disk, seconds)),
    interfaces: findAll(domain.tree, 'devices/interface').map((device) => ({
      name: targetOf(device), receivedBytes: Math.round(seconds * 1500), sentBytes: Math.round(seconds * 800),
    })),
  };
}

function blockOf(domain: SimulatedDomain, disk: Element, seconds: number): DomainStats['blocks'][number] {
  const target = targetOf(disk);
  const [reads, writes] = [Math.round(seconds * 5), isWritable(disk) ? Math.round(seconds * 2) : 0];
  const { capacityBytes, physicalBytes } = measureFile(sourceOf(disk));
  return {
    target, readRequests: reads, readBytes: reads * 16384, writeRequests: writes, writtenBytes: writes * 4096,
    capacityBytes: domain.capacities.get(target) ?? capacityBytes, allocationBytes: physicalBytes, physicalBytes,
  };
}

/** What the guest has now, or could have. */
export const memoryOf = (tree: Element, name: 'memory' | 'currentMemory') => bytesOf(find(tree, name) ?? find(tree, 'memory'));

export function bytesOf(memory: Element | undefined): number {
  const unit = { b: 1, bytes: 1, k: 1024, KiB: 1024, M: 1024 ** 2, MiB: 1024 ** 2, G: 1024 ** 3, GiB: 1024 ** 3 }[memory?.attributes['unit'] ?? 'KiB'];
  if (!unit) throw new Error('XML error: unknown memory unit');
  return Number(memory?.text ?? 0) * unit;
}

/** The virtual size from a qcow2 header, else the file's own. */
function measureFile(path: string): { capacityBytes: number; physicalBytes: number } {
  if (!path || !existsSync(path)) return { capacityBytes: 0, physicalBytes: 0 };
  const { size, blocks } = statSync(path);
  const header = Buffer.alloc(32);
  const file = openSync(path, 'r');
  readSync(file, header, 0, 32, 0);
  closeSync(file);
  const isQcow2 = header.toString('latin1', 0, 4) === 'QFI\xfb';
  return { capacityBytes: isQcow2 ? Number(header.readBigUInt64BE(24)) : size, physicalBytes: blocks * 512 };
}

export function guestInfoOf({ name, tree }: SimulatedDomain): GuestInfo {
  const interfaces = findAll(tree, 'devices/interface').map((device, index) => ({ name: `eth${index}`, mac: macOf(device), addresses: [`192.168.122.${10 + index}`, `fe80::${index + 1}`] }));
  return {
    hostname: name, os: 'Debian GNU/Linux 13 (trixie)', kernel: '6.12.0-amd64', timeZone: 'UTC', users: [{ name: 'root', since: null }],
    filesystems: [{ mountPoint: '/', type: 'ext4', totalBytes: 8 * 2 ** 30, usedBytes: 3 * 2 ** 30 }],
    interfaces: [{ name: 'lo', mac: '00:00:00:00:00:00', addresses: ['127.0.0.1', '::1'] }, ...interfaces],
  };
}
