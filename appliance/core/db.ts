/**
 * The one SQLite database: WAL, `synchronous=FULL`, foreign keys on, one connection.
 *
 * Synchronous on purpose: commit the intent, act outside, commit the observation. Every change runs in `write`, which
 * carries who caused it (`Origin`) and two hooks: `beforeCommit` for what must land in the same commit (the journal row),
 * `afterCommit` for who must be told (the change feed, the task engine). `rehearse` runs the same work and rolls it back:
 * that is what `?dryRun=true` means.
 *
 * Opening it migrates: a copy of the database is kept beside it first, and a database that a newer version has
 * written is refused untouched.
 *
 * Its file and its log hold room that is taken at every start, so that on a full disk it can still be noted that the disk is
 * full, and what makes room again can be done. When that is used up, too, a write throws `insufficient-storage`.
 */
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { type BetterSQLite3Database, drizzle } from 'drizzle-orm/better-sqlite3';
import { migrate } from 'drizzle-orm/better-sqlite3/migrator';
import { Problem } from './problem.ts';

export type Sql = BetterSQLite3Database;

/** Who caused a change, as journal and audit trail keep it. */
export interface Origin {
  actor: string;
  operation: string;
  requestId?: string;
}

export interface Tx {
  readonly sql: Sql;
  readonly origin: Origin;
  readonly isRehearsal: boolean;
  beforeCommit(work: () => void): void;
  afterCommit(work: () => void): void;
}

export interface Database {
  readonly sql: Sql;
  /** Runs `work` in one immediate transaction; never nested, never async. */
  write<T>(origin: Origin, work: (tx: Tx) => T): T;
  /** Runs `work` and undoes it; `afterCommit` work is dropped. */
  rehearse<T>(origin: Origin, work: (tx: Tx) => T): T;
  close(): void;
}

/** Undoes a rehearsal: drizzle rolls back only when something is thrown. */
class Undo extends Error {}

export function openDatabase(options: { file: string; migrations: string }): Database {
  mkdirSync(dirname(options.file), { recursive: true });
  keepPrivate(options.file);
  const sqlite = new Sqlite(options.file);
  try {
    sqlite.pragma('journal_mode = WAL');
    sqlite.pragma('synchronous = FULL');
    sqlite.pragma('foreign_keys = ON');
    const sql = drizzle(sqlite);
    bringUpToDate(sqlite, sql, options);
    keepRoom(sqlite);
    return createDatabase(sqlite, sql);
  } catch (error) {
    sqlite.close();
    throw error;
  }
}

function createDatabase(sqlite: Sqlite.Database, sql: Sql): Database {
  const run = <T>(origin: Origin, work: (tx: Tx) => T, isRehearsal: boolean): T => {
    if (sqlite.inTransaction) throw new Error('a write inside a write: pass the transaction on instead');
    const before: (() => void)[] = [];
    const after: (() => void)[] = [];
    const outcome: { value?: T } = {};
    try {
      sql.transaction(
        (scope) => {
          outcome.value = work({
            sql: scope as unknown as Sql, // a transaction has all of a database's query builders
            origin,
            isRehearsal,
            beforeCommit: (hook) => before.push(hook),
            afterCommit: (hook) => after.push(hook),
          });
          for (const hook of before) hook();
          if (isRehearsal) throw new Undo();
        },
        { behavior: 'immediate' },
      );
    } catch (error) {
      if (!(error instanceof Undo)) throw isFull(error) ? fullProblem(error) : error;
    }
    if (!isRehearsal) for (const hook of after) hook();
    return outcome.value as T; // work has returned, or we would have thrown
  };
  return {
    sql,
    write: (origin, work) => run(origin, work, false),
    rehearse: (origin, work) => run(origin, work, true),
    close: () => sqlite.close(),
  };
}

interface MigrationJournal {
  entries: { when: number; tag: string }[];
}

function bringUpToDate(sqlite: Sqlite.Database, sql: Sql, { file, migrations }: { file: string; migrations: string }): void {
  const known = JSON.parse(readFileSync(join(migrations, 'meta/_journal.json'), 'utf8')) as MigrationJournal; // written by drizzle-kit
  const newest = Math.max(0, ...known.entries.map((entry) => entry.when));
  const applied = lastApplied(sqlite);
  if (applied > newest) {
    throw new Error(`The database ${file} was written by a newer version of Bothy. Start that version, or restore the copy ${file}.before-* that was kept when it was upgraded.`);
  }
  if (applied === newest) return;
  if (applied > 0) keepCopy(sqlite, `${file}.before-${newest}`);
  migrate(sql, { migrationsFolder: migrations });
}

function lastApplied(sqlite: Sqlite.Database): number {
  const has = sqlite.prepare(`select 1 from sqlite_master where name = '__drizzle_migrations'`).get();
  if (!has) return 0;
  const row = sqlite.prepare('select max(created_at) as at from __drizzle_migrations').get() as { at: number | null };
  return Number(row.at ?? 0);
}

/** A copy has its name only when it is whole: the next start must not take what a kill has left for one. */
function keepCopy(sqlite: Sqlite.Database, copy: string): void {
  if (existsSync(copy)) return;
  const unfinished = `${copy}.new`;
  rmSync(unfinished, { force: true });
  keepPrivate(unfinished);
  sqlite.prepare('vacuum into ?').run(unfinished);
  renameSync(unfinished, copy);
}

/** Set-up code and password hashes are for us alone. SQLite gives its other files the mode of the database. */
function keepPrivate(file: string): void {
  closeSync(openSync(file, 'a', 0o600));
  chmodSync(file, 0o600);
}

// ------------------------------------------------------------------------------------------------ room

/** Pages of 4 KiB. The log is begun anew before it is longer than what was once written to it. */
const roomPages = 512;
const checkpointPages = 256;

/** Fills pages and frees them: file and log have then been as large on the disk, and do not shrink while it is open. */
function keepRoom(sqlite: Sqlite.Database): void {
  sqlite.pragma(`wal_autocheckpoint = ${checkpointPages}`);
  try {
    sqlite.exec('drop table if exists room; create table room (filler blob)');
    sqlite.prepare('insert into room values (randomblob(?))').run(roomPages * 4096);
    sqlite.exec('drop table room');
  } catch (error) {
    if (!isFull(error)) throw error; // what earlier starts took must do
  }
}

/** drizzle hands on what SQLite says as a cause. */
function isFull(error: unknown): boolean {
  if (error instanceof Sqlite.SqliteError) return error.code === 'SQLITE_FULL';
  return error instanceof Error && isFull(error.cause);
}

function fullProblem(cause: unknown): Problem {
  return new Problem('insufficient-storage', 'The file system that holds the records of the appliance is full, so nothing can be changed. Enlarge it or delete other files there, then try again.', { cause });
}
