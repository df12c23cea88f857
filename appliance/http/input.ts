/**
 * From a request to the input of its operation: path parameters, query and body in one object, checked by the one schema.
 * All faults are told at once, each with its path. Unknown keys are refused: a misspelt setting must not be ignored.
 */
import type * as z from 'zod';
import { deadline } from '../core/clock.ts';
import { explainIssue } from '../core/explain-issue.ts';
import { type AnyOperation, pathParameters } from '../core/operation.ts';
import { type FieldError, Problem } from '../core/problem.ts';
import { formToInput } from './form.ts';

/** Largest JSON or form body, bytes. Streams have no limit but the space on disk. */
const largestBodyBytes = 1024 * 1024;
/** A body that takes longer keeps a connection busy for nothing, milliseconds. */
const longestBodyMs = 60_000;
/** Query keys that steer the request and are no input. */
const steering = ['dryRun'];

export async function readInput(record: AnyOperation, request: Request, params: Record<string, string>): Promise<unknown> {
  const query = Object.fromEntries([...new URL(request.url).searchParams].filter(([key]) => !steering.includes(key)));
  const body = hasBody(record) ? await readBody(request) : '';
  const fields = body === '' ? {} : parseBody(body, request, record);
  return checkInput(record, { ...fields, ...query, ...pick(params, pathParameters(record.path)) });
}

/** Checks `candidate` against the operation's schema; throws `invalid-input` with every fault. */
export function checkInput(record: AnyOperation, candidate: unknown): unknown {
  const schema = record.kind === 'stream' ? record.input : record.input.strict();
  const result = schema.safeParse(candidate, { error: explainIssue });
  if (result.success) return result.data;
  const errors = result.error.issues.flatMap(toFieldErrors);
  const first = errors[0];
  const detail = errors.length === 1 && first ? `${first.path || 'The request'}: ${first.message}` : `${errors.length} fields need to be corrected.`;
  throw new Problem('invalid-input', detail, { errors });
}

function toFieldErrors(issue: z.core.$ZodIssue): FieldError[] {
  if (issue.code !== 'unrecognized_keys') return [{ path: issue.path.join('.'), message: issue.message }];
  return issue.keys.map((key) => ({ path: [...issue.path, key].join('.'), message: `There is no setting named "${key}". Check the spelling.` }));
}

function hasBody(record: AnyOperation): boolean {
  return record.kind !== 'stream' && record.method !== 'GET' && record.method !== 'HEAD';
}

async function readBody(request: Request): Promise<string> {
  if (!request.body) return '';
  const reader = request.body.getReader();
  const late = deadline(longestBodyMs);
  late.addEventListener('abort', () => void reader.cancel().catch(() => {}), { once: true });
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    sizeBytes += part.value.length;
    if (sizeBytes > largestBodyBytes) throw new Problem('too-large', `The request is larger than ${largestBodyBytes} bytes.`);
    chunks.push(part.value);
  }
  if (late.aborted) throw new Problem('invalid-input', `The request did not arrive within ${longestBodyMs / 1000} seconds. Send it again.`);
  return Buffer.concat(chunks).toString('utf8');
}

function parseBody(body: string, request: Request, record: AnyOperation): Record<string, unknown> {
  const type = request.headers.get('content-type')?.split(';')[0]?.trim() ?? '';
  if (type === 'application/x-www-form-urlencoded') return formToInput(new URLSearchParams(body), record.input);
  if (type !== 'application/json') throw new Problem('invalid-input', `Send the body as JSON with "content-type: application/json", not ${type || 'without a type'}.`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch (error) {
    throw new Problem('invalid-input', `The body is not JSON: ${error instanceof Error ? error.message : String(error)}.`, { cause: error });
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw new Problem('invalid-input', 'The body must be a JSON object: {"name": "value"}.');
  return parsed as Record<string, unknown>;
}

function pick(from: Record<string, string>, keys: string[]): Record<string, string> {
  return Object.fromEntries(keys.map((key) => [key, from[key] ?? '']));
}
