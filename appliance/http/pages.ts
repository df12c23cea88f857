/**
 * Serves the pages of `ui/pages`: each reads through operation records with the permission check of each, and is rendered
 * on the server. Without a session every page leads to sign-in, or to set-up while there is no password yet.
 */
import type { Context, Hono } from 'hono';
import { ProblemPage } from '../../ui/problem.tsx';
import type { AnyPage, PageCall } from '../../ui/page.ts';
import { renderAnswer, renderPage } from '../../ui/render.tsx';
import type { BoundOperation, Call } from '../core/operation.ts';
import { asProblem, Problem } from '../core/problem.ts';
import type { Core } from '../core/services.ts';
import { type Execute, requirePermission } from './execute.ts';
import { checkInput } from './input.ts';
import { isHtmx } from './answer.tsx';
import { isLimited, mayUse, type Requests } from './requests.ts';

export interface PagesOptions {
  core: Pick<Core, 'objects'>;
  pages: AnyPage[];
  requests: Requests;
  execute: Execute;
  operations: ReadonlyMap<string, BoundOperation>;
  /** A password can be set with the set-up code. */
  needsSetup(): boolean;
  /** Somebody can sign in who may do everything. */
  canSignIn(): boolean;
}

export function mountPages(app: Hono, options: PagesOptions): void {
  for (const page of options.pages) {
    app.get(page.path.replaceAll(/\{(\w+)\}/g, ':$1'), (context) => servePage(context, page, options));
  }
  app.notFound((context) => {
    const problem = new Problem('not-found', 'There is no such page. It may have been deleted, or the address is misspelt.');
    return problemPage(context, options.requests, problem);
  });
}

async function servePage(context: Context, page: AnyPage, options: PagesOptions): Promise<Response> {
  const { requests } = options;
  try {
    const { call, who } = requests.callOf(context);
    const needsSetup = options.needsSetup();
    if (page.frame !== 'bare' && who.actor.credential === '') return leadTo(context, options.canSignIn() ? '/sign-in' : '/setup');
    if (page.offers) requirePermission({ record: page.offers }, call, { objects: options.core.objects, subject: context.req.param() as Record<string, string> });
    const ui = requests.uiOf(context);
    const data = await page.load(pageCall(call, needsSetup, options), { params: context.req.param() as Record<string, string>, query: context.req.query() });
    return html(await renderPage(page, data, ui));
  } catch (error) {
    const problem = asProblem(error);
    requests.report(context, problem, error);
    return problemPage(context, requests, problem);
  }
}

function leadTo(context: Context, path: string): Response {
  if (isHtmx(context.req.raw)) return new Response('', { headers: { 'hx-redirect': path } });
  return context.redirect(path);
}

function pageCall(call: Call, needsSetup: boolean, { execute, operations }: PagesOptions): PageCall {
  return {
    needsSetup,
    isLimited: isLimited(call.actor),
    can: (permission, object) => mayUse(call.actor, permission, object),
    async read(record, candidate) {
      const bound = operations.get(record.id);
      if (!bound) throw new Error(`the page reads an operation that is not mounted: ${record.id}`);
      const input = checkInput(record, candidate);
      const { body } = await execute({ bound, call, input, subject: {}, terms: { isDryRun: false } });
      return body as never; // the answer of this very record
    },
  };
}

async function problemPage(context: Context, requests: Requests, problem: Problem): Promise<Response> {
  const ui = requests.uiOf(context);
  const shown = problem.toJson(requests.idOf(context));
  return html(`<!doctype html>${await renderAnswer(ProblemPage({ problem: shown }), ui)}`, problem.status);
}

function html(body: string, status = 200): Response {
  return new Response(body, { status, headers: { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' } });
}
