/**
 * How old samples go. A clock that leaps must not cost the past: what is too old goes in bites, each at most a few times what has been
 * added since the last, so that a clock which is wrong for an hour takes no more than some hours. Called by `sample-store.ts`.
 */
import type { SampleFile } from './sample-file.ts';
import { day, hour, type Retention } from './sample-rules.ts';

export interface Rolling {
  file: SampleFile;
  mark(name: string): number | undefined;
  setMark(name: string, value: number): void;
}

/** So late a frame may still come, seconds. */
export const lateSeconds = 120;

/** Leads SQLite through the keys instead of over all rows. */
export const ofAnySeries = 'series in (select id from series)';

/** How many steps go at once at least (a row less here and there costs a page each time), and what makes a row of that table. */
const bites = {
  frames: { table: 'frame', column: 'minute', least: 10 },
  minutes: { table: 'minutes', column: 'hour', least: 24 },
  hours: { table: 'hour', column: 'at', least: 24 },
  days: { table: 'day', column: 'at', least: 30 },
} as const;
type Bite = keyof typeof bites;
/** For each step that comes so many may go, and never more at once than `least`. */
const pace = 4;

const whereOld = (name: Bite) => `${name === 'frames' ? '' : `${ofAnySeries} and `}${bites[name].column}`;

/** A step of that table has come: notes it, and that it lets older ones go. */
export function arrive({ file, mark, setMark }: Rolling, name: Bite, at: number): void {
  const isNew = file.prepare('insert or ignore into step values (?, ?)').run(name, at).changes > 0;
  if (isNew) setMark(`credit ${name}`, Math.min((mark(`credit ${name}`) ?? 0) + pace, bites[name].least));
}

/** Says whether series may have gone. */
export function prune({ file, mark, setMark }: Rolling, now: number, kept: Retention): boolean {
  const keep = { frames: Math.max(kept.slots, hour + lateSeconds), minutes: kept.minutes, hours: kept.hours, days: kept.days };
  let haveHours = false;
  for (const name of Object.keys(bites) as Bite[]) { // the keys are exactly the union
    const { table, least } = bites[name];
    const isLess = keep[name] < (mark(`kept ${name}`) ?? keep[name]); // people want less to be kept: no wrong clock
    const credit = mark(`credit ${name}`) ?? 0;
    const old = file.prepare('select at from step where name = ? and at < ? order by at limit ?').pluck().all(name, now - keep[name], isLess ? -1 : credit) as number[];
    const until = old.at(-1);
    if (keep[name] !== mark(`kept ${name}`)) setMark(`kept ${name}`, keep[name]);
    if (until === undefined || (old.length < least && !isLess)) continue;
    file.prepare(`delete from ${table} where ${whereOld(name)} <= ?`).run(until);
    file.prepare('delete from step where name = ? and at <= ?').run(name, until);
    setMark(`credit ${name}`, Math.max(0, credit - old.length));
    if (name === 'hours') pruneSeries(file, now, until);
    haveHours ||= name === 'hours';
  }
  return haveHours;
}

/** Disks and NICs go with their last hour; what is left without any sample, too. What lies in the future, a wrong clock has written. */
function pruneSeries(file: SampleFile, now: number, until: number): void {
  const future = now + 2 * day;
  for (const name of Object.keys(bites) as Bite[]) file.prepare(`delete from ${bites[name].table} where ${whereOld(name)} > ?`).run(future); // the keys are exactly the union
  file.prepare('delete from step where at > ?').run(future);
  file.prepare('update series set last = ? where last > ?').run(now, future);
  const gone = `select id from series where last < ${Math.floor(until)} and (kind in ('disk', 'nic') or not exists (select 1 from day where day.series = series.id))`;
  file.prepare(`delete from day where series in (${gone})`).run();
  file.prepare(`delete from series where id in (${gone})`).run();
}
