/**
 * The OpenAPI 3.1 document, computed from the operation records. JSON Schema of zod 4 is draft 2020-12, which is OpenAPI
 * 3.1's own dialect, so schemas go in as they are.
 */
import * as z from 'zod';
import { type AnyOperation, pathParameters } from '../core/operation.ts';
import { problemTypes } from '../core/problem.ts';

interface JsonSchema {
  type?: string;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  [key: string]: unknown;
}

const problemSchema: JsonSchema = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail'],
  properties: {
    type: { type: 'string', enum: problemTypes },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    requestId: { type: 'string' },
    retryAfterSeconds: { type: 'integer' },
    errors: { type: 'array', items: { type: 'object', required: ['path', 'message'], properties: { path: { type: 'string' }, message: { type: 'string' } } } },
  },
};

const writeParameters = [
  { name: 'dryRun', in: 'query', schema: { type: 'boolean' }, description: 'Check and plan, change nothing.' },
  { name: 'Idempotency-Key', in: 'header', schema: { type: 'string', maxLength: 128 }, description: 'A repeat with the same key gets the first answer and acts once.' },
];

export function openApi(records: AnyOperation[], version: string): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const record of records) {
    const path = paths[record.path] ?? {};
    paths[record.path] = path;
    path[record.method.toLowerCase()] = describe(record);
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Bothy', version, description: 'Virtual machines, storage and networks of one appliance.', license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    servers: [{ url: '/api/v1' }],
    security: [{ token: [] }, { session: [] }],
    tags: [...new Set(records.map(tagOf))].map((name) => ({ name })),
    paths,
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer' },
        session: { type: 'apiKey', in: 'cookie', name: 'bothy_session' },
      },
      schemas: { Problem: problemSchema },
    },
  };
}

const tagOf = (record: AnyOperation) => record.id.split('.')[0] ?? record.id;

function describe(record: AnyOperation): Record<string, unknown> {
  const input = jsonSchema(record.input, 'input');
  const inPath = pathParameters(record.path);
  const others = Object.keys(input.properties ?? {}).filter((name) => !inPath.includes(name));
  const isQuery = record.method === 'GET' || record.method === 'HEAD' || record.kind === 'stream';
  const parameters = [
    ...inPath.map((name) => ({ name, in: 'path', required: true, schema: input.properties?.[name] ?? { type: 'string' } })),
    ...(isQuery ? others.map((name) => queryParameter(name, input)) : []),
    ...(record.kind === 'write' || record.kind === 'task' ? writeParameters : []),
    ...(canMatch(record) ? [{ name: 'If-Match', in: 'header', schema: { type: 'string' }, description: 'The ETag that you saw; the change is refused when it is no longer the current one.' }] : []),
  ];
  return {
    operationId: record.id.replace(/[.-](\w)/g, (_all, letter: string) => letter.toUpperCase()),
    summary: record.summary,
    tags: [tagOf(record)],
    'x-permission': record.permission,
    ...(record.permission === 'public' && { security: [] }),
    ...(parameters.length > 0 && { parameters }),
    ...requestBody(record, input, isQuery ? [] : others),
    responses: responses(record),
  };
}

function canMatch(record: AnyOperation): boolean {
  return (record.kind === 'write' || record.kind === 'task') && record.generation !== undefined;
}

function queryParameter(name: string, input: JsonSchema): Record<string, unknown> {
  return { name, in: 'query', required: input.required?.includes(name) ?? false, schema: input.properties?.[name] ?? {} };
}

function requestBody(record: AnyOperation, input: JsonSchema, fields: string[]): Record<string, unknown> {
  if (record.kind === 'stream') return record.requestType ? { requestBody: { required: true, content: { [record.requestType]: {} } } } : {};
  if (fields.length === 0) return {};
  const required = (input.required ?? []).filter((name) => fields.includes(name));
  const schema = { type: 'object', properties: Object.fromEntries(fields.map((name) => [name, input.properties?.[name] ?? {}])), ...(required.length > 0 && { required }), additionalProperties: false };
  return { requestBody: { required: required.length > 0, content: { 'application/json': { schema } } } };
}

function responses(record: AnyOperation): Record<string, unknown> {
  const problem = { description: 'What went wrong and what to do', content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } };
  return { ...success(record), default: problem };
}

function success(record: AnyOperation): Record<string, unknown> {
  if (record.kind === 'stream') return { 200: { description: record.summary, content: { [record.responseType]: {} } } };
  if (record.kind === 'write' && record.status === 204) return { 204: { description: 'Done' } };
  const content = { 'application/json': { schema: jsonSchema(record.output, 'output') } };
  if (record.kind === 'task') return { 202: { description: 'The task that carries it out', headers: { Location: { schema: { type: 'string' } } }, content } };
  return { [record.kind === 'write' ? record.status : 200]: { description: record.summary, content } };
}

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): JsonSchema {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest as JsonSchema; // a JSON Schema document, seen as the keys we read
}
