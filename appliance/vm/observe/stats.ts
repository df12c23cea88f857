/**
 * What running VMs use: one bulk reading of all of them per period, the last half hour kept in memory for the charts.
 *
 * Counters become rates against the reading before. While somebody looks, readings come every two seconds, else every ten;
 * never closer than ten times what the reading itself took, so that many VMs do not keep libvirt busy with counting.
 */
import type { Clock } from '../../core/clock.ts';
import type { DomainStats, Hypervisor } from '../../world.ts';
import type { StatsReading } from './schema.ts';

export const idlePeriodMs = 10_000;
const watchedPeriodMs = 2_000;
/** How long a VM may be missing from the readings before its past is dropped. */
const forgetMs = 120_000;
/** Half an hour of idle readings. */
const keptReadings = 180;

export interface StatsHistory {
  /** Reads all VMs once. */
  sample(): Promise<void>;
  /** Readings of a VM, oldest first. Says whether a new one is due because somebody looks. */
  look(vmId: string): { readings: StatsReading[]; isDue: boolean };
}

interface Series {
  last: DomainStats;
  lastAt: number;
  readings: StatsReading[];
}

interface StatsParts {
  hypervisor: Hypervisor;
  clock: Clock;
  /** Gets each reading of all VMs, for the history. */
  keep(all: DomainStats[]): void;
}

export function createStatsHistory({ hypervisor, clock, keep }: StatsParts): StatsHistory {
  let series = new Map<string, Series>();
  let sampledAt = 0;
  let tookMs = 0;
  return {
    async sample() {
      if (hypervisor.connection().state === 'disconnected') return;
      const startedAt = clock.now();
      const all = await hypervisor.stats();
      sampledAt = clock.now();
      tookMs = sampledAt - startedAt;
      keep(all);
      // One that libvirt passed over because it was busy keeps its past for a while; one that is gone is forgotten.
      series = new Map([...series].filter(([, { lastAt }]) => sampledAt - lastAt < forgetMs));
      for (const stats of all) series.set(stats.uuid, follow(series.get(stats.uuid), stats, sampledAt));
    },
    look(vmId) {
      const pauseMs = Math.max(watchedPeriodMs, 10 * tookMs);
      return { readings: series.get(vmId)?.readings ?? [], isDue: clock.now() - sampledAt >= pauseMs };
    },
  };
}

function follow(before: Series | undefined, stats: DomainStats, at: number): Series {
  // Counters that went back mean that the VM was started anew.
  if (!before || at <= before.lastAt || stats.cpuTimeNs < before.last.cpuTimeNs) return { last: stats, lastAt: at, readings: [] };
  return { last: stats, lastAt: at, readings: [...before.readings, rate(before, stats, at)].slice(-keptReadings) };
}

type Counted<K extends string> = Record<K, number>;
const sum = <K extends string>(items: Counted<K>[], key: K) => items.reduce((total, item) => total + item[key], 0);

/** What `stats` is after `before`: rates per second. Exported for its tests. */
export function rate({ last, lastAt }: { last: DomainStats; lastAt: number }, stats: DomainStats, at: number): StatsReading {
  const seconds = (at - lastAt) / 1000;
  const perSecond = (now: number, then: number) => Math.max(0, (now - then) / seconds); // a device that was unplugged takes its count away
  const cpuFraction = perSecond(stats.cpuTimeNs, last.cpuTimeNs) / 1e9 / Math.max(1, stats.vcpus);
  return {
    at,
    cpuFraction: Math.min(1, cpuFraction),
    memoryBytes: stats.memoryBytes,
    memoryUsedBytes: stats.unusedBytes === undefined ? null : Math.max(0, stats.memoryBytes - stats.unusedBytes),
    readBytesPerSecond: perSecond(sum(stats.blocks, 'readBytes'), sum(last.blocks, 'readBytes')),
    writtenBytesPerSecond: perSecond(sum(stats.blocks, 'writtenBytes'), sum(last.blocks, 'writtenBytes')),
    receivedBytesPerSecond: perSecond(sum(stats.interfaces, 'receivedBytes'), sum(last.interfaces, 'receivedBytes')),
    sentBytesPerSecond: perSecond(sum(stats.interfaces, 'sentBytes'), sum(last.interfaces, 'sentBytes')),
  };
}
