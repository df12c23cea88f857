/**
 * Form fields from zod schemas. `describeField` reads what a schema says (type, bounds, default, choices, `.meta()`);
 * `Field` renders it as one labelled control with help, unit and a slot for its error.
 *
 * Controls are named by their path in the request body (`disks.0.sizeBytes`). Sizes are sent with their unit
 * (`20 GiB`), switches as `on` or `off`, an empty control as absent; the server reads them by the same schema.
 */
import type * as z from 'zod';
import type { Child } from 'hono/jsx';
import { useUi } from './context.ts';
import { splitBytes } from './format.tsx';
import { Icon } from './icon.tsx';

/** What `.meta()` may say about a field. All English; a locale may translate label and help. */
export interface FieldMeta {
  label?: string;
  help?: string;
  unit?: string;
  widget?: 'password' | 'textarea' | 'radio' | 'hidden' | 'code';
  placeholder?: string;
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
  initial: unknown;
}

export function describeField(name: string, outer: z.core.$ZodType): FieldInfo {
  const { schema, meta, isRequired, initial } = unwrap(outer);
  const def = (schema as z.core.$ZodTypes)._zod.def; // the union of all schema types, told apart by `type`
  const base = { ...meta, name, isRequired, initial, choices: [], fields: [] };
  const bounds = (schema as { minValue?: number | null; maxValue?: number | null; minLength?: number | null; maxLength?: number | null });
  const number = (value: number | null | undefined) => (value !== null && value !== undefined && Math.abs(value) < Number.MAX_SAFE_INTEGER ? value : undefined);
  switch (def.type) {
    case 'number':
      return { ...base, kind: meta.unit === 'bytes' ? 'bytes' : 'number', ...defined({ min: number(bounds.minValue), max: number(bounds.maxValue) }) };
    case 'boolean':
      return { ...base, kind: 'boolean' };
    case 'enum':
      return { ...base, kind: 'choice', choices: Object.values(def.entries).map((value) => ({ value: String(value), label: String(value) })) };
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
  return inner.kind === 'choice' ? { ...base, kind: 'order', choices: inner.choices } : { ...base, kind: 'list', fields: inner.fields };
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
  const found: Unwrapped = { schema: outer, meta: {}, isRequired: true, initial: undefined };
  for (let schema: z.core.$ZodType | undefined = outer; schema; ) {
    found.schema = schema;
    found.meta = { ...metaOf(schema), ...found.meta };
    const def: z.core.$ZodTypes['_zod']['def'] = (schema as z.core.$ZodTypes)._zod.def; // as above
    if (def.type === 'default' || def.type === 'prefault') found.initial ??= def.defaultValue;
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

export interface FieldProps {
  field: FieldInfo;
  /** Unique within the page, so that labels find their control. */
  id: string;
  value?: unknown;
  /** Choices known only at run time, such as networks. */
  choices?: Choice[] | undefined;
  /** Names of the fields beside it that make no sense once this one has a value. */
  instead?: string[] | undefined;
  /** In a row beside others: no room for help and cards. */
  isInRow?: boolean;
}

export function Field({ field, id, value, choices, instead, isInRow }: FieldProps) {
  const { phrase, t } = useUi();
  const current = value === undefined ? field.initial : value;
  if (field.widget === 'hidden') return <input type="hidden" name={field.name} value={text(current)} />;
  const help = field.help && !isInRow && <p class="field-help" id={`${id}-help`}>{phrase(field.help)}</p>;
  const slot = <p class="field-error" data-error-for={field.name} id={`${id}-error`} aria-live="polite" />;
  const known = choices ?? (field.choices.length > 0 ? field.choices.map((choice) => ({ ...choice, label: phrase(choice.label) })) : undefined);
  const label = phrase(field.label ?? field.name);
  const control = <Control field={field} id={id} current={current} choices={known} instead={instead} />;
  if (field.kind === 'order' && known) return <OrderField field={field} id={id} current={current} choices={known} label={label}>{help}{slot}</OrderField>;
  if (field.kind === 'boolean') {
    return <div class="field" data-kind="boolean"><label class="switch" for={id}>{control}<span class="field-label">{label}</span></label>{help}{slot}</div>;
  }
  if (known && !isInRow && (field.widget === 'radio' || known.some((choice) => choice.help))) return <RadioField field={field} id={id} current={text(current)} choices={known} label={label}>{help}{slot}</RadioField>;
  return (
    <div class="field" data-kind={field.kind}>
      <label class="field-label" for={id}>{label}{!field.isRequired && current === undefined && <span class="quiet"> {t('form.optional')}</span>}</label>
      {control}{help}{slot}
    </div>
  );
}

interface ControlProps {
  field: FieldInfo;
  id: string;
  current: unknown;
  choices: Choice[] | undefined;
  instead: string[] | undefined;
}

function Control({ field, id, current, choices, instead }: ControlProps) {
  const { t } = useUi();
  const shared = { id, name: field.name, 'data-kind': field.kind, 'aria-describedby': `${id}-help ${id}-error`, required: field.isRequired };
  if (choices) {
    return (
      <select {...shared} required={false} data-instead={instead?.join(' ')}>
        {!field.isRequired && (field.initial ?? undefined) === undefined && <option value="">{t('form.nothing')}</option>}
        {choices.map((choice) => <option value={choice.value} selected={choice.value === text(current)}>{choice.label}</option>)}
      </select>
    );
  }
  if (field.kind === 'boolean') return <SwitchControl shared={shared} isOn={current === true} />;
  if (field.kind === 'bytes') return <BytesControl shared={shared} bytes={typeof current === 'number' ? current : undefined} />;
  if (field.kind === 'number') return <NumberControl field={field} shared={shared} current={current} />;
  const plain = { minlength: field.minLength, maxlength: field.maxLength, placeholder: field.placeholder, spellcheck: false };
  if (field.widget === 'textarea' || field.widget === 'code') return <textarea {...shared} {...plain} rows={field.widget === 'code' ? 10 : 2}>{text(current)}</textarea>;
  if (field.widget === 'password') return <input type="password" {...shared} {...plain} autocomplete="off" />;
  return <input type="text" {...shared} {...plain} value={text(current)} autocomplete="off" autocapitalize="none" />;
}

/** The hidden control says `off` where the switch stays silent, so that an edit can turn something off. */
function SwitchControl({ shared, isOn }: { shared: { name: string }; isOn: boolean }) {
  return <><input type="hidden" name={shared.name} value="off" /><input type="checkbox" {...shared} required={false} checked={isOn} role="switch" /></>;
}

function NumberControl({ field, shared, current }: { field: FieldInfo; shared: object; current: unknown }) {
  const input = <input type="number" inputmode="numeric" {...shared} min={field.min} max={field.max} step={1} value={text(current)} />;
  return field.unit ? <span class="with-unit">{input}<span class="unit">{field.unit}</span></span> : input;
}

/** Amount and unit side by side; the form script sends them as one value, `20 GiB`. */
function BytesControl({ shared, bytes }: { shared: { id: string; name: string }; bytes: number | undefined }) {
  const { t } = useUi();
  const { amount, unit } = bytes === undefined ? { amount: '', unit: 'GiB' as const } : splitBytes(bytes);
  return (
    <span class="with-unit">
      <input type="number" inputmode="decimal" min={0} step="any" {...shared} value={String(amount)} />
      <select data-unit-of={shared.name} aria-label={t('form.unit')}>
        {(['MiB', 'GiB', 'TiB'] as const).map((name) => <option selected={name === unit}>{name}</option>)}
      </select>
    </span>
  );
}

interface GroupProps {
  field: FieldInfo;
  id: string;
  current: unknown;
  choices: Choice[];
  label: string;
  children?: Child;
}

function RadioField({ field, id, current, choices, label, children }: GroupProps) {
  const { phrase } = useUi();
  return (
    <fieldset class="field radio-field">
      <legend class="field-label">{label}</legend>
      <div class="radio-cards">
        {choices.map((choice) => (
          <label class="radio-card">
            <input type="radio" name={field.name} value={choice.value} checked={choice.value === current} id={`${id}-${choice.value}`} data-kind={field.kind} />
            <span><strong>{choice.label}</strong>{choice.help && <span class="field-help">{phrase(choice.help)}</span>}</span>
            <Icon name="check" />
          </label>
        ))}
      </div>
      {children}
    </fieldset>
  );
}

/** What comes first, second, third. */
function OrderField({ field, id, current, choices, label, children }: GroupProps) {
  const { t } = useUi();
  const order: unknown[] = Array.isArray(current) ? current : [];
  return (
    <fieldset class="field">
      <legend class="field-label">{label}</legend>
      <div class="order">
        {choices.map((_choice, place) => (
          <select name={`${field.name}.${place}`} id={`${id}.${place}`} data-kind="choice" aria-label={`${label} ${place + 1}`}>
            <option value="">{t('form.nothing')}</option>
            {choices.map(({ value, label: name }) => <option value={value} selected={value === order[place]}>{name}</option>)}
          </select>
        ))}
      </div>
      {children}
    </fieldset>
  );
}

function text(value: unknown): string {
  return value === undefined || value === null ? '' : String(value);
}
