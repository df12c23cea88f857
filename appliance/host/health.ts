/**
 * Health and metrics of this process, for whoever supervises it: a prober, Prometheus, the update's health gate.
 *
 * Healthy means: the database takes a write, libvirt is connected, and the event loop is not held up. Everyone may ask, so the write
 * is tried at most every five seconds, and nothing is told that a stranger could use.
 */
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { Problem } from '../core/problem.ts';
import type { Core } from '../core/services.ts';
import type { World } from '../world.ts';
import { hostTable } from './table.ts';
import type { LoadHistory } from './load.ts';
import { formatMetrics, type Metric } from './metrics.ts';
import { longestLagMs } from './rules.ts';

export interface Health {
  isHealthy: boolean;
  isDatabaseWritable: boolean;
  isHypervisorConnected: boolean;
  eventLoopLagMs: number;
  [check: string]: unknown;
}

interface Vitals extends Core {
  world: World;
  history: LoadHistory;
  version: string;
  /** Standing warnings and errors. */
  troubles(): { severity: string }[];
}

/** Resolution of the lag, milliseconds: how often the process wakes up to look. */
const lagResolutionMs = 50;
const checkEveryMs = 5_000;

export function createHealth(vitals: Vitals) {
  const { clock, world } = vitals;
  const lag = monitorEventLoopDelay({ resolution: lagResolutionMs });
  lag.enable();
  const collectors: (() => Metric[])[] = [];
  let checked = { at: 0, isWritable: false };

  const isWritable = () => {
    if (Math.abs(clock.now() - checked.at) < checkEveryMs) return checked.isWritable;
    checked = { at: clock.now(), isWritable: tryWrite(vitals) === 'well' };
    return checked.isWritable;
  };
  return {
    isWritable,
    /** Writes now, whenever the last time was. */
    tryWrite: () => tryWrite(vitals),
    /** `collect` is called at every scrape; it must be quick and must not fail. */
    registerMetrics(collect: () => Metric[]): void {
      collectors.push(collect);
    },
    async health(): Promise<Health> {
      const eventLoopLagMs = lagOf(lag);
      const isHypervisorConnected = world.hypervisor.connection().state === 'connected';
      const isDatabaseWritable = isWritable();
      lag.reset();
      return { isHealthy: isDatabaseWritable && isHypervisorConnected && eventLoopLagMs < longestLagMs, isDatabaseWritable, isHypervisorConnected, eventLoopLagMs };
    },
    metrics: async (): Promise<string> => formatMetrics([
      ...hostMetrics(vitals), ...serviceMetrics(vitals), gauge('bothy_event_loop_lag_seconds', 'Longest hold-up of the event loop since the last health check.', lagOf(lag) / 1000),
      ...collectors.flatMap((collect) => collect()),
    ]),
  };
}

/** `full`: the disk is full, which neither a restart nor time cures. */
export type WriteVerdict = 'well' | 'full' | 'failed';

function tryWrite({ database, clock, log }: Vitals): WriteVerdict {
  try {
    database.write({ actor: 'system', operation: 'health' }, (tx) => tx.sql.update(hostTable).set({ checkedAt: clock.now() }).run());
    return 'well';
  } catch (error) {
    log.error('the database cannot be written', { error });
    return error instanceof Problem && error.type === 'insufficient-storage' ? 'full' : 'failed';
  }
}

/** The histogram counts whole intervals: what is longer than the resolution is lag. Zero before the first one. */
function lagOf(lag: IntervalHistogram): number {
  return lag.count === 0 ? 0 : Math.max(0, Math.round(lag.max / 1e6 - lagResolutionMs));
}

const gauge = (name: string, help: string, value: number): Metric => ({ name, help, type: 'gauge', samples: [{ value }] });
const counter = (name: string, help: string, value: number): Metric => ({ name, help, type: 'counter', samples: [{ value }] });

function hostMetrics({ world, history }: Vitals): Metric[] {
  const load = history.latest()?.load;
  const connected = gauge('bothy_hypervisor_connected', '1 while libvirt answers.', world.hypervisor.connection().state === 'connected' ? 1 : 0);
  if (!load) return [connected];
  return [
    connected,
    gauge('bothy_host_cpu_usage_ratio', 'Use of all processors of the host over the last sample, 0 to 1.', load.cpuFraction),
    gauge('bothy_host_memory_used_bytes', 'Memory of the host in use.', load.memoryUsedBytes),
    gauge('bothy_host_memory_total_bytes', 'Memory of the host.', load.memoryTotalBytes),
    counter('bothy_host_network_receive_bytes_total', 'Received by the NICs of the host.', load.receivedBytes),
    counter('bothy_host_network_transmit_bytes_total', 'Sent by the NICs of the host.', load.sentBytes),
    gauge('bothy_host_uptime_seconds', 'Time since the host started.', load.uptimeSeconds),
  ];
}

function serviceMetrics({ version, reconcilers, tasks, troubles }: Vitals): Metric[] {
  const status = reconcilers.status();
  const standing = troubles();
  const { user, system } = process.cpuUsage();
  return [
    { name: 'bothy_build_info', help: 'Version of Bothy.', type: 'gauge', samples: [{ labels: { version }, value: 1 }] },
    gauge('bothy_tasks_active', 'Tasks that have not ended.', tasks.list({ limit: 1_000, isActive: true }).length),
    { name: 'bothy_troubles', help: 'Troubles that last, by severity.', type: 'gauge', samples: ['warning', 'error'].map((severity) => ({ labels: { severity }, value: standing.filter((trouble) => trouble.severity === severity).length })) },
    { name: 'bothy_reconciler_rounds_total', help: 'Rounds since the service started.', type: 'counter', samples: status.map(({ name, rounds }) => ({ labels: { reconciler: name }, value: rounds })) },
    { name: 'bothy_reconciler_failures_in_a_row', help: 'Rounds that failed since the last good one.', type: 'gauge', samples: status.map(({ name, failuresInARow }) => ({ labels: { reconciler: name }, value: failuresInARow })) },
    gauge('process_resident_memory_bytes', 'Resident memory of the service.', process.memoryUsage.rss()),
    counter('process_cpu_seconds_total', 'Processor time of the service.', (user + system) / 1e6),
    gauge('process_start_time_seconds', 'Start of the service, seconds since the epoch.', Math.round(performance.timeOrigin / 1000)),
  ];
}
