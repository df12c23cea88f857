/**
 * The World: every place where the process ends and the machine begins.
 *
 * Slices see only these interfaces. `realWorld()` in `real-world.ts` builds them from libvirt, qemu-img and
 * the kernel; `test/world` builds the simulated ones. Both must pass the same cases in `test/contract`.
 *
 * Rules for both: sizes are bytes, times are milliseconds since the epoch, ids are lower-case UUIDs. A call
 * rejects with a `HypervisorError` or a `ToolError` that carries the tool's own message; it never hangs (each has
 * a deadline); it never decides policy.
 */
import type { Clock } from './core/clock.ts';
import type { Outgoing } from './core/outgoing.ts';
import type { PastBoots, Watchdog } from './world-watchdog.ts';

export interface World {
  hypervisor: Hypervisor;
  guestLog: GuestLog;
  imageTool: ImageTool;
  disk: DiskSpace;
  machine: Machine;
  hostSettings: HostSettingsPort;
  downloads: Downloads;
  /** Connections to servers that people have named. */
  outgoing: Outgoing;
  siteSources: SiteSources;
  hostNetwork: HostNetworkPort;
  power: Power;
  watchdog: Watchdog;
  pastBoots: PastBoots;
  slots: Slots;
  clock: Clock;
}

// ---------------------------------------------------------------------------------------------- hypervisor

/** libvirt's own names for what a domain is doing (virDomainState). */
export type DomainState =
  | 'running' | 'blocked' | 'paused' | 'shutting-down' | 'shut-off' | 'crashed' | 'suspended-by-guest';

export interface DomainFact {
  uuid: string;
  name: string;
  state: DomainState;
  /** libvirt's reason within the state in lower case with dashes, such as `user`, `io-error`, `booted`, `destroyed`. */
  reason: string;
}

export interface DomainStats {
  uuid: string;
  state: DomainState;
  /** Total guest CPU time since start, nanoseconds. */
  cpuTimeNs: number;
  vcpus: number;
  /** Balloon: what the guest has now; `unusedBytes` only when the guest's driver reports it. */
  memoryBytes: number;
  unusedBytes?: number;
  residentBytes?: number;
  blocks: { target: string; readBytes: number; writtenBytes: number; readRequests: number; writeRequests: number;
    capacityBytes: number; allocationBytes: number; physicalBytes: number }[];
  interfaces: { name: string; receivedBytes: number; sentBytes: number }[];
}

export type HypervisorEvent =
  | { type: 'lifecycle'; uuid: string; name: string;
      event: 'defined' | 'undefined' | 'started' | 'suspended' | 'resumed' | 'stopped' | 'shutdown' | 'pm-suspended' | 'crashed';
      /** libvirt's detail in lower case with dashes: `shutdown`, `destroyed`, `crashed`, `failed`, `io-error`, `paused` ... */
      detail: string }
  | { type: 'io-error'; uuid: string; path: string; alias: string; action: 'none' | 'pause' | 'report'; reason: string }
  | { type: 'agent'; uuid: string; state: 'connected' | 'disconnected' }
  | { type: 'device-removed'; uuid: string; alias: string }
  | { type: 'tray'; uuid: string; alias: string; change: 'open' | 'close' }
  | { type: 'reboot'; uuid: string }
  | { type: 'watchdog'; uuid: string; action: string }
  | { type: 'block-threshold'; uuid: string; device: string; path: string; thresholdBytes: number; excessBytes: number }
  /** The connection to libvirt changed. After `connected` every fact must be read anew. */
  | { type: 'connection'; state: 'connected' | 'disconnected'; message: string }
  /** Events were dropped because the reader was too slow: read every fact anew. */
  | { type: 'resync' };

export interface HypervisorFacts {
  libvirtVersion: string;
  hypervisorVersion: string;
  hostUuid: string;
  arch: string;
  /** libvirt's name for the host CPU, such as `EPYC-Rome`; empty where it cannot tell. */
  cpuModel: string;
  cpuVendor: string;
  /** Accelerators that libvirt offers for this architecture: `kvm` only means that `/dev/kvm` opens. */
  domainTypes: string[];
  /** UEFI firmware that QEMU can boot here; empty if none is installed. */
  firmware: ('bios' | 'efi')[];
}

/** Why libvirt refused: its own error code and message. The one class that both hypervisors throw. */
export { HypervisorError } from '../native/hypervisor-error.ts';

export interface Network {
  name: string;
  bridge: string;
  active: boolean;
}

/** One libvirt connection that reconnects by itself. Domains are transient: they exist only while they run. */
export interface Hypervisor {
  connection(): { state: 'connected' | 'disconnected'; message: string };
  facts(): Promise<HypervisorFacts>;
  /** All domains in one call, touching no guest. */
  domains(): Promise<DomainFact[]>;
  /** All running domains in one bulk call; a hung guest is skipped, not waited for. */
  stats(): Promise<DomainStats[]>;
  /** The live definition, with the addresses and paths that libvirt has chosen. */
  domainXml(uuid: string): Promise<string>;
  /** Starts a transient domain; resolves once QEMU runs the guest. `paused` leaves the vCPUs stopped. */
  create(xml: string, options?: { paused?: boolean }): Promise<void>;
  /** Asks the guest to shut down (ACPI); resolves when asked, not when down. */
  shutdown(uuid: string): Promise<void>;
  /** Ends QEMU at once; resolves when it is gone. */
  destroy(uuid: string): Promise<void>;
  reboot(uuid: string): Promise<void>;
  reset(uuid: string): Promise<void>;
  suspend(uuid: string): Promise<void>;
  resume(uuid: string): Promise<void>;
  attachDevice(uuid: string, xml: string): Promise<void>;
  /** Resolves when the request is accepted; the `device-removed` event says when the guest has let go. */
  detachDevice(uuid: string, xml: string): Promise<void>;
  updateDevice(uuid: string, xml: string): Promise<void>;
  /** Grows a disk that a running guest uses. */
  resizeBlock(uuid: string, target: string, sizeBytes: number): Promise<void>;
  /** The guest's disks in error now: target to `no-space` or `unspecified`. */
  diskErrors(uuid: string): Promise<Record<string, 'no-space' | 'unspecified'>>;
  /** What the guest shows, as PNG. */
  screenshot(uuid: string): Promise<Uint8Array>;
  /** One QEMU guest agent command, JSON in and out. */
  agentCommand(uuid: string, command: string, timeoutMs: number): Promise<unknown>;
  networks(): Promise<Network[]>;
  /** Defines a network if it is unknown, starts it, and marks it to start by itself; leaves an existing one as it is. */
  ensureNetwork(name: string, xml: string): Promise<void>;
  /** Stops a network and forgets it; does nothing if it is unknown. Guests on it lose their cable. */
  removeNetwork(name: string): Promise<void>;
  /** Calls `listener` for each event until the returned function is called. */
  onEvent(listener: (event: HypervisorEvent) => void): () => void;
  close(): Promise<void>;
}

/** What libvirt writes down about a guest and never tells. */
export interface GuestLog {
  /** How the last domain of that name ended, in the words of the `stopped` event; `undefined` if that is not known. */
  lastEnding(name: string): Promise<{ detail: 'shutdown' | 'destroyed' | 'crashed' | 'failed'; at: number } | undefined>;
}

// ---------------------------------------------------------------------------------------------- storage

export type ImageFormat = 'raw' | 'qcow2' | 'vmdk' | 'vhdx' | 'vdi';

export interface ImageInfo {
  format: ImageFormat;
  virtualSizeBytes: number;
  /** Bytes that the file occupies on its file system. */
  actualSizeBytes: number;
  /** What the header names, as it stands there; absent if none. */
  backingFile?: string;
  dataFile?: string;
  isEncrypted: boolean;
}

/** An image and what lies below it where it is a layer. Chains are always told, never read from headers: a guest can write headers. */
export interface ImageSource {
  path: string;
  format: ImageFormat;
  below?: ImageSource;
}

/** How a layer's header calls what lies below: for programs that know no more than the files. */
export interface BelowName {
  name: string;
  format: 'raw' | 'qcow2';
}

export interface Progress {
  /** 0 to 1. */
  (fraction: number): void;
}

/** qemu-img, always with an explicit format, under resource limits and a deadline; never probing. */
export interface ImageTool {
  create(path: string, options: { format: 'raw' | 'qcow2'; sizeBytes: number; preallocated: boolean; signal: AbortSignal }): Promise<void>;
  info(path: string, format: ImageFormat, signal: AbortSignal): Promise<ImageInfo>;
  /** Grows an image; `preallocated` also takes the room that it gains. Rejects a smaller size. */
  resize(path: string, options: { format: 'raw' | 'qcow2'; sizeBytes: number; preallocated: boolean; signal: AbortSignal }): Promise<void>;
  /** A chain becomes one image. */
  convert(from: ImageSource, to: { path: string; format: 'raw' | 'qcow2'; preallocated: boolean }, options: { signal: AbortSignal; progress: Progress }): Promise<void>;
  /** An empty qcow2 layer: what it does not hold itself shows through from below. */
  createLayer(path: string, options: { sizeBytes: number; below: BelowName; signal: AbortSignal }): Promise<void>;
  /** Writes what the topmost layer holds into the one below it. May be repeated; on the way, and afterwards, `top` shows what it showed before. */
  commit(top: ImageSource, options: { signal: AbortSignal; progress: Progress }): Promise<void>;
  /** Only names in a qcow2 header what lies below; the content stays as it is. */
  nameBelow(path: string, below: BelowName, signal: AbortSignal): Promise<void>;
  /** Bytes that a conversion into `to` would occupy at most (qemu-img measure). */
  measure(from: ImageSource, to: 'raw' | 'qcow2', signal: AbortSignal): Promise<{ requiredBytes: number; fullyAllocatedBytes: number }>;
  /** Consistency of a qcow2 file; `leaks` is harmless waste. A raw file has nothing to check. */
  check(path: string, format: 'raw' | 'qcow2', signal: AbortSignal): Promise<{ corruptions: number; leaks: number }>;
}

export interface DiskSpace {
  /** The file system that holds `path`: its size and what an unprivileged writer may still use. */
  capacity(path: string): Promise<{ totalBytes: number; freeBytes: number }>;
}

// ---------------------------------------------------------------------------------------------- machine

export interface MachineFacts {
  hostname: string;
  os: string;
  kernel: string;
  manufacturer: string;
  model: string;
  serial: string;
  cpu: { brand: string; sockets: number; cores: number; threads: number;
    /** `vmx`, `svm` or empty: what /proc/cpuinfo shows. */
    virtualization: '' | 'vmx' | 'svm' };
  memoryBytes: number;
  /** kvm_intel or kvm_amd is loaded. */
  isKvmLoaded: boolean;
  nics: { name: string; mac: string; speedMbps: number; isUp: boolean; isBridge: boolean; addresses: string[] }[];
  /** IPv4 networks that the host reaches without its default gateway, such as `192.168.10.0/24`. */
  routes: string[];
  disks: { name: string; model: string; sizeBytes: number; kind: string }[];
}

export interface MachineLoad {
  cpuFraction: number;
  memoryUsedBytes: number;
  memoryTotalBytes: number;
  uptimeSeconds: number;
  receivedBytes: number;
  sentBytes: number;
}

export interface Machine {
  facts(): Promise<MachineFacts>;
  load(): Promise<MachineLoad>;
}

export interface HostSettings {
  hostname: string;
  /** Such as `Europe/Berlin`. */
  timeZone: string;
  /** Empty: those that the network or the system names. */
  ntpServers: string[];
  /** Public keys, one line each, that may sign in as root because we wrote them. */
  sshKeys: string[];
}

/** Name, time and remote access of the machine itself. */
export interface HostSettingsPort {
  /** Whether `apply` may be called: this machine is ours to set up (BOTHY_MANAGE_HOST=yes). */
  isManaged: boolean;
  read(): Promise<HostSettings>;
  /** Changes what is given and leaves the rest. Rejects when the machine is not ours. */
  apply(changes: Partial<HostSettings>): Promise<void>;
}

export type { BootTraces, PastBoots, Watchdog, WatchdogFacts } from './world-watchdog.ts';

/** Switching the machine itself off and on. Both resolve when the system has accepted, not when it is off. */
export interface Power {
  /** Differs after each start of the machine. */
  bootId(): Promise<string>;
  powerOff(): Promise<void>;
  reboot(): Promise<void>;
  /** The system is on its way down, whoever asked for it. */
  isGoingDown(): Promise<boolean>;
}

// ---------------------------------------------------------------------------------------------- slots

export interface SlotFact {
  version: string;
  /**
   * `written`: its file system is there, but no kernel to start it. `trying`: the next start counts as a try. `good`: it has come up
   * well. `bad`: it is started only where nothing else is left.
   */
  state: 'written' | 'trying' | 'good' | 'bad';
  isRunning: boolean;
}

export interface SlotFacts {
  /** Why this machine does not start from slots, a whole sentence; empty where it does. */
  lack: string;
  /** The version that runs; empty where there are no slots. */
  running: string;
  /** Such as `x86_64`. */
  architecture: string;
  /** Most bytes that a root file system may have. */
  slotBytes: number;
  slots: SlotFact[];
}

/** The two slots of the host image and its boot loader: systemd-sysupdate, systemd-boot with boot counting. */
export interface Slots {
  facts(): Promise<SlotFacts>;
  /** Where the files of the next version must lie, named `bothy_<version>.root.squashfs` and `bothy_<version>.efi`. */
  stagingPath: string;
  /** Writes the staged root file system of `version` to the slot that does not run. The next start does not use it yet. */
  write(version: string, signal: AbortSignal): Promise<void>;
  /** The next start tries `version`, a few times; its kernel comes from staging unless it is there already. Others stay behind it. */
  arm(version: string, signal: AbortSignal): Promise<void>;
  /** Takes that back: `version` is bad, the next start is the version that runs. */
  disarm(version: string, signal: AbortSignal): Promise<void>;
  /** The version that runs is bad: the next start is the other one. */
  giveUp(signal: AbortSignal): Promise<void>;
}

// ---------------------------------------------------------------------------------------------- downloads

export interface Download {
  /** http or https. */
  url: string;
  /** The file; what an earlier try of the same address has left of it is gone on with. */
  path: string;
  /** More than that is refused. */
  limitBytes: number;
  signal: AbortSignal;
  /** What has arrived, and the size of the whole where the server tells it. */
  progress(receivedBytes: number, totalBytes: number | undefined): void;
  /** What comes is checked by its signature afterwards, so the server need not prove who it is. */
  isVerifiedLater?: boolean;
}

/** Files from addresses that people or site files name. Refuses addresses of this machine and link-local ones, also behind a redirect. */
export interface Downloads {
  /** The first bytes of a file, fewer where it is shorter. One try; rejects with a `Problem`. */
  readBeginning(wish: Pick<Download, 'url' | 'signal' | 'isVerifiedLater'> & { bytes: number }): Promise<Uint8Array>;
  /** Resolves when the whole file is on the disk. Tries again while the line is bad; rejects with a `Problem`. */
  fetch(download: Download): Promise<void>;
}

// ---------------------------------------------------------------------------------------------- site file

/** A site file that lies before the machine, or why the place that names one could not be read. */
export interface FoundSite {
  /** Where it was found, in words for people: `volume BOTHY on sdb1`. */
  source: string;
  text?: string;
  fault?: string;
}

export interface OpenedFile {
  stream: ReadableStream<Uint8Array>;
  sizeBytes: number;
  /** Lets go of the stick; always to be called. */
  close(): Promise<void>;
}

/** A file at the top of a stick or disc. */
export interface CarriedFile {
  /** Where it lies, in words for people: `the volume UPDATES (/dev/sdb1)`. */
  source: string;
  name: string;
  sizeBytes: number;
}

/** Sticks, discs, the boot's own arguments: where a site file, its images and updates may come from. Everything is only ever read. */
export interface SiteSources {
  /** Changes when something is plugged in or taken out; empty on a machine whose sticks are none of our business. */
  fingerprint(): Promise<string>;
  /** The first site file, in the order of the places. */
  find(signal: AbortSignal): Promise<FoundSite | undefined>;
  /** A file on the stick that holds a site file, else on any other; `undefined` when there is none of that name. */
  openFile(path: string, signal: AbortSignal): Promise<OpenedFile | undefined>;
  /** What lies at the top of sticks and discs under a name with this ending. */
  listFiles(ending: string, signal: AbortSignal): Promise<CarriedFile[]>;
}

export interface PortSettings {
  method: 'dhcp' | 'static';
  /** With its prefix length. */
  address: string | null;
  gateway: string | null;
  dns: string[];
}

/** Addresses of the machine's own ports. */
export interface HostNetworkPort {
  /** Whether `set` may be called: this machine is ours to set up. */
  isManaged: boolean;
  /** Of the ports that were set; the others have what the system gives them. */
  settings(): Promise<Record<string, PortSettings>>;
  inUse(): Promise<{ gateways: { port: string; address: string }[]; dns: string[] }>;
  /** Applies at once and for good; null gives the port back to the default of the system. Rejects when the machine is not ours. */
  set(port: string, settings: PortSettings | null): Promise<void>;
  /** Whether there is a network behind the port as it is set now: its gateway answers, an address came, or at least a cable is in where neither is awaited. */
  answers(port: string, settings: PortSettings): Promise<boolean>;
}
