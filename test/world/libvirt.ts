/**
 * The simulated host's libvirt and its guests. It outlives every connection to it, as the real one does: kill the service, make a
 * new world from the same `SimulatedLibvirt`, and the guests still run.
 *
 * Order, details and messages of events and errors are those of libvirt 9.0 with QEMU 7.2; `test/contract` holds both to them:
 *   create            resumed/unpaused, started/booted             (paused: started/booted, suspended/paused)
 *   destroy           shutdown/host, stopped/destroyed
 *   guest shuts down  shutdown/guest, stopped/shutdown
 *   QEMU dies         stopped/failed
 *   guest crashes     crashed/panicked, then as `on_crash` says: reboot, resumed/unpaused; or stopped/crashed
 *   watchdog fires    watchdog with its action, then: reboot; stopped/failed (poweroff); the button is pressed (shutdown); suspended/watchdog
 *   full disk         io-error, suspended/io-error
 *   unplug            device-removed when the guest lets go; a guest without a system only at its next reset
 */
import { randomUUID } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import type { Clock } from '../../appliance/core/clock.ts';
import { createNotices, type Notices } from '../../appliance/core/events.ts';
import { type HypervisorEvent, HypervisorError, type HypervisorFacts, type Network } from '../../appliance/world.ts';
import { aliasOf, devicesOf, enter, type GuestBehaviour, isWritable, makeDomain, type SimulatedDomain, sourceOf, targetOf } from './guest.ts';
import { createSimulatedDevices, type SimulatedDevices } from './host-devices.ts';
import { refuseHostDevices } from './host-device-guests.ts';
import { find, findAll } from './xml.ts';

/** virErrorNumber, and the kind that the port gives it. */
export const refuse = {
  noDomain: (uuid: string) => new HypervisorError(`Domain not found: no domain with matching uuid '${uuid}'`, 42, 'no-domain'),
  invalid: (what: string) => new HypervisorError(`Requested operation is not valid: ${what}`, 55, 'invalid-operation'),
  exists: (message: string, code: number) => new HypervisorError(message, code, 'exists'),
  other: (message: string, code: number) => new HypervisorError(message, code, 'other'),
};

export interface LibvirtOptions {
  clock: Clock;
  /** How long starting QEMU takes. */
  createMs?: number;
  guests?: Partial<GuestBehaviour>;
  facts?: Partial<HypervisorFacts>;
  devices?: SimulatedDevices;
}

export interface SimulatedLibvirt {
  readonly clock: Clock;
  readonly events: Notices<HypervisorEvent>;
  readonly facts: HypervisorFacts;
  readonly networks: Map<string, Network>;
  /** Of the host, for guests to be given. */
  readonly devices: SimulatedDevices;
  readonly createMs: number;
  /** What the TPMs of guests keep, by UUID, also of those that do not run. */
  readonly tpms: Map<string, string>;
  /** Where writing fails, and how. */
  readonly badFolders: Map<string, DiskError>;
  domains(): SimulatedDomain[];
  require(uuid: string): SimulatedDomain;
  behaviourOf(domain: SimulatedDomain): GuestBehaviour;
  /** Changes how the guest of that name behaves, now or when it starts; of every guest without a name. */
  behave(behaviour: Partial<GuestBehaviour>, name?: string): void;

  launch(xml: string): SimulatedDomain;
  /** The vCPUs run from now on; a full disk stops them again at once. */
  run(domain: SimulatedDomain, reason: 'booted' | 'unpaused'): void;
  pause(domain: SimulatedDomain): void;
  end(domain: SimulatedDomain, detail: 'destroyed' | 'shutdown' | 'failed' | 'crashed' | 'saved'): void;
  /** Its guest agent speaks. */
  connectAgent(domain: SimulatedDomain): void;
  pressButton(domain: SimulatedDomain): void;
  pressKeys(domain: SimulatedDomain, codes: number[]): void;
  reset(domain: SimulatedDomain): void;
  letGo(domain: SimulatedDomain, alias: string): void;
  emit(event: HypervisorEvent): void;
  /** Does `work` after a time, unless the domain has ended meanwhile. */
  later(domain: SimulatedDomain, ms: number | 'never', work: () => void): void;

  /** Writing below `folder` fails from now on, for want of space or for good: guests with a disk there stop. */
  fillDisk(folder: string): void;
  breakDisk(folder: string): void;
  /** Writing there works again. */
  freeDisk(folder: string): void;
  /** The guest of that name panics, its QEMU is killed, its user shuts it down, it hangs. */
  panic(name: string): void;
  /** The watchdog of that guest was not answered: its action follows. */
  fireWatchdog(name: string): void;
  killQemu(name: string): void;
  shutDownInside(name: string): void;
  hang(name: string, isHung: boolean): void;
  /** The power goes: every guest is gone, and nobody is told. */
  cutPower(): void;
}

type DiskError = SimulatedDomain['diskErrors'][string];

const placidGuest: GuestBehaviour = { shutdownMs: 2000, unplugMs: 100, agentMs: 'never', resetKey: 'never', cpuFraction: 0.2, mergeMs: 200, saveMs: 500, canBeStilled: true };

const plainFacts: HypervisorFacts = {
  libvirtVersion: '9.0.0', hypervisorVersion: '7.2.22', hostUuid: '5d0a6c2e-8a3b-4c51-9d37-0b1e2f3a4b5c', arch: 'x86_64',
  cpuModel: 'EPYC-Rome', cpuVendor: 'AMD', domainTypes: ['qemu', 'kvm'], firmware: ['efi'], screens: ['vnc', 'spice'], videoModels: ['vga', 'cirrus', 'qxl', 'virtio'],
  tpmModels: ['tpm-tis', 'tpm-crb'],
  cpuModels: [...['EPYC-Rome', 'EPYC', 'Opteron_G3', 'Opteron_G2', 'Opteron_G1', 'Westmere', 'Nehalem', 'Penryn', 'Conroe', 'qemu64'].map((name) => ({ name, isUsable: true })), ...['EPYC-Milan', 'Icelake-Server-noTSX', 'Haswell-noTSX'].map((name) => ({ name, isUsable: false }))],
};

export function createSimulatedLibvirt(options: LibvirtOptions): SimulatedLibvirt {
  const { clock } = options;
  const domains = new Map<string, SimulatedDomain>();
  const behaviours = new Map<string | undefined, Partial<GuestBehaviour>>([[undefined, options.guests ?? {}]]);
  const events = createNotices<HypervisorEvent>((error) => { throw error; });
  const devices = options.devices ?? createSimulatedDevices();
  devices.events.on((event) => events.emit(event));
  const libvirt: SimulatedLibvirt = {
    clock, events, devices, createMs: options.createMs ?? 0, facts: { ...plainFacts, ...options.facts }, badFolders: new Map(), tpms: new Map(),
    networks: new Map([['default', { name: 'default', bridge: 'virbr0', active: true }]]),
    emit: (event) => events.emit(event),
    domains: () => [...domains.values()],
    require(uuid) {
      const domain = domains.get(uuid);
      if (!domain) throw refuse.noDomain(uuid);
      return domain;
    },
    behaviourOf: (domain) => ({ ...placidGuest, ...behaviours.get(undefined), ...behaviours.get(domain.name) }),
    behave: (behaviour, name) => behaviours.set(name, { ...behaviours.get(name), ...behaviour }),
    launch(xml) {
      const domain = makeDomain(xml);
      refuseDuplicate(libvirt.domains(), domain);
      refuseMissingParts(libvirt, domain);
      refuseHostDevices(libvirt, domain, findAll(domain.tree, 'devices/hostdev'));
      domains.set(domain.uuid, domain);
      makeVariables(domain);
      if (find(domain.tree, 'devices/tpm') && !libvirt.tpms.has(domain.uuid)) libvirt.tpms.set(domain.uuid, randomUUID());
      return domain;
    },
    end(domain, detail) {
      domains.delete(domain.uuid);
      events.emit(lifecycle(domain, 'stopped', detail));
    },
    connectAgent: (domain) => connectAgent(libvirt, domain),
    cutPower: () => domains.clear(),
    ...createTransitions(() => libvirt),
    ...createMishaps(() => libvirt),
  };
  return libvirt;
}

type Transition = 'run' | 'pause' | 'pressButton' | 'pressKeys' | 'reset' | 'letGo' | 'later';

/** What libvirt and a healthy guest do. */
function createTransitions(self: () => SimulatedLibvirt): Pick<SimulatedLibvirt, Transition> {
  return {
    run(domain, reason) {
      const libvirt = self();
      domain.onRun?.();
      delete domain.onRun;
      enter(domain, 'running', reason, libvirt.clock.now());
      libvirt.emit(lifecycle(domain, 'resumed', 'unpaused'));
      if (reason === 'booted') {
        libvirt.emit(lifecycle(domain, 'started', 'booted'));
        libvirt.later(domain, libvirt.behaviourOf(domain).agentMs, () => connectAgent(libvirt, domain));
      }
      domain.diskErrors = {};
      for (const [folder, error] of libvirt.badFolders) stopOnDiskError(libvirt, domain, { folder, error });
      if (domain.isButtonPending) libvirt.pressButton(domain);
    },
    pause(domain) {
      enter(domain, 'paused', 'user', self().clock.now());
      self().emit(lifecycle(domain, 'suspended', 'paused'));
    },
    pressButton(domain) {
      domain.isButtonPending = domain.state !== 'running';
      if (domain.isButtonPending) return;
      self().later(domain, self().behaviourOf(domain).shutdownMs, () => {
        if (domain.state === 'running') self().shutDownInside(domain.name);
        else domain.isButtonPending = true;
      });
    },
    pressKeys(domain, codes) {
      if (domain.state !== 'running') return;
      domain.keys.push(codes);
      const { resetKey } = self().behaviourOf(domain);
      if (resetKey !== 'never' && codes.includes(resetKey)) self().reset(domain);
    },
    reset(domain) {
      self().emit({ type: 'reboot', uuid: domain.uuid });
      for (const alias of domain.unplugging) self().letGo(domain, alias);
    },
    letGo(domain, alias) {
      if (!domain.unplugging.delete(alias)) return;
      const devices = find(domain.tree, 'devices');
      if (devices) devices.children = devices.children.filter((device) => aliasOf(device) !== alias);
      self().emit({ type: 'device-removed', uuid: domain.uuid, alias });
    },
    later(domain, ms, work) {
      if (ms === 'never') return;
      const isThere = () => self().domains().includes(domain);
      self().clock.sleep(ms).then(() => { if (isThere()) work(); }, () => {});
    },
  };
}

type Mishap = 'fillDisk' | 'breakDisk' | 'freeDisk' | 'panic' | 'fireWatchdog' | 'killQemu' | 'shutDownInside' | 'hang';

/** What goes wrong, or happens inside a guest, when a test says so. */
function createMishaps(self: () => SimulatedLibvirt): Pick<SimulatedLibvirt, Mishap> {
  const named = (name: string) => {
    const domain = self().domains().find((each) => each.name === name);
    if (!domain) throw new Error(`no simulated guest named ${name}`);
    return domain;
  };
  const spoil = (folder: string, error: DiskError) => {
    self().badFolders.set(folder, error);
    for (const domain of self().domains()) stopOnDiskError(self(), domain, { folder, error });
  };
  return {
    fillDisk: (folder) => spoil(folder, 'no-space'),
    breakDisk: (folder) => spoil(folder, 'unspecified'),
    freeDisk: (folder) => void self().badFolders.delete(folder),
    panic: (name) => crash(self(), named(name)),
    fireWatchdog: (name) => fireWatchdog(self(), named(name)),
    killQemu: (name) => self().end(named(name), 'failed'),
    shutDownInside(name) {
      const domain = named(name);
      enter(domain, 'shutting-down', 'unknown', self().clock.now());
      self().emit(lifecycle(domain, 'shutdown', 'guest'));
      self().end(domain, 'shutdown');
    },
    hang: (name, isHung) => { named(name).isHung = isHung; },
  };
}

/** Only a guest with a panic device can tell. */
function crash(libvirt: SimulatedLibvirt, domain: SimulatedDomain): void {
  if (!find(domain.tree, 'devices/panic')) return;
  enter(domain, 'crashed', 'panicked', libvirt.clock.now());
  libvirt.emit(lifecycle(domain, 'crashed', 'panicked'));
  if (find(domain.tree, 'on_crash')?.text !== 'restart') {
    libvirt.end(domain, 'crashed');
    return;
  }
  libvirt.reset(domain);
  enter(domain, 'running', 'crashed', libvirt.clock.now());
  libvirt.emit(lifecycle(domain, 'resumed', 'unpaused'));
}

function fireWatchdog(libvirt: SimulatedLibvirt, domain: SimulatedDomain): void {
  const action = find(domain.tree, 'devices/watchdog')?.attributes['action'];
  if (action === undefined || domain.state !== 'running') return;
  libvirt.emit({ type: 'watchdog', uuid: domain.uuid, action });
  if (action === 'reset') libvirt.reset(domain);
  else if (action === 'poweroff') libvirt.end(domain, 'failed'); // QEMU ends without a word
  else if (action === 'shutdown') libvirt.pressButton(domain);
  else if (action === 'pause') {
    enter(domain, 'paused', 'watchdog', libvirt.clock.now());
    libvirt.emit(lifecycle(domain, 'suspended', 'watchdog'));
  }
}

export function lifecycle({ uuid, name }: SimulatedDomain, event: Extract<HypervisorEvent, { type: 'lifecycle' }>['event'], detail: string): HypervisorEvent {
  return { type: 'lifecycle', uuid, name, event, detail };
}

function refuseDuplicate(domains: SimulatedDomain[], { uuid, name }: SimulatedDomain): void {
  for (const domain of domains) {
    if (domain.uuid === uuid && domain.name === name) throw refuse.exists(`Requested operation is not valid: domain '${name}' is already active`, 55);
    if (domain.uuid === uuid) throw refuse.exists(`operation failed: domain '${domain.name}' is already defined with uuid ${uuid}`, 9);
    if (domain.name === name) throw refuse.exists(`operation failed: domain '${name}' already exists with uuid ${domain.uuid}`, 9);
  }
}

/** Of its UEFI firmware, as long as it has none. */
function makeVariables({ tree }: SimulatedDomain): void {
  const path = nvramOf(tree);
  if (path !== undefined && !existsSync(path)) writeFileSync(path, freshVariables);
}

/** Where the UEFI firmware of a guest writes down what it remembers. */
export const nvramOf = (tree: SimulatedDomain['tree']): string | undefined => findAll(tree, 'os/nvram')[0]?.text || undefined;
export const freshVariables = Buffer.alloc(4096, 'fresh');

function refuseMissingParts({ networks }: SimulatedLibvirt, { tree }: SimulatedDomain): void {
  for (const disk of findAll(tree, 'devices/disk')) {
    const path = sourceOf(disk);
    if (path && !existsSync(path)) throw refuse.other(`Cannot access storage file '${path}': No such file or directory`, 38);
  }
  for (const source of findAll(tree, 'devices/interface/source')) {
    const name = source.attributes['network'];
    if (name === undefined) continue;
    const network = networks.get(name);
    if (!network) throw refuse.other(`Network not found: no network with matching name '${name}'`, 43);
    if (!network.active) throw refuse.invalid(`network '${name}' is not active`);
  }
}

function stopOnDiskError(libvirt: SimulatedLibvirt, domain: SimulatedDomain, { folder, error }: { folder: string; error: DiskError }): void {
  if (domain.state !== 'running') return;
  const disk = devicesOf(domain.tree).find((device) => isWritable(device) && sourceOf(device).startsWith(folder));
  if (!disk) return;
  domain.diskErrors[targetOf(disk)] = error;
  enter(domain, 'paused', 'io-error', libvirt.clock.now());
  libvirt.emit({ type: 'io-error', uuid: domain.uuid, path: sourceOf(disk), alias: aliasOf(disk), action: 'pause', reason: error === 'no-space' ? 'enospc' : '' });
  libvirt.emit(lifecycle(domain, 'suspended', 'io-error'));
}

function connectAgent(libvirt: SimulatedLibvirt, domain: SimulatedDomain): void {
  const channel = findAll(domain.tree, 'devices/channel/target').find((target) => target.attributes['name'] === 'org.qemu.guest_agent.0');
  if (!channel) return;
  channel.attributes['state'] = 'connected';
  domain.hasAgent = true;
  libvirt.emit({ type: 'agent', uuid: domain.uuid, state: 'connected' });
}
