/**
 * A virtual clock: time stands still until a test moves it, so hours pass in milliseconds and always in the same order.
 *
 * `advance` wakes sleepers in order of their time and, between two of them, lets the event loop run until promises and
 * short file work have settled. `until` moves on step by step until a condition holds and fails when it never does.
 */
import type { Clock } from '../../appliance/core/clock.ts';

export interface VirtualClock extends Clock {
  /** Moves time on by `ms` and wakes who sleeps until then. */
  advance(ms: number): Promise<void>;
  /** Moves time on until `isTrue`, at most `limitMs` (default one hour); then throws an error that names `what`. */
  until(isTrue: () => boolean, what: string, limitMs?: number): Promise<void>;
  /** Moves time on, a tenth of a second at a time, until `work` has ended. */
  during<T>(work: Promise<T>): Promise<T>;
  /** How many sleep now. */
  sleepers(): number;
}

interface Sleeper {
  at: number;
  wake: () => void;
}

/** Turns of the event loop that a chain of promises and file work may need between two instants. */
const turnsToSettle = 20;

async function settle(): Promise<void> {
  for (let turn = 0; turn < turnsToSettle; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Starts at a fixed instant (2024-02-29 12:00 UTC unless told), so that golden logs stay the same. */
export function createVirtualClock(startsAt = Date.UTC(2024, 1, 29, 12)): VirtualClock {
  let now = startsAt;
  const sleepers = new Set<Sleeper>();

  const nextBefore = (end: number) => {
    let next: Sleeper | undefined;
    for (const sleeper of sleepers) {
      if (sleeper.at <= end && (!next || sleeper.at < next.at)) next = sleeper;
    }
    return next;
  };

  const advance = async (ms: number) => {
    const end = now + ms;
    await settle();
    for (let next = nextBefore(end); next; next = nextBefore(end)) {
      now = Math.max(now, next.at);
      next.wake();
      await settle();
    }
    now = end;
  };

  return {
    now: () => now,
    advance,
    sleepers: () => sleepers.size,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        const leave = () => {
          sleepers.delete(sleeper);
          signal?.removeEventListener('abort', stop);
        };
        const stop = () => {
          leave();
          reject(signal?.reason);
        };
        const sleeper = { at: now + ms, wake: () => { leave(); resolve(); } };
        sleepers.add(sleeper);
        signal?.addEventListener('abort', stop, { once: true });
      }),
    async during(work) {
      let isDone = false;
      const done = work.finally(() => { isDone = true; });
      while (!isDone) {
        await advance(100);
        await new Promise((resolve) => setImmediate(resolve));
      }
      return done;
    },
    async until(isTrue, what, limitMs = 3_600_000) {
      const end = now + limitMs;
      await settle();
      while (!isTrue()) {
        if (now >= end) throw new Error(`never came: ${what}`);
        const next = nextBefore(end);
        await advance(next ? Math.max(1, next.at - now) : 1000);
      }
    },
  };
}
