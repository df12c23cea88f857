/**
 * The slice of virtual machines: their definitions, their life under libvirt, their devices and consoles.
 *
 * A definition is a row of ours; a libvirt domain exists only while the VM runs. README.md has the states and what is done.
 */
import { newId } from '../core/id.ts';
import { bind } from '../core/operation.ts';
import { Problem } from '../core/problem.ts';
import type { Core, Slice } from '../core/services.ts';
import type { DomainStats, World } from '../world.ts';
import { lendMemory } from './power/balloon.ts';
import { carryOperations } from './carry/operations.ts';
import { carryTasks } from './carry/tasks.ts';
import { cloudInitOperations } from './cloud-init/operations.ts';
import type { Autostart } from './power/autostart.ts';
import { type CloudInit, createCloudInits, type GuestSecret, secretOf } from './cloud-init/settings.ts';
import { type Consoles, createConsoles } from './console/console.ts';
import { createVmDefaults } from './defaults/defaults.ts';
import { vmDefaultsOperations } from './defaults/operations.ts';
import { deleteVmTask } from './delete-task.ts';
import { letLeave } from './device/leaving.ts';
import { deviceTasks } from './device/tasks.ts';
import { lookAt } from './domain.ts';
import { hostGuests } from './power/host-guests.ts';
import { createFacts } from './observe/facts.ts';
import { createVariables } from './firmware/variables.ts';
import { createGuests } from './guest/info.ts';
import { trimTask } from './guest/trim-task.ts';
import { sendKeysTask } from './console/keys-task.ts';
import { discardMemoryTask } from './memory/discard-task.ts';
import { restoreTask } from './memory/restore-task.ts';
import { suspendTask } from './memory/suspend-task.ts';
import { vmOperations } from './operations.ts';
import { passOperations } from './pass/operations.ts';
import { createPasses } from './pass/passes.ts';
import { watchPasses } from './pass/reconcile.ts';
import { poolOperations } from './pool/operations.ts';
import { watchPools } from './pool/reconcile.ts';
import { createPools } from './pool/pools.ts';
import { powerTasks } from './power/tasks.ts';
import { watchVms } from './observe/reconcile.ts';
import { createVmRows } from './rows.ts';
import type { VmState } from './rules.ts';
import type { VmServices } from './services.ts';
import { type Latest, vmMetrics } from './observe/metrics.ts';
import { readingsOf } from './observe/readings.ts';
import { deleteSnapshotTask } from './snapshot/delete-task.ts';
import { snapshotTasks } from './snapshot/tasks.ts';
import { createSnapshots } from './snapshot/snapshots.ts';
import { startVmTask } from './power/start-task.ts';
import { mergeLive } from './snapshot/live-merge.ts';
import { createStatsHistory } from './observe/stats.ts';
import { templateOperations } from './template/operations.ts';
import { templateTasks } from './template/tasks.ts';
import { createTemplates, nameOfTemplate } from './template/templates.ts';
import { createTickets } from './console/tickets.ts';

export interface VmDeps extends Core {
  world: Pick<World, 'hypervisor' | 'guestLog' | 'machine' | 'disk' | 'generaliser' | 'outgoing' | 'seeds'>;
  activity: VmServices['activity'];
  host: VmServices['host'];
  network: VmServices['network'];
  storage: VmServices['storage'];
  access: VmServices['access'];
  viewers: VmServices['viewers'];
}

export interface Vms extends Slice {
  /** Redeems a console ticket for what serves its viewer. */
  openConsole: Consoles['open'];
  /** Every VM as last seen. */
  all(): VmSummary[];
  /** Starts these in the order in which VMs start with the host. */
  bringUp: Autostart['bring'];
  /** Passwords and keys that guests are told, by name of VM and of pool. */
  guestSecrets(): GuestSecrets;
}

export interface GuestSecrets {
  vms: ReadonlyMap<string, GuestSecret>;
  pools: ReadonlyMap<string, GuestSecret>;
}

export interface VmSummary {
  id: string;
  name: string;
  state: VmState;
  /** It starts with the host. */
  autostart: boolean;
}

export function createVm(deps: VmDeps): Vms {
  const { hypervisor, guestLog, machine, disk, generaliser, outgoing, seeds } = deps.world;
  const rows = createVmRows(deps);
  const cloudInits = createCloudInits(deps);
  const snapshots = createSnapshots({ ...deps, rows });
  const variables = createVariables(deps);
  const templates = createTemplates(deps);
  const pools = createPools(deps);
  const facts = createFacts({ ...deps, rows, whenDown: (tx, vmId) => letLeave(services, tx, vmId) });
  const tickets = createTickets(deps.clock);
  const stats = createStatsHistory({ hypervisor, clock: deps.clock, keep: (all) => keepReading(all) });
  let latest: Latest = { at: 0, all: [], readings: [] };
  const keepReading = (all: DomainStats[]) => {
    latest = { at: deps.clock.now(), all, readings: readingsOf({ rows, storage: deps.storage }, all) };
    deps.activity.samples.record(latest.readings);
  };
  const guests = createGuests({ clock: deps.clock, wake: () => deps.reconcilers.wake('vm.guest') });
  const consoles = createConsoles({ ...deps, hypervisor, tickets });
  const services: VmServices = { ...deps, life: newId<'life'>(), guests, hypervisor, guestLog, machine, disk, generaliser, outgoing, rows, defaults: createVmDefaults(deps), cloudInits, passes: createPasses(deps), seeds, snapshots, variables, templates, pools, facts, stats, tickets, consoles, seenDevices: new Set(), clocksDue: new Map(), diskErrors: new Map(), foreignDomains: () => observer.foreignDomains(), waitsFor: (vmId) => observer.waitsFor(vmId) };
  const observer = watchVms(services);
  watchPasses(services);
  lendMemory(services, () => latest);
  deps.tasks.define([startVmTask(services), ...powerTasks(services), suspendTask(services), restoreTask(services), discardMemoryTask(services), sendKeysTask(services), trimTask(services), deleteVmTask(services), ...deviceTasks(services), ...snapshotTasks(services), deleteSnapshotTask(services), ...templateTasks(services), ...carryTasks(services)]);
  tellLeftNeighbours(services);
  deps.host.registerMetrics(() => vmMetrics(services, latest));
  deps.objects.define('vm', { find: rows.idOf, nameOf: (id) => rows.find(id)?.name });
  deps.objects.belong('disk', { kind: 'vm', links: rows.diskLinks });
  deps.objects.define('template', { find: (ref) => templates.find(ref)?.id, nameOf: (id) => nameOfTemplate(templates.find(id)) });
  watchPools(services);
  deps.objects.define('pool', { find: (ref) => pools.find(ref)?.id, nameOf: (id) => pools.find(id)?.name });
  deps.objects.belong('vm', { kind: 'pool', links: pools.memberLinks });
  deps.objects.belong('disk', { kind: 'template', links: templates.diskLinks });
  return { operations: [...bind(services, vmOperations), ...bind(services, cloudInitOperations), ...bind(services, passOperations), ...bind(services, carryOperations), ...bind(services, vmDefaultsOperations), ...bind(services, templateOperations), ...bind(services, poolOperations)], openConsole: consoles.open, bringUp: observer.bring, guestSecrets: () => guestSecrets(services), all: () => rows.all().map(({ id, name, autostart, fact }) => ({ id, name, autostart, state: fact.state })) };
}

function guestSecrets({ rows, cloudInits, pools }: VmServices): GuestSecrets {
  const pairs = (named: { name: string; settings: CloudInit | null | undefined }[]) => new Map(named.flatMap(({ name, settings }) => (settings ? [[name, secretOf(settings)] as const] : [])));
  return {
    vms: pairs(rows.all().map(({ id, name }) => ({ name, settings: cloudInits.find(id)?.settings }))),
    pools: pairs(pools.list(undefined).map(({ name, cloudInit }) => ({ name, settings: cloudInit }))),
  };
}

/** Disks, images and networks that VMs use are not deleted; a disk that grows does so in the guest that has it open. */
function tellLeftNeighbours(services: VmServices): void {
  const { rows, hypervisor, storage, network, host } = services;
  host.registerGuests(hostGuests(services));
  storage.registerUsage((kind, idOrName) => (kind === 'disk' ? [...rows.usersOfDisk(idOrName), ...services.templates.usersOfDisk(idOrName)] : rows.usersOfIso(idOrName)));
  network.registerUsage({ findUsers: rows.usersOfNetwork, isMacUsed: rows.hasMac });
  storage.registerMerge((diskId, merge) => mergeLive(services, diskId, merge));
  storage.registerGrowth(async (diskId, sizeBytes) => {
    const [user] = rows.usersOfDisk(diskId);
    if (user && rows.find(user.id)?.fact.state === 'saved') throw new Problem('wrong-state', `${user.name} is suspended, and its memory knows the disk as it is. Start it, or discard its memory, then enlarge the disk.`);
    const plugged = user && (await lookAt({ hypervisor }, user.id))?.diskSettings[diskId];
    if (!plugged) return false;
    await hypervisor.resizeBlock(user.id, plugged.target, sizeBytes);
    return true;
  });
}
