/**
 * VMs that start with the host, in their order (`startup-rules.ts`). Who is due is decided once in a life of the service, at its first look;
 * what fails then, because a disk or a network comes up late, is tried again: nobody is on site to press the button.
 *
 *   due -> coming -> settled: healthy, and its pause is over
 *    ^       |------> settled: not healthy after five minutes; told, and the others go on
 *    |       \------> down, start-failed -> due again, a few times
 *    \ settled: too many tries, or down for another reason: somebody has decided
 */
import { isHealthy } from './health.ts';
import { startVm } from './operations.ts';
import type { Vm } from '../rows.ts';
import { needsAutostart } from '../rules.ts';
import type { VmServices } from '../services.ts';
import { type Starter, type Waiting, whoStarts } from './startup-rules.ts';

const mostTries = 10;
const retryPauseMs = 30_000;
/**
 * So many are being started at a time: twice as many as libvirt is asked for at once (native/lane.h), so that it never waits for us. With
 * all of a large site at once the last would wait behind the others until the time of its step is over.
 */
export const startsAtOnce = 16;
/** Others wait no longer for one that fails to start, or that runs and is not healthy. */
const patienceMs = 300_000;

export interface Autostart {
  /** Called after each look at all domains. */
  follow(hostStartedAt: number): void;
  /** The reconciler's round: asks who is healthy, and starts whose turn it is. */
  advance(): Promise<void>;
  /** What one that is due waits for. */
  waitsFor(vmId: string): Waiting | undefined;
}

interface Entry {
  tries: number;
  firstAt: number;
  healthyAt: number | undefined;
  isSettled: boolean;
}

export function createAutostart(services: VmServices): Autostart {
  const { rows, clock, reconcilers } = services;
  let entries: Map<string, Entry> | undefined;
  let waiting = new Map<string, Waiting>();
  return {
    waitsFor: (vmId) => waiting.get(vmId),
    follow(hostStartedAt) {
      entries ??= firstEntries(services, hostStartedAt);
      if (entries.size > 0) reconcilers.wake('vm.autostart');
    },
    async advance() {
      if (!entries || entries.size === 0 || services.host.isLeaving()) return;
      for (const [id, entry] of entries) if (!entry.isSettled) await judge(services, rows.find(id), entry);
      const vms = new Map(rows.all().map((vm) => [vm.id, vm])); // one reading for all that follows, which happens at once
      const next = whoStarts([...entries].flatMap(([id, entry]) => starterOf(vms.get(id), entry, clock.now()) ?? []));
      tellWaiting(services, waiting, next.waiting);
      waiting = next.waiting;
      const again = [...entries].flatMap(([id, entry]) => (isTriedAgain(vms.get(id), entry, clock.now()) ? [id] : []));
      const underWay = [...entries.keys()].filter((id) => vms.get(id)?.fact.state === 'powering-up').length;
      for (const id of [...next.start, ...again].slice(0, Math.max(0, startsAtOnce - underWay))) begin(services, vms.get(id), entries.get(id));
      if ([...entries.values()].every(({ isSettled }) => isSettled)) entries.clear();
    },
  };
}

/** Nothing of it runs; one that is suspended goes on when it is started. */
const isResting = ({ state }: Vm['fact']) => state === 'down' || state === 'saved';

/** Also those that came up before this life of the service: others may wait for them. */
function firstEntries({ rows, pools, clock }: VmServices, hostStartedAt: number): Map<string, Entry> {
  const wanted = rows.withState(['down', 'saved', 'powering-up', 'up']).filter((vm) => vm.autostart && !vm.fact.isDeleting && !pools.memberOf(vm.id)); // a pool starts its own
  const isDue = ({ fact }: Vm) => fact.state === 'powering-up' || needsAutostart(fact, hostStartedAt);
  if (!wanted.some(isDue)) return new Map();
  // One that was being started when the power went is on its way already: its task goes on, and may fail.
  return new Map(wanted.filter((vm) => vm.fact.state === 'up' || isDue(vm))
    .map(({ id, fact }) => [id, { tries: isResting(fact) ? 0 : 1, firstAt: clock.now(), healthyAt: undefined, isSettled: false }]));
}

/** What has become of it since the last round. */
async function judge(services: VmServices, vm: Vm | undefined, entry: Entry): Promise<void> {
  const { clock } = services;
  if (vm?.fact.state === 'powering-up' || vm?.fact.state === 'unknown') return;
  if (vm?.fact.state === 'up') {
    entry.healthyAt ??= (await isHealthy(services, vm.id, vm.startup.healthProbe)) ? clock.now() : undefined;
    if (entry.healthyAt !== undefined) entry.isSettled = clock.now() - entry.healthyAt >= vm.startup.startDelaySeconds * 1000;
    else if (clock.now() - (vm.fact.startedAt ?? vm.fact.since) >= patienceMs) giveUp(services, vm, entry);
    return;
  }
  const isWanted = vm?.autostart && !vm.fact.isDeleting && isResting(vm.fact) && (entry.tries === 0 || vm.fact.reason === 'start-failed');
  entry.isSettled = !isWanted || entry.tries >= mostTries;
}

/** Who looks at a VM that waits, or no longer waits, sees it at once. */
function tellWaiting({ database, journal }: VmServices, before: Map<string, Waiting>, after: Map<string, Waiting>): void {
  const changed = [...new Set([...before.keys(), ...after.keys()])].filter((id) => before.get(id) !== after.get(id));
  if (changed.length === 0) return;
  database.write({ actor: 'system', operation: 'vm.autostart' }, (tx) => {
    for (const id of changed) journal.observed(tx, { kind: 'vm', id, what: 'updated' });
  });
}

function giveUp({ database, activity }: VmServices, { id, name }: Vm, entry: Entry): void {
  entry.isSettled = true;
  database.write({ actor: 'system', operation: 'vm.autostart' }, (tx) => activity.event(tx, {
    severity: 'warning', code: 'vm.unhealthy', message: `${name} runs, but its health probe has not answered for five minutes. Those that start after it start now.`,
    nextStep: 'Look at its console, or correct its probe in its settings.', about: [{ kind: 'vm', id, name }],
  }));
}

const isTriedAgain = (vm: Vm | undefined, { tries, isSettled }: Entry, now: number) => !isSettled && tries > 0 && vm?.fact.state === 'down' && now - vm.fact.since >= retryPauseMs;

function starterOf(vm: Vm | undefined, { tries, firstAt, isSettled }: Entry, now: number): Starter | undefined {
  if (!vm) return undefined;
  const isDown = isResting(vm.fact);
  const isLate = isDown && tries > 0 && now - firstAt >= patienceMs; // it is tried again, and nobody waits for it
  const stage = isSettled || isLate ? 'settled' : isDown && tries === 0 ? 'due' : 'coming';
  return { id: vm.id, name: vm.name, ...vm.startup, stage };
}

function begin(services: VmServices, vm: Vm | undefined, entry: Entry | undefined): void {
  if (!vm || !entry || !isResting(vm.fact)) return;
  entry.tries += 1;
  services.database.write({ actor: 'system', operation: 'vm.autostart' }, (tx) => startVm(services, tx, vm));
}
