/** Reports: predefined questions about the past, on the screen, as CSV, and on paper. */
import type * as z from 'zod';
import { reportGet, type ReportOutput } from '../../appliance/activity/report-operations.ts';
import { Button } from '../action.tsx';
import { useUi } from '../context.ts';
import { formatBytes, formatDuration, formatPercent, Meter, Time } from '../format.tsx';
import { Icon } from '../icon.tsx';
import { type Column, List } from '../list.tsx';
import { type AnyPage, definePage } from '../page.ts';
import { Empty, PageHead, Panel, Tabs } from '../section.tsx';

type Made = z.output<typeof ReportOutput>;
type Row = Made['rows'][number];

const names = ['use', 'consumers', 'uptime', 'capacity'] as const;
type Name = (typeof names)[number];
const day = 86_400_000;
const spans = { '1d': day, '7d': 7 * day, '30d': 30 * day, '1y': 366 * day } as const;
type Span = keyof typeof spans;

const reportPage = (name: Name) => definePage({
  path: `/reports/${name}`,
  async load({ read }, { query }) {
    const span = (Object.keys(spans) as Span[]).find((each) => each === query['span']) ?? '7d'; // the keys are exactly the union
    const to = Date.now();
    return { span, report: await read(reportGet, { report: name, from: to - spans[span], to }) };
  },
  title: (_data, { t }) => t(`report.${name}`),
  view: ({ span, report }, { t }) => (
    <>
      <PageHead title={t('nav.reports')} lead={t(`report.${name}Lead`)}>
        <a class="button" href={`/api/v1/reports/${name}/csv?from=${report.from}&to=${report.to}`} hx-boost="false" download=""><Icon name="download" />CSV</a>
        <Button text={t('report.print')} icon="copy" data-print="" />
      </PageHead>
      <Tabs label={t('nav.reports')} tabs={names.map((each) => ({ href: `/reports/${each}`, text: t(`report.${each}`) }))} />
      <nav class="spans" aria-label={t('chart.time')}>
        {(Object.keys(spans) as Span[]).map((each) => <a href={`/reports/${name}?span=${each}`} aria-current={each === span ? 'true' : undefined}>{t(`report.span.${each}`)}</a>)}
      </nav>
      <p class="report-title"><strong>{t(`report.${name}`)}</strong>: <Time at={report.from} as="clock" /> – <Time at={report.to} as="clock" /></p>
      {report.rows.length > 0 ? <Rows name={name} report={report} /> : <Panel><Empty icon="clock" title={t('report.none')} text={t('report.noneText')} /></Panel>}
    </>
  ),
});

/** What makes a row's state, or nothing. */
const mains: Record<Name, string> = { use: 'at', consumers: 'name', uptime: 'name', capacity: 'name' };

function Rows({ name, report: { columns, rows } }: { name: Name; report: Made }) {
  const { phrase, t } = useUi();
  const shown: Column<Row>[] = columns.toSorted((a, b) => Number(b.key === mains[name]) - Number(a.key === mains[name])).map(({ key, label, unit }) => ({
    head: phrase(label), ...(key === mains[name] ? { as: 'main' as const } : unit === 'text' ? {} : { as: 'number' as const }),
    cell: (row) => <Cell value={row[key] ?? null} unit={unit} label={phrase(label)} isMeter={name === 'uptime'} />,
  }));
  return <Panel layout="flush"><List label={t(`report.${name}`)} rows={rows} rowId={(row) => `row-${rows.indexOf(row)}`} columns={shown} /></Panel>;
}

function Cell({ value, unit, label, isMeter }: { value: string | number | null; unit: Made['columns'][number]['unit']; label: string; isMeter: boolean }) {
  const { phrase, t } = useUi();
  if (value === null) return <>–</>;
  if (typeof value === 'string') return <>{phrase(value)}</>;
  switch (unit) {
    case 'time': return <Time at={value} as="clock" />;
    case 'share': return isMeter ? <Meter label={label} used={value} total={1} warnAt={2} criticalAt={2} text={`${Math.round(value * 10_000) / 100} %`} /> : <>{formatPercent(value)}</>;
    case 'bytes': return <>{value < 0 ? `− ${formatBytes(-value)}` : formatBytes(value)}</>;
    case 'bytesPerSecond': return <>{formatBytes(value)}/s</>;
    case 'seconds': return <>{formatDuration(value)}</>;
    case 'days': return <>{t('report.days', { count: value })}</>;
    default: return <>{value}</>;
  }
}

export const reportPages: AnyPage[] = names.map(reportPage);
