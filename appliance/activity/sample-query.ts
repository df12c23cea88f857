/** Answers from the samples: one series over a time in even steps, and whole kinds for reports. */
import type { Recorder } from './recorder.ts';
import type { SampleFile } from './sample-file.ts';
import { chooseStep, chooseTier, complete, createGather, hour, minute, namesOf, type Retention, type SampleKind, slotSeconds, slotsInFrame, type Sum, sumOfFrame, type Tier, tierSeconds } from './sample-rules.ts';
import { groupsOf, type SampleStore, seriesIn, type StepRow, sumOfRow, sumOfSums, unpackMinutes } from './sample-store.ts';

export interface Question {
  kind: SampleKind;
  id: string;
  /** Milliseconds. */
  from: number;
  to: number;
  /** Most steps in the answer. */
  points: number;
}

/** Averages under the names of the quantities, the highest beside each as `<name>Peak`; null where nothing is known. */
export type Point = { at: number } & Record<string, number | null>;

export interface Answer {
  stepSeconds: number;
  from: number;
  to: number;
  items: Point[];
}

const shownMs = 7_200_000;

/** What a request asks for: the last two hours unless it says otherwise. */
export function questionOf(input: { from?: number | undefined; to?: number | undefined; points: number }, nowMs: number): Pick<Question, 'from' | 'to' | 'points'> {
  const to = input.to ?? nowMs;
  return { from: Math.min(input.from ?? to - shownMs, to), to, points: input.points };
}

export interface Source {
  store: SampleStore;
  recorder: Recorder;
  kept: Retention;
  /** Seconds. */
  now: number;
}

type Piece = [at: number, sum: Sum];

export function answerSamples(source: Source, { kind, id, from: fromMs, to: toMs, points }: Question): Answer {
  const [from, to] = [Math.floor(fromMs / 1000), Math.ceil(toMs / 1000)];
  const tier = chooseTier({ from, to, now: source.now }, source.kept);
  const step = chooseStep({ from, to }, tier, points);
  const span = { from: Math.floor(from / step) * step, to };
  const series = source.store.file.prepare('select id from series where kind = ? and object = ?').get(kind, id) as { id: number } | undefined;
  const pieces = series ? piecesOf(source, series.id, tier, span) : [];
  const names = namesOf(kind);
  const items = evenSteps(pieces, { ...span, step, count: names.length }).map(([at, sum]) => pointOf(names, at, sum));
  return { stepSeconds: step, from: span.from * 1000, to: to * 1000, items };
}

function pointOf(names: string[], at: number, sum: Sum | undefined): Point {
  const value = (list: number[] | undefined, index: number) => {
    const found = list?.[index];
    return found === undefined || Number.isNaN(found) ? null : found;
  };
  return { at: at * 1000, ...Object.fromEntries(names.flatMap((name, index) => [[name, value(sum?.average, index)], [`${name}Peak`, value(sum?.peak, index)]])) } as Point; // each name has a number or null
}

interface Span {
  from: number;
  to: number;
}

/** One for each step from `from` to `to`, also where nothing is known: a gap is seen as a gap. */
function evenSteps(pieces: Piece[], { from, to, step, count }: Span & { step: number; count: number }): [number, Sum | undefined][] {
  const gathers = new Map<number, ReturnType<typeof createGather>>();
  for (const [at, { seconds, average, peak }] of pieces) {
    const place = Math.floor(at / step) * step;
    const gather = gathers.get(place) ?? createGather(count);
    gathers.set(place, gather);
    gather.lasts(seconds);
    for (let each = 0; each < count; each++) gather.add(each, average[each] ?? Number.NaN, peak[each] ?? Number.NaN, seconds);
  }
  return Array.from({ length: Math.max(0, Math.ceil((to - from) / step)) }, (_, index) => [from + index * step, gathers.get(from + index * step)?.sum()]);
}

/** The finest that is kept of that tier; its newest part from what is finer, as that is not summed up yet. */
function piecesOf(source: Source, id: number, tier: Tier, span: Span): Piece[] {
  if (tier === 'slots') return slotsOf(source, id, span);
  const { store: { file, mark } } = source;
  const hours = mark('hours') ?? 0;
  if (tier === 'minutes') {
    const rows = file.prepare('select hour, data from minutes where series = ? and hour >= ? and hour < ? order by hour').all(id, span.from - hour, Math.min(span.to, hours)) as { hour: number; data: Buffer }[];
    return [...rows.flatMap((row) => unpackMinutes(row.data, row.hour)), ...framesOf(source, id, hours)].filter(([at]) => at >= span.from && at < span.to);
  }
  const summed = tier === 'hours' ? hours : (mark('days') ?? 0);
  const rows = stepsOf(file, tier === 'hours' ? 'hour' : 'day', id, { from: span.from, to: Math.min(span.to, summed) });
  const rest = tier === 'hours' ? [] : stepsOf(file, 'hour', id, { from: summed, to: hours });
  const newest = grouped([...rest, ...framesOf(source, id, hours)], tierSeconds[tier]);
  return [...rows, ...newest].filter(([at]) => at >= span.from && at < span.to);
}

function stepsOf(file: SampleFile, table: 'hour' | 'day', id: number, { from, to }: Span): Piece[] {
  const rows = file.prepare(`select * from ${table} where series = ? and at >= ? and at < ? order by at`).all(id, from, to) as StepRow[];
  return rows.map((row) => [row.at, sumOfRow(row, 6)]);
}

function grouped(pieces: Piece[], step: number): Piece[] {
  return [...groupsOf(pieces, ([at]) => Math.floor(at / step) * step)].map(([at, group]) => [at, sumOfSums(group.map(([, sum]) => sum))]);
}

/** Frames from `since` on, written or still held, each minute once. */
function readFrames({ store: { file }, recorder }: Source, id: number, since: number): Map<number, Float32Array> {
  const found = new Map<number, Float32Array>();
  const only = new Set([id]);
  const rows = file.prepare('select minute, data from frame where minute >= ? order by minute').iterate(since) as IterableIterator<{ minute: number; data: Buffer }>;
  for (const row of rows) {
    const values = seriesIn(row.data, only).get(id);
    if (values) found.set(row.minute, values);
  }
  for (const [at, values] of recorder.held(id)) if (at >= since) found.set(at, complete(found.get(at), values));
  return found;
}

const framesOf = (source: Source, id: number, since: number): Piece[] => [...readFrames(source, id, since)].map(([at, values]) => [at, sumOfFrame(values)]);

function slotsOf(source: Source, id: number, span: Span): Piece[] {
  return [...readFrames(source, id, span.from - minute)].flatMap(([at, values]) => {
    const count = values.length / slotsInFrame;
    return Array.from({ length: slotsInFrame }, (_, slot): Piece => {
      const numbers = Array.from({ length: count }, (_each, quantity) => values[quantity * slotsInFrame + slot] ?? Number.NaN);
      return [at + slot * slotSeconds, { seconds: numbers.every(Number.isNaN) ? 0 : slotSeconds, average: numbers, peak: numbers }];
    });
  }).filter(([at]) => at >= span.from && at < span.to);
}

// ---------------------------------------------------------------------------------------------- reports

export interface Total {
  id: string;
  name: string;
  parent: string | null;
  /** Of the time asked about: for how much there are samples. */
  seconds: number;
  average: Record<string, number | null>;
  peak: Record<string, number | null>;
}

/** Each series of a kind over a time, from hours or days: what reports are made of. */
export function totalsOf({ store: { file, mark } }: Pick<Source, 'store'>, kind: SampleKind, fromMs: number, toMs: number): Total[] {
  const [from, to] = [Math.floor(fromMs / 1000), Math.ceil(toMs / 1000)];
  const oldestHour = (file.prepare('select min(at) as at from hour').get() as { at: number | null }).at ?? 0;
  const days = from < oldestHour ? (mark('days') ?? 0) : 0;
  const names = namesOf(kind);
  const totals = names.flatMap((_name, at) => [`sum(v${at} * seconds) / sum(case when v${at} is null then 0 else seconds end) as v${at}`, `max(p${at}) as p${at}`]).join(', ');
  const rows = file.prepare(`
    with steps as (
      select * from day where at >= @from and at < min(@to, @days) union all
      select * from hour where at >= max(@from, @days) and at < @to)
    select object, name, parent, sum(seconds) as total, ${totals} from steps join series on series.id = steps.series where kind = @kind group by steps.series
  `).all({ from, to, days, kind }) as (Record<string, number | null> & { object: string; name: string; parent: string | null; total: number })[];
  const numbers = (row: Record<string, unknown>, letter: string) => Object.fromEntries(names.map((name, at) => [name, row[`${letter}${at}`] as number | null])); // columns of numbers
  return rows.map((row) => ({ id: row.object, name: row.name, parent: row.parent, seconds: row.total, average: numbers(row, 'v'), peak: numbers(row, 'p') }));
}
