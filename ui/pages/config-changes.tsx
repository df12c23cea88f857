/** The history of the configuration: each change with its fields before and after. */
import type * as z from 'zod';
import { configList } from '../../appliance/activity/operations.ts';
import type { ConfigPage } from '../../appliance/activity/schema.ts';
import { placeOf } from '../config-words.ts';
import { useUi } from '../context.ts';
import type { FieldInfo } from '../field-info.ts';
import { formatBytes, Time } from '../format.tsx';
import { Icon } from '../icon.tsx';
import { filledIn, Filter, FilterChoice, nextPage } from '../list.tsx';
import { type AnyPage, definePage } from '../page.ts';
import { Chip, Empty, PageHead, Panel } from '../section.tsx';
import { isTextKey, type Translator } from '../text.ts';
import { EventTabs } from './event.tsx';

type Change = z.output<typeof ConfigPage>['items'][number];

const path = '/events/configuration';

const configPage = definePage({
  path, live: ['event'],
  async load({ read }, { query }) {
    const filter = filledIn(query, ['object', 'kind', 'actor', 'after']);
    return { ...(await read(configList, filter as never)), filter }; // checked by the record's schema
  },
  title: (_data, { t }) => t('config.title'),
  view: ({ items, next, filter, kinds, actors }, { t }) => {
    const following = nextPage(path, filter, next);
    return (
      <>
        <PageHead title={t('nav.events')} lead={t('config.lead')} />
        <EventTabs />
        <div class="toolbar">
          <Filter action={path} name="object" search={filter['object']} label={t('config.search')}>
            <FilterChoice name="kind" label={t('config.kind')} any={t('config.anyKind')} chosen={filter['kind']} options={kinds.map((kind) => ({ value: kind, label: kindText(t, kind) }))} />
            <FilterChoice name="actor" label={t('config.actor')} any={t('config.anyActor')} chosen={filter['actor']} options={actors.map((actor) => ({ value: actor, label: actor === 'system' ? t('config.system') : actor }))} />
          </Filter>
        </div>
        <Panel>
          {items.length > 0 ? <ol class="events">{items.map((change) => <ChangeRow change={change} />)}</ol> : <Empty icon="edit" title={t('config.none')} text={t('config.noneText')} />}
          {following && <p class="list-next"><a class="button" href={following}>{t('list.next')}<Icon name="right" /></a></p>}
        </Panel>
      </>
    );
  },
});

const looks = { created: { tone: 'ok', icon: 'plus' }, updated: { tone: 'info', icon: 'edit' }, deleted: { tone: 'bad', icon: 'trash' } } as const;

function ChangeRow({ change }: { change: Change }) {
  const { t } = useUi();
  const { tone, icon } = looks[change.what];
  return (
    <li class="event" id={`config-${change.seq}-${change.kind}-${change.id}`}>
      <Icon name={icon} />
      <div>
        <strong>{change.name}</strong> <span class="quiet">{kindText(t, change.kind)}</span> <Chip tone={tone} icon={icon} text={t(`config.${change.what}`)} />
        <small>{change.actor === 'system' ? t('config.system') : `${change.actor} · ${change.operation}`}</small>
        {change.fields.length > 0 && change.what === 'updated' && <FieldRows change={change} />}
        {change.fields.length > 0 && change.what !== 'updated' && <details><summary>{t('config.fields', { count: change.fields.length })}</summary><FieldRows change={change} /></details>}
      </div>
      <Time at={change.at} as="clock" />
    </li>
  );
}

function kindText(t: Translator['t'], kind: string): string {
  const key = `config.kind.${kind}`;
  return isTextKey(key) ? t(key as 'config.kind.vm') : kind; // none of these texts has places
}

function FieldRows({ change: { kind, fields } }: { change: Change }) {
  return <dl class="config-fields">{fields.map((difference) => <FieldRow kind={kind} difference={difference} />)}</dl>;
}

/** In the words of the form: "Disks: web-disk1, Discard", and a thing that came or went as a whole. */
function FieldRow({ kind, difference: { field: name, path: pieces, before, after, isSecret } }: { kind: string; difference: Change['fields'][number] }) {
  const { t, phrase } = useUi();
  const { field, list, item, rest, inside } = placeOf(kind, pieces);
  const last = rest.split('.').at(-1) ?? '';
  const own = field?.label ? phrase(field.label) : pieces.at(-1)?.startsWith('[') ? '' : rest;
  const head = item === undefined ? own : `${list?.label ? phrase(list.label) : pieces[0]}: ${item}${own && `, ${own}`}`;
  const show = (value: unknown) => <Value value={value} field={field} name={last} inside={inside} />;
  return (
    <div>
      <dt title={name}>{head}</dt>
      <dd>{isSecret ? t('config.secret') : <>{before !== null && <><del>{show(before)}</del> → </>}<ins>{after === null && before !== null && item !== undefined && own === '' ? t('config.gone') : show(after)}</ins></>}</dd>
    </div>
  );
}

interface Shown {
  value: unknown;
  field: FieldInfo | undefined;
  name: string;
  inside: (name: string) => FieldInfo | undefined;
}

/** As the form shows it, else as the API writes it; long things are cut off. */
function Value({ value, field, name, inside }: Shown) {
  const ui = useUi();
  if (typeof value === 'number' && /At$/.test(name) && value > 1e11) return <Time at={value} as="clock" />;
  const text = written(ui, value, field, inside);
  return <>{text.length > mostCharacters ? `${text.slice(0, mostCharacters)} …` : text}</>;
}

const mostCharacters = 300;

function written(ui: Pick<Translator, 't' | 'phrase'>, value: unknown, field: FieldInfo | undefined, inside: Shown['inside']): string {
  if (value === null || value === undefined || value === '') return '–';
  if (typeof value === 'boolean') return ui.t(value ? 'word.yes' : 'word.no');
  if (typeof value === 'number') return field?.kind === 'bytes' || /Bytes$/.test(field?.name ?? '') ? formatBytes(value) : `${value}${field?.unit ? ` ${field.unit}` : ''}`;
  if (Array.isArray(value)) return value.map((each) => written(ui, each, field, inside)).join(', ') || '–';
  if (typeof value === 'object') return wholes(ui, value, inside);
  const label = field?.labels?.[String(value)] ?? field?.choices.find((choice) => choice.value === value)?.label;
  return label === undefined ? String(value) : ui.phrase(label);
}

/** A thing that came or went, field by field; without what it has not. */
function wholes(ui: Pick<Translator, 't' | 'phrase'>, value: object, inside: Shown['inside']): string {
  return Object.entries(value).filter(([, inner]) => inner !== null && inner !== '').map(([name, inner]) => {
    const field = inside(name);
    const isPlain = typeof inner === 'object' && !Array.isArray(inner) && !field;
    return isPlain ? wholes(ui, inner, inside) : `${field?.label ? ui.phrase(field.label) : name}: ${written(ui, inner, field, inside)}`;
  }).join(', ');
}

export const configPages: AnyPage[] = [configPage];
