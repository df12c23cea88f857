/**
 * An operation: one verb of the appliance as one record.
 *
 * REST route, OpenAPI entry, form, permission check, audit line and dry run are all computed from it. Records are static
 * (no services inside), so the UI can read them; `app.ts` binds them to their slice's services.
 *
 *   read    answers from the database or the machine, changes nothing
 *   write   one synchronous transaction; looks at the machine only beforehand, in `prepare`
 *   task    a write that starts a task: 202 with `Location: /api/v1/tasks/{id}`
 *   stream  bytes in or out: uploads, downloads, screenshots, event streams
 *
 * Because a write is one transaction, `?dryRun=true` runs it whole and rolls it back.
 */
import * as z from 'zod';
import type { Tx } from './db.ts';
import type { Reach } from './objects.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'HEAD';

/** Who asks, from where. `permissions` is what the roles, or the token, allow on the whole appliance; `reach` on single things, too. */
export interface Actor {
  /** User id, or `system` for the appliance itself. */
  id: string;
  /** Such as `admin@internal`. */
  name: string;
  permissions: ReadonlySet<string>;
  reach: Reach;
  /** Session or token id, so that it can end itself. */
  credential: string;
}

export interface Call {
  requestId: string;
  actor: Actor;
  /** Remote address. */
  from: string;
  at: number;
  signal: AbortSignal;
  /** The request came over TLS. */
  isSecure: boolean;
  /** Who asks, with what they may do by now; `undefined` when they are signed in no longer. For answers that last. */
  renew(): Actor | undefined;
  /** Headers to add to the answer. */
  answerHeaders: Headers;
}

interface Face<I extends z.ZodObject, O extends z.ZodType> {
  /** `slice.verb`, such as `vm.start`. */
  id: string;
  method: Method;
  /** Below `/api/v1`, with `{parameters}` that are fields of `input`. */
  path: string;
  /**
   * The permission that the actor needs, or `public` for the few that come before login, `signed-in` for what anybody may ask who is. It is
   * needed on the thing that the path names, or on something that this belongs to; where it names none, on the whole appliance.
   */
  permission: string;
  /** `each`: holding the permission on anything is enough to ask; the operation itself shows, and does, only what the actor may. */
  scope?: 'each';
  /** One short sentence in the imperative. */
  summary: string;
  /** Path parameters, query and body together. */
  input: I;
  output: O;
}

export interface Read<S, I extends z.ZodObject = z.ZodObject, O extends z.ZodType = z.ZodType> extends Face<I, O> {
  kind: 'read';
  run(services: S, call: Call, input: z.output<I>): z.input<O> | Promise<z.input<O>>;
}

interface Changes<S, I extends z.ZodObject, P> {
  /** Current generation of the object that is changed: what `If-Match` is compared with, inside the transaction. */
  generation?(services: S, input: z.output<I>): number | undefined;
  /** Looks at the machine before the transaction; must change nothing. */
  prepare?(services: S, call: Call, input: z.output<I>): Promise<P> | P;
}

export interface Write<S, I extends z.ZodObject = z.ZodObject, O extends z.ZodType = z.ZodType, P = unknown>
  extends Face<I, O>, Changes<S, I, P> {
  kind: 'write';
  /** 200 unless something was created (201) or nothing is left to say (204). */
  status: 200 | 201 | 204;
  run(services: S, change: Tx & { call: Call }, input: z.output<I>, prepared: P): z.input<O>;
}

export interface StartTask<S, I extends z.ZodObject = z.ZodObject, P = unknown> extends Face<I, z.ZodType>, Changes<S, I, P> {
  kind: 'task';
  /** Commits the intent and returns the id of the task that carries it out. */
  run(services: S, change: Tx & { call: Call }, input: z.output<I>, prepared: P): string;
}

export interface Stream<S, I extends z.ZodObject = z.ZodObject> extends Face<I, z.ZodType> {
  kind: 'stream';
  /** Media type of the request body, or of the answer; for the OpenAPI document. */
  requestType?: string;
  responseType: string;
  run(services: S, call: Call, input: z.output<I>, request: Request): Promise<Response> | Response;
}

export type Operation<S> = Read<S> | Write<S> | StartTask<S> | Stream<S>;
// biome-ignore lint/suspicious/noExplicitAny: a list of operations of many slices; each was checked where it was written
export type AnyOperation = Operation<any>;

/** What starting a task answers: enough to follow it. */
export const taskOutput = z.object({ id: z.uuid(), kind: z.string(), state: z.string() });
const noOutput = z.null();

/** The makers check a record's types against each other; they change nothing. Usage: `read<Services>()({ ... })`. */
export const read = <S>() => <I extends z.ZodObject, O extends z.ZodType>(record: Omit<Read<S, I, O>, 'kind'>): Read<S, I, O> => ({ ...record, kind: 'read' });

export const write = <S>() => <I extends z.ZodObject, O extends z.ZodType, P = undefined>(record: Omit<Write<S, I, O, P>, 'kind'>): Write<S, I, O, P> => ({
  ...record,
  kind: 'write',
});

export const startTask = <S>() => <I extends z.ZodObject, P = undefined>(record: Omit<StartTask<S, I, P>, 'kind' | 'output'>): StartTask<S, I, P> => ({
  ...record,
  kind: 'task',
  output: taskOutput,
});

export const stream = <S>() => <I extends z.ZodObject>(record: Omit<Stream<S, I>, 'kind' | 'output'>): Stream<S, I> => ({
  ...record,
  kind: 'stream',
  output: noOutput,
});

/** Names of the `{parameters}` in a path, in order. */
export function pathParameters(path: string): string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');
}

/** Fills a path's parameters, escaped; throws when one is missing. */
export function fillPath(path: string, parameters: Record<string, string>): string {
  return path.replace(/\{(\w+)\}/g, (_all, name: string) => {
    const value = parameters[name];
    if (value === undefined) throw new Error(`no value for {${name}} in ${path}`);
    return encodeURIComponent(value);
  });
}

/** A record together with the services of its slice, ready to be mounted. */
export interface BoundOperation {
  record: AnyOperation;
  services: unknown;
}

export function bind<S>(services: S, records: Operation<S>[]): BoundOperation[] {
  return records.map((record) => ({ record, services }));
}
