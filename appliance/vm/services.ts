/** What the verbs, tasks and reconcilers of VMs work with. */
import type { Activity } from '../activity/activity.ts';
import type { Access } from '../auth/access.ts';
import type { Core } from '../core/services.ts';
import type { Host } from '../host/host.ts';
import type { Network } from '../network/network.ts';
import type { Storage } from '../storage/storage.ts';
import type { Outgoing } from '../core/outgoing.ts';
import type { DiskSpace, Generaliser, GuestLog, Hypervisor, Machine, SeedTool } from '../world.ts';
import type { Waiting } from './power/startup-rules.ts';
import type { Consoles } from './console/console.ts';
import type { Facts } from './observe/facts.ts';
import type { DueClock } from './guest/clock.ts';
import type { Guests } from './guest/info.ts';
import type { CloudInits } from './cloud-init/settings.ts';
import type { FirmwareVariables } from './firmware/variables.ts';
import type { VmDefaults } from './defaults/defaults.ts';
import type { VmRows } from './rows.ts';
import type { Passes } from './pass/passes.ts';
import type { Pools } from './pool/pools.ts';
import type { Snapshots } from './snapshot/snapshots.ts';
import type { StatsHistory } from './observe/stats.ts';
import type { Templates } from './template/templates.ts';
import type { Tickets } from './console/tickets.ts';
import type { ViewerDoor } from './console/viewer-door.ts';

export interface VmServices extends Core {
  /** This life of the service: what must never be done twice is done in the one that was asked. */
  life: string;
  hypervisor: Hypervisor;
  guestLog: GuestLog;
  machine: Machine;
  generaliser: Generaliser;
  disk: DiskSpace;
  rows: VmRows;
  cloudInits: CloudInits;
  passes: Passes;
  seeds: SeedTool;
  defaults: VmDefaults;
  snapshots: Snapshots;
  variables: FirmwareVariables;
  templates: Templates;
  pools: Pools;
  /** Roles that come and go with what somebody has taken. */
  access: Access;
  facts: Facts;
  guests: Guests;
  stats: StatsHistory;
  tickets: Tickets;
  consoles: Consoles;
  /** Where virt-viewer on other machines connects to; `undefined` where the web address is on loopback, too. */
  viewers: ViewerDoor | undefined;
  /** VMs whose running domain was asked for its devices since libvirt was connected. */
  seenDevices: Set<string>;
  /** VMs whose guest stood still and goes on: their agent sets the clock when it speaks. */
  clocksDue: Map<string, DueClock>;
  /** The disk that failed last, by VM, in words. */
  diskErrors: Map<string, string>;
  /** How many domains libvirt runs that are not ours, as last seen. */
  foreignDomains(): number;
  /** What a VM that is to start with the host waits for. */
  waitsFor(vmId: string): Waiting | undefined;
  outgoing: Outgoing;
  activity: Pick<Activity, 'event' | 'settle' | 'samples'>;
  host: Pick<Host, 'accelerator' | 'hypervisorFacts' | 'registerMetrics' | 'registerGuests' | 'isLeaving' | 'devices'>;
  network: Network;
  storage: Storage;
}
