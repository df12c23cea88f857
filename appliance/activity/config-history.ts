/**
 * The history of the configuration: who changed what when, from what to what. It is the journal, read for people: each change beside what the
 * journal held of the same thing before. What is secret in a row is not told, only that it changed.
 */
import { and, desc, eq, lt, type SQL, sql } from 'drizzle-orm';
import type { Sql } from '../core/db.ts';
import { journalTable } from '../core/table.ts';
import { differencesOf } from './rules.ts';

export interface ConfigQuery {
  kind?: string | undefined;
  object?: string | undefined;
  actor?: string | undefined;
  after?: string | undefined;
  limit: number;
}

const holds = (test: SQL) => sql`exists (select 1 from json_each(${journalTable.changes}) change where ${test})`;

export function listConfigChanges(db: Sql, { kind, object, actor, after, limit }: ConfigQuery) {
  const isWanted = (change: { kind: string; id: string; after: unknown }) => (kind === undefined || change.kind === kind) && (object === undefined || change.id === object || nameOf(change.after) === object);
  const rows = db.select().from(journalTable).where(and(
    after === undefined ? undefined : lt(journalTable.seq, Number(after)),
    actor ? eq(journalTable.actor, actor) : undefined,
    kind ? holds(sql`change.value ->> '$.kind' = ${kind}`) : undefined,
    object ? holds(sql`change.value ->> '$.id' = ${object} or change.value ->> '$.after.name' = ${object}`) : undefined,
  )).orderBy(desc(journalTable.seq)).limit(limit + 1).all();
  const items = rows.slice(0, limit).flatMap(({ seq, at, actor: who, operation, changes }) => changes.filter(isWanted).map((change) => {
    const before = beforeOf(db, seq, change);
    const { id, kind: what, what: verb } = change;
    return { seq, at, actor: who, operation, kind: what, id, name: nameOf(change.after) ?? nameOf(before) ?? id, what: verb, fields: differencesOf(before, change.after) };
  }));
  return { items, next: rows.length > limit ? String(rows[limit - 1]?.seq) : null };
}

/** What the journal last held of a thing before that entry; undefined before the first. */
function beforeOf(db: Sql, seq: number, { kind, id }: { kind: string; id: string }): unknown {
  const row = db.select({ changes: journalTable.changes }).from(journalTable)
    .where(and(lt(journalTable.seq, seq), sql`instr(${journalTable.changes}, ${JSON.stringify(id)}) > 0`, holds(sql`change.value ->> '$.id' = ${id} and change.value ->> '$.kind' = ${kind}`)))
    .orderBy(desc(journalTable.seq)).limit(1).get();
  return row?.changes.findLast((change) => change.kind === kind && change.id === id)?.after;
}

function nameOf(row: unknown): string | undefined {
  if (typeof row !== 'object' || row === null) return undefined;
  // What was given to somebody is called by its role.
  const name = 'name' in row ? row.name : 'role' in row ? row.role : undefined;
  return typeof name === 'string' ? name : undefined;
}
