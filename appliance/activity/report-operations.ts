/** The verbs of reports: on the screen, and as CSV. */
import * as z from 'zod';
import { read, stream } from '../core/operation.ts';
import type { Clock } from '../core/clock.ts';
import { capacityReport, consumersReport, formatCsv, type Report, type ReportName, reportNames, uptimeReport, useReport } from './report-rules.ts';
import type { Point } from './sample-query.ts';
import type { Samples } from './samples.ts';

export interface ReportServices {
  samples: Samples;
  clock: Clock;
}

const weekMs = 7 * 86_400_000;
/** Rows of the use over time, and places of the line that shows the trend. */
const steps = 31;

const ReportInput = z.object({
  report: z.enum(reportNames).meta({ label: 'Report' }),
  from: z.coerce.number().int().min(0).optional().meta({ label: 'From', help: 'Milliseconds since the epoch; a week ago unless told.' }),
  to: z.coerce.number().int().min(0).optional().meta({ label: 'To', help: 'Milliseconds since the epoch; now unless told.' }),
});
export const ReportOutput = z.object({
  from: z.number().int(), to: z.number().int(),
  columns: z.array(z.object({ key: z.string(), label: z.string(), unit: z.enum(['text', 'time', 'share', 'bytes', 'bytesPerSecond', 'seconds', 'days']) })),
  rows: z.array(z.record(z.string(), z.union([z.string(), z.number(), z.null()]))),
});

function make({ samples, clock }: ReportServices, { report, ...input }: z.output<typeof ReportInput>): Report & { from: number; to: number } {
  const to = input.to ?? clock.now();
  const from = Math.min(input.from ?? to - weekMs, to);
  const total = (kind: 'host' | 'vm' | 'storage-domain') => samples.totals(kind, from, to);
  const pointsOf = (kind: 'host' | 'storage-domain', id: string): Point[] => samples.read({ kind, id, from, to, points: steps }).items;
  const makers: Record<ReportName, () => Report> = {
    use: () => useReport(total('host').slice(0, 1).flatMap(({ id }) => pointsOf('host', id))),
    consumers: () => consumersReport(total('vm')),
    uptime: () => uptimeReport(total('host'), total('vm'), (to - from) / 1000),
    capacity: () => capacityReport(total('storage-domain').map(({ id, name }) => ({ name, points: pointsOf('storage-domain', id) }))),
  };
  return { from, to, ...makers[report]() };
}

export const reportGet = read<ReportServices>()({
  id: 'report.get', method: 'GET', path: '/reports/{report}', permission: 'report.read', summary: 'Make a report of the use, the uptime or the room left',
  input: ReportInput, output: ReportOutput,
  run: (services, _call, input) => make(services, input),
});

export const reportCsv = stream<ReportServices>()({
  id: 'report.csv', method: 'GET', path: '/reports/{report}/csv', permission: 'report.read', summary: 'Download a report as CSV',
  input: ReportInput, responseType: 'text/csv',
  run(services, _call, input) {
    const { from, to, ...report } = make(services, input);
    const name = `${input.report}-${new Date(from).toISOString().slice(0, 10)}-${new Date(to).toISOString().slice(0, 10)}.csv`;
    return new Response(formatCsv(report), { headers: { 'content-type': 'text/csv; charset=utf-8', 'content-disposition': `attachment; filename="${name}"`, 'cache-control': 'no-store' } });
  },
});

export const reportOperations = [reportGet, reportCsv];
