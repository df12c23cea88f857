/**
 * The JSON Schema of the site file, for editors and for our own check of unknown keys: computed from the one schema, with
 * what YAML authors may write besides (sizes with a unit, sealed secrets), and no key that it does not know.
 */
import * as z from 'zod';
import { sealedPattern } from './sealed.ts';
import { SiteFile } from './schema.ts';

export interface JsonSchema {
  type?: string | string[];
  properties?: Record<string, JsonSchema>;
  required?: string[];
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  enum?: unknown[];
  const?: unknown;
  unit?: string;
  firstUnit?: string;
  labels?: unknown;
  unset?: string;
  secret?: boolean;
  label?: string;
  help?: string;
  [key: string]: unknown;
}

/** As zod tells it: what the check walks along. */
export const bareSchema: JsonSchema = z.toJSONSchema(SiteFile, { io: 'input', unrepresentable: 'any' }) as JsonSchema; // a JSON Schema document, seen as the keys we read

/** As published at `/api/v1/site/schema.json`. */
export function siteJsonSchema(): JsonSchema {
  return { $id: 'urn:bothy:site', title: 'Bothy site file', ...publish(bareSchema) };
}

function publish(schema: JsonSchema): JsonSchema {
  const { label, help, unit, secret, widget: _shown, firstUnit: _first, labels: _labels, unset: _unset, properties, items, anyOf, ...rest } = schema;
  const said = { ...(label && { title: label }), ...(help && { description: help }) };
  const inner = {
    ...rest,
    ...(properties && { properties: Object.fromEntries(Object.entries(properties).map(([name, each]) => [name, publish(each)])), additionalProperties: false }),
    ...(items && { items: publish(items) }),
    ...(anyOf && { anyOf: anyOf.map(publish) }),
  };
  const more = unit === 'bytes' ? { type: 'string', pattern: '^\\d+(\\.\\d+)? ?([KMGT]i?B?|B|bytes?)?$' } : secret ? { type: 'string', pattern: sealedPattern.source } : undefined;
  return more ? { ...said, anyOf: [inner, more] } : { ...said, ...inner };
}
