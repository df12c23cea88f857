/**
 * The simulated World, for tests and for `npm run dev`.
 *
 * Two things with two lives: the *host* (libvirt with its guests, disk, machine) goes on when the service is killed; a *world* is what one life of
 * the service sees of it. To play a kill, make a second world of the same host:
 *
 *   const host = createSimulatedHost({ clock, statePath });
 *   const first = createSimulatedWorld(host);      // ... kill the service ...
 *   const second = createSimulatedWorld(host);     // the guests still run
 */
import type { Clock } from '../../appliance/core/clock.ts';
import type { GuestLog, HostSettings, HostSettingsPort, HypervisorFacts, MachineFacts, World } from '../../appliance/world.ts';
import { loopbackOnly } from './outgoing.ts';
import { createSimulatedDownloads, type SimulatedDownloads } from './downloads.ts';
import { createSimulatedDevices, type SimulatedDevices } from './host-devices.ts';
import { createSimulatedDisk, type SimulatedDisk } from './disk-space.ts';
import { createSimulatedGeneraliser, type SimulatedGeneraliser } from './generaliser.ts';
import type { GuestBehaviour } from './guest.ts';
import { createSimulatedHypervisor, type HypervisorControl } from './hypervisor.ts';
import { createSimulatedImageTool, type SimulatedImageTool } from './image-tool.ts';
import { createSimulatedLibvirt, type SimulatedLibvirt } from './libvirt.ts';
import { createSimulatedHostNetwork, type SimulatedHostNetwork } from './host-network.ts';
import { createSimulatedPower, type SimulatedPower } from './power.ts';
import { createSimulatedSources, type SimulatedSources } from './site-sources.ts';
import { simulatedSeeds } from './seeds.ts';
import { createSimulatedMachine, type SimulatedMachine } from './machine.ts';
import { createSimulatedWatchdog, type SimulatedWatchdog } from './watchdog.ts';
import { createSimulatedSlots, type SimulatedSlots } from './slots.ts';

export interface HostOptions {
  clock: Clock;
  /** Where the service under test keeps its disks; `fillDisk` fills this folder. */
  statePath: string;
  /** How long starting QEMU takes; at once by default. */
  createMs?: number;
  guests?: Partial<GuestBehaviour>;
  libvirt?: Partial<HypervisorFacts>;
  machine?: Partial<MachineFacts>;
  slots?: { running?: string };
}

export interface SimulatedHost {
  readonly clock: Clock;
  readonly libvirt: SimulatedLibvirt;
  /** Plugged in and pulled out here. */
  readonly devices: SimulatedDevices;
  readonly machine: SimulatedMachine;
  readonly slots: SimulatedSlots;
  readonly disk: SimulatedDisk;
  readonly imageTool: SimulatedImageTool;
  readonly generaliser: SimulatedGeneraliser;
  readonly guestLog: GuestLog;
  readonly settings: SimulatedSettings;
  readonly downloads: SimulatedDownloads;
  readonly siteSources: SimulatedSources;
  readonly power: SimulatedPower;
  readonly watchdog: SimulatedWatchdog;
  readonly hostNetwork: SimulatedHostNetwork;
  /** The file system of the state folder is full: guests that write there stop, tools fail. */
  fillDisk(): void;
  freeDisk(freeBytes: number): void;
  /** The power goes and comes back: every guest is gone, the uptime begins anew, and nobody was told. */
  cutPower(): void;
}

export function createSimulatedHost({ clock, statePath, guests = {}, createMs = 0, ...parts }: HostOptions): SimulatedHost {
  const devices = createSimulatedDevices();
  const libvirt = createSimulatedLibvirt({ clock, guests, createMs, devices, facts: parts.libvirt ?? {} });
  const disk = createSimulatedDisk();
  const machine = createSimulatedMachine(clock, parts.machine, devices);
  const slots = createSimulatedSlots({ statePath, ...parts.slots });
  const restart = () => {
    devices.restart();
    libvirt.cutPower();
    machine.restart();
    slots.boot();
    watchdog.restart();
  };
  const power = createSimulatedPower(restart);
  const watchdog = createSimulatedWatchdog(clock, power);
  return {
    clock, libvirt, devices, disk, machine, power, watchdog, hostNetwork: createSimulatedHostNetwork(machine), guestLog: keepGuestLog(libvirt), settings: createSimulatedSettings(machine),
    slots, downloads: createSimulatedDownloads(), siteSources: createSimulatedSources(),
    imageTool: createSimulatedImageTool(disk), generaliser: createSimulatedGeneraliser(),
    fillDisk() {
      disk.setFree(0);
      libvirt.fillDisk(statePath);
    },
    freeDisk(freeBytes) {
      disk.setFree(freeBytes);
      libvirt.freeDisk(statePath);
    },
    cutPower: power.cut,
  };
}

/** Writes down how guests end, as libvirt does; a power cut leaves no line. */
function keepGuestLog(libvirt: SimulatedLibvirt): GuestLog {
  const endings = new Map<string, NonNullable<Awaited<ReturnType<GuestLog['lastEnding']>>>>();
  libvirt.events.on((event) => {
    if (event.type !== 'lifecycle') return;
    if (event.event === 'started') endings.delete(event.name);
    if (event.event === 'stopped') endings.set(event.name, { detail: event.detail as 'shutdown', at: libvirt.clock.now() }); // of the four that `end` knows
  });
  return { lastEnding: async (name) => endings.get(name), lastWords: async (name) => (endings.get(name)?.detail === 'failed' ? 'qemu-system-x86_64: terminating on signal 11' : '') };
}

export interface SimulatedSettings extends HostSettingsPort {
  /** Makes it a machine of ours, or one to be left alone. */
  manage(isManaged: boolean): void;
  /** Makes the next changes fail, as when the system's own service does not answer. */
  setFault(fault: Error | undefined): void;
}

function createSimulatedSettings(machine: SimulatedMachine): SimulatedSettings {
  let settings: Omit<HostSettings, 'hostname'> = { timeZone: 'UTC', ntpServers: [], sshKeys: [] };
  let fault: Error | undefined;
  const port: SimulatedSettings = {
    isManaged: true,
    manage: (isManaged) => { port.isManaged = isManaged; },
    setFault: (error) => { fault = error; },
    read: async () => structuredClone({ hostname: (await machine.facts()).hostname, ...settings }),
    async apply({ hostname, ...changes }) {
      if (!port.isManaged) throw new Error('this machine is not ours to set up');
      if (fault) throw fault;
      if (hostname !== undefined) machine.change({ hostname });
      settings = { ...settings, ...structuredClone(changes) };
    },
  };
  return port;
}

export interface SimulatedWorld extends World {
  host: SimulatedHost;
  /** Faults of this life's connection to libvirt. */
  control: HypervisorControl;
}

export function createSimulatedWorld(source: SimulatedHost | HostOptions): SimulatedWorld {
  const host = 'libvirt' in source && 'fillDisk' in source ? source : createSimulatedHost(source);
  const hypervisor = createSimulatedHypervisor(host.libvirt);
  const { imageTool, generaliser, disk, machine, power, slots, hostNetwork, clock, guestLog, settings: hostSettings, downloads, siteSources } = host;
  const { port: watchdog, pastBoots } = host.watchdog.newLife();
  return { hypervisor, guestLog, imageTool, generaliser, seeds: simulatedSeeds, disk, machine, slots, hostSettings, downloads, outgoing: loopbackOnly, siteSources, hostNetwork, power, watchdog, pastBoots, clock, host, control: hypervisor.control };
}
