/**
 * The history of the configuration: who changed what when, from what to what. It is the journal, read for people: each change beside what the
 * journal held of the same thing before. What is secret in a row is not told, only that it changed.
 */
import { and, desc, eq, inArray, lt, or, type SQL, type SQLWrapper, sql } from 'drizzle-orm';
import type { Sql } from '../core/db.ts';
import { journalObjectTable, journalTable, type SiteChange } from '../core/table.ts';
import { differencesOf } from './config-differences.ts';

export interface ConfigQuery {
  kind?: string | undefined;
  object?: string | undefined;
  actor?: string | undefined;
  after?: string | undefined;
  limit: number;
}

type Row = typeof journalTable.$inferSelect;
type Entry = typeof journalObjectTable.$inferSelect;

/** Entries up to `forgotten` are kept for their successors only. */
export function listConfigChanges(db: Sql, { kind, object, actor, after, limit }: ConfigQuery, forgotten: number) {
  const about = pointedTo(kind, object);
  const within = (seq: SQLWrapper) => and(sql`${seq} > ${forgotten}`, after === undefined ? undefined : sql`${seq} < ${Number(after)}`);
  const pointing = db.selectDistinct({ seq: journalObjectTable.seq }).from(journalObjectTable).where(and(about, within(journalObjectTable.seq))).orderBy(desc(journalObjectTable.seq));
  const rows = db.select().from(journalTable).where(and(
    within(journalTable.seq),
    actor ? eq(journalTable.actor, actor) : undefined,
    about && inArray(journalTable.seq, actor ? pointing : pointing.limit(limit + 1)),
  )).orderBy(desc(journalTable.seq)).limit(limit + 1).all();
  const items = itemsOf(createReader(db), rows.slice(0, limit), entriesOf(db, rows, about));
  return { items, next: rows.length > limit ? String(rows[limit - 1]?.seq) : null, ...choices(db) };
}

function pointedTo(kind: string | undefined, object: string | undefined): SQL | undefined {
  return and(kind ? eq(journalObjectTable.kind, kind) : undefined, object ? or(eq(journalObjectTable.objectId, object), eq(journalObjectTable.name, object)) : undefined);
}

/** The changes of those rows that were asked for, by `keyOf`. */
function entriesOf(db: Sql, rows: Row[], about: SQL | undefined): Map<string, Entry> {
  const entries = db.select().from(journalObjectTable).where(and(inArray(journalObjectTable.seq, rows.map(({ seq }) => seq)), about)).all();
  return new Map(entries.map((entry) => [keyOf(entry.seq, entry.kind, entry.objectId), entry]));
}

const keyOf = (seq: number, kind: string, id: string) => `${seq} ${kind} ${id}`;

function itemsOf(reader: Reader, rows: Row[], entries: Map<string, Entry>) {
  return rows.flatMap(({ seq, at, actor, operation, changes }) => changes.flatMap((change, place) => {
    const { id, kind, what } = change;
    const entry = entries.get(keyOf(seq, kind, id));
    if (!entry) return [];
    const before = changes.slice(0, place).findLast((each) => each.kind === kind && each.id === id) ?? reader.before(seq, change);
    const fields = differencesOf(before?.after, change.after, reader.nameOf);
    return [{ seq, at, actor, operation, kind, id, name: entry.name ?? roleIn(change.after) ?? roleIn(before?.after) ?? id, what, fields }];
  }));
}

/** What is asked for again and again for one page is prepared once. */
function createReader(db: Sql) {
  const [objectId, kind, seq] = [sql.placeholder('id'), sql.placeholder('kind'), sql.placeholder('seq')];
  const earlier = db.select({ changes: journalTable.changes }).from(journalObjectTable).innerJoin(journalTable, eq(journalTable.seq, journalObjectTable.seq))
    .where(and(eq(journalObjectTable.objectId, objectId), eq(journalObjectTable.kind, kind), lt(journalObjectTable.seq, seq))).orderBy(desc(journalObjectTable.seq)).limit(1).prepare();
  const named = db.select({ name: journalObjectTable.name }).from(journalObjectTable).where(eq(journalObjectTable.objectId, objectId)).orderBy(desc(journalObjectTable.seq)).limit(1).prepare();
  const names = new Map<string, string | undefined>();
  return {
    /** What the journal last held of a thing before that row; undefined before the first. */
    before: (at: number, { kind: its, id }: SiteChange): SiteChange | undefined => earlier.get({ id, kind: its, seq: at })?.changes.findLast((change) => change.kind === its && change.id === id),
    /** What a thing is called now, or was called last. */
    nameOf(id: string): string | undefined {
      if (!names.has(id)) names.set(id, named.get({ id })?.name ?? undefined);
      return names.get(id);
    },
  };
}
type Reader = ReturnType<typeof createReader>;

/** What was given to somebody is called by its role. */
function roleIn(row: unknown): string | undefined {
  return typeof row === 'object' && row !== null && 'role' in row && typeof row.role === 'string' ? row.role : undefined;
}

const mostChoices = 200;

/** From one to the next larger one by an index, because there are few among many rows. */
function choices(db: Sql) {
  const each = (column: SQLWrapper, table: SQLWrapper) => db.all<{ value: string }>(sql`with recursive each(value) as (select min(${column}) from ${table} union all
    select (select min(${column}) from ${table} where ${column} > each.value) from each where each.value is not null limit ${mostChoices}) select value from each where value is not null`).map(({ value }) => value);
  return { kinds: each(journalObjectTable.kind, journalObjectTable), actors: each(journalTable.actor, journalTable) };
}
