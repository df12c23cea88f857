/**
 * Encodes an answer or a problem: JSON for programs, fragments for our own pages (`HX-Request: true`).
 *
 * The operation has run by then and knows nothing of this. A page may name where to go next (`bothy-next: /vms/{name}`);
 * a form gets its faults back at its fields, anything else a toast.
 */
import type { Ui } from '../../ui/context.ts';
import { FormProblem, ProblemToast } from '../../ui/problem.tsx';
import { renderAnswer } from '../../ui/render.tsx';
import { SavedToast } from '../../ui/saved.tsx';
import { showTask } from '../../ui/shown-task.ts';
import { TaskToast } from '../../ui/task.tsx';
import type { Translator } from '../../ui/text.ts';
import type { AnyOperation } from '../core/operation.ts';
import type { Problem, ProblemJson } from '../core/problem.ts';
import type { TaskRow } from '../core/task-rows.ts';
import type { AnyTask } from '../core/task.ts';
import type { Answer } from './execute.ts';

export function isHtmx(request: Request): boolean {
  return request.headers.get('hx-request') === 'true';
}

interface Judged {
  faults?: { message: string }[];
  steps?: { details?: string[] }[];
}

/** What is wrong with a site file, and what it would change, is for who wrote it as a problem is for who asked. */
export function judgedAnswer({ phrase }: Translator, { body, ...answer }: Answer): Answer {
  const { faults, steps, ...rest } = body as Judged; // the output of the check and of the plan
  return { ...answer, body: { ...rest, ...(faults && { faults: faults.map((fault) => ({ ...fault, message: phrase(fault.message) })) }), ...(steps && { steps: steps.map((step) => ({ ...step, details: step.details?.map(phrase) })) }) } };
}

export function jsonAnswer(answer: Answer): Response {
  const headers = new Headers(answer.headers);
  if (answer.body === null) return new Response(null, { status: answer.status, headers });
  headers.set('content-type', 'application/json');
  return new Response(JSON.stringify(answer.body), { status: answer.status, headers });
}

/** In the language that was asked for; a program that asks for none reads English. */
export function jsonProblem(problem: Problem, requestId: string, { locale, phrase }: Translator): Response {
  const told = problem.toJson(requestId);
  const body = { ...told, title: phrase(told.title), detail: phrase(told.detail), ...(told.errors && { errors: told.errors.map(({ path, message }) => ({ path, message: phrase(message) })) }) };
  const headers = problemHeaders(problem, 'application/problem+json');
  headers.set('content-language', locale);
  headers.append('vary', 'accept-language');
  return new Response(JSON.stringify(body), { status: problem.status, headers });
}

function problemHeaders(problem: Problem, type: string): Headers {
  const headers = new Headers({ 'content-type': type });
  if (problem.retryAfterSeconds !== undefined) headers.set('retry-after', String(problem.retryAfterSeconds));
  if (problem.type === 'unauthenticated') headers.set('www-authenticate', 'Bearer realm="bothy"');
  return headers;
}

export interface Fragment {
  ui: Ui;
  request: Request;
  record: AnyOperation;
  answer: Answer;
  task: { row: TaskRow; definition: AnyTask | undefined } | undefined;
}

export async function htmlAnswer({ ui, request, record, answer, task }: Fragment): Promise<Response> {
  const headers = new Headers(answer.headers);
  headers.delete('location');
  headers.set('content-type', 'text/html; charset=utf-8');
  const next = request.headers.get('bothy-next');
  if (next) headers.set('hx-location', JSON.stringify({ path: fillNext(next, answer.body), target: '#page', select: '#page', swap: 'outerHTML' }));
  const content = task ? <StartedTask {...task} ui={ui} /> : next ? <></> : <SavedToast record={record} body={answer.body} />;
  return new Response(await renderAnswer(content, ui), { status: 200, headers });
}

function StartedTask({ row, definition, ui }: { row: TaskRow; definition: AnyTask | undefined; ui: Ui }) {
  const problem = row.problem as ProblemJson | null; // written by the task engine
  const shown = showTask(ui, { ...row, steps: row.stepNames, problem, canCancel: definition?.canCancel ?? false });
  return <hx-partial hx-target="#toasts" hx-swap="beforeend"><TaskToast task={shown} /></hx-partial>;
}

/** Our own pages only name paths of ours; anything else is ignored, so an answer can never lead to another site. */
function fillNext(next: string, body: unknown): string {
  const filled = next.replace(/\{(\w+)\}/g, (_all, name: string) => encodeURIComponent(String((body as Record<string, unknown> | null)?.[name] ?? '')));
  return /^\/(?!\/)/.test(filled) ? filled : '/';
}

export async function htmlProblem(ui: Ui, request: Request, problem: Problem, requestId: string): Promise<Response> {
  const shown = problem.toJson(requestId);
  const isForm = (request.headers.get('hx-source') ?? '').startsWith('form');
  const content = isForm ? <FormProblem problem={shown} /> : <ProblemToast problem={shown} />;
  return new Response(await renderAnswer(content, ui), { status: problem.status, headers: problemHeaders(problem, 'text/html; charset=utf-8') });
}
