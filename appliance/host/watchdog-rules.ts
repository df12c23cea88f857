/** Until when the service may be said to be well. Pure; times are of the watchdog's clock. */
import type { Vital } from './boot-rules.ts';

export interface Patience {
  /** Without a round of the event loop, and without a database that takes a write. */
  serviceMs: number;
  /** Twice that for libvirt: its daemon may be restarted by an upgrade, and VMs run without it. */
  hypervisorMs: number;
}

export const patienceOf = (serviceMs: number): Patience => ({ serviceMs, hypervisorMs: 2 * serviceMs });

/** What was seen of a vital; `isWell` is of the last look, `lastWellAt` of the last one that was good. */
export interface Seen {
  isWell: boolean;
  lastWellAt: number | undefined;
}

export type Vitals = Record<Vital, Seen>;

export interface Judgement {
  /** Each was seen well at least once, so that a machine which never was is not reset again and again. */
  isKnownWell: boolean;
  untilMs: number;
  /** What is not well, the one whose time is up first. */
  fault: Vital | undefined;
  /** It has lasted so long that it must be on disk before the machine may be reset. */
  mustNote: boolean;
}

/** A fault that has shortened the promise by this much is written down: wdmd counts down from ten seconds before its end. */
const noteAfterMs = 10_000;

export function judgeVitals({ database, hypervisor }: Vitals, now: number, patience: Patience): Judgement {
  const untilOf = ({ lastWellAt = -Infinity }: Seen, ms: number) => lastWellAt + ms;
  const ends: { vital: Vital; seen: Seen; until: number }[] = [
    { vital: 'database', seen: database, until: untilOf(database, patience.serviceMs) },
    { vital: 'hypervisor', seen: hypervisor, until: untilOf(hypervisor, patience.hypervisorMs) },
  ];
  const [worst] = ends.filter(({ seen }) => !seen.isWell).sort((left, right) => left.until - right.until);
  const full = now + patience.serviceMs;
  const untilMs = Math.min(full, worst?.until ?? full);
  return {
    isKnownWell: ends.every(({ seen }) => seen.lastWellAt !== undefined), untilMs,
    fault: worst?.vital, mustNote: worst !== undefined && full - untilMs >= noteAfterMs,
  };
}
