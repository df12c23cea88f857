/**
 * The file of samples: `history.db` beside the database, and not in it. Samples are worth little each and come without end: they must not
 * make the database's copies larger nor its disk busier, and nothing is lost for good if their file is.
 *
 *   frame    one row a minute, all series in it: the only thing that is written while nothing else is due
 *   minutes  one row for each series and hour: its sixty minutes
 *   hour, day   one row for each series and step, in columns that any SQL tool reads; the views `vm_hour`, `host_day` ... name them
 *
 * A power cut may take the last half minute with it, never the file: WAL with `synchronous=NORMAL`, so a minute costs no flush of its
 * own. A file that is damaged is put aside and begun anew.
 */
import { renameSync, rmSync, statSync } from 'node:fs';
import Sqlite from 'better-sqlite3';
import { keepPrivate } from '../core/schema.ts';
import { namesOf, sampleKinds } from './sample-rules.ts';

/** Of the tables; a file with another number is of another version and is put aside. */
const version = 1;
/** No kind has more quantities. */
export const columns = [0, 1, 2, 3, 4, 5];
const valueColumns = columns.flatMap((at) => [`v${at}`, `p${at}`]).join(', ');

export type SampleFile = Sqlite.Database;

/** `onLost` is told when a file could not be read and was put aside. */
export function openSampleFile(file: string, onLost: (error: unknown) => void): SampleFile {
  try {
    return open(file);
  } catch (error) {
    if (!isDamaged(error)) throw error;
    onLost(error);
    putAside(file);
    return open(file);
  }
}

class OtherVersion extends Error {}

export function isDamaged(error: unknown): boolean {
  return error instanceof OtherVersion || (error instanceof Sqlite.SqliteError && /^SQLITE_(CORRUPT|NOTADB)/.test(error.code));
}

export function putAside(file: string): void {
  for (const suffix of ['-wal', '-shm']) rmSync(file + suffix, { force: true });
  renameSync(file, `${file}.damaged`);
}

export function sizeOf(file: string): number {
  return ['', '-wal'].reduce((sum, suffix) => sum + (statSync(file + suffix, { throwIfNoEntry: false })?.size ?? 0), 0);
}

function open(file: string): SampleFile {
  keepPrivate(file);
  const sqlite = new Sqlite(file, { timeout: 500 });
  try {
    sqlite.pragma('journal_mode = WAL');
    sqlite.pragma('synchronous = NORMAL');
    const found = sqlite.pragma('user_version', { simple: true });
    if (found === 0) sqlite.transaction(() => makeTables(sqlite)).immediate();
    else if (found !== version) throw new OtherVersion(`the file of samples is of version ${found}`);
    return sqlite;
  } catch (error) {
    sqlite.close();
    throw error;
  }
}

function makeTables(sqlite: SampleFile): void {
  sqlite.exec(`
    create table series (id integer primary key, kind text not null, object text not null, name text not null, parent text, first integer not null, last integer not null, unique (kind, object));
    create index series_by_parent on series (parent);
    create table frame (minute integer primary key, data blob not null);
    create table minutes (series integer not null, hour integer not null, data blob not null, unique (series, hour));
    create table hour (series integer not null, at integer not null, seconds integer not null, ${valueColumns}, primary key (series, at)) without rowid;
    create table day (series integer not null, at integer not null, seconds integer not null, ${valueColumns}, primary key (series, at)) without rowid;
    create table step (name text not null, at integer not null, primary key (name, at)) without rowid;
    create table mark (name text primary key, at integer not null) without rowid;
    pragma user_version = ${version};`);
  for (const kind of sampleKinds) {
    const named = namesOf(kind).map((name, at) => `v${at} as ${name}, p${at} as ${name}Peak`).join(', ');
    for (const step of ['hour', 'day']) {
      sqlite.exec(`create view "${kind.replaceAll('-', '_')}_${step}" as select object, name, parent, datetime(at, 'unixepoch') as begins, seconds, ${named} from ${step} join series on series.id = series where kind = '${kind}'`);
    }
  }
}
