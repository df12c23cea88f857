/**
 * Charts, live and of the past. The server writes empty frames with their captions; `chart.js` fills them and loads
 * uPlot only where a chart is. The current value stands beside each caption as text, so the picture is never the only carrier.
 */
import { useUi } from './context.ts';

export interface StatsChartsProps {
  /** Address of the samples. */
  source: string;
  /** Whether there is something to measure now. */
  isOn: boolean;
  memoryBytes: number;
  /** The source can be asked for newer samples only. */
  hasSince?: boolean;
  /** Which quantities the samples hold. */
  charts: readonly ChartName[];
  /** Of the past: so many milliseconds of it. */
  spanMs?: number | undefined;
}

export type ChartName = 'cpu' | 'memory' | 'disk' | 'requests' | 'network' | 'space';

export function StatsCharts({ source, isOn, memoryBytes, hasSince, charts, spanMs }: StatsChartsProps) {
  const { t, asset } = useUi();
  const texts = { in: t('chart.in'), out: t('chart.out'), read: t('chart.read'), written: t('chart.written'), unknown: t('chart.unknown'), used: t('chart.used'), size: t('chart.size') };
  return (
    <div class="charts" id="charts" data-charts={source} data-on={isOn ? '' : undefined} data-since={hasSince ? '' : undefined} data-span={spanMs === undefined ? undefined : String(spanMs)} data-memory={String(memoryBytes)} data-texts={JSON.stringify(texts)}
      data-uplot={asset('uplot.js')} data-uplot-css={asset('uplot.css')}>
      {charts.map((name) => (
        <figure class="chart" data-chart={name}>
          <figcaption>{t(`chart.${name}`)}<output>{isOn ? '' : '–'}</output></figcaption>
          <div class="chart-box" id={`chart-${name}`} hx-morph-skip="" />
        </figure>
      ))}
      <script type="module" src={asset('chart.js')} />
    </div>
  );
}

const day = 86_400_000;
/** What is kept in one step each, from ten seconds to days. */
const spans = { '2h': day / 12, '2d': 2 * day, '60d': 60 * day, '5y': 5 * 366 * day } as const;
type Span = keyof typeof spans;
const spanNames = Object.keys(spans) as Span[]; // the keys are exactly the union

export interface UseOverTimeProps {
  /** Address of the page, which shows the time named in `span`. */
  page: string;
  span: string | undefined;
  live?: StatsChartsProps | undefined;
  /** Address of the history. */
  history: string;
  memoryBytes?: number;
  charts: readonly ChartName[];
}

/** A choice of times over the charts; each has an address of its own. Without live charts the first is the last two hours. */
export function UseOverTime({ page, span, live, history, memoryBytes = 0, charts }: UseOverTimeProps) {
  const { t } = useUi();
  const chosen = spanNames.find((name) => name === span) ?? (live ? undefined : '2h');
  const address = (name: string) => `${page}${page.includes('?') ? '&' : '?'}span=${name}`;
  return (
    <>
      <nav class="spans" aria-label={t('chart.time')}>
        {live && <a href={page} aria-current={chosen === undefined ? 'true' : undefined}>{t('chart.live')}</a>}
        {spanNames.map((name) => <a href={address(name)} aria-current={chosen === name ? 'true' : undefined}>{t(`chart.span.${name}`)}</a>)}
      </nav>
      {live && chosen === undefined ? <StatsCharts {...live} /> : <StatsCharts source={history} isOn memoryBytes={memoryBytes} charts={charts} spanMs={spans[chosen ?? '2h']} />}
      {chosen !== undefined && <p class="quiet chart-help">{t('chart.closer')}</p>}
    </>
  );
}
