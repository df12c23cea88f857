/**
 * Runs an operation for a call: permission, generation, idempotency, dry run, audit; the same for REST, UI and the local
 * socket. What it returns is plain data; `answer.tsx` encodes it.
 */
import { createHash } from 'node:crypto';
import { and, eq } from 'drizzle-orm';
import type { AuditEntry } from '../activity/audit.ts';
import type { Origin, Tx } from '../core/db.ts';
import { kindOfPath, type ObjectKindName, readPermissionOf } from '../auth/rules.ts';
import type { Objects } from '../core/objects.ts';
import { type Actor, type BoundOperation, type Call, pathParameters, type StartTask, type Write } from '../core/operation.ts';
import { asProblem, Problem } from '../core/problem.ts';
import type { Core } from '../core/services.ts';
import { idempotencyTable } from '../core/table.ts';

export interface Answer {
  status: number;
  /** JSON value, or null for an empty body. */
  body: unknown;
  headers: Record<string, string>;
  /** The task that was started. */
  task?: string;
}

export interface Terms {
  isDryRun: boolean;
  /** Generation that the caller saw (`If-Match`). */
  ifMatch?: number;
  idempotencyKey?: string;
}

export type Audit = (tx: Tx | null, entry: AuditEntry) => void;

export interface Execution {
  bound: BoundOperation;
  call: Call;
  input: unknown;
  subject: Record<string, string>;
  terms: Terms;
}

export type Execute = (execution: Execution) => Promise<Answer>;

/**
 * Throws `unauthenticated` or `forbidden` unless the actor may run the operation on what the path names; `not-found` where they may do as
 * much with other things, but not see this one. `subject` has the parameters of the path.
 */
export function requirePermission({ record }: Pick<BoundOperation, 'record'>, { actor }: Call, { objects, subject }: { objects: Objects; subject: Record<string, string> }): void {
  const { permission, scope, path } = record;
  if (permission === 'public' || actor.permissions.has(permission)) return;
  if (actor.credential === '') throw new Problem('unauthenticated', 'Sign in first, or send an API token: "Authorization: Bearer TOKEN".');
  if (permission === 'signed-in') return;
  const about = kindOfPath(path);
  const isHeld = actor.reach.somewhere(permission);
  if (isHeld && about) requireOn(actor, permission, { ...about, ref: subject[about.parameter] ?? '', objects });
  else if (!isHeld || scope !== 'each') throw new Problem('forbidden', `${actor.name} may not do this: it needs the permission "${permission}". Ask an administrator.`);
}

function requireOn(actor: Actor, permission: string, { kind, ref, objects }: { kind: ObjectKindName; ref: string; objects: Objects }): void {
  const id = objects.find(kind, ref);
  if (id !== undefined && actor.reach.on(permission, { kind, id })) return;
  if (id === undefined || !actor.reach.on(readPermissionOf[kind], { kind, id })) throw new Problem('not-found', `There is no ${kind.replace('-', ' ').replace('vm', 'VM')} "${ref}". It may have been deleted or renamed.`);
  throw new Problem('forbidden', `${actor.name} may not do this here: it needs the permission "${permission}" on "${ref}". Ask who manages it.`);
}

export function createExecute(core: Core, audit: Audit): Execute {
  return async (execution) => {
    const { record, services } = execution.bound;
    const { call, input } = execution;
    try {
      requireRight(core, execution);
      if (record.kind === 'stream') throw new Error('a stream answers for itself');
      if (record.kind === 'read') return readAnswer(await record.run(services, call, input as never)); // checked by the record's schema
      return await change(core, audit, execution, record);
    } catch (error) {
      const problem = asProblem(error);
      if (record.kind !== 'read' || problem.type === 'forbidden') audit(null, entryOf(execution, problem.type));
      throw error;
    }
  };
}

/** By what the operation will work on: the input, not the path as it was written. */
function requireRight({ objects }: Core, { bound, call, input }: Execution): void {
  const given = input as Record<string, unknown>; // every input is an object
  const subject = Object.fromEntries(pathParameters(bound.record.path).map((name) => [name, String(given[name] ?? '')]));
  requirePermission(bound, call, { objects, subject });
}

function readAnswer(body: unknown): Answer {
  const generation = (body as { generation?: unknown } | null)?.generation;
  return { status: 200, body, headers: typeof generation === 'number' ? { etag: `"${generation}"` } : {} };
}

export function entryOf({ bound, call, subject }: Pick<Execution, 'bound' | 'call' | 'subject'>, outcome: string): AuditEntry {
  return { actor: call.actor.name, from: call.from, operation: bound.record.id, subject, outcome, requestId: call.requestId };
}

async function change(core: Core, audit: Audit, execution: Execution, record: Write<unknown> | StartTask<unknown>): Promise<Answer> {
  const { call, terms, input, bound } = execution;
  const fingerprint = fingerprintOf(execution);
  const kept = keptAnswer(core, execution, fingerprint);
  if (kept) return kept;
  const prepared = await record.prepare?.(bound.services, call, input as never); // checked by the record's schema
  const origin: Origin = { actor: call.actor.name, operation: record.id, requestId: call.requestId };
  const run = terms.isDryRun ? core.database.rehearse : core.database.write;
  return run(origin, (tx) => {
    const again = keptAnswer(core, execution, fingerprint);
    if (again) return again;
    requireRight(core, execution); // a name may have come to mean another thing meanwhile
    requireGeneration(record.generation?.(bound.services, input as never), terms.ifMatch);
    const output = record.run(bound.services, Object.assign(tx, { call }), input as never, prepared);
    const answer = record.kind === 'task' ? taskAnswer(core, String(output), terms.isDryRun) : writeAnswer(record, output, terms.isDryRun);
    audit(tx, entryOf(execution, 'ok'));
    keepAnswer(core, tx, { execution, fingerprint, answer });
    return answer;
  });
}

function requireGeneration(current: number | undefined, seen: number | undefined): void {
  if (seen === undefined || current === undefined || current === seen) return;
  throw new Problem('precondition-failed', `Someone has changed this meanwhile (you saw version ${seen}, it is now ${current}). Look at it again, then repeat your change if it is still right.`);
}

function taskAnswer(core: Core, id: string, isDryRun: boolean): Answer {
  const row = core.tasks.get(id);
  if (!row) throw new Error(`the operation started no task ${id}`);
  if (isDryRun) return { status: 200, body: { kind: row.kind, steps: row.stepNames }, headers: { 'bothy-dry-run': 'true' } };
  return { status: 202, body: { id, kind: row.kind, state: row.state }, headers: { location: `/api/v1/tasks/${id}` }, task: id };
}

function writeAnswer(record: Write<unknown>, output: unknown, isDryRun: boolean): Answer {
  const { headers } = readAnswer(output);
  if (isDryRun) return { status: 200, body: output, headers: { ...headers, 'bothy-dry-run': 'true' } };
  return { status: record.status, body: record.status === 204 ? null : output, headers };
}

// ------------------------------------------------------------------------------------------ idempotency

function fingerprintOf({ bound, input }: Execution): string {
  return createHash('sha256').update(JSON.stringify([bound.record.id, input])).digest('hex');
}

/** What goes in or comes out with a secret is never kept, nor its plain hash: repeating it is refused by name or state anyway. */
const secretive = new Set(['destination.create', 'destination.edit', 'totp.begin', 'totp.confirm', 'totp.renew', 'totp.off', 'token.create', 'password.change', 'password.reset', 'user.create', 'user.edit', 'site.apply', 'host.set-certificate']);

function canKeep({ bound, terms }: Execution): boolean {
  return terms.idempotencyKey !== undefined && !terms.isDryRun && bound.record.permission !== 'public' && !secretive.has(bound.record.id);
}

function keptAnswer(core: Core, execution: Execution, fingerprint: string): Answer | undefined {
  const key = execution.terms.idempotencyKey;
  if (key === undefined || !canKeep(execution)) return undefined;
  const { actor } = execution.call;
  const row = core.database.sql.select().from(idempotencyTable).where(and(eq(idempotencyTable.actor, actor.id), eq(idempotencyTable.key, key))).get();
  if (!row) return undefined;
  if (row.fingerprint !== fingerprint) throw new Problem('invalid-input', 'This Idempotency-Key was used for another request. Use a new key for each new request.');
  return { status: row.status, headers: { ...row.headers, 'idempotent-replay': 'true' }, body: JSON.parse(row.body.toString('utf8')) };
}

function keepAnswer(core: Core, tx: Tx, { execution, fingerprint, answer }: { execution: Execution; fingerprint: string; answer: Answer }): void {
  const key = execution.terms.idempotencyKey;
  if (key === undefined || !canKeep(execution)) return;
  tx.sql.insert(idempotencyTable).values({
    actor: execution.call.actor.id, key, fingerprint, status: answer.status, headers: answer.headers,
    body: Buffer.from(JSON.stringify(answer.body)), at: core.clock.now(),
  }).run();
}
