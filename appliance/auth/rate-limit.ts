/**
 * Slows guessing: after five failures in a row for one key (an address, a user) each further try must wait, twice as long
 * each time, up to 15 minutes. A success forgets. Kept in memory: a restart is no way to guess faster than it takes.
 *
 * A try counts as failed from its beginning: tries sent all at once must not pass together while the first is still checked.
 */
import { Problem } from '../core/problem.ts';

interface Failures {
  count: number;
  blockedUntil: number;
}

const freeTries = 5;
const longestBlockMs = 15 * 60_000;
const mostKeys = 10_000;

export interface RateLimit {
  /** Counts a try; throws `too-many-requests` while one of the keys is blocked. */
  begin(keys: string[]): void;
  succeeded(keys: string[]): void;
}

export function createRateLimit(now: () => number): RateLimit {
  const failures = new Map<string, Failures>();
  return {
    begin(keys) {
      const until = Math.max(0, ...keys.map((key) => failures.get(key)?.blockedUntil ?? 0));
      const waitSeconds = Math.ceil((until - now()) / 1000);
      if (waitSeconds > 0) throw new Problem('too-many-requests', `Too many failed tries. Wait ${waitSeconds} seconds, then try again.`, { retryAfterSeconds: waitSeconds });
      for (const key of keys) {
        const count = (failures.get(key)?.count ?? 0) + 1;
        const blockMs = count < freeTries ? 0 : Math.min(1000 * 2 ** (count - freeTries), longestBlockMs);
        failures.delete(key);
        failures.set(key, { count, blockedUntil: now() + blockMs });
      }
      for (const oldest of failures.keys()) {
        if (failures.size <= mostKeys) break;
        failures.delete(oldest);
      }
    },
    succeeded(keys) {
      for (const key of keys) failures.delete(key);
    },
  };
}
