/** Reads the pages of this slice's lists, newest first, each with a cursor for the next page. */
import { and, desc, eq, gte, inArray, isNull, lt, ne, notInArray, or, type SQL, sql } from 'drizzle-orm';
import type { AnySQLiteColumn } from 'drizzle-orm/sqlite-core';
import type * as z from 'zod';
import type { Sql } from '../core/db.ts';
import type { Actor } from '../core/operation.ts';
import { Problem } from '../core/problem.ts';
import { taskTable } from '../core/table.ts';
import { formatCursor, parseCursor } from './rules.ts';
import type { AuditListInput, EventListInput, TaskListInput } from './schema.ts';
import { auditTable, eventTable } from './table.ts';

const endStates = ['done', 'failed', 'cancelled'] as const;

interface Paged {
  after?: string | undefined;
  limit: number;
}

/** Rows before the cursor in descending order of (at, id). */
function before({ after }: Paged, at: AnySQLiteColumn, id: AnySQLiteColumn): SQL | undefined {
  if (after === undefined) return undefined;
  const cursor = parseCursor(after);
  if (!cursor) throw new Problem('invalid-input', 'This is not the end of a page: send the value of "next" from the answer before.', { errors: [{ path: 'after', message: 'Send the value of "next".' }] });
  return sql`(${at}, ${id}) < (${cursor.at}, ${id === taskTable.id ? cursor.id : Number(cursor.id)})`;
}

function page<Row extends { id: string | number }>(rows: Row[], { limit }: Paged, atOf: (row: Row) => number): { items: Row[]; next: string | null } {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return { items, next: rows.length > limit && last ? formatCursor({ at: atOf(last), id: last.id }) : null };
}

/** Rows that the actor may know of: those about things on which they hold the permission, and their own tasks. */
export function isVisible({ reach, name }: Actor, permission: 'task.read' | 'event.read' | 'task.cancel'): SQL | undefined {
  const table = permission === 'event.read' ? eventTable : taskTable;
  const things = reach.anyRows(permission, sql`json_extract(thing.value, '$.id')`);
  if (things === undefined) return undefined;
  const isAboutOne = sql`exists (select 1 from json_each(${table.about}) thing where ${things})`;
  return table === taskTable ? or(eq(taskTable.actor, name), isAboutOne) : isAboutOne;
}

/** Rows whose `about` has that id or name, written as JSON writes it. */
function isAbout(column: AnySQLiteColumn, about: string | undefined): SQL | undefined {
  if (about === undefined) return undefined;
  return or(sql`instr(${column}, ${`"id":${JSON.stringify(about)}`}) > 0`, sql`instr(${column}, ${`"name":${JSON.stringify(about)}`}) > 0`);
}

function isInState(state: z.output<typeof TaskListInput>['state']): SQL | undefined {
  if (state === undefined) return undefined;
  if (state === 'active') return notInArray(taskTable.state, [...endStates]);
  return state === 'ended' ? inArray(taskTable.state, [...endStates]) : eq(taskTable.state, state);
}

export function listTasks(db: Sql, actor: Actor, input: z.output<typeof TaskListInput>) {
  const rows = db.select().from(taskTable)
    .where(and(isVisible(actor, 'task.read'), before(input, taskTable.createdAt, taskTable.id), isInState(input.state), isAbout(taskTable.about, input.about)))
    .orderBy(desc(taskTable.createdAt), desc(taskTable.id)).limit(input.limit + 1).all();
  return page(rows, input, (row) => row.createdAt);
}

const isNoticed = ({ since, until }: { since?: number | undefined; until?: number | undefined }): SQL | undefined =>
  and(since === undefined ? undefined : gte(eventTable.lastAt, since), until === undefined ? undefined : lt(eventTable.lastAt, until));

/** Those words in what people read of an event, or in a name or the code, whatever the case. */
function saysWords(search: string | undefined): SQL | undefined {
  if (search === undefined) return undefined;
  const text = sql`lower(${eventTable.message} || ' ' || coalesce(${eventTable.nextStep}, '') || ' ' || ${eventTable.code} || ' ' || ${eventTable.about})`;
  return and(...search.toLowerCase().split(/\s+/).map((word) => sql`instr(${text}, ${word}) > 0`));
}

/** In order of what was noticed last, so that a trouble that comes back comes up again. */
export function listEvents(db: Sql, actor: Actor, input: z.output<typeof EventListInput>) {
  const isLasting = input.standing === undefined ? undefined : and(eq(eventTable.isStanding, input.standing), input.standing ? isNull(eventTable.endedAt) : undefined);
  const rows = db.select().from(eventTable)
    .where(and(isVisible(actor, 'event.read'), before(input, eventTable.lastAt, eventTable.id), input.severity && eq(eventTable.severity, input.severity), isLasting, isAbout(eventTable.about, input.about), isNoticed(input), saysWords(input.search)))
    .orderBy(desc(eventTable.lastAt), desc(eventTable.id)).limit(input.limit + 1).all();
  const { items, next } = page(rows, input, (row) => row.lastAt);
  return { items: items.map(({ subject: _key, seq: _seq, ...event }) => ({ ...event, isStanding: event.isStanding && event.endedAt === null })), next };
}

export function listAudit(db: Sql, input: z.output<typeof AuditListInput>) {
  const outcome = input.outcome === undefined ? undefined : input.outcome === 'ok' ? eq(auditTable.outcome, 'ok') : ne(auditTable.outcome, 'ok');
  const rows = db.select().from(auditTable)
    .where(and(before(input, auditTable.at, auditTable.id), input.actor ? eq(auditTable.actor, input.actor) : undefined, input.operation ? eq(auditTable.operation, input.operation) : undefined, outcome))
    .orderBy(desc(auditTable.at), desc(auditTable.id)).limit(input.limit + 1).all();
  return page(rows, input, (row) => row.at);
}

/** Whether the actor may know of that row. */
export function maySee(db: Sql, actor: Actor, { kind, id }: { kind: 'task' | 'event'; id: string }, permission: 'task.read' | 'event.read' | 'task.cancel'): boolean {
  const visible = isVisible(actor, permission);
  if (visible === undefined) return true;
  const found = kind === 'task'
    ? db.select({ id: taskTable.id }).from(taskTable).where(and(eq(taskTable.id, id), visible)).get()
    : db.select({ id: eventTable.id }).from(eventTable).where(and(eq(eventTable.id, Number(id)), visible)).get();
  return found !== undefined;
}
