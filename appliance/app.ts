/**
 * The composition root: the only file that constructs services. It opens the database, gives each slice what it needs from
 * its left, and mounts what they offer.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Hono } from 'hono';
import { pages } from '../ui/pages/index.ts';
import { type Activity, createActivity } from './activity/activity.ts';
import { tellQuotas } from './activity/quota-events.ts';
import { type Auth, createAuth } from './auth/auth.ts';
import type { Config } from './config.ts';
import { openDatabase } from './core/db.ts';
import { createJournal } from './core/journal.ts';
import { createLocks } from './core/locks.ts';
import type { Log } from './core/log.ts';
import { createObjects } from './core/objects.ts';
import type { BoundOperation } from './core/operation.ts';
import { createReconcilers } from './core/reconciler.ts';
import type { Core } from './core/services.ts';
import { createTasks, type TaskProbe } from './core/task.ts';
import { createHost, type Host } from './host/host.ts';
import { createHttp } from './http.ts';
import type { Door } from './http/authenticate.ts';
import { createPerform } from './http/perform.ts';
import { createNetwork } from './network/network.ts';
import { migrationsPath } from './paths.ts';
import { createProvision } from './provision/provision.ts';
import { type CertificateSource, isLoopback, type OpenConsole } from './server.ts';
import { createStorage } from './storage/storage.ts';
import { mayReturn } from './update/record.ts';
import { createUpdate, type Update } from './update/update.ts';
import { createVm } from './vm/vm.ts';
import type { World } from './world.ts';

export interface App {
  operations: BoundOperation[];
  core: Core;
  http(door: Door): Hono;
  openConsole: OpenConsole;
  certificates: CertificateSource;
  /** The code for setting the first password; `undefined` once that is done. */
  setupCode(): string | undefined;
  /** Goes on with unfinished tasks and runs the reconcilers until `signal` aborts. */
  start(signal: AbortSignal): Promise<void>;
  /** Resolves when the facts are fresh, or after a while if some part of the machine does not answer. */
  haveLooked(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** Nobody waits longer for the first page, however dead a NAS may be. */
const longestFirstLookMs = 10_000;

export interface AppOptions {
  config: Config;
  log: Log;
  world: World;
  probe?: TaskProbe;
}

export function createApp({ config, log, world, probe }: AppOptions): App {
  const core = createCore({ config, log, world, ...(probe && { probe }) });
  const auth = createAuth({ ...core, machineName: async () => (await world.machine.facts()).hostname });
  const activity = createActivity({ ...core, world });
  tellQuotas(auth.quotas, activity);
  const host = createHost({ ...core, world, activity, accel: config.accel, watchdog: config.watchdog, version: config.version, listen: config.listen, isSecure: !isLoopback(config.listen.host) });
  const network = createNetwork({ ...core, world });
  const storage = createStorage({ ...core, world, activity, quotas: auth.quotas });
  host.registerMetrics(storage.domainMetrics);
  const viewers = isLoopback(config.listen.host) ? undefined : { host: config.listen.host, ports: config.viewerPorts, certificate: host.certificates.current };
  const vm = createVm({ ...core, world, activity, host, network, storage, access: auth.access, viewers });
  const update = createUpdate({ ...core, world, activity, host, storage, vms: vm, keysPath: config.keysPath });
  const left = [auth, activity, host, network, storage, vm, update].flatMap((slice) => slice.operations);
  const provision = createProvision({ ...core, world, activity, host, people: auth.people, guestSecrets: vm.guestSecrets, bringUp: vm.bringUp, perform: createPerform(core, activity.audit, left) });
  const operations = [...left, ...provision.operations];
  const http = mount({ core, auth, activity, host, update, operations, config });
  let leaving: Promise<void> = Promise.resolve();
  return {
    operations,
    core,
    http,
    openConsole: vm.openConsole,
    certificates: host.certificates,
    setupCode: () => auth.people.setupCode(),
    start(signal) {
      core.tasks.resume();
      // At once, not when all is stopped: what hangs while it stops is ended by systemd, not by the watchdog.
      signal.addEventListener('abort', () => { leaving = host.leave(); }, { once: true });
      return core.reconcilers.start(signal);
    },
    haveLooked: (signal) => Promise.race([core.reconcilers.haveLooked(), world.clock.sleep(longestFirstLookMs, signal).catch(() => {})]),
    async close() {
      await core.tasks.stop();
      await leaving;
      await world.watchdog.close();
      await world.hypervisor.close();
      activity.close();
      core.database.close();
    },
  };
}

function createCore({ config, log, world, probe }: AppOptions): Core {
  const { statePath } = config;
  const { clock } = world;
  mkdirSync(statePath, { recursive: true });
  const database = openDatabase({ file: join(statePath, 'bothy.db'), migrations: migrationsPath, mayReturn: mayReturn(statePath) });
  const journal = createJournal({ database, clock, log });
  const locks = createLocks();
  const tasks = createTasks({ database, journal, locks, clock, log, ...(probe && { probe }) });
  const reconcilers = createReconcilers({ clock, log });
  return { database, journal, tasks, locks, reconcilers, objects: createObjects(), clock, log, statePath };
}

interface Mounted {
  core: Core;
  auth: Auth;
  activity: Activity;
  host: Host;
  update: Update;
  operations: BoundOperation[];
  config: Config;
}

function mount({ core, auth, activity, host, update, operations, config }: Mounted): (door: Door) => Hono {
  return createHttp({
    core, auth, operations, pages,
    audit: activity.audit,
    version: config.version,
    isSecure: !isLoopback(config.listen.host),
    health: host.health,
    metrics: host.metrics,
    changeFault: update.changeFault,
  });
}


