/**
 * How facts come in: libvirt's events at once, and reconcilers that look themselves, because events can be missed.
 *
 *   vm.observe    every 30 s and on (re)connection: one bulk call for all domains; devices are read once per domain and connection
 *   vm.room       every 5 s while a VM is paused by an I/O error: finds out whether space is short, resumes when there is room
 *   vm.autostart  every 5 s while VMs start with the host: who is healthy, and whose turn it is
 *   vm.guest      when an agent comes, and while somebody looks: what it tells of the system inside; clocks that are still to be set
 *   vm.sample     every 10 s: one bulk reading of what VMs use
 *
 * A domain that is not in our tables is somebody else's: it is counted and left alone.
 */
import type { DomainFact, HypervisorEvent } from '../../world.ts';
import { type Autostart, createAutostart } from '../power/autostart.ts';
import { isDisconnected, lookAt } from '../domain.ts';
import { observerOrigin } from './facts.ts';
import { noteCrashAgain, noteWatchdog } from './mishaps.ts';
import { hear, noteDiskError } from './said.ts';
import { noteStoodStill, setClockIfDue, setClocksDue } from '../guest/clock.ts';
import { letGoOfAll } from '../snapshot/hold.ts';
import type { Vm } from '../rows.ts';
import type { Seen, VmState } from '../rules.ts';
import type { VmServices } from '../services.ts';
import { idlePeriodMs } from './stats.ts';

const observePeriodMs = 30_000;
const roomPeriodMs = 5_000;
/** Only those are asked that are due. */
const guestPeriodMs = 10_000;
/** A VM that has just been paused for want of space is not resumed sooner, so that a wavering disk does not make it flicker. */
const shortestPauseMs = 5_000;

const seenAlive: VmState[] = ['powering-up', 'up', 'paused', 'migrating', 'suspended', 'powering-down', 'unknown'];

export interface Observer {
  foreignDomains(): number;
  waitsFor: Autostart['waitsFor'];
  bring: Autostart['bring'];
}

export function watchVms(services: VmServices): Observer {
  const { hypervisor, reconcilers } = services;
  const round: Round = { foreign: 0, autostart: createAutostart(services) };
  hypervisor.onEvent((event) => onEvent(services, event));
  reconcilers.add({ name: 'vm.observe', periodMs: observePeriodMs, run: () => observe(services, round) });
  reconcilers.add({ name: 'vm.room', periodMs: roomPeriodMs, run: () => findRoom(services) });
  reconcilers.add({ name: 'vm.guest', periodMs: guestPeriodMs, run: () => {
    setClocksDue(services);
    return services.guests.read(services);
  } });
  reconcilers.add({ name: 'vm.sample', periodMs: idlePeriodMs, run: () => services.stats.sample() });
  reconcilers.add({ name: 'vm.autostart', periodMs: roomPeriodMs, run: () => round.autostart.advance() });
  return { foreignDomains: () => round.foreign, waitsFor: round.autostart.waitsFor, bring: round.autostart.bring };
}

interface Round {
  foreign: number;
  autostart: Autostart;
}

// ------------------------------------------------------------------------------------------------ events

function onEvent(services: VmServices, event: HypervisorEvent): void {
  const { facts, rows, database, reconcilers, seenDevices } = services;
  switch (event.type) {
    case 'lifecycle':
      onLifecycle(services, event);
      break;
    case 'watchdog':
      noteWatchdog(services, event.uuid, event.action);
      break;
    case 'agent':
      services.guests.follow(event.uuid, event.state === 'connected');
      if (rows.find(event.uuid)) database.write(observerOrigin, (tx) => facts.note(tx, event.uuid, { hasAgent: event.state === 'connected' }));
      setClockIfDue(services, event.uuid);
      break;
    case 'io-error':
      noteDiskError(services, event);
      break;
    case 'device-removed':
      seenDevices.delete(event.uuid);
      reconcilers.wake('vm.observe');
      break;
    case 'connection':
    case 'resync':
      if (event.type === 'connection' && event.state === 'disconnected') loseSight(services);
      seenDevices.clear();
      reconcilers.wake('vm.observe');
  }
}

function onLifecycle(services: VmServices, event: Lifecycle): void {
  const { facts, rows, reconcilers, seenDevices } = services;
  const seen = seenIn(event);
  if (!seen) return;
  if (!seen.domain) seenDevices.delete(event.uuid);
  const before = rows.find(event.uuid)?.fact;
  const after = facts.observe(event.uuid, seen);
  if (event.event === 'crashed' && !after) noteCrashAgain(services, event.uuid);
  if (before?.state === 'paused' && after?.state === 'up') noteStoodStill(services, event.uuid);
  setClockIfDue(services, event.uuid);
  if (after) hear(services, event.uuid, after, before?.running?.name);
  if (after?.state === 'paused' && after.reason === 'io-error') reconcilers.wake('vm.room');
}

type Lifecycle = Extract<HypervisorEvent, { type: 'lifecycle' }>;

function seenIn({ event, detail }: Lifecycle): Seen | undefined {
  switch (event) {
    case 'started':
    case 'resumed':
      return { domain: { state: 'running', reason: detail } };
    case 'suspended':
      return { domain: { state: 'paused', reason: detail } };
    case 'shutdown':
      return { domain: { state: 'shutting-down', reason: detail } };
    case 'pm-suspended':
      return { domain: { state: 'suspended-by-guest', reason: detail } };
    case 'crashed':
      // A guest that writes down its memory of a crash (kdump) says so, and goes on by itself.
      return detail === 'crashloaded' ? undefined : { domain: { state: 'crashed', reason: detail } };
    case 'stopped':
      return { domain: null, ending: detail };
    default:
      return undefined;
  }
}

/** While libvirt cannot be asked nothing is known of VMs that ran; the state of the others cannot have changed. */
function loseSight({ rows, facts, database }: VmServices): void {
  const visible = rows.withState(['up', 'paused', 'migrating', 'suspended']);
  if (visible.length === 0) return;
  database.write(observerOrigin, (tx) => {
    for (const { id } of visible) facts.enter(tx, id, 'unknown', 'hypervisor-away');
  });
}

// ------------------------------------------------------------------------------------------------ looking

async function observe(services: VmServices, round: Round): Promise<void> {
  const { rows, facts, seenDevices } = services;
  const mark = facts.mark();
  const alive = rows.withState(seenAlive);
  const found = await lookAround(services);
  if (!found) return loseSight(services);
  const hostStartedAt = await readHostStart(services);
  const domains = new Map(found.map((domain) => [domain.uuid, domain]));
  const gone = alive.filter(({ id }) => !domains.has(id));
  const ours = found.filter(({ uuid }) => rows.find(uuid));
  round.foreign = found.length - ours.length;

  const seen = new Map<string, Seen>(ours.map((domain) => [domain.uuid, { domain }]));
  for (const vm of gone) seen.set(vm.id, { domain: null, ending: await endingOf(services, vm, hostStartedAt) });
  // What an event has told meanwhile is newer than what was read.
  for (const [id, what] of seen) {
    if (facts.changedAt(id) > mark) continue;
    const after = facts.observe(id, what);
    if (after) hear(services, id, after, alive.find((vm) => vm.id === id)?.fact.running?.name);
  }
  for (const { uuid } of ours) if (!seenDevices.has(uuid)) await readDevices(services, uuid);
  await letGoOfAll(services);
  round.autostart.follow(hostStartedAt);
}

/** All domains; waits for the first connection, and gives `undefined` when libvirt is away. */
function lookAround({ hypervisor }: VmServices): Promise<DomainFact[] | undefined> {
  return hypervisor.domains().catch((error: unknown) => {
    if (isDisconnected(error)) return undefined;
    throw error;
  });
}

async function readHostStart({ machine, clock }: VmServices): Promise<number> {
  const { uptimeSeconds } = await machine.load();
  return clock.now() - uptimeSeconds * 1000;
}

/** A whole second of the log's clock and ours may lie between the same instant. */
const clockSlackMs = 1_000;

/** Why a VM ended that nobody saw end. */
async function endingOf({ guestLog }: VmServices, { name, fact }: Vm, hostStartedAt: number): Promise<string> {
  // When it was started, not since when it is in its state: that begins anew while libvirt is away.
  const startedAt = fact.startedAt ?? fact.since;
  if (startedAt < hostStartedAt) return 'host-restarted';
  const logged = await guestLog.lastEnding(fact.running?.name ?? name);
  return logged && logged.at >= startedAt - clockSlackMs ? logged.detail : 'lost';
}

/** A domain that was started or changed while nobody watched is taken over with the devices that it has. */
async function readDevices({ hypervisor, rows, facts, database, seenDevices }: VmServices, id: string): Promise<void> {
  const mark = facts.mark();
  const running = await lookAt({ hypervisor }, id);
  const vm = rows.find(id);
  if (!running || !vm || facts.changedAt(id) > mark) return; // the next round reads it again
  seenDevices.add(id);
  const hasAgent = running.hasAgent ?? vm.fact.hasAgent;
  if (hasAgent === vm.fact.hasAgent && JSON.stringify(vm.fact.running) === JSON.stringify(running)) return;
  database.write(observerOrigin, (tx) => facts.note(tx, id, { running, hasAgent }));
}

// ------------------------------------------------------------------------------------------------ room

async function findRoom(services: VmServices): Promise<void> {
  const { rows, hypervisor, clock } = services;
  if (hypervisor.connection().state === 'disconnected') return;
  for (const vm of rows.withState(['paused']).filter(({ fact }) => fact.heldFrom === null)) {
    if (vm.fact.reason === 'io-error') await findCause(services, vm);
    else if (vm.fact.reason === 'no-space' && clock.now() - vm.fact.since >= shortestPauseMs) await resumeIfRoom(services, vm);
  }
}

async function findCause({ hypervisor, facts, database }: VmServices, vm: Vm): Promise<void> {
  const errors = Object.values(await hypervisor.diskErrors(vm.id));
  if (!errors.includes('no-space')) return;
  database.write(observerOrigin, (tx) => facts.enter(tx, vm.id, 'paused', 'no-space', { said: vm.fact.said }));
}

async function resumeIfRoom({ rows, storage, hypervisor, log }: VmServices, vm: Vm): Promise<void> {
  for (const { diskId } of rows.disks(vm.id)) if (!(await storage.hasRoom(diskId))) return;
  log.info('there is room again: a VM is resumed', { vm: vm.id });
  await hypervisor.resume(vm.id);
}
