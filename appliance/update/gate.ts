/**
 * The health gate: decides over a version on trial, from outside the service, so that one that does not even start is judged, too.
 *
 * Nothing missing several times in a row -> committed: systemd-bless-boot then makes the version good. Something missing when the time is up
 * -> the reasons are written down, the version is given up, and the exit code makes the host restart into the other one. Without
 * another one there is nothing to win by a restart: the box goes on, ill as it is, so that somebody can reach it.
 */
import { deadline, type Clock } from '../core/clock.ts';
import type { Slots } from '../world.ts';
import { readTrial, type Trial, writeTrial } from './record.ts';

export interface Gate {
  statePath: string;
  clock: Clock;
  slots: Slots;
  /** How long a version may take to come up. */
  limitMs: number;
  /** Asks the service; rejects while it does not answer. */
  ask(): Promise<{ isOnTrial: boolean; missing: string[] }>;
  say(line: string): void;
}

const pollMs = 3_000;
/** Good once may be luck: a service that crashes again and again answers in between. */
const goodInARow = 4;
const toolMs = 120_000;

/** Returns the exit code. */
export async function runGate(gate: Gate): Promise<number> {
  const { slots, statePath, clock, say } = gate;
  const { running, slots: all } = await slots.facts();
  const trial = readTrial(statePath);
  const own = trial?.to === running && trial.outcome === null ? trial : undefined;
  const missing = await waitForHealth(gate);
  if (missing.length === 0) {
    say(`Version ${running} has come up well.`);
    if (own) await end(statePath, own, { result: 'committed', at: clock.now(), reasons: [] });
    return 0;
  }
  for (const line of missing) say(line);
  const hasFallback = all.some(({ isRunning, state }) => !isRunning && state !== 'written');
  if (!hasFallback) {
    say('There is no other version to return to.');
    return 0;
  }
  if (own) await end(statePath, own, { result: 'failed', at: clock.now(), reasons: missing });
  await slots.giveUp(deadline(toolMs));
  return 1;
}

async function waitForHealth({ clock, limitMs, ask, say }: Gate): Promise<string[]> {
  const endsAt = clock.now() + limitMs;
  let told = '';
  for (let good = 0; ; await clock.sleep(pollMs)) {
    const missing = await ask().then((answer) => answer.missing, (error: unknown) => [`The service does not answer: ${error instanceof Error ? error.message : String(error)}`]);
    good = missing.length === 0 ? good + 1 : 0;
    if (good >= goodInARow) return [];
    if (clock.now() >= endsAt) return missing.length > 0 ? missing : ['The service answers only now and then.'];
    if (missing.join() !== told) for (const line of missing) say(`Waiting: ${line}`);
    told = missing.join();
  }
}

/** Read again: the service may have written meanwhile. */
async function end(statePath: string, trial: Trial, outcome: NonNullable<Trial['outcome']>): Promise<void> {
  await writeTrial(statePath, { ...(readTrial(statePath) ?? trial), outcome });
}
