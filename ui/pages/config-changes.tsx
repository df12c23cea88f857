/** The history of the configuration: each change with its fields before and after. */
import type * as z from 'zod';
import { configList } from '../../appliance/activity/operations.ts';
import type { ConfigPage } from '../../appliance/activity/schema.ts';
import { useUi } from '../context.ts';
import { Time } from '../format.tsx';
import { Icon } from '../icon.tsx';
import { filledIn, Filter, nextPage } from '../list.tsx';
import { type AnyPage, definePage } from '../page.ts';
import { Chip, Empty, PageHead, Panel } from '../section.tsx';
import { isTextKey } from '../text.ts';
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
  view: ({ items, next, filter }, { t }) => {
    const following = nextPage(path, filter, next);
    return (
      <>
        <PageHead title={t('nav.events')} lead={t('config.lead')} />
        <EventTabs />
        <div class="toolbar"><Filter action={path} name="object" search={filter['object']} label={t('config.search')} /></div>
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
  const kindKey = `config.kind.${change.kind}`; // none of these texts has places
  return (
    <li class="event" id={`config-${change.seq}-${change.kind}-${change.id}`}>
      <Icon name={icon} />
      <div>
        <strong>{change.name}</strong> <span class="quiet">{isTextKey(kindKey) ? t(kindKey as 'config.kind.vm') : change.kind}</span> <Chip tone={tone} icon={icon} text={t(`config.${change.what}`)} />
        <small>{change.actor === 'system' ? t('config.system') : `${change.actor} · ${change.operation}`}</small>
        {change.fields.length > 0 && change.what === 'updated' && <FieldRows change={change} />}
        {change.fields.length > 0 && change.what !== 'updated' && <details><summary>{t('config.fields', { count: change.fields.length })}</summary><FieldRows change={change} /></details>}
      </div>
      <Time at={change.at} as="clock" />
    </li>
  );
}

function FieldRows({ change: { fields } }: { change: Change }) {
  const { t } = useUi();
  return (
    <dl class="config-fields">
      {fields.map(({ field, before, after, isSecret }) => <div><dt>{field}</dt><dd>{isSecret ? t('config.secret') : <>{before !== null && <><del>{written(before)}</del> → </>}<ins>{written(after)}</ins></>}</dd></div>)}
    </dl>
  );
}

/** As the API writes it; long things are cut off. */
function written(value: unknown): string {
  const text = value === null || value === undefined ? '–' : typeof value === 'string' ? value || '""' : JSON.stringify(value);
  return text.length > 300 ? `${text.slice(0, 300)} …` : text;
}

export const configPages: AnyPage[] = [configPage];
