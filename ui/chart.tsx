/**
 * Live charts. The server writes empty frames with their captions; `chart.js` fills them from a statistics stream and loads
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
}

export type ChartName = 'cpu' | 'memory' | 'disk' | 'network';

export function StatsCharts({ source, isOn, memoryBytes, hasSince, charts }: StatsChartsProps) {
  const { t, asset } = useUi();
  const texts = { in: t('chart.in'), out: t('chart.out'), read: t('chart.read'), written: t('chart.written'), unknown: t('chart.unknown') };
  return (
    <div class="charts" id="charts" data-charts={source} data-on={isOn ? '' : undefined} data-since={hasSince ? '' : undefined} data-memory={String(memoryBytes)} data-texts={JSON.stringify(texts)}
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
