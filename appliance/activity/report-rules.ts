/** The predefined reports, made of totals and steps of the history: rows under named columns. Pure. */
import type { Point, Total } from './sample-query.ts';

export const reportNames = ['use', 'consumers', 'uptime', 'capacity'] as const;
export type ReportName = (typeof reportNames)[number];

export type Unit = 'text' | 'time' | 'share' | 'bytes' | 'bytesPerSecond' | 'seconds' | 'days';

export interface Report {
  /** The key of each column is that of its values in the rows. */
  columns: { key: string; label: string; unit: Unit }[];
  rows: Record<string, string | number | null>[];
}

const column = (key: string, label: string, unit: Unit) => ({ key, label, unit });

/** The host, step by step. */
export function useReport(points: Point[]): Report {
  const known = points.filter(({ cpuFraction }) => cpuFraction !== null);
  return {
    columns: [
      column('at', 'Begins', 'time'), column('cpu', 'Processors', 'share'), column('cpuPeak', 'Processors, peak', 'share'), column('memory', 'Memory', 'bytes'), column('memoryPeak', 'Memory, peak', 'bytes'),
      column('received', 'Received', 'bytesPerSecond'), column('sent', 'Sent', 'bytesPerSecond'),
    ],
    rows: known.toReversed().map((point) => ({
      at: point.at, cpu: point['cpuFraction'] ?? null, cpuPeak: point['cpuFractionPeak'] ?? null, memory: point['memoryUsedBytes'] ?? null, memoryPeak: point['memoryUsedBytesPeak'] ?? null,
      received: point['receivedBytesPerSecond'] ?? null, sent: point['sentBytesPerSecond'] ?? null,
    })),
  };
}

/** VMs, who used the most processor time first. Amounts are over the whole time. */
export function consumersReport(vms: Total[]): Report {
  const amount = ({ average, seconds }: Total, ...names: string[]) => names.reduce((sum, name) => sum + (average[name] ?? 0) * seconds, 0);
  return {
    columns: [
      column('name', 'Name', 'text'), column('busy', 'Processor time', 'seconds'), column('cpu', 'Processors', 'share'), column('cpuPeak', 'Processors, peak', 'share'), column('memory', 'Memory', 'bytes'),
      column('read', 'Read', 'bytes'), column('written', 'Written', 'bytes'), column('received', 'Received', 'bytes'), column('sent', 'Sent', 'bytes'),
    ],
    rows: vms.map((vm) => ({
      name: vm.name, busy: Math.round(amount(vm, 'cpuFraction')), cpu: vm.average['cpuFraction'] ?? null, cpuPeak: vm.peak['cpuFraction'] ?? null, memory: vm.average['memoryUsedBytes'] ?? null,
      read: amount(vm, 'readBytesPerSecond'), written: amount(vm, 'writtenBytesPerSecond'), received: amount(vm, 'receivedBytesPerSecond'), sent: amount(vm, 'sentBytesPerSecond'),
    })).sort((a, b) => b.busy - a.busy),
  };
}

/** For how much of the time there are samples: of the host while the service watched it, of a VM while it ran. */
export function uptimeReport(hosts: Total[], vms: Total[], seconds: number): Report {
  const row = (kind: string) => ({ name, seconds: up }: Total) => ({ kind, name, up, share: seconds > 0 ? Math.min(1, up / seconds) : null });
  return {
    columns: [column('kind', 'Kind', 'text'), column('name', 'Name', 'text'), column('up', 'Up', 'seconds'), column('share', 'Share', 'share')],
    rows: [...hosts.map(row('host')), ...vms.map(row('vm')).sort((a, b) => a.name.localeCompare(b.name))],
  };
}

/** Storage domains: what they hold, how fast that grows (the straight line that fits best), and when they are full if it goes on so. */
export function capacityReport(domains: { name: string; points: Point[] }[]): Report {
  return {
    columns: [
      column('name', 'Storage domain', 'text'), column('size', 'Size', 'bytes'), column('first', 'Used at the beginning', 'bytes'), column('last', 'Used at the end', 'bytes'),
      column('growth', 'Growth in a day', 'bytes'), column('left', 'Full in', 'days'),
    ],
    rows: domains.map(({ name, points }) => {
      const known = points.flatMap(({ at, usedBytes, totalBytes }) => (typeof usedBytes === 'number' ? [{ at, used: usedBytes, size: totalBytes ?? null }] : []));
      const [first, last] = [known[0], known.at(-1)];
      const growth = slope(known.map(({ at, used }) => [at / 86_400_000, used]));
      const free = last && typeof last.size === 'number' ? last.size - last.used : null;
      return {
        name, size: last?.size ?? null, first: first?.used ?? null, last: last?.used ?? null, growth,
        left: growth !== null && growth > 0 && free !== null ? Math.round((free / growth) * 10) / 10 : null,
      };
    }),
  };
}

/** Of the line with the least squares; null for less than two places. */
function slope(points: [x: number, y: number][]): number | null {
  const middle = (at: 0 | 1) => points.reduce((sum, point) => sum + point[at], 0) / points.length;
  const [x, y] = [middle(0), middle(1)];
  const spread = points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0);
  return spread > 0 ? points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0) / spread : null;
}

/** RFC 4180, with the columns' keys as heads; times as ISO 8601. No cell can be taken for a formula. */
export function formatCsv({ columns, rows }: Report): string {
  const cell = (value: string | number | null | undefined, unit: Unit) => {
    if (value === null || value === undefined) return '';
    if (unit === 'time') return new Date(Number(value)).toISOString();
    const text = typeof value === 'string' && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = [columns.map(({ key }) => key), ...rows.map((row) => columns.map(({ key, unit }) => cell(row[key], unit)))];
  return lines.map((line) => `${line.join(',')}\r\n`).join('');
}
