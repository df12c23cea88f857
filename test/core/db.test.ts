/** The database: rehearsal, hooks, migrations with a copy, a database from the future. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { sql } from 'drizzle-orm';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openDatabase } from '../../appliance/core/db.ts';
import { Problem } from '../../appliance/core/problem.ts';

const origin = { actor: 'test', operation: 'test' };

/** A migrations folder as drizzle-kit writes it, with `count` tables. */
function migrations(count: number): string {
  const folder = mkdtempSync(join(tmpdir(), 'bothy-migrations-'));
  mkdirSync(join(folder, 'meta'));
  const entries = Array.from({ length: count }, (_, index) => ({ idx: index, version: '6', when: 1000 + index, tag: `000${index}_t`, breakpoints: true }));
  writeFileSync(join(folder, 'meta/_journal.json'), JSON.stringify({ version: '7', dialect: 'sqlite', entries }));
  for (const { tag, idx } of entries) writeFileSync(join(folder, `${tag}.sql`), `create table t${idx} (x integer);`);
  return folder;
}

const fresh = () => join(mkdtempSync(join(tmpdir(), 'bothy-db-')), 'bothy.db');
const count = (database: ReturnType<typeof openDatabase>) => database.sql.values<[number]>(sql`select count(*) from t0`)[0]?.[0];

test('a write is durable, a rehearsal leaves nothing and tells nobody', () => {
  const database = openDatabase({ file: fresh(), migrations: migrations(1) });
  const told: string[] = [];
  const work = (name: string) => (tx: Parameters<Parameters<typeof database.write>[1]>[0]) => {
    tx.sql.run(sql`insert into t0 values (1)`);
    tx.afterCommit(() => told.push(name));
    return tx.isRehearsal;
  };
  assert.is(database.rehearse(origin, work('rehearsal')), true);
  assert.is(count(database), 0);
  assert.is(database.write(origin, work('write')), false);
  assert.is(count(database), 1);
  assert.equal(told, ['write']);
  database.close();
});

test('what is thrown in a write undoes it', () => {
  const database = openDatabase({ file: fresh(), migrations: migrations(1) });
  assert.throws(() => database.write(origin, (tx) => { tx.sql.run(sql`insert into t0 values (1)`); throw new Error('no'); }), 'no');
  assert.is(count(database), 0);
  database.close();
});

test('it holds room: many writes later neither its file nor its log has grown', () => {
  const file = fresh();
  const database = openDatabase({ file, migrations: migrations(1) });
  const occupied = () => [file, `${file}-wal`].map((path) => statSync(path).blocks);
  database.write(origin, (tx) => tx.sql.run(sql`insert into t0 values (1)`));
  const before = occupied();
  for (let index = 0; index < 400; index++) database.write(origin, (tx) => tx.sql.run(sql`insert into t0 values (randomblob(2000))`));
  assert.equal(occupied(), before);
  database.close();
});

test('a full disk is told as what it is, and passes', () => {
  const database = openDatabase({ file: fresh(), migrations: migrations(1) });
  const write = () => database.write(origin, (tx) => tx.sql.run(sql`insert into t0 values (randomblob(4000000))`));
  database.sql.get(sql`pragma max_page_count = 600`);
  assert.throws(write, (error: unknown) => error instanceof Problem && error.type === 'insufficient-storage' && /Enlarge/.test(error.message));
  database.sql.get(sql`pragma max_page_count = 6000`);
  write();
  assert.is(count(database), 1);
  database.close();
});

test('a write inside a write is a bug and is told as one', () => {
  const database = openDatabase({ file: fresh(), migrations: migrations(1) });
  assert.throws(() => database.write(origin, () => database.write(origin, () => 1)), /a write inside a write/);
  database.close();
});

test('it is in WAL with full synchronisation and foreign keys', () => {
  const file = fresh();
  openDatabase({ file, migrations: migrations(1) }).close();
  const plain = new Sqlite(file);
  assert.is(plain.pragma('journal_mode', { simple: true }), 'wal');
  plain.close();
  const database = openDatabase({ file, migrations: migrations(1) });
  assert.is(database.sql.values<[number]>(sql`pragma synchronous`)[0]?.[0], 2);
  assert.is(database.sql.values<[number]>(sql`pragma foreign_keys`)[0]?.[0], 1);
  database.close();
});

test('nobody else can read the database or its copy', () => {
  const file = fresh();
  writeFileSync(file, '', { mode: 0o644 });
  openDatabase({ file, migrations: migrations(1) }).close();
  const database = openDatabase({ file, migrations: migrations(2) });
  const names = readdirSync(join(file, '..'));
  assert.equal(names.sort(), ['bothy.db', 'bothy.db-shm', 'bothy.db-wal', 'bothy.db.before-1001']);
  for (const name of names) assert.is(statSync(join(file, '..', name)).mode & 0o777, 0o600, name);
  database.close();
});

test('a copy that a kill left half-done is made anew', () => {
  const file = fresh();
  openDatabase({ file, migrations: migrations(1) }).close();
  writeFileSync(`${file}.before-1001.new`, 'half');
  openDatabase({ file, migrations: migrations(2) }).close();
  const copy = new Sqlite(`${file}.before-1001`, { readonly: true });
  assert.equal(copy.prepare('select x from t0').all(), []);
  copy.close();
});

test('an upgrade keeps a copy of the database as it was', () => {
  const file = fresh();
  const first = openDatabase({ file, migrations: migrations(1) });
  first.write(origin, (tx) => tx.sql.run(sql`insert into t0 values (7)`));
  first.close();
  assert.not.ok(readdirSync(join(file, '..')).some((name) => name.includes('.before-')), 'a fresh database needs no copy');
  openDatabase({ file, migrations: migrations(2) }).close();
  const copy = new Sqlite(`${file}.before-1001`, { readonly: true });
  assert.equal(copy.prepare('select x from t0').all(), [{ x: 7 }]);
  assert.not.ok(copy.prepare(`select 1 from sqlite_master where name = 't1'`).get());
  copy.close();
});

test('a database from a newer version is refused untouched', () => {
  const file = fresh();
  openDatabase({ file, migrations: migrations(3) }).close();
  const before = readFileSync(file);
  assert.throws(() => openDatabase({ file, migrations: migrations(2) }), /newer version of Bothy/);
  assert.equal(readFileSync(file), before);
  assert.not.ok(existsSync(`${file}.before-1001`));
});

// ------------------------------------------------------------------------------------------------ the way back

const add = (database: ReturnType<typeof openDatabase>, value: number) => database.write(origin, (tx) => tx.sql.run(sql`insert into t0 values (${value})`));
const values = (database: ReturnType<typeof openDatabase>) => database.sql.values<[number]>(sql`select x from t0 order by x`).map(([value]) => value);

/** The old version works, a newer one takes over and works, too. */
function upgraded(): string {
  const file = fresh();
  const old = openDatabase({ file, migrations: migrations(1) });
  add(old, 1);
  old.close();
  const newer = openDatabase({ file, migrations: migrations(2) });
  add(newer, 2);
  newer.close();
  return file;
}

test('where it may, the old version goes back to the copy, and the newer database is kept aside', () => {
  const file = upgraded();
  const old = openDatabase({ file, migrations: migrations(1), mayReturn: true });
  assert.equal(values(old), [1]);
  assert.ok(Date.now() - (old.returnedTo ?? 0) < 60_000);
  add(old, 3);
  old.close();
  const aside = new Sqlite(`${file}.newer-1001`, { readonly: true });
  assert.equal(aside.prepare('select x from t0 order by x').all(), [{ x: 1 }, { x: 2 }]);
  aside.close();
  const again = openDatabase({ file, migrations: migrations(1), mayReturn: true });
  assert.equal(values(again), [1, 3]);
  assert.is(again.returnedTo, undefined);
  again.close();
});

test('the second try of the newer version keeps a copy of what the old one has written since', () => {
  const file = upgraded();
  const old = openDatabase({ file, migrations: migrations(1), mayReturn: true });
  add(old, 3);
  old.close();
  openDatabase({ file, migrations: migrations(2) }).close();
  const back = openDatabase({ file, migrations: migrations(1), mayReturn: true });
  assert.equal(values(back), [1, 3]);
  back.close();
});

test('with the same schema nothing goes back: what was written is there', () => {
  const file = upgraded();
  const other = openDatabase({ file, migrations: migrations(2), mayReturn: true });
  assert.equal(values(other), [1, 2]);
  other.close();
});

test('what a power cut left of a way back does no harm', () => {
  const file = upgraded();
  writeFileSync(`${file}.return`, 'half');
  writeFileSync(`${file}.newer-1001.new`, 'half');
  const old = openDatabase({ file, migrations: migrations(1), mayReturn: true });
  assert.equal(values(old), [1]);
  old.close();
});

test('without a copy that it can read it is refused, also where it may go back', () => {
  const file = upgraded();
  writeFileSync(`${file}.before-1001`, 'not a database');
  assert.throws(() => openDatabase({ file, migrations: migrations(1), mayReturn: true }), /newer version of Bothy/);
});

test.run();
