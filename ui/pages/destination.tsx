/** Where events are sent: syslog servers, mail addresses, webhooks, and how that goes. */
import type * as z from 'zod';
import { destinationCreate, destinationDelete, destinationEdit, destinationList, destinationTest } from '../../appliance/activity/destination-operations.ts';
import type { DestinationOutput } from '../../appliance/activity/destination-schema.ts';
import { Button, Dialog, OperationButton } from '../action.tsx';
import { useUi } from '../context.ts';
import type { Choice } from '../field-info.ts';
import { Form } from '../form.tsx';
import { Time } from '../format.tsx';
import type { IconName } from '../icon.tsx';
import { List } from '../list.tsx';
import { type AnyPage, definePage } from '../page.ts';
import { Chip, Empty, PageHead, Panel, type Tone } from '../section.tsx';
import { EventTabs } from './event.tsx';

type Destination = z.output<typeof DestinationOutput>;
type Kind = Destination['kind'];

const kinds = ['syslog', 'email', 'webhook'] as const;
const looks: Record<Destination['state'], { tone: Tone; icon: IconName }> = {
  well: { tone: 'ok', icon: 'check' }, waiting: { tone: 'busy', icon: 'clock' }, failing: { tone: 'bad', icon: 'error' }, incomplete: { tone: 'warn', icon: 'alert' }, off: { tone: 'off', icon: 'ring' },
};
/** What each kind is made of, the way there first. */
const wayOf: Record<Kind, string[]> = {
  syslog: ['host', 'transport', 'port'],
  email: ['to', 'from', 'host', 'security', 'port', 'user', 'password', 'gatherMinutes'],
  webhook: ['url', 'signingKey', 'bearer'],
};
const needed: Record<Kind, string[]> = { syslog: ['host'], email: ['to', 'from', 'host'], webhook: ['url', 'signingKey'] };
const initial: Record<Kind, Record<string, unknown>> = { syslog: { transport: 'tcp' }, email: { security: 'starttls', gatherMinutes: 5 }, webhook: {} };

const destinationPage = definePage({
  path: '/events/destinations', live: ['destination'], offers: destinationCreate,
  load: async ({ read }) => (await read(destinationList, {})).items,
  title: (_data, { t }) => t('destination.title'),
  view: (destinations, { t }) => (
    <>
      <PageHead title={t('nav.events')} lead={t('destination.lead')}>
        {kinds.map((kind) => <Button text={t(`destination.new.${kind}`)} icon="plus" data-dialog={`create-${kind}`} />)}
      </PageHead>
      <EventTabs />
      {destinations.length > 0 ? <Table destinations={destinations} /> : <Panel><Empty icon="upload" title={t('destination.none')} text={t('destination.noneText')} /></Panel>}
      {kinds.map((kind) => <Dialog id={`create-${kind}`} title={t(`destination.new.${kind}`)}><DestinationForm kind={kind} /></Dialog>)}
      {destinations.map((destination) => <Dialog id={`edit-${destination.id}`} title={destination.name}><DestinationForm kind={destination.kind} destination={destination} /></Dialog>)}
    </>
  ),
});

function Table({ destinations }: { destinations: Destination[] }) {
  const { t } = useUi();
  return (
    <List label={t('destination.title')} rows={destinations} rowId={({ id }) => `destination-${id}`} columns={[
      { head: t('field.name'), as: 'main', cell: ({ name, receiver }) => <><strong>{name}</strong><small>{receiver || '–'}</small></> },
      { head: t('field.state'), as: 'state', cell: ({ state }) => <Chip {...looks[state]} text={t(`destination.state.${state}`)} /> },
      { head: t('destination.trouble'), cell: (destination) => <Trouble destination={destination} /> },
      { head: t('host.kind'), from: 'tablet', cell: ({ kind }) => t(`destination.kind.${kind}`) },
      { head: t('destination.which'), cell: (destination) => <Which destination={destination} /> },
      { head: t('destination.last'), cell: (destination) => <Last destination={destination} /> },
      { head: t('field.verbs'), as: 'verbs', cell: (destination) => <Verbs destination={destination} /> },
    ]} />
  );
}

/** In full: a tooltip is nothing on a phone. */
function Trouble({ destination: { state, problem, missing } }: { destination: Destination }) {
  const { t, phrase } = useUi();
  if (state === 'incomplete') return <>{t('destination.missing', { names: missing.map((name) => t(`destination.secret.${name}`)).join(', ') })}</>;
  return state === 'failing' && problem ? <div class="cell-text">{phrase(problem.message)}<small>{phrase(problem.nextStep)}</small></div> : <span class="quiet">–</span>;
}

function Last({ destination: { lastDeliveredAt, waiting } }: { destination: Destination }) {
  const { t } = useUi();
  return <div class="cell-text">{lastDeliveredAt === null ? <span class="quiet">–</span> : <Time at={lastDeliveredAt} />}{waiting > 0 && <small>{t('destination.waiting', { count: waiting })}</small>}</div>;
}

function Which({ destination: { severity, kinds: groups } }: { destination: Destination }) {
  const { t } = useUi();
  return <div class="cell-text">{t(`destination.from.${severity}`)}{groups.length > 0 && <small>{groups.map((group) => t(`destination.group.${group}`)).join(', ')}</small>}</div>;
}

function Verbs({ destination: { id, name, generation } }: { destination: Destination }) {
  const { t } = useUi();
  return (
    <span class="row-verbs">
      <OperationButton operation={destinationTest} path={{ destination: id }} label={t('destination.test')} icon="play" tone="quiet" />
      <Button text={t('people.edit', { name })} icon="edit" tone="quiet" isCompact data-dialog={`edit-${id}`} />
      <OperationButton operation={destinationDelete} path={{ destination: id }} label={t('destination.delete')} icon="trash" tone="quiet" isCompact generation={generation}
        confirm={{ title: t('destination.deleteTitle', { name }), body: t('destination.deleteBody') }} />
    </span>
  );
}

function DestinationForm({ kind, destination }: { kind: Kind; destination?: Destination }) {
  const { t } = useUi();
  const options = (prefix: 'from' | 'group', values: readonly string[]): Choice[] => values.map((value) => ({ value, label: t(`destination.${prefix}.${value}` as 'destination.from.info') })); // the lists below
  const choices = {
    severity: options('from', ['info', 'warning', 'error']), kinds: options('group', ['vm', 'storage', 'network', 'host', 'update']),
    transport: [{ value: 'udp', label: 'UDP' }, { value: 'tcp', label: 'TCP' }, { value: 'tls', label: 'TLS' }],
    security: [{ value: 'starttls', label: 'STARTTLS' }, { value: 'tls', label: 'TLS' }, { value: 'none', label: t('destination.noSecurity') }],
  };
  const sections = [{ fields: ['name', ...wayOf[kind], 'severity', 'kinds', 'isEnabled'] }, { title: t('destination.ownCa'), isFolded: true, fields: ['ca'] }];
  if (!destination) return <Form operation={destinationCreate} id={`create-${kind}-form`} values={initial[kind]} fixed={{ kind }} needed={needed[kind]} choices={choices} sections={sections} submit={t(`destination.new.${kind}`)} />;
  const values = Object.fromEntries(Object.entries(destination).filter(([, value]) => value !== null));
  return <Form operation={destinationEdit} id={`destination-form-${destination.id}`} path={{ destination: destination.id }} values={values} generation={destination.generation} choices={choices} sections={sections} submit={t('word.save')}>{destination.secrets.length > 0 && <p class="quiet">{t('destination.secretsStay')}</p>}</Form>;
}

export const destinationPages: AnyPage[] = [destinationPage];
