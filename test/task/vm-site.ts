/** The slices that VMs need, on one life of the task harness, and short words for what the tests of VM tasks do. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inflateRawSync } from 'node:zlib';
import type { Access } from '../../appliance/auth/access.ts';
import { grantable } from '../../appliance/auth/rules.ts';
import { type Activity, createActivity } from '../../appliance/activity/activity.ts';
import type { Origin } from '../../appliance/core/db.ts';
import type { StartTask, Write } from '../../appliance/core/operation.ts';
import { wholeReach } from '../../appliance/core/objects.ts';
import { createHost, type Host } from '../../appliance/host/host.ts';
import { createNetwork, type Network } from '../../appliance/network/network.ts';
import { createStorage, type Storage } from '../../appliance/storage/storage.ts';
import { foldersOf } from '../../appliance/vm/definition/guest.ts';
import { vmCreate } from '../../appliance/vm/operations.ts';
import type { VmServices } from '../../appliance/vm/services.ts';
import { createVm, type Vms } from '../../appliance/vm/vm.ts';
import { freshVariables } from '../world/libvirt.ts';
import { find, findAll, type Element } from '../world/xml.ts';
import { type Life, settle, waitFor } from './harness.ts';
import { loopbackOnly } from '../world/outgoing.ts';

export interface VmSite {
  activity: Activity;
  network: Network;
  storage: Storage;
  vm: Vms;
  services: VmServices;
}

/** `add` makes slices to the right, before anything runs. */
export async function openVmSite(life: Life, add: (site: Omit<VmSite, 'services'> & { host: Host }) => void = () => {}): Promise<VmSite> {
  const { core, world, signal, clock } = life;
  const activity = createActivity({ ...core, world: { outgoing: loopbackOnly } });
  const host = createHost({ ...core, world, activity, accel: 'auto', version: '0.0.0' });
  const network = createNetwork({ ...core, world });
  const storage = createStorage({ ...core, world, activity });
  const vm = createVm({ ...core, world, activity, host, network, storage, access: openAccess(), viewers: undefined });
  add({ activity, host, network, storage, vm });
  const running = core.reconcilers.start(signal);
  running.catch(() => {});
  let hasLooked = false;
  core.reconcilers.haveLooked().then(() => { hasLooked = true; }, () => {});
  await waitFor(clock, () => hasLooked, 'every reconciler has looked');
  const services = vm.operations[0]?.services as VmServices; // all records of a slice share its services
  return { activity, network, storage, vm, services };
}

/** Everybody is a user, and what they are given is of no matter here. */
const openAccess = (): Access => ({ isUser: () => true, nameOf: (id) => id, give: () => {}, takeBack: () => {} });

export const origin: Origin = { actor: 'admin@internal', operation: 'test' };
const actor = { id: 'admin', name: 'admin@internal', permissions: new Set<string>(), reach: wholeReach(new Set(grantable)), credential: 'test' };
const call = { requestId: 'test', actor, from: '127.0.0.1', at: 0, signal: new AbortController().signal, isSecure: true, answerHeaders: new Headers(), renew: () => actor };

// biome-ignore lint/suspicious/noExplicitAny: the input is checked by the record's own schema
type AnyChange = Write<VmServices, any, any, any> | StartTask<VmServices, any, any>;

/** Runs an operation in a transaction of its own, with its input checked; gives a task's id or the answer. `prepared`: what its look beforehand would have found. */
export function perform({ services }: VmSite, record: AnyChange, input: unknown, prepared?: unknown): unknown {
  const checked = record.input.parse(input);
  return services.database.write(origin, (tx) => record.run(services, Object.assign(tx, { call }), checked, prepared));
}

export const begin = (site: VmSite, record: AnyChange, input: unknown): string => String(perform(site, record, input));

/** The VM that most cases use: one disk, one NIC. */
export const makeVm = (site: VmSite, changes: Record<string, unknown> = {}) =>
  perform(site, vmCreate, { name: 'web-1', memoryBytes: 256 * 2 ** 20, disks: [{ sizeBytes: 4 * 2 ** 20 }], nics: [{ network: 'default', mac: '52:54:00:00:00:01' }], ...changes });

/** All that matters: the wish, the fact, the disks, and what libvirt really runs. Without times, and without whether an agent was there when somebody looked: after a restart somebody looks again. */
export function observeSite({ services, storage }: VmSite, { host }: Life): unknown {
  const { rows } = services;
  return {
    vms: rows.all().map(({ createdAt: _created, fact: { since: _since, startedAt: _started, vmId: _vm, ...fact }, ...vm }) => ({
      ...vm, fact: { ...fact, running: fact.running && { ...fact.running, hasAgent: undefined } }, disks: rows.disks(vm.id), nics: rows.nics(vm.id),
    })),
    disks: storage.disks(diskIds(services)).map(({ id, name, state, sizeBytes }) => ({ id, name, state, sizeBytes })),
    diskCount: diskIds(services).length,
    variables: variablesOf(services),
    domains: host.libvirt.domains().map(({ uuid, name, state, tree }) => ({ uuid, name, state, disks: sourcesOf(tree), nics: findAll(tree, 'devices/interface/mac').map((mac) => mac.attributes['address']) })),
  };
}

/** What the firmware of each VM remembers, or is to at its next start, and what is kept of that. */
function variablesOf({ database, rows, statePath }: VmServices): unknown {
  const kept = database.sql.all('select holder, plain, secure from vm_variables order by holder') as { holder: string; plain: Buffer | null; secure: Buffer | null }[];
  const text = (content: Buffer | null | undefined) => (content ? wordOf(inflateRawSync(content)) : null);
  const vms = rows.all().map(({ id }) => {
    const due = kept.find(({ holder }) => holder === `vm/${id}`);
    const { nvram, secureNvram } = foldersOf(statePath, id);
    const onDisk = [nvram, secureNvram].map((path) => (existsSync(path) ? wordOf(readFileSync(path)) : null));
    return { vm: id, variables: due ? [text(due.plain), text(due.secure)] : onDisk };
  });
  const others = kept.filter(({ holder }) => !holder.startsWith('vm/')).map(({ holder, plain, secure }) => [holder.split('/')[0], text(plain), text(secure)].join());
  return [...vms, ...others.sort()];
}

/** What such a file begins with, and that it is whole. */
const wordOf = (content: Buffer) => `${content.subarray(0, 5).toString()} ${content.length}`;

/** The firmware of that VM remembers something: a word of five letters. */
export function remember({ services: { rows, statePath } }: VmSite, vm: string, word: string): void {
  const { kept, nvram } = foldersOf(statePath, rows.require(vm).id);
  mkdirSync(kept, { recursive: true });
  writeFileSync(nvram, Buffer.alloc(freshVariables.length, word));
}

function diskIds({ database }: VmServices): string[] {
  return (database.sql.all('select id from disk order by name') as { id: string }[]).map(({ id }) => id); // the one column asked for
}

const sourcesOf = (tree: Element) => Object.fromEntries(findAll(tree, 'devices/disk').map((disk) => [find(disk, 'target')?.attributes['dev'] ?? '', find(disk, 'source')?.attributes['file'] ?? '']).sort());

// biome-ignore lint/suspicious/noExplicitAny: plain data made by observeSite
type Plain = any;

/** What was observed, with other facts of its VMs. */
export const factsChanged = (observed: Plain, fact: Record<string, unknown>) => ({ ...observed, vms: observed.vms.map((vm: Plain) => ({ ...vm, fact: { ...vm.fact, ...fact } })) });

/** What was observed, with the wishes' generation counted up: a wish was made and taken back. */
export const generationsLater = (observed: Plain, by: number) => ({ ...observed, vms: observed.vms.map((vm: Plain) => ({ ...vm, generation: vm.generation + by })) });

/** Runs an operation's task to its end. */
export async function carryOut(site: VmSite, life: Life, record: AnyChange, input: unknown): Promise<void> {
  const id = begin(site, record, input);
  await settle(life);
  const row = life.core.tasks.get(id);
  if (row?.state !== 'done') throw new Error(`${row?.kind} ended ${row?.state}: ${JSON.stringify(row?.problem)}`);
}

/** Puts an ISO image where an upload would, and has it found. */
export async function putIso({ storage }: VmSite, { core, clock }: Life, name: string): Promise<void> {
  const folder = globSync(core.statePath).find((path) => path.endsWith(isoFolder));
  if (!folder) throw new Error('the ISO domain has no folder');
  writeFileSync(join(folder, name), 'CD');
  core.reconcilers.wake('storage-content');
  const isThere = () => {
    try {
      return storage.isoPath(name) !== '';
    } catch {
      return false;
    }
  };
  await waitFor(clock, isThere, `${name} is found`);
}

const isoFolder = '11111111-1111-1111-1111-111111111111';
const globSync = (folder: string) => readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((path) => join(folder, path));
