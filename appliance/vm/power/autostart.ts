/**
 * VMs that start with the host, in their order (`startup-rules.ts`). Who is due is decided once in a life of the service, at its first look;
 * what fails then, because a disk or a network comes up late, is tried again: nobody is on site to press the button.
 *
 *   due -> coming -> settled: healthy, and its pause is over
 *    ^       |------> settled: not healthy after five minutes; told, and the others go on
 *    |       \------> down, start-failed -> due again, a few times
 *    \ settled: too many tries, or down for another reason: somebody has decided
 *
 * Others bring VMs up in the same order (`bring`): the site file, at whose first start all are new. They start each themselves, once.
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
  /**
   * Each of these is started by `start` when it is its turn: those before it, also such as have just come up, are settled. Resolves when all are started or
   * need not be any more; `start` tells by itself what failed.
   */
  bring(vmIds: string[], start: (vmId: string) => Promise<void>, signal: AbortSignal): Promise<void>;
}

interface Entry {
  tries: number;
  /** Those that others bring up are started once, and such as they wait for not at all. */
  most: number;
  firstAt: number;
  healthyAt: number | undefined;
  isSettled: boolean;
  /** For one that others bring up: starts it, and is called back when nothing more is to be waited for. */
  own?: { start(): Promise<void>; isStarting: boolean; end(): void };
}

const fresh = (now: number, tries: number, most: number): Entry => ({ tries, most, firstAt: now, healthyAt: undefined, isSettled: false });

export function createAutostart(services: VmServices): Autostart {
  const { rows, clock, reconcilers } = services;
  let entries: Map<string, Entry> | undefined;
  const brought = new Map<string, Entry>();
  let waiting = new Map<string, Waiting>();
  return {
    waitsFor: (vmId) => waiting.get(vmId),
    follow(hostStartedAt) {
      entries ??= firstEntries(services, hostStartedAt);
      if (entries.size + brought.size > 0) reconcilers.wake('vm.autostart');
    },
    async advance() {
      const all = new Map([...(entries ?? []), ...brought]);
      if (all.size === 0 || services.host.isLeaving()) return;
      for (const [id, entry] of all) if (!entry.isSettled) await judge(services, rows.find(id), entry);
      const vms = new Map(rows.all().map((vm) => [vm.id, vm])); // one reading for all that follows, which happens at once
      const next = whoStarts([...all].flatMap(([id, entry]) => starterOf(vms.get(id), entry, clock.now()) ?? []));
      tellWaiting(services, waiting, next.waiting);
      waiting = next.waiting;
      const again = [...all].flatMap(([id, entry]) => (isTriedAgain(vms.get(id), entry, clock.now()) ? [id] : []));
      const underWay = [...all].filter(([id, { own }]) => own?.isStarting || vms.get(id)?.fact.state === 'powering-up').length;
      for (const id of [...next.start, ...again].slice(0, Math.max(0, startsAtOnce - underWay))) begin(services, vms.get(id), all.get(id));
      for (const { isSettled, own } of all.values()) if (isSettled) own?.end();
      if (![...all.values()].every(({ isSettled }) => isSettled)) return;
      entries?.clear();
      for (const [id, entry] of all) if (brought.get(id) === entry) brought.delete(id); // others may have come meanwhile
    },
    async bring(vmIds, start, signal) {
      for (const vm of rows.withState(['powering-up', 'up'])) if (vm.autostart && !brought.has(vm.id) && isYoung(vm, clock.now())) brought.set(vm.id, fresh(clock.now(), 1, 1));
      const drop = () => { for (const id of vmIds) brought.delete(id); };
      signal.addEventListener('abort', drop, { once: true });
      const all = vmIds.map((id) => new Promise<void>((resolve) => {
        brought.set(id, { ...fresh(clock.now(), 0, 1), own: { start: async () => { if (!signal.aborted) await start(id); }, isStarting: false, end: resolve } });
      }));
      reconcilers.wake('vm.autostart');
      await untilAborted(Promise.all(all), signal).finally(() => signal.removeEventListener('abort', drop));
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
    .map(({ id, fact }) => [id, fresh(clock.now(), isResting(fact) ? 0 : 1, mostTries)]));
}

/** What has become of it since the last round. */
async function judge(services: VmServices, vm: Vm | undefined, entry: Entry): Promise<void> {
  const { clock } = services;
  if (entry.own?.isStarting || vm?.fact.state === 'powering-up' || vm?.fact.state === 'unknown') return;
  if (vm?.fact.state === 'up') {
    entry.healthyAt ??= (await isHealthy(services, vm.id, vm.startup.healthProbe)) ? clock.now() : undefined;
    if (entry.healthyAt !== undefined) entry.isSettled = clock.now() - entry.healthyAt >= vm.startup.startDelaySeconds * 1000;
    else if (clock.now() - (vm.fact.startedAt ?? vm.fact.since) >= patienceMs) giveUp(services, vm, entry);
    return;
  }
  const isWanted = vm?.autostart && !vm.fact.isDeleting && isResting(vm.fact) && (entry.tries === 0 || vm.fact.reason === 'start-failed');
  entry.isSettled = !isWanted || entry.tries >= entry.most;
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
  if (entry.own) startOwn(services, entry, entry.own);
  else services.database.write({ actor: 'system', operation: 'vm.autostart' }, (tx) => startVm(services, tx, vm));
}

function startOwn({ reconcilers }: VmServices, entry: Entry, own: NonNullable<Entry['own']>): void {
  own.isStarting = true;
  void own.start().catch(() => { entry.isSettled = true; }).finally(() => {
    own.isStarting = false;
    own.end();
    reconcilers.wake('vm.autostart');
  });
}

/** It may not be healthy yet. One that has run for longer is waited for no more than at a start of the host. */
const isYoung = ({ fact }: Vm, now: number) => now - (fact.startedAt ?? fact.since) < patienceMs;

function untilAborted(work: Promise<unknown>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    if (signal.aborted) return stop();
    signal.addEventListener('abort', stop, { once: true });
    work.then(() => resolve(), reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
