/**
 * The machine is watched: while the service is well it promises the watchdog another minute, and it says so only of what it has just
 * seen. A stopped or hung process, a database that cannot be written or a libvirt that does not answer end in a reset (README: cases).
 *
 *   off        not wanted, or there is nothing to watch with
 *   waiting    nothing is promised before everything was well once, so a machine that never gets well is not reset for ever
 *   armed      promised
 *   paused     reset again and again within an hour, which has cured nothing
 *
 * The promise is made in the event loop, after the checks, and names the time of the check: no thread can keep it alive alone.
 */
import type { Activity } from '../activity/activity.ts';
import type { Core } from '../core/services.ts';
import type { About } from '../core/task.ts';
import type { WatchdogFacts, World } from '../world.ts';
import type { Vital } from './boot-rules.ts';
import type { Boots } from './boots.ts';
import type { WriteVerdict } from './health.ts';
import { judgeVitals, patienceOf, type Seen, type Vitals } from './watchdog-rules.ts';

export type WatchState = 'off' | 'waiting' | 'armed' | 'paused';

export interface Watching {
  state: WatchState;
  kind: WatchdogFacts['kind'];
  model: string;
  /** Why it is not armed, a whole sentence; empty when it is. */
  reason: string;
  /** From the last sign of life until the reset, at most; null while it is not armed. */
  resetAfterSeconds: number | null;
}

export interface WatchdogKeeper {
  watching(): Watching;
  /** Nothing of ours resets the machine any more: the service ends in order. */
  release(): Promise<void>;
}

export interface KeeperDeps extends Core {
  world: World;
  activity: Pick<Activity, 'event' | 'settle'>;
  boots: Boots;
  isWanted: boolean;
  patienceMs: number;
  tryWrite(): WriteVerdict;
  about(): Promise<About>;
}

/** Between two promises. */
export const roundMs = 5_000;
/** A write at each round would wear out a flash disk. */
const writeEveryMs = 30_000;
const askMs = 10_000;

const origin = { actor: 'system', operation: 'host.watchdog' };
const notWanted = 'It is switched off: BOTHY_WATCHDOG is not "yes".';
const notWell = 'It waits until the database and libvirt have been well once.';
const tooOften = 'It has restarted the machine three times within an hour and has cured nothing.';

export function createWatchdogKeeper(deps: KeeperDeps): WatchdogKeeper {
  const { world, log, boots } = deps;
  const patience = patienceOf(deps.patienceMs);
  const vitals: Vitals = { database: { isWell: false, lastWellAt: undefined }, hypervisor: { isWell: false, lastWellAt: undefined } };
  let facts: WatchdogFacts = { kind: 'none', model: '', lack: '', hasFired: false };
  let status: Pick<Watching, 'state' | 'reason' | 'resetAfterSeconds'> = { state: deps.isWanted ? 'waiting' : 'off', reason: deps.isWanted ? notWell : notWanted, resetAfterSeconds: null };
  let noted: Vital | undefined;
  let isReleased = false;
  let turn: Promise<void> = Promise.resolve();
  const told = createTeller(deps);

  const stand = (state: WatchState, reason: string, resetAfterSeconds: number | null = null) => { status = { state, reason, resetAfterSeconds }; };
  const promise = async (lookedAt: number) => {
    const { isKnownWell, untilMs, fault, mustNote } = judgeVitals(vitals, world.watchdog.now(), patience);
    if (!isKnownWell) return stand('waiting', notWell);
    const wanted = mustNote ? fault : undefined;
    if (wanted !== noted) await boots.noteFault(wanted).then(() => { noted = wanted; }, (error: unknown) => log.error('the fault could not be written down', { error }));
    if (isReleased) return; // what is promised after that would be broken
    const { resetAfterMs } = await world.watchdog.promise(lookedAt, untilMs);
    stand('armed', '', Math.round((patience.serviceMs + resetAfterMs) / 1000));
  };

  const round = async () => {
    await boots.begin().catch((error: unknown) => log.error('the start of the machine could not be noted', { error }));
    facts = await world.watchdog.facts();
    if (!deps.isWanted || isReleased) {
      if (world.watchdog.isPromised()) await world.watchdog.release(); // wanted by the life before this one
      return;
    }
    const lookedAt = world.watchdog.now();
    await look(deps, vitals, lookedAt);
    if (!world.watchdog.isPromised() && boots.isResetTooOften()) stand('paused', tooOften);
    else {
      turn = promise(lookedAt).catch((error: Error) => stand('off', facts.lack || `The watchdog cannot be used: ${error.message}`));
      await turn;
    }
    await told(status.state === 'off' || status.state === 'paused' ? status.reason : '', status.state);
  };
  deps.reconcilers.add({ name: 'host-watchdog', periodMs: roundMs, run: round });
  return {
    watching: () => ({ kind: facts.kind, model: facts.model, ...status }),
    async release() {
      isReleased = true;
      await turn;
      await world.watchdog.release().catch((error: unknown) => log.error('the watchdog could not be released: the machine is going to restart', { error }));
    },
  };
}

/** What is found well is noted with the time at which the round began: a slow answer must not count for longer. */
async function look({ world, boots, tryWrite, clock }: KeeperDeps, { database, hypervisor }: Vitals, lookedAt: number): Promise<void> {
  const see = (vital: Seen, isWell: boolean) => {
    vital.isWell = isWell;
    if (isWell) vital.lastWellAt = lookedAt;
  };
  const { isWell, lastWellAt = -Infinity } = database;
  // A full disk is told elsewhere, and a reset makes no room: VMs that run had better go on.
  if (!isWell || lookedAt - lastWellAt >= writeEveryMs) see(database, tryWrite() !== 'failed');
  if (database.lastWellAt === lookedAt) boots.seen();
  see(hypervisor, await within(clock, askMs, world.hypervisor.domains()));
}

async function within(clock: Core['clock'], ms: number, answer: Promise<unknown>): Promise<boolean> {
  const isDone = new AbortController();
  const late = clock.sleep(ms, isDone.signal).then(() => false, () => false);
  const outcome = await Promise.race([answer.then(() => true, () => false), late]);
  isDone.abort();
  return outcome;
}

/** A standing warning while the machine is not watched although it should be. */
function createTeller({ database, activity, about }: KeeperDeps): (reason: string, state: WatchState) => Promise<void> {
  let last: string | undefined;
  return async (reason, state) => {
    if (reason === last) return;
    const host = await about();
    database.write(origin, (tx) => {
      if (reason === '') activity.settle(tx, 'host.watchdog-off', [host.id]);
      else activity.event(tx, { severity: 'warning', code: 'host.watchdog-off', message: 'Nothing restarts this machine when it hangs.', nextStep: state === 'paused' ? pausedStep : offStep, about: [host], isStanding: true });
    });
    last = reason;
  };
}

const pausedStep = 'It has restarted itself three times within an hour, which has cured nothing. Find out from the events what is wrong; after its next start in order it is watched again.';
const offStep = 'The page of the host says why. See that wdmd runs; a machine without a watchdog of its own gets that of the kernel, softdog.';
