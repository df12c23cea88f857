/** What happened (events) and who did what (audit trail). */
import type * as z from 'zod';
import { auditList, eventList } from '../../appliance/activity/operations.ts';
import type * as schema from '../../appliance/activity/schema.ts';
import { useUi } from '../context.ts';
import { Time } from '../format.tsx';
import { Icon, type IconName } from '../icon.tsx';
import { filledIn, Filter, FilterChoice, List, nextPage } from '../list.tsx';
import { type AnyPage, definePage } from '../page.ts';
import { Chip, Empty, PageHead, Panel, Tabs, type Tone } from '../section.tsx';
import { AboutLinks } from './about.tsx';

export type ToldEvent = z.output<typeof schema.EventOutput>;
type AuditEntry = z.output<typeof schema.AuditOutput>;

const looks: Record<ToldEvent['severity'], { tone: Tone; icon: IconName }> = {
  info: { tone: 'info', icon: 'info' }, warning: { tone: 'warn', icon: 'alert' }, error: { tone: 'bad', icon: 'error' },
};
const severities = ['info', 'warning', 'error'] as const;

/** Latest first; a trouble that lasts says so, one that was noticed often counts. */
export function EventFeed({ events }: { events: ToldEvent[] }) {
  const { t, phrase } = useUi();
  return (
    <ol class="events">
      {events.map((event) => (
        <li class="event" id={`event-${event.id}`} data-tone={looks[event.severity].tone}>
          <Icon name={looks[event.severity].icon} label={t(`event.${event.severity}`)} />
          <div>
            <Message event={event} />
            {event.count > 1 && <span class="quiet"> {t('event.times', { count: event.count })}</span>}
            {event.isStanding && <span class="quiet"> · {t('event.standing')}</span>}
            {event.nextStep && <small>{phrase(event.nextStep)}</small>}
          </div>
          <Time at={event.lastAt} />
        </li>
      ))}
    </ol>
  );
}

/** The message with the first thing that it names as a link; else the links after it. */
function Message({ event: { message, about } }: { event: ToldEvent }) {
  const { phrase } = useUi();
  const told = phrase(message);
  const named = about.find(({ name }) => name && told.includes(name));
  if (!named) return <>{told} {about.length > 0 && <AboutLinks about={about} />}</>;
  const at = told.indexOf(named.name);
  return <>{told.slice(0, at)}<AboutLinks about={[named]} />{told.slice(at + named.name.length)}</>;
}

export function EventTabs() {
  const { t, can } = useUi();
  const tabs = [
    { href: '/events', text: t('nav.events') },
    ...(can('audit.read') ? [{ href: '/audit', text: t('event.audit') }] : []),
    ...(can('audit.read') ? [{ href: '/events/configuration', text: t('config.title') }] : []),
    ...(can('history.edit') ? [{ href: '/events/destinations', text: t('destination.title') }] : []),
    ...(can('history.edit') ? [{ href: '/events/settings', text: t('history.settings') }] : []),
  ];
  return tabs.length > 1 ? <Tabs label={t('nav.events')} tabs={tabs} /> : null;
}

const eventPage = definePage({
  path: '/events', live: ['event'],
  async load({ read }, { query }) {
    const filter = filledIn(query, ['severity', 'search', 'about', 'after']);
    return { ...(await read(eventList, filter as never)), filter }; // checked by the record's schema
  },
  title: (_data, { t }) => t('nav.events'),
  view: ({ items, next, filter }, { t }) => (
    <>
      <PageHead title={t('nav.events')} lead={t('event.lead')} />
      <EventTabs />
      <div class="toolbar">
        <Filter action="/events" search={filter['search']} label={t('event.search')}>
          <FilterChoice name="severity" label={t('event.severity')} any={t('event.anySeverity')} chosen={filter['severity']} options={severities.map((value) => ({ value, label: t(`event.${value}`) }))} />
        </Filter>
      </div>
      <Panel>
        {items.length > 0 ? <EventFeed events={items} /> : <Empty icon="events" title={t('event.none')} text={t('event.noneText')} />}
        <NextLink href={nextPage('/events', filter, next)} />
      </Panel>
    </>
  ),
});

function NextLink({ href }: { href: string | undefined }) {
  const { t } = useUi();
  return href ? <p class="list-next"><a class="button" href={href}>{t('list.next')}<Icon name="right" /></a></p> : null;
}

const auditPage = definePage({
  path: '/audit', live: ['event'],
  async load({ read }, { query }) {
    const filter = filledIn(query, ['actor', 'outcome', 'after']);
    return { ...(await read(auditList, filter as never)), filter }; // checked by the record's schema
  },
  title: (_data, { t }) => t('event.audit'),
  view: ({ items, next, filter }, { t }) => (
    <>
      <PageHead title={t('nav.events')} lead={t('event.auditLead')} />
      <EventTabs />
      <div class="toolbar">
        <Filter action="/audit" name="actor" search={filter['actor']} label={t('event.searchActor')}>
          <FilterChoice name="outcome" label={t('field.outcome')} any={t('event.anyOutcome')} chosen={filter['outcome']}
            options={[{ value: 'ok', label: t('event.ok') }, { value: 'refused', label: t('event.refused') }]} />
        </Filter>
      </div>
      {items.length > 0 ? <AuditTable entries={items} next={nextPage('/audit', filter, next)} /> : <Panel><Empty icon="events" title={t('event.noAudit')} text={t('event.noAuditText')} /></Panel>}
    </>
  ),
});

function AuditTable({ entries, next }: { entries: AuditEntry[]; next: string | undefined }) {
  const { t } = useUi();
  return (
    <List label={t('event.audit')} rows={entries} rowId={(entry) => `audit-${entry.id}`} next={next} columns={[
      { head: t('field.what'), as: 'main', cell: (entry) => <><strong>{entry.operation}</strong><small>{Object.values(entry.subject).join(', ')}</small></> },
      { head: t('field.outcome'), as: 'state', cell: (entry) => <OutcomeChip outcome={entry.outcome} /> },
      { head: t('field.user'), cell: (entry) => entry.actor },
      { head: t('field.from'), from: 'tablet', cell: (entry) => <code>{entry.from}</code> },
      { head: t('field.when'), cell: (entry) => <><Time at={entry.at} as="clock" />{entry.count > 1 && <span class="quiet"> {t('event.times', { count: entry.count })}</span>}</> },
      { head: t('field.requestId'), from: 'wall', cell: (entry) => <code>{entry.requestId}</code> },
    ]} />
  );
}

function OutcomeChip({ outcome }: { outcome: string }) {
  const { t } = useUi();
  return outcome === 'ok' ? <Chip tone="ok" icon="check" text={t('event.ok')} /> : <Chip tone="bad" icon="error" text={t('event.refused')} reason={outcome} />;
}

export const eventPages: AnyPage[] = [eventPage, auditPage];
