/**
 * The HTTP face: one route for each operation record, the pages, the static files, the OpenAPI document, health and metrics.
 *
 *   request -> id -> who asks -> input by schema -> execute (permission, transaction, audit) -> JSON or HTML
 *
 * `createHttp` makes one Hono app for a door: `network` asks for credentials, `local` is the socket that only root can open.
 */
import { type Context, Hono } from 'hono';
import { compress } from 'hono/compress';
import type { AnyPage } from '../ui/page.ts';
import type { Auth } from './auth/auth.ts';
import { type AnyOperation, type BoundOperation, pathParameters } from './core/operation.ts';
import { asProblem, Problem } from './core/problem.ts';
import type { Core } from './core/services.ts';
import { htmlAnswer, htmlProblem, isHtmx, jsonAnswer, jsonProblem, judgedAnswer } from './http/answer.tsx';
import { createAssets } from './http/assets.ts';
import type { Door } from './http/authenticate.ts';
import { type Answer, type Audit, createExecute, entryOf, type Execute, requirePermission, type Terms } from './http/execute.ts';
import { readInput } from './http/input.ts';
import { openApi } from './http/openapi.ts';
import { mountPages } from './http/pages.ts';
import { createRequests, type Requests } from './http/requests.ts';

export interface HttpOptions {
  core: Core;
  auth: Auth;
  audit: Audit;
  operations: BoundOperation[];
  pages: AnyPage[];
  version: string;
  isSecure: boolean;
  health(): Promise<{ isHealthy: boolean; [check: string]: unknown }>;
  metrics(): Promise<string>;
  /** Why nothing may be changed now; `undefined` when it may. */
  changeFault?(): Problem | undefined;
}

interface Parts extends HttpOptions {
  door: Door;
  requests: Requests;
  execute: Execute;
  byId: ReadonlyMap<string, BoundOperation>;
}

const securityHeaders = {
  'content-security-policy': "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

export function createHttp(options: HttpOptions): (door: Door) => Hono {
  const assets = createAssets();
  const execute = createExecute(options.core, options.audit);
  const byId = new Map(options.operations.map((bound) => [bound.record.id, bound]));
  const document = once(() => JSON.stringify(openApi(options.operations.map(({ record }) => record), options.version)));
  return (door) => {
    const requests = createRequests({ core: options.core, auth: options.auth, assets, door, isSecure: options.isSecure });
    const parts: Parts = { ...options, door, requests, execute, byId };
    const app = new Hono();
    app.use(async (context, next) => {
      await next();
      for (const [name, value] of Object.entries(securityHeaders)) context.res.headers.set(name, value);
      context.res.headers.set('x-request-id', requests.idOf(context));
    });
    app.get('/static/*', (context) => assets.serve(context.req.path.slice('/static/'.length), context.req.raw));
    app.use(compressText);
    mountFixed(app, parts, document);
    for (const bound of options.operations) mountOperation(app, bound, parts);
    app.all('/api/*', (context) => problemAnswer(context, parts, new Problem('not-found', `The API has no ${context.req.method} ${context.req.path}. /api/v1/openapi.json lists what it has.`)));
    mountPages(app, { core: options.core, pages: options.pages, requests, execute, operations: byId, needsSetup: () => options.auth.people.needsSetup(), canSignIn: () => options.auth.people.hasAdministrator() });
    return app;
  };
}

/** Event streams and files go as they are: compressing would hold events back, and images do not shrink. */
const compressWhole = compress({ threshold: 1024 });
const compressText: typeof compressWhole = (context, next) => (/\/(changes|content|files|stats)\b/.test(context.req.path) ? next() : compressWhole(context, next));

/** Few ask for the document, and making it is a tenth of the service's start. */
function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

function mountFixed(app: Hono, parts: Parts, document: () => string): void {
  app.get('/healthz', async () => {
    const health = await parts.health();
    return new Response(`${JSON.stringify(health)}\n`, { status: health.isHealthy ? 200 : 503, headers: { 'content-type': 'application/json' } });
  });
  app.get('/metrics', guarded(parts, 'metrics.read', async () => new Response(await parts.metrics(), { headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' } })));
  app.get('/api/v1/openapi.json', guarded(parts, undefined, async () => new Response(document(), { headers: { 'content-type': 'application/json' } })));
}

/** A fixed address that needs a signed-in caller, and a permission if one is named. */
function guarded(parts: Parts, permission: string | undefined, answer: () => Promise<Response>) {
  return async (context: Context) => {
    try {
      const { actor } = parts.requests.callOf(context).call;
      if (actor.credential === '') throw new Problem('unauthenticated', 'Sign in first, or send an API token: "Authorization: Bearer TOKEN".');
      if (permission !== undefined && !actor.permissions.has(permission)) throw new Problem('forbidden', `${actor.name} may not do this: it needs the permission "${permission}".`);
      return await answer();
    } catch (error) {
      return problemAnswer(context, parts, error);
    }
  };
}

function mountOperation(app: Hono, bound: BoundOperation, parts: Parts): void {
  const path = `/api/v1${bound.record.path.replaceAll(/\{(\w+)\}/g, ':$1')}`;
  app.on(bound.record.method, path, async (context) => {
    try {
      return await serve(context, bound, parts);
    } catch (error) {
      return problemAnswer(context, parts, error);
    }
  });
}

/** Their answers tell people what is wrong, as problems do. */
const judges = new Set(['site.check', 'site.plan']);

async function serve(context: Context, bound: BoundOperation, parts: Parts): Promise<Response> {
  const { record } = bound;
  const { call } = parts.requests.callOf(context);
  const params = context.req.param() as Record<string, string>;
  const subject = Object.fromEntries(pathParameters(record.path).map((name) => [name, params[name] ?? '']));
  requireAllowed(parts, bound, { call, subject });
  requireChangeable(parts, bound);
  const input = await readInput(record, context.req.raw, params);
  if (record.kind === 'stream') {
    const audit = (outcome: string) => { if (record.method !== 'GET' && record.method !== 'HEAD') parts.audit(null, entryOf({ bound, call, subject }, outcome)); };
    return audited(async () => record.run(bound.services, call, input as never, context.req.raw), audit); // checked by the record's schema
  }
  const answer = await parts.execute({ bound, call, input, subject: { ...subject, ...namesIn(record, input) }, terms: termsOf(context) });
  for (const [name, value] of call.answerHeaders) answer.headers[name] = value;
  return isHtmx(context.req.raw) ? fragmentAnswer(context, bound, parts, answer) : jsonAnswer(judges.has(record.id) ? judgedAnswer(parts.requests.translatorOf(context), answer) : answer);
}

/** What has no path yet, or no actor: the name of what is made, and who wants to sign in. */
function namesIn({ path }: AnyOperation, input: unknown): Record<string, string> {
  if (pathParameters(path).length > 0) return {};
  const given = Object.entries(input ?? {}).filter(([key]) => key === 'name' || key === 'user');
  return Object.fromEntries(given.map(([key, value]) => [key, String(value)]));
}

async function audited(work: () => Promise<Response>, audit: (outcome: string) => void): Promise<Response> {
  try {
    const response = await work();
    audit(response.ok ? 'ok' : String(response.status));
    return response;
  } catch (error) {
    audit(asProblem(error).type);
    throw error;
  }
}

/** Refuses before the body is read: a stranger must not be able to upload. */
function requireAllowed(parts: Parts, bound: BoundOperation, { call, subject }: { call: Parameters<typeof requirePermission>[1]; subject: Record<string, string> }): void {
  try {
    requirePermission(bound, call, { objects: parts.core.objects, subject });
  } catch (error) {
    parts.audit(null, entryOf({ bound, call, subject }, asProblem(error).type));
    throw error;
  }
}

/** Signing in and out goes on: it changes nothing that anybody would miss. */
function requireChangeable({ changeFault }: Parts, { record }: BoundOperation): void {
  if (record.kind === 'read' || record.method === 'GET' || record.method === 'HEAD' || record.id.startsWith('session.')) return;
  const fault = changeFault?.();
  if (fault) throw fault;
}

function fragmentAnswer(context: Context, { record }: BoundOperation, parts: Parts, answer: Answer): Promise<Response> {
  const row = answer.task === undefined ? undefined : parts.core.tasks.get(answer.task);
  const definition = row && parts.core.tasks.definitions().find(({ kind }) => kind === row.kind);
  return htmlAnswer({ ui: parts.requests.uiOf(context), request: context.req.raw, record, answer, task: row && { row, definition } });
}

function problemAnswer(context: Context, parts: Parts, error: unknown): Response | Promise<Response> {
  const problem = asProblem(error);
  parts.requests.report(context, problem, error);
  const requestId = parts.requests.idOf(context);
  if (!isHtmx(context.req.raw)) return jsonProblem(problem, requestId, parts.requests.translatorOf(context));
  return htmlProblem(parts.requests.uiOf(context), context.req.raw, problem, requestId);
}

function termsOf(context: Context): Terms {
  const ifMatch = /^(?:W\/)?"?(\d+)"?$/.exec(context.req.header('if-match') ?? '')?.[1];
  const key = context.req.header('idempotency-key')?.slice(0, 128);
  return {
    isDryRun: ['true', '1', ''].includes(context.req.query('dryRun') ?? 'false'),
    ...(ifMatch !== undefined && { ifMatch: Number(ifMatch) }),
    ...(key && { idempotencyKey: key }),
  };
}
