/**
 * Keeps pools as they are wished: VMs that are missing are made, those too many or spoilt are deleted, what was written is dropped when a VM has
 * shut down, some run ahead, and who waits is served.
 *
 * Each look decides from what is there, so a power cut at any instant only delays it. A VM that ran when the power went is down and dirty
 * afterwards: it is made as it was before anybody gets it.
 */
import { rm } from 'node:fs/promises';
import { wholeReach } from '../../core/objects.ts';
import type { Actor } from '../../core/operation.ts';
import { asProblem } from '../../core/problem.ts';
import { foldersOf } from '../definition/guest.ts';
import { holderOfTemplate, holderOfVm } from '../firmware/variables.ts';
import { freeOf, type Lendable, membersOf, release, serve } from './lending.ts';
import type { PoolRow } from './pools.ts';
import { aboutVm, startVm } from '../power/operations.ts';
import type { VmServices } from '../services.ts';
import { vmFromTemplate } from '../template/template-vm.ts';

const periodMs = 3_000;
const origin = { actor: 'system', operation: 'vm.pools' };
/** Who made the pool was asked for the template; what the template names is part of it. */
const permissions = new Set(['disk.create', 'network.use', 'vm.edit', 'disk.edit']);
const system: Actor = { id: 'system', name: 'system', permissions, reach: wholeReach(permissions), credential: '' };
const behind = 'pool.behind';

export function watchPools(services: VmServices): void {
  const told = new Map<string, string>();
  services.reconcilers.add({
    name: 'vm.pools', periodMs,
    async run() {
      for (const pool of services.pools.list(undefined)) {
        await tend(services, pool);
        tell(services, pool, told);
      }
    },
  });
}

/** Who has just been given a VM hears of the pool, and not yet of the VM: an open page follows rights only when it connects anew. */
function tell(services: VmServices, pool: PoolRow, told: Map<string, string>): void {
  const states = membersOf(services, pool).map(({ member, vm }) => `${member.number} ${vm.fact.state}`).join();
  if (told.get(pool.id) === states) return;
  told.set(pool.id, states);
  services.database.write(origin, (tx) => services.journal.observed(tx, { kind: 'pool', id: pool.id, what: 'updated' }));
}

/** One pool that cannot be kept does not hold up the others, nor one VM of it the rest. */
async function tend(services: VmServices, pool: PoolRow): Promise<void> {
  const { activity, database, log } = services;
  const about = [{ kind: 'pool', id: pool.id, name: pool.name }];
  try {
    const cleaned = await Promise.allSettled(membersOf(services, pool).map((each) => clean(services, each)));
    replace(services, pool);
    fill(services, pool);
    database.write(origin, (tx) => {
      serve(services, tx, pool);
    });
    runAhead(services, pool);
    for (const each of cleaned) if (each.status === 'rejected') throw each.reason;
    database.write(origin, (tx) => activity.settle(tx, behind, [pool.id]));
  } catch (error) {
    const { message } = asProblem(error);
    log.warn('a pool is not as it is wished', { pool: pool.id, error });
    database.write(origin, (tx) => activity.event(tx, { severity: 'warning', code: behind, message: `The pool "${pool.name}" cannot be kept as it is wished: ${message}`, nextStep: 'It is tried again every few seconds.', about, isStanding: true }));
  }
}

/** One that has run and is down: whoever had it has given it back, and it becomes as it was. */
async function clean(services: VmServices, each: Lendable): Promise<void> {
  const { rows, pools, storage, database, access, statePath, variables } = services;
  const { member, vm } = each;
  const isOrphan = member.userId !== null && !access.isUser(member.userId);
  if (isOrphan) database.write(origin, (tx) => release(services, tx, each));
  if (vm.fact.state !== 'down' || !member.isDirty || vm.fact.isDeleting) return;
  // What a guest has said on its serial port, the variables of its firmware, and the keys in its TPM, are of whoever had it.
  const { run, nvram, secureNvram } = foldersOf(statePath, vm.id);
  await rm(run, { recursive: true, force: true });
  for (const path of [nvram, secureNvram]) await rm(path, { force: true });
  if (vm.hardware.tpm !== 'none') await services.hypervisor.forgetTpm(vm.id);
  database.write(origin, (tx) => {
    const [now, current] = [rows.find(vm.id), pools.memberOf(vm.id)]; // clearing up took a while
    if (!current || now?.fact.state !== 'down' || now.fact.isDeleting) return;
    release(services, tx, { member: current, vm: now });
    for (const { diskId } of rows.disks(vm.id)) if (storage.requireDisk(diskId).state === 'ok') storage.resetDisk(tx, diskId);
    variables.forget(tx, vm.id);
    variables.copy(tx, holderOfTemplate(current.templateId), holderOfVm(vm.id));
    pools.setMember(tx, current, { isDirty: false });
  });
}

/** Deletes those that nobody has and that are too many, of another template, or spoilt. */
function replace(services: VmServices, pool: PoolRow): void {
  const { rows, storage, facts, tasks, database } = services;
  const size = pool.isDeleting ? 0 : pool.size;
  const isSpoilt = ({ member, vm }: Lendable) => member.templateId !== pool.templateId || storage.disks(rows.disks(vm.id).map(({ diskId }) => diskId)).some(({ state }) => state === 'illegal');
  const all = membersOf(services, pool).filter(({ vm }) => !vm.fact.isDeleting);
  const spoilt = all.filter(isSpoilt);
  const sound = all.filter((each) => !spoilt.includes(each));
  const spare = sound.filter(({ member }) => member.userId === null).reverse().slice(0, Math.max(0, sound.length - size));
  for (const each of [...spoilt, ...spare].filter(({ member }) => member.userId === null)) {
    database.write(origin, (tx) => {
      if (each.vm.fact.state === 'up' || each.vm.fact.state === 'paused') return release(services, tx, each);
      // Its disks may be on their way to what they were: one that is busy would outlive its VM.
      const isBusy = storage.disks(rows.disks(each.vm.id).map(({ diskId }) => diskId)).some(({ state }) => state === 'locked' || state === 'creating');
      if (each.vm.fact.state !== 'down' || isBusy) return;
      facts.note(tx, each.vm.id, { isDeleting: true });
      tasks.start(tx, 'vm.delete', { vm: each.vm.id, keepDisks: false }, aboutVm(each.vm));
    });
  }
  if (pool.isDeleting && membersOf(services, pool).length === 0) database.write(origin, (tx) => services.pools.remove(tx, pool));
}

function fill(services: VmServices, pool: PoolRow): void {
  const { rows, pools, templates, database } = services;
  const members = membersOf(services, pool);
  const numbers = new Set(members.map(({ member }) => member.number));
  const missing = pool.isDeleting ? 0 : pool.size - members.filter(({ vm }) => !vm.fact.isDeleting).length;
  for (let made = 0, number = 1; made < missing; number++) {
    const name = `${pool.name}-${number}`;
    if (numbers.has(number) || rows.find(name)) continue;
    made++;
    database.write(origin, (tx) => {
      const template = templates.requireFor('use', pool.templateId);
      const vmId = vmFromTemplate(services, tx, system, { template, name, description: pool.description, mode: 'thin', cloudInit: pool.cloudInit ?? undefined });
      pools.addMember(tx, { vmId, poolId: pool.id, templateId: template.id, number, userId: null, isDirty: false });
    });
  }
}

function runAhead(services: VmServices, pool: PoolRow): void {
  if (services.host.isLeaving() || pool.isDeleting) return;
  const free = freeOf(services, pool);
  const running = free.filter(({ vm }) => vm.fact.state !== 'down').length;
  for (const { vm } of free.filter((each) => each.vm.fact.state === 'down').slice(0, Math.max(0, pool.prestarted - running))) {
    services.database.write(origin, (tx) => startVm(services, tx, vm));
  }
}
