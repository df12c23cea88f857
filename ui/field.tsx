/**
 * A form field as one labelled control with help, unit and a slot for its error, from what its schema says (`field-info.ts`).
 *
 * Controls are named by their path in the request body (`disks.0.sizeBytes`). Sizes are sent with their unit
 * (`20 GiB`), switches as `on` or `off`, plain lists with commas between, an empty control as absent; the server reads them by the same schema.
 */
import type { Child } from 'hono/jsx';
import { useUi } from './context.ts';
import type { Choice, FieldInfo } from './field-info.ts';
import { splitBytes } from './format.tsx';
import { Icon } from './icon.tsx';

export interface FieldProps {
  field: FieldInfo;
  /** Unique within the page, so that labels find their control. */
  id: string;
  value?: unknown;
  /** Choices known only at run time, such as networks. */
  choices?: Choice[] | undefined;
  /** Names of the fields beside it that make no sense once this one has a value. */
  instead?: string[] | undefined;
  /** Why nothing can be chosen here; told in the place of the help. */
  disabledReason?: string | undefined;
  /** In a row beside others: no room for help and cards. */
  isInRow?: boolean;
}

export function Field({ field, id, value, choices, instead, isInRow, disabledReason }: FieldProps) {
  const { phrase, t } = useUi();
  const current = value === undefined ? field.initial : value;
  if (field.widget === 'hidden') return <input type="hidden" name={field.name} value={text(current)} />;
  // In a row there is no room for it: it is heard, and seen at the label.
  const help = field.help && <p class={isInRow ? 'sr' : 'field-help'} id={`${id}-help`}><Prose text={phrase(disabledReason ?? field.help)} /></p>;
  const slot = <p class="field-error" data-error-for={field.name} id={`${id}-error`} aria-live="polite" />;
  const known = choices ?? (field.choices.length > 0 ? field.choices.map((choice) => ({ ...choice, label: phrase(choice.label) })) : undefined);
  const label = phrase(field.label ?? field.name);
  const control = <Control field={field} id={id} current={current} choices={known} instead={instead} hasHelp={Boolean(help)} isDisabled={disabledReason !== undefined} />;
  if (field.kind === 'order' && known) return <OrderField field={field} id={id} current={current} choices={known} label={label}>{help}{slot}</OrderField>;
  if (field.widget === 'set' && known) return <SetField field={field} id={id} current={current} choices={known} label={label}>{help}{slot}</SetField>;
  if (field.kind === 'boolean') {
    return <div class="field" data-kind="boolean"><label class="switch" for={id}>{control}<span class="field-label">{label}</span></label>{help}{slot}</div>;
  }
  if (known && !isInRow && (field.widget === 'radio' || known.some((choice) => choice.help))) return <RadioField field={field} id={id} current={text(current)} choices={known} label={label}>{help}{slot}</RadioField>;
  return (
    <div class="field" data-kind={field.kind}>
      <label class="field-label" for={id} title={isInRow && field.help ? phrase(field.help) : undefined}>{label}{!isInRow && !field.isRequired && current === undefined && <span class="quiet"> {t('form.optional')}</span>}</label>
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
  hasHelp: boolean;
  isDisabled: boolean;
}

const hasEmptyChoice = (field: FieldInfo, current: unknown) => !field.isRequired && (field.initial ?? undefined) === undefined && !(field.unset !== undefined && current !== undefined);

function Control({ field, id, current, choices, instead, hasHelp, isDisabled }: ControlProps) {
  const { t, phrase } = useUi();
  const shared = { id, name: field.name, 'data-kind': field.kind === 'list' && field.widget === 'textarea' ? 'lines' : field.kind, 'aria-describedby': `${hasHelp ? `${id}-help ` : ''}${id}-error`, required: field.isRequired, 'data-null': field.isNullable ? '' : undefined, disabled: isDisabled };
  if (choices) {
    return (
      <select {...shared} required={false} data-instead={instead?.join(' ')}>
        {hasEmptyChoice(field, current) && <option value="">{field.unset === undefined ? t('form.nothing') : phrase(field.unset)}</option>}
        {choices.map((choice) => <option value={choice.value} selected={choice.value === text(current)}>{choice.label}</option>)}
      </select>
    );
  }
  if (field.kind === 'boolean') return <SwitchControl shared={shared} isOn={current === true} />;
  if (field.kind === 'bytes') return <BytesControl field={field} shared={shared} bytes={typeof current === 'number' ? current : undefined} />;
  if (field.kind === 'number') return <NumberControl field={field} shared={shared} current={current} />;
  const plain = { minlength: field.minLength, maxlength: field.maxLength, placeholder: field.placeholder, spellcheck: false };
  if (field.widget === 'textarea' || field.widget === 'code') return <textarea {...shared} {...plain} rows={field.widget === 'code' ? 10 : 2}>{field.kind === 'list' && Array.isArray(current) ? current.join('\n') : text(current)}</textarea>;
  if (field.widget === 'password') return <input type="password" {...shared} {...plain} autocomplete="off" />;
  return <input type="text" {...shared} {...plain} value={text(current)} autocomplete="off" autocapitalize="none" />;
}

/** The hidden control says `off` where the switch stays silent, so that an edit can turn something off. */
function SwitchControl({ shared, isOn }: { shared: { name: string }; isOn: boolean }) {
  return (
    <>
      <input type="hidden" name={shared.name} value="off" />
      {/* biome-ignore lint/a11y/useAriaPropsForRole: a checkbox tells its state itself */}
      <input type="checkbox" {...shared} required={false} checked={isOn} role="switch" />
    </>
  );
}

function NumberControl({ field, shared, current }: { field: FieldInfo; shared: object; current: unknown }) {
  const input = <input type="number" inputmode="numeric" {...shared} min={field.min} max={field.max} step={1} value={text(current)} />;
  return field.unit ? <span class="with-unit">{input}<span class="unit">{field.unit}</span></span> : input;
}

/** Amount and unit side by side; the form script sends them as one value, `20 GiB`. */
function BytesControl({ field, shared, bytes }: { field: FieldInfo; shared: { id: string; name: string }; bytes: number | undefined }) {
  const { t } = useUi();
  const { amount, unit } = bytes === undefined ? { amount: '', unit: field.firstUnit ?? 'GiB' } : splitBytes(bytes);
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

/** Any of the choices. The hidden control says that none is, where no box is ticked. */
function SetField({ field, id, current, choices, label, children }: GroupProps) {
  const { phrase } = useUi();
  const chosen: unknown[] = Array.isArray(current) ? current : [];
  return (
    <fieldset class="field set-field">
      <legend class="field-label">{label}</legend>
      <input type="hidden" name={field.name} value="" data-kind="set" />
      <div class="set-choices">
        {choices.map((choice, place) => (
          <label>
            <input type="checkbox" name={`${field.name}.${place}`} value={choice.value} checked={chosen.includes(choice.value)} id={`${id}-${choice.value}`} data-kind="choice" />
            <span>{choice.label}{choice.help && <span class="field-help">{phrase(choice.help)}</span>}</span>
          </label>
        ))}
      </div>
      {children}
    </fieldset>
  );
}

/** Text in which backticks mark what one types. */
function Prose({ text: prose }: { text: string }) {
  return <>{prose.split('`').map((part, index) => (index % 2 === 1 ? <code>{part}</code> : part))}</>;
}

function text(value: unknown): string {
  if (Array.isArray(value)) return value.join(', ');
  return value === undefined || value === null ? '' : String(value);
}
