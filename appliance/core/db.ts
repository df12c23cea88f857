/**
 * The one SQLite database: WAL, `synchronous=FULL`, foreign keys on, one connection.
 *
 * Synchronous on purpose: commit the intent, act outside, commit the observation. Every change runs in `write`, which
 * carries who caused it (`Origin`) and two hooks: `beforeCommit` for what must land in the same commit (the journal row),
 * `afterCommit` for who must be told (the change feed, the task engine). `rehearse` runs the same work and rolls it back:
 * that is what `?dryRun=true` means.
 *
 * Opening it migrates (`schema.ts`): a copy of the database is kept beside it first, and a database that a newer version has
 * written is refused untouched, or, where the caller allows it, put aside for the copy that was kept when it was migrated.
 *
 * Its file and its log hold room that is taken at every start, so that on a full disk it can still be noted that the disk is
 * full, and what makes room again can be done. When that is used up, too, a write throws `insufficient-storage`.
 */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import Sqlite from 'better-sqlite3';
import { type BetterSQLite3Database, drizzle } from 'drizzle-orm/better-sqlite3';
import { Problem } from './problem.ts';
import { bringUpToDate, keepPrivate, newestSchema, returnToCopy } from './schema.ts';

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
  /** Number of the newest migration: two versions of the appliance with the same one share their database. */
  readonly schema: number;
  /** This start has put a newer version's database aside and gone back to the copy of that time. */
  readonly returnedTo: number | undefined;
  close(): void;
}

/** Undoes a rehearsal: drizzle rolls back only when something is thrown. */
class Undo extends Error {}

export interface DatabaseOptions {
  file: string;
  migrations: string;
  /** What a newer version has written since it took over may be put aside. */
  mayReturn?: boolean;
}

export function openDatabase(options: DatabaseOptions): Database {
  mkdirSync(dirname(options.file), { recursive: true });
  keepPrivate(options.file);
  const returnedTo = returnToCopy(options);
  const sqlite = new Sqlite(options.file);
  try {
    sqlite.pragma('journal_mode = WAL');
    sqlite.pragma('synchronous = FULL');
    sqlite.pragma('foreign_keys = ON');
    const sql = drizzle(sqlite);
    bringUpToDate(sqlite, sql, options);
    keepRoom(sqlite);
    return { ...createDatabase(sqlite, sql), schema: newestSchema(options.migrations), returnedTo };
  } catch (error) {
    sqlite.close();
    throw error;
  }
}

function createDatabase(sqlite: Sqlite.Database, sql: Sql): Omit<Database, 'schema' | 'returnedTo'> {
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
