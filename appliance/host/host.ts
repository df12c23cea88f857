/** The host slice: who this host is, what it is made of, how busy and how well it is, and which accelerator VMs get. */
import type { Activity } from '../activity/activity.ts';
import { newId } from '../core/id.ts';
import { bind } from '../core/operation.ts';
import { Problem } from '../core/problem.ts';
import type { Core, Slice } from '../core/services.ts';
import type { HypervisorFacts, World } from '../world.ts';
import { type Guests, noGuests } from './guests.ts';
import { createBoots } from './boots.ts';
import { hostDeviceList } from './device-operations.ts';
import { createHostDevices, type HostDevices } from './devices.ts';
import { createHealth, type Health } from './health.ts';
import { createLoadHistory } from './load.ts';
import { certificateOperations } from './certificate-operations.ts';
import { type Certificates, createCertificates } from './certificates.ts';
import type { Metric } from './metrics.ts';
import { hostOperations, type HostServices, requireThis } from './operations.ts';
import { powerOperations } from './power-operations.ts';
import { leavingTask, powerTasks } from './power-task.ts';
import { type Accelerator, decideAcceleration, isLinkLocal, type WantedAccelerator } from './rules.ts';
import { hostTable } from './table.ts';
import { createSettings, type Settings } from './settings.ts';
import { hostSettingsOperations } from './settings-operations.ts';
import { hostStatus, type StatusServices } from './status.ts';
import { watchHost } from './watch.ts';
import { createWatchdogKeeper } from './watchdog.ts';

export interface Host extends Slice {
  id: string;
  /** What VMs are started with. Throws `unavailable` when KVM was asked for and cannot be had. */
  accelerator(): Promise<Accelerator>;
  /** What libvirt told when it was last connected. */
  hypervisorFacts(): HypervisorFacts | undefined;
  settings: Settings;
  certificates: Certificates;
  /** What it is made of that virtual machines can be given. */
  devices: HostDevices;
  health(): Promise<Health>;
  metrics(): Promise<string>;
  registerMetrics(collect: () => Metric[]): void;
  /** Who knows the guests and can end them; once. */
  registerGuests(guests: Guests): void;
  guests(): Guests;
  /** It is being shut down or restarted: nothing new is started on it. */
  isLeaving(): boolean;
  /** The service ends in order: nothing of ours resets the machine any more. */
  leave(): Promise<void>;
}

export interface HostDeps extends Core {
  world: World;
  activity: Activity;
  accel: WantedAccelerator;
  version: string;
  /** Where the service listens; nowhere in tests of this slice. */
  listen?: { host: string; port: number };
  isSecure?: boolean;
  /** Not watched unless told. */
  watchdog?: { isWanted: boolean; patienceMs: number };
}

export function createHost(deps: HostDeps): Host {
  const { world, activity, accel } = deps;
  const history = createLoadHistory();
  let known: HypervisorFacts | undefined;
  let guests = noGuests;
  let bootId = '';
  const hostId = ownId(deps);

  const acceleration = async () => {
    const { cpu, isKvmLoaded } = await world.machine.facts();
    return decideAcceleration(accel, { flag: cpu.virtualization, isKvmLoaded, domainTypes: known?.domainTypes });
  };
  const about = async () => ({ kind: 'host', id: hostId, name: (await world.machine.facts()).hostname });
  const boots = createBoots({ ...deps, about });
  const services: HostServices = {
    ...deps, hostId, history, samples: activity.samples, acceleration, machine: world.machine, hypervisorFacts: () => known, troubles: activity.troubles,
    lastEnd: boots.lastEnd, watching: () => keeper.watching(),
  };
  const settings = createSettings({ ...deps, hostId, port: world.hostSettings, about });
  watchHost({
    ...services, activity, about,
    keepFacts: (facts) => { known = facts; },
  });
  deps.tasks.define(powerTasks({ ...services, activity, guests: () => guests }));
  deps.reconcilers.add({ name: 'host-boot', periodMs: 600_000, run: async () => { bootId = await world.power.bootId(); } });
  const { health, metrics, registerMetrics, isWritable, tryWrite } = createHealth(services);
  const keeper = createWatchdogKeeper({ ...deps, boots, about, tryWrite, ...(deps.watchdog ?? { isWanted: false, patienceMs: 60_000 }) });
  const { listen = { host: '127.0.0.1', port: 0 }, isSecure = false } = deps;
  const facts = () => world.machine.facts();
  const certificates = createCertificates({
    ...deps, hostId, isSecure, about, hostname: async () => (await facts()).hostname,
    addresses: async () => (await facts()).nics.flatMap(({ addresses }) => addresses.map((address) => address.replace(/\/.*/, ''))).filter((address) => !isLinkLocal(address)),
  });
  const devices = createHostDevices({ ...deps, about });
  const requireHere = async (host: string) => requireThis(services, await facts(), host);
  const status: StatusServices = { ...services, listen, isSecure, certificates, isDatabaseWritable: isWritable };
  return {
    id: hostId, health, metrics, registerMetrics, hypervisorFacts: () => known, settings, certificates, devices,
    operations: [...bind(services, [...hostOperations, ...powerOperations]), ...bind(status, [hostStatus]), ...bind({ hostId, world, settings }, hostSettingsOperations), ...bind({ ...services, certificates, requireHere }, certificateOperations), ...bind({ devices, requireHere }, [hostDeviceList])],
    registerGuests: (registered) => { guests = registered; },
    guests: () => guests,
    isLeaving() {
      const task = leavingTask(deps.tasks, hostId, bootId);
      return task !== undefined && task.state !== 'unwinding';
    },
    async leave() {
      await keeper.release();
      await boots.leave();
    },
    async accelerator() {
      const { accelerator, isRefused, warning } = await acceleration();
      if (isRefused) throw new Problem('unavailable', [warning?.message, warning?.nextStep].filter(Boolean).join(' '));
      return accelerator;
    },
  };
}

/** Made at the first start, kept for good. */
function ownId({ database, clock }: Core): string {
  const row = database.sql.select().from(hostTable).get();
  if (row) return row.id;
  const id = newId<'host'>();
  database.write({ actor: 'system', operation: 'host.identify' }, (tx) => tx.sql.insert(hostTable).values({ id, createdAt: clock.now(), checkedAt: clock.now() }).run());
  return id;
}
