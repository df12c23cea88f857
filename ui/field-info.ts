/**
 * What a zod schema says about a form field: type, bounds, default, choices, `.meta()`. Pure; `field.tsx` renders it.
 *
 * Wrappers (default, optional, nullable, pipe) are looked through; the outermost `.meta()` that says something wins.
 */
import type * as z from 'zod';

/** What `.meta()` may say about a field. All English; a locale may translate label and help. */
export interface FieldMeta {
  label?: string;
  help?: string;
  unit?: string;
  /** In which bytes are asked for while there are none. */
  firstUnit?: 'MiB' | 'GiB';
  /** `set`: any of the choices, each with a box to tick. */
  widget?: 'password' | 'textarea' | 'radio' | 'hidden' | 'code' | 'set';
  placeholder?: string;
  /** What people call the choices, by value. */
  labels?: Record<string, string>;
  /** What it means to choose none of them; only offered where none is chosen yet. */
  unset?: string;
}

export interface Choice {
  value: string;
  label: string;
  /** Small print under a radio choice. */
  help?: string;
}

export interface FieldInfo extends FieldMeta {
  /** Path in the body, such as `memoryBytes`. */
  name: string;
  kind: 'text' | 'number' | 'bytes' | 'boolean' | 'choice' | 'order' | 'list' | 'object';
  isRequired: boolean;
  /** An empty control means null, not nothing. */
  isNullable: boolean;
  initial: unknown;
  min?: number;
  max?: number;
  minLength?: number;
  maxLength?: number;
  choices: Choice[];
  /** Fields of an object, or of each object in a list. */
  fields: FieldInfo[];
}

interface Unwrapped {
  schema: z.core.$ZodType;
  meta: FieldMeta;
  isRequired: boolean;
  isNullable: boolean;
  initial: unknown;
}

export function describeField(name: string, outer: z.core.$ZodType): FieldInfo {
  const { schema, meta, isRequired, isNullable, initial } = unwrap(outer);
  const def = (schema as z.core.$ZodTypes)._zod.def; // the union of all schema types, told apart by `type`
  const base = { ...meta, name, isRequired, isNullable, initial, choices: [], fields: [] };
  const bounds = (schema as { minValue?: number | null; maxValue?: number | null; minLength?: number | null; maxLength?: number | null });
  const number = (value: number | null | undefined) => (value !== null && value !== undefined && Math.abs(value) < Number.MAX_SAFE_INTEGER ? value : undefined);
  switch (def.type) {
    case 'number':
      return { ...base, kind: meta.unit === 'bytes' ? 'bytes' : 'number', ...defined({ min: number(bounds.minValue), max: number(bounds.maxValue) }) };
    case 'boolean':
      return { ...base, kind: 'boolean' };
    case 'enum':
      return { ...base, kind: 'choice', choices: Object.values(def.entries).map((value) => ({ value: String(value), label: meta.labels?.[String(value)] ?? String(value) })) };
    case 'array':
      return describeList(base, def.element);
    case 'union':
      return { ...describeField(name, def.options[0] ?? schema), ...base, kind: def.options.some(isBoolean) ? 'boolean' : 'text' };
    case 'object':
      return { ...base, kind: 'object', fields: objectFields(schema, name) };
    default:
      return { ...base, kind: 'text', ...defined({ minLength: number(bounds.minLength), maxLength: number(bounds.maxLength) }) };
  }
}

/** A list of objects has rows; a list of words has one choice for each place, in order. */
function describeList(base: Omit<FieldInfo, 'kind'>, element: z.core.$ZodType): FieldInfo {
  const inner = describeField('', element);
  return inner.kind === 'choice' ? { ...base, kind: base.widget === 'set' ? 'list' : 'order', choices: inner.choices } : { ...base, kind: 'list', fields: inner.fields };
}

function isBoolean(schema: z.core.$ZodType): boolean {
  return (schema as z.core.$ZodTypes)._zod.def.type === 'boolean'; // as above
}

/** The fields of an object schema in their order; without a prefix their names are relative, as rows of a list need. */
export function objectFields(schema: z.core.$ZodType, prefix = ''): FieldInfo[] {
  const def = (schema as z.core.$ZodTypes)._zod.def; // as above
  if (def.type !== 'object') return [];
  return Object.entries(def.shape).map(([key, field]) => describeField(prefix ? `${prefix}.${key}` : key, field));
}

/** Goes through defaults, optionals and pipes to the type inside; the outermost `.meta()` that says something wins. */
function unwrap(outer: z.core.$ZodType): Unwrapped {
  const found: Unwrapped = { schema: outer, meta: {}, isRequired: true, isNullable: false, initial: undefined };
  for (let schema: z.core.$ZodType | undefined = outer; schema; ) {
    found.schema = schema;
    found.meta = { ...metaOf(schema), ...found.meta };
    const def: z.core.$ZodTypes['_zod']['def'] = (schema as z.core.$ZodTypes)._zod.def; // as above
    if (def.type === 'default' || def.type === 'prefault') found.initial ??= def.defaultValue;
    if (def.type === 'nullable') found.isNullable = true;
    if (def.type === 'optional' || def.type === 'default' || def.type === 'prefault' || def.type === 'nullable') found.isRequired = false;
    schema = 'innerType' in def ? def.innerType : def.type === 'pipe' ? def.in : undefined;
  }
  return found;
}

function metaOf(schema: z.core.$ZodType): FieldMeta {
  const meta = (schema as z.ZodType).meta?.() ?? {}; // every classic schema has it; mini schemas say nothing
  return meta as FieldMeta; // written by our schema files
}

function defined<T extends object>(values: { [K in keyof T]: T[K] | undefined }): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>; // only kept what is there
}
