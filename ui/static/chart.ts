/**
 * Charts and live screenshots. Fills the frames that `ui/chart.tsx` wrote: live ones with samples every two seconds while the page is seen,
 * those of the past (`data-span`) in steps as fine as the span allows, with the peaks as a faint line. Drawn with uPlot (loaded here, only on
 * pages with charts); the newest or the pointed-at value stands in the caption. Dragging over a chart of the past looks closer at that
 * time, a double click goes back. Pictures marked `data-refresh` are fetched anew while they are seen.
 */
import type uPlot from 'uplot';
import { binarySteps, color, kinds, type Kind, labelTimes, type Sample, tellTime, timeSteps } from './chart-kinds.ts';

const periodMs = 2_000;
/** A slow line is left four fifths of its time for everything else. */
const restFactor = 4;
/** A chart that has just begun fills from the right. */
const shortestSeconds = 60;
/** History is asked for again when its last step is over, but not more often. */
const shortestHistoryMs = 20_000;

type Zoom = (span: [from: number, to: number] | undefined) => void;

class Chart {
  readonly #figure: HTMLElement;
  readonly #texts: Record<string, string>;
  readonly #maximum: number | undefined;
  readonly #kind: Kind;
  readonly #zoom: Zoom | undefined;
  #plot: uPlot | undefined;
  #samples: Sample[] = [];
  /** Of the past: what was asked for, and its steps. */
  #asked: Past | undefined;

  /** `zoom`: called with what somebody drags over, in milliseconds, and with nothing to go back. */
  constructor(figure: HTMLElement, { texts, memoryBytes, zoom }: { texts: Record<string, string>; memoryBytes: number; zoom: Zoom | undefined }) {
    const name = figure.dataset['chart'] ?? '';
    this.#figure = figure;
    this.#texts = texts;
    this.#zoom = zoom;
    this.#kind = kinds[name] ?? { lines: [], format: String };
    this.#maximum = this.#kind.isShare ? 1 : name === 'memory' ? memoryBytes : undefined;
  }

  draw(Plot: typeof uPlot, box: HTMLElement): void {
    this.#plot?.destroy();
    this.#plot = new Plot(this.#options(box), this.#data(), box);
    this.#say(undefined);
  }

  show(samples: Sample[], asked?: Past): void {
    this.#samples = samples;
    this.#asked = asked;
    this.#plot?.setData(this.#data());
    if (this.#plot?.cursor.idx == null) this.#say(undefined);
  }

  resize(width: number, height: number): void {
    this.#plot?.setSize({ width, height });
  }

  #data(): uPlot.AlignedData {
    const keys = [...this.#kind.lines.map(({ key }) => key), ...(this.#zoom ? this.#kind.lines.map(({ key }) => `${key}Peak`) : [])];
    return [this.#samples.map(({ at }) => at / 1000), ...keys.map((key) => this.#samples.map((sample) => sample[key] ?? null))];
  }

  /** Seconds at both ends. From the samples and not from what uPlot says, which makes one sample a whole day. */
  #span(): [number, number] {
    if (this.#asked) return [this.#asked.from / 1000, this.#asked.to / 1000];
    const end = (this.#samples.at(-1)?.at ?? Date.now()) / 1000;
    return [Math.min((this.#samples[0]?.at ?? Date.now()) / 1000, end - shortestSeconds), end];
  }

  #options(box: HTMLElement): uPlot.Options {
    const muted = color(box, '--ink-3');
    const grid = { stroke: color(box, '--line'), width: 1 };
    const scale = Number.parseFloat(getComputedStyle(document.documentElement).fontSize) / 15; // a wall screen has larger letters
    const axis = { stroke: muted, font: `${Math.round(11 * scale)}px ${getComputedStyle(box).fontFamily}`, ticks: { show: false } };
    return {
      width: box.clientWidth, height: box.clientHeight, legend: { show: false }, padding: [6, 0, 6, 0],
      cursor: { sync: { key: 'bothy', setSeries: false }, points: { size: 6 }, drag: { x: this.#zoom !== undefined, y: false, setScale: false }, bind: { dblclick: () => () => { this.#zoom?.(undefined); return null; } } },
      hooks: { setCursor: [(plot) => this.#say(plot.cursor.idx ?? undefined)], setSelect: [(plot) => this.#select(plot)] },
      scales: { x: { range: () => this.#span() }, y: { range: (_plot, _min, max) => [0, this.#maximum ?? Math.max(this.#kind.least ?? 1024, (max ?? 0) * 1.15)] } },
      axes: [
        { ...axis, grid: { show: false }, size: 22 * scale, space: 76 * scale, incrs: timeSteps, values: labelTimes },
        { ...axis, grid, side: 1, incrs: this.#kind.isShare ? [0.25, 0.5] : binarySteps, size: 62 * scale, space: 32 * scale, values: (_plot, ticks) => ticks.map((value) => this.#kind.format(value)) },
      ],
      series: [{}, ...this.#kind.lines.map((line, index) => ({
        stroke: color(box, line.color), width: 1.5, points: { show: false }, spanGaps: false,
        ...(index === 0 && { fill: color(box, '--chart-fill') }),
      })), ...(this.#zoom ? this.#kind.lines : []).map((line) => ({ stroke: color(box, line.color), width: 1, alpha: 0.4, points: { show: false }, spanGaps: false }))],
    };
  }

  #select(plot: uPlot): void {
    const { left, width } = plot.select;
    if (!this.#zoom || width < 8) return;
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.#zoom([plot.posToVal(left, 'x') * 1000, plot.posToVal(left + width, 'x') * 1000]);
  }

  #say(index: number | undefined): void {
    const sample = this.#samples[index ?? this.#samples.findLastIndex((each) => this.#kind.lines.some(({ key }) => each[key] != null))];
    const output = this.#figure.querySelector('output');
    if (!output) return;
    const parts = this.#kind.lines.map(({ key, text }) => {
      const value = sample?.[key];
      const peak = this.#zoom ? sample?.[`${key}Peak`] : undefined;
      const highest = typeof peak === 'number' && this.#kind.format(peak) !== this.#kind.format(value ?? 0) ? ` (≤ ${this.#kind.format(peak)})` : '';
      return typeof value === 'number' ? `${this.#kind.format(value)}${highest}${text ? ` ${this.#texts[text] ?? ''}` : ''}` : '';
    });
    if (this.#asked && sample) parts.unshift(tellTime(sample.at, this.#asked.stepSeconds));
    output.textContent = parts.filter(Boolean).join(' · ') || (sample ? (this.#texts['unknown'] ?? '') : '–');
  }
}

const started = new WeakSet<Element>();

async function start(frame: HTMLElement): Promise<void> {
  if (started.has(frame)) return;
  started.add(frame);
  const { uplot = '', uplotCss = '', texts = '{}', memory = '0', span } = frame.dataset;
  const past = span === undefined ? undefined : createWindow(Number(span));
  const { default: Plot } = (await import(uplot)) as { default: typeof uPlot }; // the module at that address
  loadSheet(uplotCss);
  const charts = [...frame.querySelectorAll<HTMLElement>('[data-chart]')].map((figure) => {
    const box = figure.querySelector<HTMLElement>('.chart-box') ?? figure;
    return { box, chart: new Chart(figure, { texts: JSON.parse(texts) as Record<string, string>, memoryBytes: Number(memory), zoom: past?.zoom }) }; // written by chart.tsx
  });
  const redraw = () => { for (const { box, chart } of charts) chart.draw(Plot, box); };
  const resizing = new ResizeObserver(() => { for (const { box, chart } of charts) chart.resize(box.clientWidth, box.clientHeight); });
  for (const { box } of charts) resizing.observe(box);
  document.addEventListener('bothy:theme', redraw);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
  redraw();
  if (past) await followPast(frame, charts.map(({ chart }) => chart), past);
  else await follow(frame, charts.map(({ chart }) => chart));
  resizing.disconnect();
  document.removeEventListener('bothy:theme', redraw);
}

/** Reads until the frame leaves the page; only what is new, where the source can tell (`data-since`). */
async function follow(frame: HTMLElement, charts: Chart[]): Promise<void> {
  let samples: Sample[] = [];
  while (frame.isConnected) {
    const startedAt = Date.now();
    if (!document.hidden && frame.dataset['on'] !== undefined) {
      const news = await readSamples(frame, samples.at(-1)?.at ?? 0);
      samples = [...samples.filter(({ at }) => at >= news.since), ...news.items].slice(-720);
      for (const chart of charts) chart.show(samples);
    }
    await new Promise((resolve) => setTimeout(resolve, Math.max(periodMs, restFactor * (Date.now() - startedAt))));
  }
}

interface Past {
  from: number;
  to: number;
  stepSeconds: number;
}

/** The time that is looked at: the last so many milliseconds, or what somebody has dragged over. */
function createWindow(spanMs: number) {
  let chosen: [from: number, to: number] | undefined;
  let wake = () => {};
  return {
    zoom(span: [from: number, to: number] | undefined): void {
      chosen = span;
      wake();
    },
    now: (): [from: number, to: number] => chosen?.map(Math.round) as typeof chosen ?? [Date.now() - spanMs, Date.now()],
    rest: (ms: number) => new Promise<void>((resolve) => {
      wake = resolve;
      setTimeout(resolve, ms);
    }),
  };
}

/** No more steps than can be told apart. */
const pixelsForStep = 2;

async function followPast(frame: HTMLElement, charts: Chart[], past: ReturnType<typeof createWindow>): Promise<void> {
  while (frame.isConnected) {
    let pauseMs = shortestHistoryMs;
    if (!document.hidden) {
      const [from, to] = past.now();
      const width = frame.querySelector('.chart-box')?.clientWidth ?? 600;
      const points = Math.min(2_000, Math.max(60, Math.round(width / pixelsForStep)));
      const answer = await readJson<Past & { items: Sample[] }>(`${frame.dataset['charts']}${frame.dataset['charts']?.includes('?') ? '&' : '?'}from=${from}&to=${to}&points=${points}`);
      if (answer) for (const chart of charts) chart.show(answer.items, answer);
      pauseMs = Math.max(pauseMs, (answer?.stepSeconds ?? 0) * 500);
    }
    await past.rest(pauseMs);
  }
}

interface News {
  items: Sample[];
  /** What is older belongs to an earlier run of what is measured. */
  since: number;
}

const noNews: News = { items: [], since: 0 };

async function readSamples(frame: HTMLElement, since: number): Promise<News> {
  const answer = await readJson<{ items: Sample[]; since?: number | null }>(`${frame.dataset['charts']}${frame.dataset['since'] === undefined ? '' : `?since=${since}`}`);
  return answer ? { items: answer.items.filter(({ at }) => at > since), since: (answer.since === undefined ? 0 : answer.since) ?? Number.POSITIVE_INFINITY } : noNews;
}

/** The API's own schema says what `T` is. */
async function readJson<T>(address: string): Promise<T | undefined> {
  try {
    const response = await fetch(address, { headers: { accept: 'application/json' } });
    return response.ok ? ((await response.json()) as T) : undefined;
  } catch {
    return undefined; // the connection is told elsewhere; the next round tries again
  }
}

function loadSheet(href: string): void {
  if (document.querySelector(`link[href="${href}"]`)) return;
  document.head.append(Object.assign(document.createElement('link'), { rel: 'stylesheet', href }));
}

async function refresh(image: HTMLImageElement): Promise<void> {
  if (started.has(image)) return;
  started.add(image);
  const address = image.src;
  const pauseMs = Number(image.dataset['refresh']);
  while (image.isConnected) {
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    if (document.hidden || !image.isConnected) continue;
    const response = await fetch(address).catch(() => undefined);
    if (!response?.ok) continue;
    const next = URL.createObjectURL(await response.blob());
    const last = image.src;
    image.src = next;
    if (last.startsWith('blob:')) URL.revokeObjectURL(last);
  }
}

function scan(): void {
  for (const frame of document.querySelectorAll<HTMLElement>('[data-charts]')) void start(frame);
  for (const image of document.querySelectorAll<HTMLImageElement>('img[data-refresh]')) void refresh(image);
}

document.addEventListener('htmx:after:swap', scan);
scan();
