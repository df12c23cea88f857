/**
 * Samples in their file: which series there are, frames as they come, and from them minutes, hours and days.
 *
 * Whatever is coarser than a frame follows from frames alone and is written again as often as one likes, so a kill at any instant
 * loses nothing. `mark` says how far that has come. What is too old goes by `sample-prune.ts`.
 */
import type Sqlite from 'better-sqlite3';
import type { Reading } from './recorder.ts';
import { columns, type SampleFile } from './sample-file.ts';
import { arrive, lateSeconds, ofAnySeries, prune, type Rolling } from './sample-prune.ts';
import { complete, createGather, day, fromBlob, hour, minute, packFrame, type Retention, rounded, type Sum, sumOfFrame, toBlob, visitFrame } from './sample-rules.ts';

/** About 100 MB of days and hours in the worst case for 300 of them; see README. */
export const mostSeries = 2_000;

export type SampleStore = ReturnType<typeof createSampleStore>;

export function createSampleStore(file: SampleFile) {
  const at = (sql: string) => file.prepare(sql);
  const statements = {
    known: at('select id, name from series where kind = ? and object = ?'),
    count: at('select count(*) as series from series'),
    add: at('insert into series (kind, object, name, parent, first, last) values (?, ?, ?, ?, ?, ?) returning id'),
    rename: at('update series set name = ? where id = ?'),
    frame: at('select data from frame where minute = ?'),
    putFrame: at('insert or replace into frame values (?, ?)'),
    putMinutes: at('insert or replace into minutes values (?, ?, ?)'),
    seen: at('update series set last = ? where id = ?'),
    mark: at('select at from mark where name = ?'),
    putMark: at('insert or replace into mark values (?, ?)'),
  };
  const ids = new Map<string, { id: number; name: string }>();
  const mark = (name: string) => (statements.mark.get(name) as { at: number } | undefined)?.at;
  const setMark = (name: string, value: number) => { statements.putMark.run(name, value); };

  return {
    file, mark, setMark,
    /** `undefined` when there are too many. */
    seriesOf({ kind, id, name, parent }: Reading, now: number): number | undefined {
      const key = `${kind}/${id}`;
      const known = ids.get(key) ?? (statements.known.get(kind, id) as { id: number; name: string } | undefined);
      if (known && known.name !== name) statements.rename.run(name, known.id);
      if (!known && (statements.count.get() as { series: number }).series >= mostSeries) return undefined;
      const series = known?.id ?? (statements.add.get(kind, id, name, parent ?? null, now, now) as { id: number }).id;
      ids.set(key, { id: series, name });
      return series;
    },
    writeFrames: file.transaction((frames: [number, Map<number, Float32Array>][]) => {
      for (const [frameAt, series] of frames) {
        const earlier = statements.frame.get(frameAt) as { data: Buffer } | undefined;
        const blob = toBlob(packFrame(series));
        arrive({ file, mark, setMark }, 'frames', frameAt);
        statements.putFrame.run(frameAt, earlier ? Buffer.concat([earlier.data, blob]) : blob);
      }
    }),
    /** Makes what is due by `now` of frames and hours, in steps short enough that nobody waits for one: between two the caller may do other things. */
    *roll(now: number): Generator<void> {
      yield* rollHours({ file, mark, setMark, putMinutes: statements.putMinutes, seen: statements.seen }, now);
      file.transaction(() => rollDays({ file, mark, setMark }, now)).immediate();
    },
    prune: file.transaction((now: number, kept: Retention) => {
      if (prune({ file, mark, setMark }, now, kept)) ids.clear();
    }),
  };
}

type Statement = Sqlite.Statement<unknown[]>;

// ---------------------------------------------------------------------------------------------- hours

/** Series that are added up in one go. */
const atOnce = 25;

function* rollHours(rolling: Rolling & { putMinutes: Statement; seen: Statement }, now: number): Generator<void> {
  const { file, mark, setMark } = rolling;
  const until = Math.floor((now - lateSeconds) / hour) * hour;
  if (until === mark('hours')) return;
  // A mark from the future: the clock was ahead.
  const due = file.prepare('select distinct minute / 3600 * 3600 from frame where minute >= ? and minute < ? order by 1').pluck().all(Math.min(mark('hours') ?? 0, until), until) as number[];
  const ids = due.length > 0 ? (file.prepare('select id from series order by id').pluck().all() as number[]) : [];
  for (const each of due) {
    for (let at = 0; at < ids.length; at += atOnce) {
      file.transaction(() => rollHour(rolling, each, new Set(ids.slice(at, at + atOnce)))).immediate();
      yield;
    }
  }
  file.transaction(() => {
    for (const each of due) for (const name of ['minutes', 'hours'] as const) arrive(rolling, name, each);
    setMark('hours', until);
  }).immediate();
}

function rollHour({ file, putMinutes, seen }: Rolling & { putMinutes: Statement; seen: Statement }, at: number, ids: ReadonlySet<number>): void {
  const put = putStep(file, 'hour');
  for (const [id, minutes] of readHour(file, at, ids)) {
    putMinutes.run(id, at, toBlob(packMinutes(minutes)));
    put(id, at, sumOfSums([...minutes.values()]));
    seen.run(at + hour, id);
  }
}

type Minutes = Map<number, Sum>;

/** The minutes of that hour by series, from its frames. */
function readHour(file: SampleFile, at: number, only: ReadonlySet<number>): Map<number, Minutes> {
  const found = new Map<number, Minutes>();
  const rows = file.prepare('select minute, data from frame where minute >= ? and minute < ?').iterate(at, at + hour) as IterableIterator<{ minute: number; data: Buffer }>;
  for (const row of rows) {
    for (const [id, values] of seriesIn(row.data, only)) {
      const minutes = found.get(id) ?? new Map<number, Sum>();
      found.set(id, minutes.set(row.minute, sumOfFrame(values)));
    }
  }
  return found;
}

/** Each series of a stored frame once, its parts laid over each other. */
export function seriesIn(data: Buffer, only: ReadonlySet<number>): Map<number, Float32Array> {
  const found = new Map<number, Float32Array>();
  visitFrame(fromBlob(data), (id, values) => found.set(id, complete(found.get(id), values)), only);
  return found;
}

/** For each minute of the hour: seconds, averages, peaks. */
function packMinutes(minutes: Minutes): Float32Array {
  const count = Math.max(...[...minutes.values()].map(({ average }) => average.length));
  const width = 1 + 2 * count;
  const packed = new Float32Array((hour / minute) * width).fill(Number.NaN);
  for (const [at, { seconds, average, peak }] of minutes) packed.set([seconds, ...average, ...peak], ((at % hour) / minute) * width);
  return packed;
}

export function unpackMinutes(data: Buffer, at: number): [number, Sum][] {
  const packed = fromBlob(data);
  const width = packed.length / (hour / minute);
  const count = (width - 1) / 2;
  const found: [number, Sum][] = [];
  for (let each = 0; each < hour / minute; each++) {
    const values = packed.subarray(each * width, (each + 1) * width);
    const seconds = values[0] ?? 0;
    if (seconds > 0) found.push([at + each * minute, { seconds, average: [...values.subarray(1, 1 + count)], peak: [...values.subarray(1 + count)] }]);
  }
  return found;
}

export function sumOfSums(sums: Sum[]): Sum {
  const gather = createGather(Math.max(0, ...sums.map(({ average }) => average.length)));
  for (const { seconds, average, peak } of sums) {
    gather.lasts(seconds);
    for (const [at, value] of average.entries()) gather.add(at, value, peak[at] ?? Number.NaN, seconds);
  }
  return gather.sum();
}

function putStep(file: SampleFile, table: 'hour' | 'day'): (series: number, at: number, sum: Sum) => void {
  const statement = file.prepare(`insert or replace into ${table} values (?, ?, ?, ${columns.map(() => '?, ?').join(', ')})`);
  return (series, at, { seconds, average, peak }) => {
    statement.run(series, at, seconds, ...columns.flatMap((each) => [rounded(average[each] ?? Number.NaN), rounded(peak[each] ?? Number.NaN)]));
  };
}

// ---------------------------------------------------------------------------------------------- days

export type StepRow = { series: number; at: number; seconds: number } & Record<string, number | null>;

export function sumOfRow(row: StepRow, count: number): Sum {
  const numbers = (letter: string) => columns.slice(0, count).map((each) => row[`${letter}${each}`] ?? Number.NaN);
  return { seconds: row.seconds, average: numbers('v'), peak: numbers('p') };
}

export function groupsOf<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}

function rollDays(rolling: Rolling, now: number): void {
  const { file, mark, setMark } = rolling;
  const until = Math.floor((Math.min(now, mark('hours') ?? 0)) / day) * day;
  const before = mark('days');
  if (before === until) return;
  const from = Math.min(before ?? 0, until);
  const put = putStep(file, 'day');
  const rows = file.prepare(`select * from hour where ${ofAnySeries} and at >= ? and at < ?`).all(from, until) as StepRow[];
  for (const group of groupsOf(rows, ({ series, at }) => `${series}/${Math.floor(at / day)}`).values()) {
    const [first] = group;
    if (!first) continue;
    const at = Math.floor(first.at / day) * day;
    put(first.series, at, sumOfSums(group.map((row) => sumOfRow(row, columns.length))));
    arrive(rolling, 'days', at);
  }
  setMark('days', until);
}
