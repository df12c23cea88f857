/**
 * The simulated `Hypervisor`: one connection to a `SimulatedLibvirt`, with the faults a test asks for.
 *
 *   connected -> disconnected (`disconnect`, as when libvirtd restarts) -> connected (`reconnect`)
 *
 * `fail` makes a call fail once, before it acts or, with `isLate`, after it has acted, as when the answer is lost. Every call waits for at
 * least one turn of promises, as a call over a socket does.
 */
import { createNotices } from '../../appliance/core/events.ts';
import { type BlockLimits, type Hypervisor, HypervisorError, type HypervisorEvent } from '../../appliance/world.ts';
import { aliasOf, bytesOf, completeDevice, devicesOf, factOf, guestInfoOf, matchDevice, memoryOf, type SimulatedDomain, statsOf, targetOf } from './guest.ts';
import { refuseHostDevices } from './host-device-guests.ts';
import { createLayerCalls } from './layers.ts';
import { createMemoryCalls } from './memory.ts';
import { lifecycle, refuse, type SimulatedLibvirt } from './libvirt.ts';
import { drawScreen } from './screen.ts';
import { type Element, ensureChild, find, formatXml, parseXml } from './xml.ts';

export type HypervisorCall = Exclude<keyof Hypervisor, 'connection' | 'onEvent' | 'close'>;

interface Fault {
  error: Error;
  isLate: boolean;
}

export interface HypervisorControl {
  /** The next call of that name (or the next `times`) fails with `error`, by default as libvirt tells an internal error. */
  fail(call: HypervisorCall, error?: Error, options?: { isLate?: boolean; times?: number }): void;
  /** Calls of that name act, and never answer. */
  hold(call: HypervisorCall): void;
  disconnect(message?: string): void;
  reconnect(): void;
  /** Told before and after each call; what it does not let through never comes back, as when the service is killed there. */
  watch(watcher: (call: HypervisorCall, when: 'before' | 'after') => Promise<void>): void;
  /** How often the service has called it. */
  count(call: HypervisorCall): number;
}

export interface SimulatedHypervisor extends Hypervisor {
  control: HypervisorControl;
}

const hungMessage = 'Timed out during operation: cannot acquire state change lock (held by monitor=remoteDispatchConnectGetAllDomainStats)';

export function createSimulatedHypervisor(libvirt: SimulatedLibvirt): SimulatedHypervisor {
  const notices = createNotices<HypervisorEvent>((error) => { throw error; });
  const faults = new Map<HypervisorCall, Fault[]>();
  const counts = new Map<HypervisorCall, number>();
  const held = new Set<HypervisorCall>();
  let connection: ReturnType<Hypervisor['connection']> = { state: 'connected', message: '' };
  let watched: Parameters<HypervisorControl['watch']>[0] = async () => {};

  const switchTo = (state: 'connected' | 'disconnected', message: string) => {
    if (connection.state === state) return;
    connection = { state, message };
    notices.emit({ type: 'connection', state, message });
  };
  const detach = libvirt.events.on((event) => { if (connection.state === 'connected') notices.emit(event); });

  const through = <A extends unknown[], R>(name: HypervisorCall, call: (...args: A) => R | Promise<R>) => async (...args: A): Promise<R> => {
    counts.set(name, (counts.get(name) ?? 0) + 1);
    await Promise.resolve();
    if (connection.state === 'disconnected') throw new HypervisorError(`libvirt is not connected: ${connection.message}`, 0, 'disconnected');
    const fault = faults.get(name)?.shift();
    if (fault && !fault.isLate) throw fault.error;
    await watched(name, 'before');
    const result = await call(...args);
    await watched(name, 'after');
    if (held.has(name)) await new Promise<never>(() => {});
    if (fault) throw fault.error;
    return result;
  };
  const calls = createCalls(libvirt);

  return {
    connection: () => connection,
    onEvent: notices.on,
    close: async () => {
      detach();
      connection = { state: 'disconnected', message: 'closed' };
    },
    facts: through('facts', calls.facts), domains: through('domains', calls.domains), stats: through('stats', calls.stats),
    domainXml: through('domainXml', calls.domainXml), forgetTpm: through('forgetTpm', calls.forgetTpm), create: through('create', calls.create), shutdown: through('shutdown', calls.shutdown),
    destroy: through('destroy', calls.destroy), reboot: through('reboot', calls.reboot), reset: through('reset', calls.reset),
    suspend: through('suspend', calls.suspend), resume: through('resume', calls.resume), attachDevice: through('attachDevice', calls.attachDevice),
    detachDevice: through('detachDevice', calls.detachDevice), updateDevice: through('updateDevice', calls.updateDevice),
    resizeBlock: through('resizeBlock', calls.resizeBlock), setBlockLimits: through('setBlockLimits', calls.setBlockLimits), setVcpus: through('setVcpus', calls.setVcpus), setMemory: through('setMemory', calls.setMemory), diskErrors: through('diskErrors', calls.diskErrors),
    stackLayers: through('stackLayers', calls.stackLayers), mergeLayer: through('mergeLayer', calls.mergeLayer),
    mergeProgress: through('mergeProgress', calls.mergeProgress), endMerge: through('endMerge', calls.endMerge),
    saveMemory: through('saveMemory', calls.saveMemory), abortSave: through('abortSave', calls.abortSave), savedXml: through('savedXml', calls.savedXml), restoreMemory: through('restoreMemory', calls.restoreMemory),
    screenshot: through('screenshot', calls.screenshot), agentCommand: through('agentCommand', calls.agentCommand), guestInfo: through('guestInfo', calls.guestInfo), setGuestTime: through('setGuestTime', calls.setGuestTime), trimGuest: through('trimGuest', calls.trimGuest), sendKeys: through('sendKeys', calls.sendKeys),
    networks: through('networks', calls.networks), nodeDevices: through('nodeDevices', calls.nodeDevices), ensureNetwork: through('ensureNetwork', calls.ensureNetwork),
    removeNetwork: through('removeNetwork', calls.removeNetwork),
    control: {
      fail(call, error = new HypervisorError('internal error: simulated fault', 1, 'other'), { isLate = false, times = 1 } = {}) {
        faults.set(call, [...(faults.get(call) ?? []), ...Array.from({ length: times }, () => ({ error, isLate }))]);
      },
      hold: (call) => void held.add(call),
      disconnect: (message = 'internal error: client socket is closed') => switchTo('disconnected', message),
      reconnect: () => switchTo('connected', ''),
      watch: (watcher) => { watched = watcher; },
      count: (call) => counts.get(call) ?? 0,
    },
  };
}

type Calls = Pick<Hypervisor, HypervisorCall>;

function createCalls(libvirt: SimulatedLibvirt): Calls {
  return { ...createPowerCalls(libvirt), ...createDeviceCalls(libvirt), ...createSizeCalls(libvirt), ...createReadCalls(libvirt), ...createLayerCalls(libvirt, (uuid) => answering(libvirt, uuid)), ...createMemoryCalls(libvirt, (uuid) => answering(libvirt, uuid)) };
}

/** The domain, provided that its QEMU answers. */
function answering(libvirt: SimulatedLibvirt, uuid: string): SimulatedDomain {
  const domain = libvirt.require(uuid);
  if (domain.isHung) throw new HypervisorError(hungMessage, 68, 'timeout');
  return domain;
}

function running(libvirt: SimulatedLibvirt, uuid: string): SimulatedDomain {
  const domain = answering(libvirt, uuid);
  if (domain.state !== 'running') throw refuse.invalid('domain is not running');
  return domain;
}

/** One whose guest agent answers. */
function speaking(libvirt: SimulatedLibvirt, uuid: string): SimulatedDomain {
  const domain = running(libvirt, uuid);
  if (!domain.hasAgent) throw refuse.other('Guest agent is not responding: QEMU guest agent is not connected', 86);
  return domain;
}

function createPowerCalls(libvirt: SimulatedLibvirt) {
  return {
    async create(xml: string, { paused = false } = {}) {
      const domain = libvirt.launch(xml);
      if (libvirt.createMs > 0) await libvirt.clock.sleep(libvirt.createMs);
      if (!paused) return libvirt.run(domain, 'booted');
      libvirt.emit(lifecycle(domain, 'started', 'booted'));
      libvirt.pause(domain);
    },
    async forgetTpm(uuid: string) {
      const domain = libvirt.domains().find((each) => each.uuid === uuid);
      if (domain) throw refuse.other(`operation failed: domain '${domain.name}' already exists with uuid ${uuid}`, 9);
      libvirt.tpms.delete(uuid);
    },
    shutdown: async (uuid: string) => libvirt.pressButton(running(libvirt, uuid)),
    async destroy(uuid: string) {
      const domain = libvirt.require(uuid);
      if (!domain.isHung) libvirt.emit(lifecycle(domain, 'shutdown', 'host'));
      libvirt.end(domain, 'destroyed');
    },
    async reboot(uuid: string) {
      const domain = running(libvirt, uuid);
      libvirt.later(domain, libvirt.behaviourOf(domain).shutdownMs, () => libvirt.reset(domain));
    },
    reset: async (uuid: string) => libvirt.reset(answering(libvirt, uuid)),
    async suspend(uuid: string) {
      const domain = answering(libvirt, uuid);
      if (domain.state !== 'paused') libvirt.pause(domain);
    },
    async resume(uuid: string) {
      const domain = answering(libvirt, uuid);
      if (domain.state === 'running') throw refuse.invalid('domain is already running');
      libvirt.run(domain, 'unpaused');
    },
  };
}

function createDeviceCalls(libvirt: SimulatedLibvirt) {
  const matching = (uuid: string, xml: string) => {
    const domain = answering(libvirt, uuid);
    const wanted = parseXml(xml);
    return { domain, wanted, device: matchDevice(domain.tree, wanted) };
  };
  const existing = (uuid: string, xml: string) => {
    const { domain, wanted, device } = matching(uuid, xml);
    if (!device) throw refuse.other(`device not found: ${wanted.name} ${targetOf(wanted)} not found`, 99);
    return { domain, wanted, device };
  };
  return {
    async attachDevice(uuid: string, xml: string) {
      const { domain, wanted, device } = matching(uuid, xml);
      if (wanted.name === 'memory') growMemory(domain.tree, wanted);
      if (wanted.name === 'hostdev') refuseHostDevices(libvirt, domain, [wanted]);
      if (device?.name === 'disk') throw refuse.other(`XML error: target '${targetOf(wanted)}' duplicated`, 27);
      completeDevice(domain.tree, wanted);
      find(domain.tree, 'devices')?.children.push(wanted);
    },
    async detachDevice(uuid: string, xml: string) {
      const { domain, device } = existing(uuid, xml);
      const alias = aliasOf(device);
      domain.unplugging.add(alias);
      libvirt.later(domain, libvirt.behaviourOf(domain).unplugMs, () => libvirt.letGo(domain, alias));
    },
    async updateDevice(uuid: string, xml: string) {
      const { domain, wanted, device } = existing(uuid, xml);
      if (device.name === 'interface') refuseOtherNic(libvirt, device, wanted);
      const isMediaChange = device.attributes['device'] === 'cdrom' && sourceText(device) !== sourceText(wanted);
      const alias = aliasOf(device);
      device.children = [...wanted.children.filter((child) => child.name !== 'alias'), ...device.children.filter((child) => child.name === 'alias')];
      if (device.name === 'graphics' || device.name === 'interface') device.attributes = { ...device.attributes, ...wanted.attributes };
      if (!isMediaChange) return;
      for (const change of ['open', 'close'] as const) libvirt.emit({ type: 'tray', uuid: domain.uuid, alias, change });
    },
    sendKeys: async (uuid: string, codes: number[]) => libvirt.pressKeys(answering(libvirt, uuid), codes),
    async resizeBlock(uuid: string, target: string, sizeBytes: number) {
      const domain = answering(libvirt, uuid);
      if (!devicesOf(domain.tree).some((device) => device.name === 'disk' && targetOf(device) === target)) {
        throw refuse.other(`invalid argument: disk '${target}' was not found in the domain config`, 8);
      }
      domain.capacities.set(target, sizeBytes);
    },
    async setBlockLimits(uuid: string, target: string, limits: BlockLimits) {
      const disk = devicesOf(answering(libvirt, uuid).tree).find((device) => device.name === 'disk' && targetOf(device) === target);
      if (!disk) throw refuse.other(`invalid argument: disk '${target}' was not found in the domain config`, 8);
      limit(disk, limits);
    },
  };
}

/** Only the cable of a network interface changes while its guest runs. */
function refuseOtherNic({ networks }: SimulatedLibvirt, device: Element, wanted: Element): void {
  const modelOf = (nic: Element) => find(nic, 'model')?.attributes['type'] ?? '';
  if (modelOf(device) !== modelOf(wanted)) throw refuse.other(`Operation not supported: cannot modify network device model from ${modelOf(device)} to ${modelOf(wanted)}`, 84);
  const name = find(wanted, 'source')?.attributes['network'];
  if (name !== undefined && !networks.has(name)) throw refuse.other(`Network not found: no network with matching name '${name}'`, 43);
}

/** Processors and memory of a running guest. */
function createSizeCalls(libvirt: SimulatedLibvirt) {
  return {
    async setVcpus(uuid: string, count: number) {
      const vcpu = find(answering(libvirt, uuid).tree, 'vcpu');
      const most = Number(vcpu?.text ?? 1);
      if (count > most) throw refuse.other(`invalid argument: requested vcpus is greater than max allowable vcpus for the live domain: ${count} > ${most}`, 8);
      if (vcpu) vcpu.attributes = { ...vcpu.attributes, current: String(count) };
    },
    async setMemory(uuid: string, bytes: number) {
      const { tree } = answering(libvirt, uuid);
      if (bytes > memoryOf(tree, 'memory')) throw refuse.other('invalid argument: cannot set memory higher than max memory', 8);
      Object.assign(ensureChild(tree, 'currentMemory'), { attributes: { unit: 'b' }, text: String(bytes) });
    },
  };
}

/** A module of memory adds to what the guest has. */
function growMemory(tree: Element, module: Element): void {
  if (!find(tree, 'cpu/numa')) throw refuse.other("can't add memory backend as guest has no NUMA nodes configured", 35);
  const added = bytesOf(find(module, 'target/size'));
  for (const name of ['memory', 'currentMemory'] as const) {
    const bytes = memoryOf(tree, name) + added;
    if (find(tree, name)) Object.assign(ensureChild(tree, name), { attributes: { unit: 'b' }, text: String(bytes) });
  }
}

const limitElements = { readBytesPerSecond: 'read_bytes_sec', writeBytesPerSecond: 'write_bytes_sec', readsPerSecond: 'read_iops_sec', writesPerSecond: 'write_iops_sec' } as const;

function limit(disk: Element, limits: BlockLimits): void {
  const children = Object.entries(limitElements).flatMap(([key, name]) => {
    const value = limits[key as keyof BlockLimits]; // its own keys
    return value === null ? [] : [{ name, attributes: {}, children: [], text: String(value) }];
  });
  disk.children = disk.children.filter(({ name }) => name !== 'iotune');
  if (children.length > 0) disk.children.push({ name: 'iotune', attributes: {}, children, text: '' });
}

const sourceText = (disk: Element) => JSON.stringify(find(disk, 'source')?.attributes ?? {});

function createReadCalls(libvirt: SimulatedLibvirt) {
  return {
    facts: async () => libvirt.facts,
    domains: async () => libvirt.domains().map(factOf),
    stats: async () => libvirt.domains().filter((domain) => !domain.isHung).map((domain) => statsOf(domain, libvirt.behaviourOf(domain), libvirt.clock.now())),
    domainXml: async (uuid: string) => formatXml(libvirt.require(uuid).tree),
    diskErrors: async (uuid: string) => ({ ...answering(libvirt, uuid).diskErrors }),
    screenshot: async (uuid: string) => drawScreen(answering(libvirt, uuid)),
    guestInfo: async (uuid: string) => guestInfoOf(speaking(libvirt, uuid)),
    setGuestTime: async (uuid: string, at: number) => { speaking(libvirt, uuid).setTimes.push(at); },
    trimGuest: async (uuid: string) => { speaking(libvirt, uuid).trims += 1; },
    async agentCommand(uuid: string, command: string, _timeoutMs: number) {
      speaking(libvirt, uuid);
      const { execute } = JSON.parse(command) as { execute: string }; // written by the service
      return { return: execute === 'guest-get-host-name' ? { 'host-name': libvirt.require(uuid).name } : {} };
    },
    nodeDevices: async () => structuredClone(libvirt.devices.list()),
    networks: async () => [...libvirt.networks.values()].map((network) => ({ ...network })),
    async ensureNetwork(name: string, xml: string) {
      const bridge = find(parseXml(xml), 'bridge')?.attributes['name'] ?? `virbr${libvirt.networks.size}`;
      const network = libvirt.networks.get(name) ?? { name, bridge, active: true };
      libvirt.networks.set(name, { ...network, active: true });
    },
    removeNetwork: async (name: string) => void libvirt.networks.delete(name),
  };
}
