/** Virtual machines as libvirt has them; the part of the World (`world.ts`) that runs guests. */
import type { NodeDevice } from './world-devices.ts';

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
  /** A merge of layers: all is copied and goes on being copied (`ready`), or it has ended. */
  | { type: 'block-job'; uuid: string; target: string; status: 'completed' | 'failed' | 'cancelled' | 'ready' }
  /** A device of the host came or went: libvirt's name of it. */
  | { type: 'host-device'; name: string; change: 'created' | 'deleted' }
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
  /** What QEMU here can show a guest's screen by, such as `vnc` and `spice`, and its graphics cards; some are packages of their own. */
  screens: string[];
  videoModels: string[];
  /** Processor models that QEMU knows; usable are those whose features the host has. */
  cpuModels: { name: string; isUsable: boolean }[];
  /** TPM 2.0 that guests can have here, such as `tpm-crb`; none without the program that emulates it (swtpm). */
  tpmModels: string[];
}

/** What a guest's agent says of it; empty where it does not tell. It is the guest's word: never trusted, only shown. */
export interface GuestInfo {
  hostname: string;
  os: string;
  kernel: string;
  timeZone: string;
  users: { name: string; since: number | null }[];
  filesystems: { mountPoint: string; type: string; totalBytes: number | null; usedBytes: number | null }[];
  interfaces: { name: string; mac: string; addresses: string[] }[];
}

export interface Network {
  name: string;
  bridge: string;
  active: boolean;
}

export interface BlockLimits {
  readBytesPerSecond: number | null;
  writeBytesPerSecond: number | null;
  readsPerSecond: number | null;
  writesPerSecond: number | null;
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
  /** Asks the guest to shut down, by its agent or else with the ACPI button; resolves when asked, not when down. */
  shutdown(uuid: string): Promise<void>;
  /** Ends QEMU at once; resolves when it is gone. */
  destroy(uuid: string): Promise<void>;
  reboot(uuid: string): Promise<void>;
  reset(uuid: string): Promise<void>;
  /** Removes what the TPM of a guest that does not run has kept; a guest that never had one is as good. Its next start makes a new one. */
  forgetTpm(uuid: string): Promise<void>;
  suspend(uuid: string): Promise<void>;
  resume(uuid: string): Promise<void>;
  attachDevice(uuid: string, xml: string): Promise<void>;
  /** Resolves when the request is accepted; the `device-removed` event says when the guest has let go. */
  detachDevice(uuid: string, xml: string): Promise<void>;
  updateDevice(uuid: string, xml: string): Promise<void>;
  /** Grows a disk that a running guest uses. */
  resizeBlock(uuid: string, target: string, sizeBytes: number): Promise<void>;
  /** What a disk may read and write in a second, at once; `null` for no limit. */
  setBlockLimits(uuid: string, target: string, limits: BlockLimits): Promise<void>;
  /** Gives processors to a running guest that was started with room for them. */
  setVcpus(uuid: string, count: number): Promise<void>;
  /** What the balloon in the guest leaves to it; resolves when asked, the guest follows in its own time. */
  setMemory(uuid: string, bytes: number): Promise<void>;
  /** Puts layers that were made before on top of disks of a running guest, all at one instant or none: target to path. `isQuiet` lets the guest agent still the guest's file systems meanwhile. With `memoryPath` the guest is held until its memory of that instant lies there, too. */
  stackLayers(uuid: string, layers: Record<string, string>, options: { isQuiet: boolean; memoryPath?: string }): Promise<void>;
  /** Writes the guest's memory to a file and ends QEMU. Where that fails or is aborted, the guest goes on. */
  saveMemory(uuid: string, path: string): Promise<void>;
  /** Ends a `saveMemory` that is under way. */
  abortSave(uuid: string): Promise<void>;
  /** The definition that such a file holds; rejects when the file is not whole. */
  savedXml(path: string): Promise<string>;
  /** Starts QEMU from such a file with that definition; the guest stands still until it is resumed. The file stays. */
  restoreMemory(uuid: string, path: string, xml: string): Promise<void>;
  /** Begins to write what `top` holds into `base`, the layer below it. With the topmost layer that goes on, told as `ready`, until it is ended. */
  mergeLayer(uuid: string, target: string, layers: { top: string; base: string; isTopmost: boolean }): Promise<void>;
  /** How far the merge on that disk is; null when there is none. */
  mergeProgress(uuid: string, target: string): Promise<{ doneBytes: number; totalBytes: number } | null>;
  /** Ends a merge: at once with nothing changed, or, when it is ready, with the guest on the lower layer (`pivot`). */
  endMerge(uuid: string, target: string, how: 'pivot' | 'cancel'): Promise<void>;
  /** The guest's disks in error now: target to `no-space` or `unspecified`. */
  diskErrors(uuid: string): Promise<Record<string, 'no-space' | 'unspecified'>>;
  /** What the guest shows, as PNG. */
  screenshot(uuid: string): Promise<Uint8Array>;
  /** Presses keys together and lets them go: codes of Linux's input layer, 16 at most. A guest that does not run never hears them. */
  sendKeys(uuid: string, codes: number[]): Promise<void>;
  /** What the guest agent tells of its system. */
  guestInfo(uuid: string): Promise<GuestInfo>;
  /** Sets the guest's clock by its agent, to `at`. */
  setGuestTime(uuid: string, at: number): Promise<void>;
  /** Has the guest tell its disks what it no longer needs, on all of its file systems; resolves when that is done. */
  trimGuest(uuid: string): Promise<void>;
  /** One QEMU guest agent command, JSON in and out. */
  agentCommand(uuid: string, command: string, timeoutMs: number): Promise<unknown>;
  networks(): Promise<Network[]>;
  /** What the host is made of: PCI, USB and SCSI devices, and block devices; null where libvirt cannot tell. */
  nodeDevices(): Promise<NodeDevice[] | null>;
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
  /** The last complaint of its QEMU since it was started last; empty where it made none. */
  lastWords(name: string): Promise<string>;
  /** How the last domain of that name ended, in the words of the `stopped` event; `undefined` if that is not known. */
  lastEnding(name: string): Promise<{ detail: 'shutdown' | 'destroyed' | 'crashed' | 'failed'; at: number } | undefined>;
}
