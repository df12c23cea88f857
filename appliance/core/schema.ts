/**
 * Versions of the database, and the way back.
 *
 * Migrations go forward only, in one transaction, and before them a copy of the database is kept as `<file>.before-<schema>`, where the number is
 * what it was migrated to. The old slot of an update that failed finds a database that it cannot read: then, and only when its caller
 * says that it may, the newer one is put aside as `<file>.newer-<schema>` and the copy takes its place. Where the schema is
 * the same nothing is copied and nothing goes back: both versions work on one database.
 *
 * Each step may be cut off: files get their names when they are whole and on the disk.
 */
import { chmodSync, closeSync, copyFileSync, existsSync, fsyncSync, openSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import Sqlite from 'better-sqlite3';
import type { BetterSQLite3Database } from 'drizzle-orm/better-sqlite3';
import { migrate } from 'drizzle-orm/better-sqlite3/migrator';

interface Place {
  file: string;
  migrations: string;
}

interface MigrationJournal {
  entries: { when: number; tag: string }[];
}

/** Copies of this many versions are kept. */
const copiesKept = 3;

export function newestSchema(migrations: string): number {
  const known = JSON.parse(readFileSync(join(migrations, 'meta/_journal.json'), 'utf8')) as MigrationJournal; // written by drizzle-kit
  return Math.max(0, ...known.entries.map((entry) => entry.when));
}

export function bringUpToDate(sqlite: Sqlite.Database, sql: BetterSQLite3Database, { file, migrations }: Place): void {
  const newest = newestSchema(migrations);
  const applied = lastApplied(sqlite);
  if (applied > newest) {
    throw new Error(`The database ${file} was written by a newer version of Bothy. Start that version, or restore the copy ${file}.before-* that was kept when it was upgraded.`);
  }
  if (applied === newest) return;
  if (applied > 0) keepCopy(sqlite, `${file}.before-${newest}`);
  migrate(sql, { migrationsFolder: migrations });
  dropOldCopies(file, 'before');
}

function lastApplied(sqlite: Sqlite.Database): number {
  const has = sqlite.prepare(`select 1 from sqlite_master where name = '__drizzle_migrations'`).get();
  if (!has) return 0;
  const row = sqlite.prepare('select max(created_at) as at from __drizzle_migrations').get() as { at: number | null };
  return Number(row.at ?? 0);
}

/**
 * A copy has its name only when it is whole: the next start must not take what a kill has left for one. One of that name is of an earlier
 * try of the same version; the database has been written to since then.
 */
function keepCopy(sqlite: Sqlite.Database, copy: string): void {
  const unfinished = `${copy}.new`;
  rmSync(unfinished, { force: true });
  keepPrivate(unfinished);
  sqlite.prepare('vacuum into ?').run(unfinished);
  rename(unfinished, copy);
}

/** Puts a newer database aside and takes the newest copy that this version can read. Returns the time of that copy; `undefined` when there was nothing to do. */
export function returnToCopy({ file, migrations, mayReturn = false }: Place & { mayReturn?: boolean }): number | undefined {
  const newest = newestSchema(migrations);
  const found = schemaOf(file);
  if (!mayReturn || found === undefined || found <= newest) return undefined;
  const copy = copiesOf(file, 'before').find((path) => schemaOf(path) === newest);
  if (copy === undefined) return undefined;
  const unfinished = `${file}.return`;
  copyFileSync(copy, unfinished);
  keepPrivate(unfinished);
  putAside(file, `${file}.newer-${found}`);
  // The log was emptied into the newer database just now: it must not be read into the older one.
  for (const suffix of ['-wal', '-shm']) rmSync(file + suffix, { force: true });
  rename(unfinished, file);
  dropOldCopies(file, 'newer');
  return Math.round(statSync(copy).mtimeMs);
}

function putAside(file: string, target: string): void {
  const sqlite = new Sqlite(file);
  try {
    sqlite.pragma('wal_checkpoint(truncate)');
    keepCopy(sqlite, target);
  } finally {
    sqlite.close();
  }
}

/** `undefined` for what is no database. */
function schemaOf(file: string): number | undefined {
  if (!existsSync(file) || statSync(file).size === 0) return undefined;
  const sqlite = new Sqlite(file);
  try {
    return lastApplied(sqlite);
  } catch (error) {
    if (error instanceof Sqlite.SqliteError) return undefined;
    throw error;
  } finally {
    sqlite.close();
  }
}

/** The latest first. */
function copiesOf(file: string, kind: 'before' | 'newer'): string[] {
  const prefix = `${basename(file)}.${kind}-`;
  const names = readdirSync(dirname(file)).filter((name) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)));
  return names.map((name) => join(dirname(file), name)).sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
}

function dropOldCopies(file: string, kind: 'before' | 'newer'): void {
  for (const path of copiesOf(file, kind).slice(copiesKept)) rmSync(path, { force: true });
}

function rename(from: string, to: string): void {
  sync(from);
  renameSync(from, to);
  sync(dirname(to));
}

function sync(path: string): void {
  const handle = openSync(path, 'r');
  fsyncSync(handle);
  closeSync(handle);
}

/** Set-up code and password hashes are for us alone. SQLite gives its other files the mode of the database. */
export function keepPrivate(file: string): void {
  closeSync(openSync(file, 'a', 0o600));
  chmodSync(file, 0o600);
}
