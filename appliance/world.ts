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
import type { Downloads } from './core/download.ts';
import type { Outgoing } from './core/outgoing.ts';
import type { GuestLog, Hypervisor } from './world-hypervisor.ts';
import type { DeviceTraits } from './world-devices.ts';
import type { DiskSpace, Generaliser, ImageTool, SeedTool } from './world-storage.ts';
import type { SiteSources, Slots } from './world-supply.ts';
import type { PastBoots, Watchdog } from './world-watchdog.ts';

export interface World {
  hypervisor: Hypervisor;
  guestLog: GuestLog;
  imageTool: ImageTool;
  generaliser: Generaliser;
  seeds: SeedTool;
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

/** Why libvirt refused: its own error code and message. The one class that both hypervisors throw. */
export { HypervisorError } from '../native/hypervisor-error.ts';

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

/** Memory that is near the same processors, and the huge pages that are reserved in it. */
export interface MemoryNode {
  id: number;
  /** Such as `0-7,16-23`; empty where the kernel does not tell. */
  cpus: string;
  memoryBytes: number;
  pages: { sizeBytes: number; total: number; free: number }[];
}

export interface Machine {
  facts(): Promise<MachineFacts>;
  load(): Promise<MachineLoad>;
  /** At least one. */
  memoryNodes(): Promise<MemoryNode[]>;
  /** What of its own devices the host itself works with, and what libvirt does not tell of them. */
  deviceTraits(): Promise<DeviceTraits>;
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

export type { BlockLimits, DomainFact, DomainState, DomainStats, GuestInfo, GuestLog, Hypervisor, HypervisorEvent, HypervisorFacts, Network } from './world-hypervisor.ts';
export type { DeviceTraits, HeldDevice, NodeDetail, NodeDevice, PciDetail, ScsiDetail, StorageDetail, UsbDetail } from './world-devices.ts';
export type { BelowName, DiskSpace, Generaliser, ImageFormat, ImageInfo, ImagePart, ImageSource, ImageTool, Progress, SeedFiles, SeedTool } from './world-storage.ts';
export type { Download, Downloads } from './core/download.ts';
export type { CarriedFile, FoundSite, OpenedFile, SiteSources, SlotFact, SlotFacts, Slots } from './world-supply.ts';
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
