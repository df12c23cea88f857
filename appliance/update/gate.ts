/**
 * The health gate: decides over a version on trial, from outside the service, so that one that does not even start is judged, too.
 *
 * Nothing missing several times in a row -> committed: systemd-bless-boot then makes the version good. Something missing when the time is up
 * -> the reasons are written down, the version is given up, and the exit code makes the host restart into the other one. Without
 * another one there is nothing to win by a restart and nothing to decide: it says so at once, and the box goes on, ill as it may be, so
 * that somebody can reach it.
 */
import { deadline, type Clock } from '../core/clock.ts';
import type { Slots } from '../world.ts';
import { readTrial, type Trial, writeTrial } from './record.ts';
import { hasFallback } from './rules.ts';

export interface Gate {
  statePath: string;
  clock: Clock;
  slots: Slots;
  /** How long a version may take to come up. */
  limitMs: number;
  /** Milliseconds since some moment, whatever is done to the clock: at the first minute of a boot it may be set by years. */
  elapsed(): number;
  /** Asks the service; rejects while it does not answer. */
  ask(): Promise<{ isOnTrial: boolean; missing: string[] }>;
  say(line: string): void;
}

const pollMs = 3_000;
/** A service that hangs takes a request and never answers. */
const askMs = 60_000;
/** Good once may be luck: a service that crashes again and again answers in between. */
const goodInARow = 4;
const toolMs = 120_000;

/** Returns the exit code. */
export async function runGate(gate: Gate): Promise<number> {
  const { slots, statePath, clock, say } = gate;
  const facts = await slots.facts().catch((error: unknown) => say(`The slots of this machine cannot be seen: ${textOf(error)}`));
  const trial = readTrial(statePath);
  // Whoever has tried to switch has another version, also where the slots cannot be seen.
  const hasOther = facts ? hasFallback(facts, trial) : trial !== undefined && trial.outcome?.result !== 'committed';
  if (!hasOther) {
    say('There is no other version to return to, so there is nothing to decide.');
    return 0;
  }
  const own = trial?.outcome === null && (!facts || trial.to === facts.running) ? trial : undefined;
  // The power went between the decision and the boot loader.
  const isLost = trial?.outcome?.result === 'failed' && (!facts || trial.to === facts.running);
  const missing = isLost ? trial.outcome?.reasons ?? [] : await waitForHealth(gate);
  if (isLost) say('This version has been given up before.');
  else if (missing.length === 0) {
    say('This version has come up well.');
    if (own) await end(statePath, own, { result: 'committed', at: clock.now(), reasons: [] });
    return 0;
  }
  for (const line of missing) say(line);
  if (own) await end(statePath, own, { result: 'failed', at: clock.now(), reasons: missing });
  // Whatever becomes of it, the host restarts: then its tries run out.
  await slots.giveUp(deadline(toolMs)).catch((error: unknown) => say(`The boot loader could not be told: ${textOf(error)}`));
  return 1;
}

const textOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

async function waitForHealth(gate: Gate): Promise<string[]> {
  const { clock, limitMs, elapsed, say } = gate;
  const endsAt = elapsed() + limitMs;
  let told = '';
  for (let good = 0; ; await clock.sleep(pollMs)) {
    const missing = await askOnce(gate);
    good = missing.length === 0 ? good + 1 : 0;
    if (good >= goodInARow) return [];
    if (elapsed() >= endsAt) return missing.length > 0 ? missing : ['The service answers only now and then.'];
    if (missing.join() !== told) for (const line of missing) say(`Waiting: ${line}`);
    told = missing.join();
  }
}

/** What is missing by the service's own word, or that it says nothing. */
async function askOnce({ ask, clock, limitMs }: Gate): Promise<string[]> {
  const over = new AbortController();
  const late = clock.sleep(Math.min(askMs, limitMs), over.signal).then(() => ['The service does not answer: it took the question and said nothing.'], () => []);
  const answer = ask().then(({ missing }) => missing, (error: unknown) => [`The new version did not answer. Its journal says why: journalctl -u bothyd. (${textOf(error)})`]);
  return Promise.race([answer, late]).finally(() => over.abort());
}

/** Read again: the service may have written meanwhile. */
async function end(statePath: string, trial: Trial, outcome: NonNullable<Trial['outcome']>): Promise<void> {
  await writeTrial(statePath, { ...(readTrial(statePath) ?? trial), outcome });
}
