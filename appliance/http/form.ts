/**
 * Form bodies become the same input as JSON bodies: dotted names become nesting, text becomes the type that the schema
 * asks for. `disks.0.sizeBytes=20 GiB` is `{ disks: [{ sizeBytes: 21474836480 }] }`.
 *
 * Only the shape is decided here; whether a value is right is left to the schema, so the messages are the same.
 */
import * as z from 'zod';

interface JsonSchema {
  type?: string | string[];
  properties?: Record<string, JsonSchema>;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  unit?: string;
  widget?: string;
}

type Nested = { [key: string]: Nested | string };

export function formToInput(form: URLSearchParams, schema: z.ZodType): Record<string, unknown> {
  const nested: Nested = Object.create(null);
  for (const [name, value] of form) put(nested, name.split('.'), value);
  const described = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema; // the same draft 2020-12 document, seen as the few keys we read
  return (typed(nested, described) ?? {}) as Record<string, unknown>; // the top is always an object
}

const forbiddenKeys = new Set(['__proto__', 'constructor', 'prototype']);

function put(into: Nested, path: string[], value: string): void {
  const [key = '', ...rest] = path;
  if (forbiddenKeys.has(key)) return;
  if (rest.length === 0) {
    into[key] = value;
    return;
  }
  const existing = into[key];
  const inner: Nested = typeof existing === 'object' ? existing : Object.create(null);
  into[key] = inner;
  put(inner, rest, value);
}

function typed(value: Nested | string, schema: JsonSchema): unknown {
  const shape = schema.anyOf?.find((option) => option.items || option.properties) ?? schema;
  if (typeof value === 'string') return shape.items ? words(value, shape.items, schema.widget ?? shape.widget) : scalar(value, schema);
  if (shape.items) return list(value, shape.items);
  const entries = Object.entries(value).map(([key, inner]) => [key, filled(typed(inner, shape.properties?.[key] ?? {}))] as const);
  return Object.fromEntries(entries.filter(([, inner]) => inner !== undefined));
}

/** A group of fields in which nothing was filled in is not sent. */
function filled(value: unknown): unknown {
  const isGroup = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isGroup && Object.values(value).every((inner) => inner === null || (Array.isArray(inner) && inner.length === 0)) ? undefined : value;
}

function list(value: Nested, items: JsonSchema): unknown[] {
  return Object.keys(value)
    .sort((left, right) => Number(left) - Number(right))
    .map((key) => typed(value[key] ?? '', items))
    .filter((item) => item !== undefined);
}

/** A list in one control: its items with commas or blanks between them, or one a line. */
const words = (text: string, items: JsonSchema, widget?: string): unknown[] => text.split(widget === 'textarea' ? /\s*\n\s*/ : /[\s,]+/).filter((word) => word !== '').map((word) => scalar(word, items));

/** Nothing typed in is nothing sent; a select's empty choice is `null` where the schema knows null. */
function scalar(text: string, schema: JsonSchema): unknown {
  const types = typesOf(schema);
  if (text === '') return types.includes('null') ? null : undefined;
  if (types.includes('boolean')) return text === 'on' || text === 'true' ? true : text === 'false' || text === 'off' ? false : text;
  if (types.includes('integer') || types.includes('number')) return number(text);
  return text;
}

function typesOf(schema: JsonSchema): string[] {
  const own = schema.type === undefined ? [] : [schema.type].flat();
  return [...own, ...(schema.anyOf ?? []).flatMap(typesOf)];
}

const factors: Record<string, number> = { '': 1, B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };

/** `20`, `1.5 GiB`; anything else stays text, for the schema to refuse. */
function number(text: string): number | string {
  const match = /^(-?\d+(?:\.\d+)?)\s*(B|[KMGT]iB)?$/.exec(text.trim());
  if (!match) return text;
  const value = Number(match[1]) * (factors[match[2] ?? ''] ?? 1);
  return match[2] ? Math.round(value) : value;
}
