/**
 * Reconcilers turn wishes into facts, and nothing else loops.
 *
 * A reconciler takes no input: woken by an event or by its period, it looks only at the state, so there is one code
 * path. This one driver runs all of them: never two rounds of one at a time, a failing one backs off alone, and each
 * one's last round can be shown.
 */
import type { Clock } from './clock.ts';
import type { Log } from './log.ts';

export interface Reconciler {
  name: string;
  /** Longest time between two rounds, milliseconds. */
  periodMs: number;
  run(signal: AbortSignal): Promise<void>;
}

export interface ReconcilerStatus {
  name: string;
  isRunning: boolean;
  rounds: number;
  failuresInARow: number;
  lastStartedAt: number | undefined;
  lastEndedAt: number | undefined;
  lastError: string | undefined;
}

export interface Reconcilers {
  add(reconciler: Reconciler): void;
  /** Runs a round soon: now, or right after the one that is running. Many wakes while one runs count once. */
  wake(name: string): void;
  status(): ReconcilerStatus[];
  /** Runs until `signal` aborts; resolves when the last round has ended. */
  start(signal: AbortSignal): Promise<void>;
  /** Resolves when each one has had its first round, well or not. */
  haveLooked(): Promise<void>;
}

interface Entry {
  reconciler: Reconciler;
  status: ReconcilerStatus;
  isWoken: boolean;
  rouse: () => void;
  firstRound: Promise<void>;
  endFirstRound: () => void;
}

const longestBackoffMs = 60_000;

export function createReconcilers({ clock, log }: { clock: Clock; log: Log }): Reconcilers {
  const entries = new Map<string, Entry>();
  return {
    add(reconciler) {
      if (entries.has(reconciler.name)) throw new Error(`two reconcilers named ${reconciler.name}`);
      const status: ReconcilerStatus = {
        name: reconciler.name, isRunning: false, rounds: 0, failuresInARow: 0,
        lastStartedAt: undefined, lastEndedAt: undefined, lastError: undefined,
      };
      entries.set(reconciler.name, { reconciler, status, isWoken: false, rouse: () => {}, ...firstRound() });
    },
    wake(name) {
      const entry = entries.get(name);
      if (!entry) throw new Error(`no reconciler named ${name}`);
      entry.isWoken = true;
      entry.rouse();
    },
    status: () => [...entries.values()].map((entry) => ({ ...entry.status })),
    async haveLooked() {
      await Promise.all([...entries.values()].map((entry) => entry.firstRound));
    },
    async start(signal) {
      await Promise.all([...entries.values()].map((entry) => drive(entry, { clock, log, signal })));
    },
  };
}

function firstRound(): Pick<Entry, 'firstRound' | 'endFirstRound'> {
  let end: () => void = () => {};
  const ended = new Promise<void>((resolve) => { end = resolve; });
  return { firstRound: ended, endFirstRound: end };
}

async function drive(entry: Entry, { clock, log, signal }: { clock: Clock; log: Log; signal: AbortSignal }): Promise<void> {
  while (!signal.aborted) {
    entry.isWoken = false;
    await round(entry, { clock, log, signal });
    entry.endFirstRound();
    if (!entry.isWoken && !signal.aborted) await rest(entry, clock, signal);
  }
}

async function round({ reconciler, status }: Entry, { clock, log, signal }: { clock: Clock; log: Log; signal: AbortSignal }): Promise<void> {
  status.isRunning = true;
  status.lastStartedAt = clock.now();
  try {
    await reconciler.run(signal);
    status.failuresInARow = 0;
    status.lastError = undefined;
  } catch (error) {
    if (signal.aborted) return;
    status.failuresInARow += 1;
    status.lastError = error instanceof Error ? error.message : String(error);
    log.warn('a reconciler failed', { reconciler: reconciler.name, error });
  } finally {
    status.isRunning = false;
    status.rounds += 1;
    status.lastEndedAt = clock.now();
  }
}

/** Waits for a wake or the period; after failures for a growing pause that no wake shortens below a second. */
async function rest(entry: Entry, clock: Clock, signal: AbortSignal): Promise<void> {
  const { failuresInARow } = entry.status;
  if (failuresInARow > 0) {
    const backoffMs = Math.min(1000 * 2 ** (failuresInARow - 1), longestBackoffMs, entry.reconciler.periodMs);
    await clock.sleep(backoffMs, signal).catch(() => {});
    return;
  }
  const woken = new AbortController();
  entry.rouse = () => woken.abort();
  await clock.sleep(entry.reconciler.periodMs, AbortSignal.any([signal, woken.signal])).catch(() => {});
  entry.rouse = () => {};
}
