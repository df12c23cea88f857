/**
 * Live charts and live screenshots. Fills the frames that `ui/chart.tsx` wrote: reads the samples every two seconds while the
 * page is seen, draws with uPlot (loaded here, only on pages with charts), and says the newest or the pointed-at value in
 * the caption. Pictures marked `data-refresh` are fetched anew while they are seen.
 */
import type uPlot from 'uplot';

interface Sample {
  at: number;
  [quantity: string]: number | null;
}

interface Line {
  key: string;
  color: '--accent' | '--chart-2';
  text?: 'read' | 'written' | 'in' | 'out';
}

const kinds: Record<string, { lines: Line[]; format: (value: number) => string; isShare?: boolean }> = {
  cpu: { lines: [{ key: 'cpuFraction', color: '--accent' }], format: (value) => `${Math.round(value * 100)} %`, isShare: true },
  memory: { lines: [{ key: 'memoryUsedBytes', color: '--accent' }], format: bytes },
  disk: { lines: [{ key: 'readBytesPerSecond', color: '--accent', text: 'read' }, { key: 'writtenBytesPerSecond', color: '--chart-2', text: 'written' }], format: rate },
  network: { lines: [{ key: 'receivedBytesPerSecond', color: '--accent', text: 'in' }, { key: 'sentBytesPerSecond', color: '--chart-2', text: 'out' }], format: rate },
};

/** Round steps for bytes: 1, 2, 4 ... of each unit. */
const binarySteps = Array.from({ length: 50 }, (_, power) => 2 ** power);
const periodMs = 2_000;
/** A time so near the left edge would lose its beginning. */
const cutPx = 26;
/** A slow line is left four fifths of its time for everything else. */
const restFactor = 4;
/** The page's language as the reader writes it: dates of a Briton are not those of an American. */
const locales = [...navigator.languages.filter((tag) => tag.startsWith(document.documentElement.lang)), document.documentElement.lang];
const minuteFormat = new Intl.DateTimeFormat(locales, { hour: '2-digit', minute: '2-digit' });
const secondFormat = new Intl.DateTimeFormat(locales, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
/** A chart that has just begun fills from the right. */
const shortestSeconds = 60;
/** Steps of time in seconds that people count in. */
const timeSteps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];

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
function color(host: Element, token: string): string {
  const probe = document.createElement('i');
  probe.style.color = `var(${token})`;
  host.append(probe);
  const resolved = getComputedStyle(probe).color;
  probe.remove();
  return resolved;
}

/** Steps under a minute are told with their seconds, so that no label repeats its neighbour. */
function labelTimes(plot: uPlot, ticks: number[], _axis: number, _space: number, stepSeconds: number): string[] {
  const format = stepSeconds < 60 ? secondFormat : minuteFormat;
  return ticks.map((seconds) => (plot.valToPos(seconds, 'x') < cutPx ? '' : format.format(seconds * 1000)));
}

class Chart {
  readonly #figure: HTMLElement;
  readonly #texts: Record<string, string>;
  readonly #maximum: number | undefined;
  readonly #kind: (typeof kinds)[string];
  #plot: uPlot | undefined;
  #samples: Sample[] = [];

  constructor(figure: HTMLElement, texts: Record<string, string>, memoryBytes: number) {
    const name = figure.dataset['chart'] ?? '';
    this.#figure = figure;
    this.#texts = texts;
    this.#kind = kinds[name] ?? { lines: [], format: String };
    this.#maximum = this.#kind.isShare ? 1 : name === 'memory' ? memoryBytes : undefined;
  }

  draw(Plot: typeof uPlot, box: HTMLElement): void {
    this.#plot?.destroy();
    this.#plot = new Plot(this.#options(box), this.#data(), box);
    this.#say(undefined);
  }

  show(samples: Sample[]): void {
    this.#samples = samples;
    this.#plot?.setData(this.#data());
    if (this.#plot?.cursor.idx == null) this.#say(undefined);
  }

  resize(width: number, height: number): void {
    this.#plot?.setSize({ width, height });
  }

  #data(): uPlot.AlignedData {
    return [this.#samples.map(({ at }) => at / 1000), ...this.#kind.lines.map(({ key }) => this.#samples.map((sample) => sample[key] ?? null))];
  }

  /** Seconds at both ends. From the samples and not from what uPlot says, which makes one sample a whole day. */
  #span(): [number, number] {
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
      cursor: { sync: { key: 'bothy' }, points: { size: 6 }, drag: { x: false, y: false } },
      hooks: { setCursor: [(plot) => this.#say(plot.cursor.idx ?? undefined)] },
      scales: { x: { range: () => this.#span() }, y: { range: (_plot, _min, max) => [0, this.#maximum ?? Math.max(1024, (max ?? 0) * 1.15)] } },
      axes: [
        { ...axis, grid: { show: false }, size: 22 * scale, space: 76 * scale, incrs: timeSteps, values: labelTimes },
        { ...axis, grid, side: 1, incrs: this.#kind.isShare ? [0.25, 0.5] : binarySteps, size: 62 * scale, space: 32 * scale, values: (_plot, ticks) => ticks.map((value) => this.#kind.format(value)) },
      ],
      series: [{}, ...this.#kind.lines.map((line, index) => ({
        stroke: color(box, line.color), width: 1.5, points: { show: false }, spanGaps: false,
        ...(index === 0 && { fill: color(box, '--chart-fill') }),
      }))],
    };
  }

  #say(index: number | undefined): void {
    const sample = this.#samples[index ?? this.#samples.length - 1];
    const output = this.#figure.querySelector('output');
    if (!output) return;
    const parts = this.#kind.lines.map(({ key, text }) => {
      const value = sample?.[key];
      return typeof value === 'number' ? `${this.#kind.format(value)}${text ? ` ${this.#texts[text] ?? ''}` : ''}` : '';
    });
    output.textContent = parts.filter(Boolean).join(' · ') || (sample ? (this.#texts['unknown'] ?? '') : '–');
  }
}

const started = new WeakSet<Element>();

async function start(frame: HTMLElement): Promise<void> {
  if (started.has(frame)) return;
  started.add(frame);
  const { uplot = '', uplotCss = '', texts = '{}', memory = '0' } = frame.dataset;
  const { default: Plot } = (await import(uplot)) as { default: typeof uPlot }; // the module at that address
  loadSheet(uplotCss);
  const charts = [...frame.querySelectorAll<HTMLElement>('[data-chart]')].map((figure) => {
    const box = figure.querySelector<HTMLElement>('.chart-box') ?? figure;
    return { box, chart: new Chart(figure, JSON.parse(texts) as Record<string, string>, Number(memory)) }; // written by chart.tsx
  });
  const redraw = () => { for (const { box, chart } of charts) chart.draw(Plot, box); };
  const resizing = new ResizeObserver(() => { for (const { box, chart } of charts) chart.resize(box.clientWidth, box.clientHeight); });
  for (const { box } of charts) resizing.observe(box);
  document.addEventListener('bothy:theme', redraw);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
  redraw();
  await follow(frame, charts.map(({ chart }) => chart));
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

interface News {
  items: Sample[];
  /** What is older belongs to an earlier run of what is measured. */
  since: number;
}

const noNews: News = { items: [], since: 0 };

async function readSamples(frame: HTMLElement, since: number): Promise<News> {
  try {
    const response = await fetch(`${frame.dataset['charts']}${frame.dataset['since'] === undefined ? '' : `?since=${since}`}`, { headers: { accept: 'application/json' } });
    if (!response.ok) return noNews;
    const { items, since: begin = 0 } = (await response.json()) as { items: Sample[]; since?: number | null }; // the API's own schema
    return { items: items.filter(({ at }) => at > since), since: begin ?? Number.POSITIVE_INFINITY };
  } catch {
    return noNews; // the connection is told elsewhere; the next round tries again
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
