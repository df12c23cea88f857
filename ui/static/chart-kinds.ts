/** What charts show and how it is written: quantities with their lines, figures with units, times at the foot. Read by `chart.ts`. */
import type uPlot from 'uplot';

export interface Sample {
  at: number;
  [quantity: string]: number | null;
}

export interface Line {
  key: string;
  color: '--accent' | '--chart-2';
  text?: 'read' | 'written' | 'in' | 'out' | 'used' | 'size';
}

export interface Kind {
  lines: Line[];
  format: (value: number) => string;
  isShare?: boolean;
  /** The least that the scale reaches to; a KiB unless told. */
  least?: number;
}

export const kinds: Record<string, Kind> = {
  cpu: { lines: [{ key: 'cpuFraction', color: '--accent' }], format: (value) => `${Math.round(value * 100)} %`, isShare: true },
  memory: { lines: [{ key: 'memoryUsedBytes', color: '--accent' }], format: bytes },
  disk: { lines: [{ key: 'readBytesPerSecond', color: '--accent', text: 'read' }, { key: 'writtenBytesPerSecond', color: '--chart-2', text: 'written' }], format: rate },
  requests: { lines: [{ key: 'readsPerSecond', color: '--accent', text: 'read' }, { key: 'writesPerSecond', color: '--chart-2', text: 'written' }], format: (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} /s`, least: 8 },
  network: { lines: [{ key: 'receivedBytesPerSecond', color: '--accent', text: 'in' }, { key: 'sentBytesPerSecond', color: '--chart-2', text: 'out' }], format: rate },
  space: { lines: [{ key: 'usedBytes', color: '--accent', text: 'used' }, { key: 'totalBytes', color: '--chart-2', text: 'size' }], format: bytes },
};

/** Round steps for bytes: 1, 2, 4 ... of each unit. */
export const binarySteps: number[] = Array.from({ length: 50 }, (_, power) => 2 ** power);
const hour = 3_600;
const day = 86_400;
/** Steps of time in seconds that people count in. */
export const timeSteps: number[] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, hour, 2 * hour, 3 * hour, 6 * hour, 12 * hour, day, 2 * day, 5 * day, 7 * day, 14 * day, 30 * day, 91 * day, 182 * day, 365 * day];
/** A time so near the left edge would lose its beginning. */
const cutPx = 26;
/** The page's language as the reader writes it: dates of a Briton are not those of an American. */
const locales = [...navigator.languages.filter((tag) => tag.startsWith(document.documentElement.lang)), document.documentElement.lang];
const minuteFormat = new Intl.DateTimeFormat(locales, { hour: '2-digit', minute: '2-digit' });
const secondFormat = new Intl.DateTimeFormat(locales, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const dayFormat = new Intl.DateTimeFormat(locales, { day: 'numeric', month: 'short' });
const monthFormat = new Intl.DateTimeFormat(locales, { month: 'short', year: 'numeric' });
const momentFormat = new Intl.DateTimeFormat(locales, { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });

function bytes(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = value < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(value) / 10));
  const scaled = value / 1024 ** power;
  return `${scaled >= 100 || power === 0 ? Math.round(scaled) : scaled.toFixed(1)} ${units[power]}`;
}

function rate(value: number): string {
  return `${bytes(value)}/s`;
}

/** The style sheet's colour of a token, resolved for the canvas. */
export function color(host: Element, token: string): string {
  const probe = document.createElement('i');
  probe.style.color = `var(${token})`;
  host.append(probe);
  const resolved = getComputedStyle(probe).color;
  probe.remove();
  return resolved;
}

/** Steps under a minute are told with their seconds, so that no label repeats its neighbour; midnight and longer steps by their date. */
export function labelTimes(plot: uPlot, ticks: number[], _axis: number, _space: number, stepSeconds: number): string[] {
  return ticks.map((seconds) => {
    if (plot.valToPos(seconds, 'x') < cutPx) return '';
    const time = new Date(seconds * 1000);
    if (stepSeconds >= 28 * day) return monthFormat.format(time);
    if (stepSeconds >= day || (stepSeconds >= hour && time.getHours() === 0 && time.getMinutes() === 0)) return dayFormat.format(time);
    return (stepSeconds < 60 ? secondFormat : minuteFormat).format(time);
  });
}

/** When a step of so many seconds was. */
export function tellTime(at: number, stepSeconds: number): string {
  return (stepSeconds >= day ? dayFormat : momentFormat).format(at);
}
