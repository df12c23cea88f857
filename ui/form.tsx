/**
 * Forms: a face of an operation record. Fields come from its input schema, grouped in sections; the form is sent to the
 * very API address, and "as API call" shows the same request for the shell.
 *
 *   <Form operation={vmCreate} id="create-vm" submit="Create" next="/vms/{name}"
 *         sections={[{ title: 'Name', fields: ['name'] }]} choices={{ 'nics.network': [...] }} />
 *
 * Without the permission of its operation a form is not there. Answers: `FormProblem` fills the slots made here; success
 * goes to `next` or shows a toast and closes the dialog.
 */
import type { Child } from 'hono/jsx';
import { type AnyOperation, pathParameters } from '../appliance/core/operation.ts';
import { answerHeaders, apiPath, Button, objectOf } from './action.tsx';
import { useUi } from './context.ts';
import { Field } from './field.tsx';
import { type Choice, type FieldInfo, objectFields } from './field-info.ts';
import { Icon, type IconName } from './icon.tsx';

export interface FormSection {
  title?: string;
  help?: string;
  icon?: IconName;
  /** Names of fields, in order; of one inside another `cloudInit.windows`. */
  fields: string[];
  /** Folded away until opened. */
  isFolded?: boolean;
}

export interface RowSpec {
  /** The button, such as "Add a disk". */
  add: string;
  /** Fields to show; else all. */
  fields?: string[];
  /** What a new row starts with. */
  initial?: Record<string, unknown>;
}

export interface FormProps {
  operation: AnyOperation;
  /** Unique on the page. */
  id: string;
  /** Values of the path's parameters. */
  path?: Record<string, string>;
  /** Current values; else the schema's defaults. */
  values?: Record<string, unknown>;
  /** Choices of fields by name; inside lists without the index, such as `nics.network`. */
  choices?: Record<string, Choice[]>;
  /** How lists are shown, by name. */
  rows?: Record<string, RowSpec>;
  /** Fields that make others needless once chosen, by name; inside lists without the index. */
  instead?: Record<string, string[]>;
  /** Without sections every field of the body is shown in order. */
  sections?: FormSection[];
  submit?: string;
  submitTone?: 'primary' | 'danger' | 'plain';
  /** Why nothing can be chosen in a field, by name. */
  disabledReasons?: Record<string, string | undefined>;
  /** Fields that the schema leaves open and this form needs. */
  needed?: readonly string[];
  /** Sent along and not shown. */
  fixed?: Record<string, string>;
  next?: string;
  generation?: number;
  /** Beside the submit button, such as a cancel link. */
  aside?: Child;
  /** Sign-in and the like, where an API call helps nobody. */
  hasNoCall?: boolean;
  /** Before the fields. */
  children?: Child;
}

export function Form(props: FormProps) {
  const { phrase, t, can } = useUi();
  const { operation, id, path = {}, sections, generation } = props;
  if (operation.permission !== 'public' && !can(operation.permission, objectOf(operation, path))) return null;
  const inPath = new Set(pathParameters(operation.path));
  const top = objectFields(operation.input).filter((field) => !inPath.has(field.name));
  const fields = new Map(withInner(top).map((field) => [field.name, field]));
  const groups = sections ?? [{ fields: top.map(({ name }) => name) }];
  const address = apiPath(operation, path);
  return (
    <form id={id} class="form" data-sections={sections?.some((section) => section.title && !section.isFolded) ? '' : undefined} {...{ [`hx-${operation.method.toLowerCase()}`]: address }} hx-swap="none" hx-disable="find button[type=submit]"
      hx-headers={answerHeaders(props.next, generation)} data-method={operation.method} data-address={address} novalidate>
      <div class="form-body">
        <div data-form-problem="" />
        {props.children}
        {Object.entries(props.fixed ?? {}).map(([name, value]) => <input type="hidden" name={name} value={value} />)}
        {groups.map((group) => <Section group={group} fields={group.fields.flatMap((name) => fields.get(name) ?? [])} form={props} />)}
      </div>
      <footer class="form-foot">
        <div class="verbs">
          <Button type="submit" text={props.submit ?? phrase(operation.summary)} tone={props.submitTone ?? 'primary'} />
          {props.aside}
          <span class="form-busy" aria-hidden="true">{t('form.sending')}</span>
        </div>
        {!props.hasNoCall && <ApiCall />}
      </footer>
    </form>
  );
}

const withInner = (fields: FieldInfo[]): FieldInfo[] => fields.flatMap((field) => [field, ...(field.kind === 'object' ? withInner(field.fields) : [])]);

/** The value of a field, also of one inside another. */
function valueAt(values: Record<string, unknown> | undefined, name: string): unknown {
  if (values && name in values) return values[name];
  return name.split('.').reduce<unknown>((inner, key) => (inner as Record<string, unknown> | null | undefined)?.[key], values); // objects by their schema
}

function Section({ group, fields, form }: { group: FormSection; fields: FieldInfo[]; form: FormProps }) {
  const body = <div class="form-fields">{fields.map((field) => <FormField field={field} form={form} />)}</div>;
  if (!group.title) return body;
  const head = <>{group.icon && <Icon name={group.icon} />}{group.title}</>;
  if (group.isFolded) return <details class="form-section"><summary>{head}<Icon name="down" class="fold" /></summary>{body}</details>;
  return (
    <fieldset class="form-section">
      <legend>{head}</legend>
      {group.help && <p class="form-section-help">{group.help}</p>}
      {body}
    </fieldset>
  );
}

function FormField({ field, form }: { field: FieldInfo; form: FormProps }) {
  const value = valueAt(form.values, field.name);
  if (field.kind === 'list' && field.fields.length > 0) return <Rows field={field} form={form} values={Array.isArray(value) ? value : undefined} />;
  if (field.kind === 'object') {
    const record = (value ?? {}) as Record<string, unknown>; // an object field's value is an object
    return <>{field.fields.map((inner) => <FormField field={inner} form={{ ...form, values: { [inner.name]: record[last(inner.name)] } }} />)}</>;
  }
  return <Field field={{ ...field, isRequired: field.isRequired || (form.needed?.includes(field.name) ?? false) }} id={`${form.id}-${field.name}`} value={value} choices={form.choices?.[field.name]} instead={form.instead?.[field.name]} disabledReason={form.disabledReasons?.[field.name]} />;
}

/** A list of objects: one row each, with add and remove. The script clones the template and renumbers the names. */
function Rows({ field, form, values }: { field: FieldInfo; form: FormProps; values: unknown[] | undefined }) {
  const { phrase, t } = useUi();
  const rows = values ?? (Array.isArray(field.initial) ? field.initial : []);
  const label = phrase(field.label ?? field.name);
  return (
    <fieldset class="rows" data-rows={field.name} aria-label={label}>
      {/* An edit tells that no row is left. */}
      {field.initial === undefined && !field.isRequired && <input type="hidden" name={field.name} value="" />}
      <div data-rows-body="">{rows.map((row, index) => <Row field={field} form={form} index={String(index)} values={row as Record<string, unknown>} />)}</div>
      <template><Row field={field} form={form} index="#" values={form.rows?.[field.name]?.initial ?? {}} /></template>
      {field.help && <p class="field-help">{phrase(field.help)}</p>}
      <p class="field-error" data-error-for={field.name} />
      <button type="button" class="button" data-tone="quiet" data-row-add=""><Icon name="plus" />{form.rows?.[field.name]?.add ?? t('form.add', { what: label })}</button>
    </fieldset>
  );
}

function Row({ field, form, index, values }: { field: FieldInfo; form: FormProps; index: string; values: Record<string, unknown> }) {
  const { t } = useUi();
  const prefix = `${field.name}.${index}`;
  const shown = form.rows?.[field.name]?.fields;
  const fields = shown ? shown.flatMap((name) => field.fields.find((inner) => inner.name === name) ?? []) : field.fields;
  return (
    <div class="row" data-row="">
      {fields.map((inner) => (
        <Field field={{ ...inner, name: `${prefix}.${inner.name}` }} id={`${form.id}-${prefix}.${inner.name}`} value={values[inner.name]} isInRow
          choices={form.choices?.[`${field.name}.${inner.name}`]} instead={form.instead?.[`${field.name}.${inner.name}`]} />
      ))}
      <button type="button" class="button row-remove" data-tone="quiet" data-compact="" data-row-remove="" title={t('form.remove')}>
        <Icon name="close" /><span class="sr">{t('form.remove')}</span>
      </button>
    </div>
  );
}

/** The same request for the shell, kept current by the form script while it is open. */
function ApiCall() {
  const { t } = useUi();
  return (
    <details class="api-call">
      <summary><Icon name="console" />{t('form.apiCall')}<Icon name="down" class="fold" /></summary>
      <pre data-curl="" tabindex={0} />
      <button type="button" class="button" data-tone="quiet" data-copy="previous pre"><Icon name="copy" />{t('form.copy')}</button>
    </details>
  );
}

function last(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1);
}

