/**
 * Makes samples of readings: counters become rates, levels averages, each in its slot of ten seconds. Readings may come more often (somebody
 * looks at a chart) or late; a sample covers the time since the one before. Holds what no frame holds yet, which is a minute and a half.
 */
import { isRate, minute, namesOf, type Quantity, type SampleKind, slotSeconds, slotsInFrame } from './sample-rules.ts';

/** What one thing shows at one moment: counters as they stand. `null`: not known. */
export interface Reading<K extends SampleKind = SampleKind> {
  kind: K;
  id: string;
  name: string;
  /** Id of the VM that a disk or NIC belongs to. */
  parent?: string;
  values: Record<Quantity<K>, number | null>;
}

export interface Recorder {
  /** Takes one reading; `id` is that of its series. */
  take(id: number, reading: Reading, atMs: number): void;
  /** Frames of minutes that no reading can add to any more (or of all), oldest first; forgets them once `write` has returned. */
  release(nowMs: number | 'all', write: (frames: [minute: number, series: Map<number, Float32Array>][]) => void): void;
  /** Values of a series in the frames that are still held. */
  held(id: number): [minute: number, values: Float32Array][];
}

interface Last {
  at: number;
  slot: number;
  counters: (number | null)[];
  sums: number[];
  counts: number[];
}

/** A longer silence is a gap: nobody knows what was between. */
const longestSilenceMs = 35_000;
/** After the end of a minute, until its last slot has come. */
const lateMs = 25_000;
/** Minutes that are held while the disk is full. */
const mostHeld = 15;
/** What has fallen silent is forgotten after this many readings of others. */
const forgetMs = 600_000;

export function createRecorder(): Recorder {
  const last = new Map<number, Last>();
  const frames = new Map<number, Map<number, Float32Array>>();
  let forgottenAt = 0;

  const put = (id: number, slot: number, values: number[]) => {
    const at = Math.floor((slot * slotSeconds) / minute) * minute;
    const frame = frames.get(at) ?? new Map<number, Float32Array>();
    frames.set(at, frame);
    const series = frame.get(id) ?? new Float32Array(values.length * slotsInFrame).fill(Number.NaN);
    frame.set(id, series);
    values.forEach((value, index) => { series[index * slotsInFrame + (slot % slotsInFrame)] = value; });
  };
  const forget = (atMs: number) => {
    if (Math.abs(atMs - forgottenAt) < forgetMs) return;
    forgottenAt = atMs;
    for (const [id, { at }] of last) if (Math.abs(atMs - at) > forgetMs) last.delete(id);
  };

  return {
    take(id, { kind, values }, atMs) {
      forget(atMs);
      const read = namesOf(kind).map((name) => (values as Record<string, number | null>)[name] ?? null); // its names are those of the kind
      const slot = Math.floor(atMs / 1000 / slotSeconds);
      const before = last.get(id);
      const sums = read.map((value, at) => (before?.sums[at] ?? 0) + (value ?? 0));
      const counts = read.map((value, at) => (before?.counts[at] ?? 0) + (value === null ? 0 : 1));
      if (before && slot === before.slot) {
        last.set(id, { ...before, sums, counts });
        return;
      }
      const isFollowing = before !== undefined && atMs > before.at && atMs - before.at <= longestSilenceMs;
      if (isFollowing) {
        const sample = sampleOf(kind, { read, before, sums, counts, seconds: (atMs - before.at) / 1000 });
        for (let each = Math.max(before.slot + 1, slot - 2); each <= slot; each++) put(id, each, sample);
      }
      last.set(id, { at: atMs, slot, counters: read, sums: read.map(() => 0), counts: read.map(() => 0) });
    },
    release(nowMs, write) {
      const isDue = (at: number) => nowMs === 'all' || (at + minute) * 1000 + lateMs <= nowMs || at * 1000 > nowMs + 2 * minute * 1000;
      const due = [...frames].filter(([at]) => isDue(at)).sort(([a], [b]) => a - b);
      for (const [at] of due.slice(0, -mostHeld)) frames.delete(at);
      const kept = due.slice(-mostHeld);
      if (kept.length > 0) write(kept);
      for (const [at] of kept) frames.delete(at);
    },
    held: (id) => [...frames].flatMap(([at, series]) => {
      const values = series.get(id);
      return values ? [[at, values] as [number, Float32Array]] : [];
    }),
  };
}

interface Step {
  read: (number | null)[];
  before: Last;
  sums: number[];
  counts: number[];
  seconds: number;
}

/** A counter that went back was begun anew: nothing is known of that time, not even of the other counters. */
function sampleOf(kind: SampleKind, { read, before, sums, counts, seconds }: Step): number[] {
  const rates = isRate(kind);
  const gains = read.map((value, at) => {
    const then = before.counters[at];
    return value === null || then === null || then === undefined ? Number.NaN : (value - then) / seconds;
  });
  const isAnew = gains.some((gain, at) => rates[at] && gain < 0);
  return gains.map((gain, at) => {
    if (rates[at]) return isAnew ? Number.NaN : gain;
    const count = counts[at] ?? 0;
    return count > 0 ? (sums[at] ?? 0) / count : Number.NaN;
  });
}
