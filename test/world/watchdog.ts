/**
 * The simulated watchdog of the host, with wdmd and the place where systemd keeps its connection: a promise outlives the life that
 * made it, and when its time is up the machine restarts. `look` plays the device: the virtual clock does not call anybody.
 */
import type { Clock } from '../../appliance/core/clock.ts';
import type { BootTraces, PastBoots, Watchdog, WatchdogFacts } from '../../appliance/world.ts';
import type { SimulatedPower } from './power.ts';

export interface SimulatedWatchdog {
  /** What one life of the service has of it; the connection of the last one is handed on. */
  newLife(): { port: Watchdog; pastBoots: PastBoots };
  /** Fires if its time is up; returns whether it did. */
  look(): boolean;
  /** Another device, or none. */
  change(facts: Partial<WatchdogFacts>): void;
  /** How boots that are over have ended; by default nobody has written down anything. */
  leaveTraces(traces: Partial<BootTraces>): void;
  /** Milliseconds until it fires; undefined while nothing is promised. */
  remainingMs(): number | undefined;
  resets(): number;
  /** The machine has started anew. */
  restart(): void;
}

const fireMs = 60_000;

export function createSimulatedWatchdog(clock: Clock, power: Pick<SimulatedPower, 'cut'>): SimulatedWatchdog {
  let facts: WatchdogFacts = { kind: 'hardware', model: 'i6300ESB timer', lack: '', hasFired: false };
  let traces: BootTraces = { wasShutDown: false };
  let until: number | undefined;
  let resets = 0;
  const port = (): Watchdog => {
    let isAlive = true;
    const open = () => {
      if (facts.lack !== '') throw new Error(facts.lack);
    };
    return {
      now: () => clock.now(),
      facts: async () => ({ ...facts }),
      isPromised: () => until !== undefined,
      async promise(_wellAtMs, untilMs) {
        open();
        if (isAlive) until = untilMs;
        return { resetAfterMs: fireMs };
      },
      async release() { if (isAlive) until = undefined; },
      async close() { isAlive = false; },
    };
  };
  return {
    newLife: () => ({ port: port(), pastBoots: { traces: async () => structuredClone(traces) } }),
    look() {
      if (until === undefined || clock.now() < until + fireMs) return false;
      traces = { wasShutDown: false, missed: { client: 'bothy', at: until }, lastAt: clock.now() };
      resets += 1;
      power.cut();
      return true;
    },
    change: (more) => { facts = { ...facts, ...more }; },
    leaveTraces: (more) => { traces = { ...traces, ...more }; },
    remainingMs: () => (until === undefined ? undefined : until + fireMs - clock.now()),
    resets: () => resets,
    restart: () => { until = undefined; },
  };
}
