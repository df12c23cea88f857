/** The first page: how the hut stands. What wants attention comes before what is merely good to know. */
import { eventList, taskList } from '../../appliance/activity/operations.ts';
import { hostGet } from '../../appliance/host/operations.ts';
import { domainList } from '../../appliance/storage/operations.ts';
import { vmList } from '../../appliance/vm/operations.ts';
import { type Ui, useUi } from '../context.ts';
import { formatBytes, Meter } from '../format.tsx';
import { type AnyPage, definePage, type PageCall } from '../page.ts';
import { Figure, Notice, PageHead, Panel } from '../section.tsx';
import { showTask } from '../shown-task.ts';
import { TaskProgress } from '../task.tsx';
import { EventFeed } from './event.tsx';
import { HostFigures, HostWarnings, readLoad } from './host.tsx';
import { Portal, readPortal } from './portal.tsx';
import type { ToldTask } from './task.tsx';
import { CreateLink, NoVm, VmTable } from './vm-list.tsx';
import type { VmSummary } from './vm-state.tsx';

const shownVms = 12;

/** What the reader may see; the rest of the page stays away. */
async function readOverview(call: PageCall) {
  const { read, can } = call;
  const [host, load, vms, domains, tasks, events, troubles] = await Promise.all([
    can('host.read') ? read(hostGet, { host: 'this' }) : undefined,
    can('host.read') ? readLoad(call) : undefined,
    can('vm.read') ? read(vmList, { limit: 1000 }).then(({ items }) => items) : [],
    can('storage.read') ? read(domainList, {}).then(({ items }) => items) : [],
    can('task.read') ? read(taskList, { state: 'active', limit: 5 }).then(({ items }) => items) : [],
    can('event.read') ? read(eventList, { limit: 8 }).then(({ items }) => items) : [],
    can('event.read') ? read(eventList, { standing: 'true', limit: 20 }).then(({ items }) => items) : [],
  ]);
  return { host, load, vms, domains, tasks, events, troubles };
}
type Overview = Awaited<ReturnType<typeof readOverview>>;

const overviewPage = definePage({
  path: '/', live: ['vm', 'pool', 'task', 'event', 'storage-domain', 'host'],
  load: async (call, request) => (call.isLimited ? { portal: await readPortal(call, request) } : { whole: await readOverview(call) }),
  title: ({ portal }, { t }) => (portal ? t('portal.title') : t('nav.overview')),
  view: ({ portal, whole }) => (portal ? <Portal data={portal} /> : whole && <Whole data={whole} />),
});

function Whole({ data }: { data: Overview }) {
  const ui = useUi();
  return (
    <>
      <PageHead title={data.host?.name ?? 'Bothy'} lead={summary(data, ui)}><CreateLink /></PageHead>
      <Figures data={data} />
      {data.host && <HostWarnings host={data.host} />}
      <Troubles data={data} />
      <div class="grid" data-cols="side">
        {ui.can('vm.read') ? <Vms vms={data.vms} /> : <div />}
        <div class="stack">
          {data.tasks.length > 0 && <Tasks tasks={data.tasks} ui={ui} />}
          <Panel title={ui.t('overview.events')} aside={<a href="/events">{ui.t('word.all')}</a>}>
            {data.events.length > 0 ? <EventFeed events={data.events} /> : <p class="quiet">{ui.t('event.none')}</p>}
          </Panel>
        </div>
      </div>
    </>
  );
}

function summary({ vms, troubles, host }: Overview, { t }: Ui): string {
  const up = vms.filter(({ state }) => state === 'up').length;
  const bad = troubles.length + (host?.state === 'non-operational' ? 1 : 0);
  const health = bad === 0 ? t('overview.wellText') : t('overview.troubles', { count: bad });
  return vms.length === 0 ? health : `${health} ${t('vm.count', { count: vms.length, up })}`;
}

function Figures({ data: { host, load, vms, domains } }: { data: Overview }) {
  const { t } = useUi();
  const up = vms.filter(({ state }) => state === 'up').length;
  const data = domains.filter(({ kind }) => kind === 'data');
  const total = data.reduce((sum, { totalBytes }) => sum + totalBytes, 0);
  const used = data.reduce((sum, { totalBytes, freeBytes }) => sum + totalBytes - freeBytes, 0);
  return (
    <div class="figures">
      <Figure label={t('nav.vmsShort')} icon="vm" href="/vms" value={up} note={t('overview.ofUp', { count: vms.length })}>
        <Meter label={t('nav.vms')} used={up} total={vms.length} warnAt={2} criticalAt={2} text="" />
      </Figure>
      {host && <HostFigures host={host} load={load} />}
      {total > 0 && (
        <Figure label={t('nav.storage')} icon="storage" href="/storage" value={formatBytes(used)} note={t('word.of', { total: formatBytes(total) })}>
          <Meter label={t('nav.storage')} used={used} total={total} />
        </Figure>
      )}
    </div>
  );
}

/** Lasting troubles that the host does not show itself. */
function Troubles({ data: { troubles, host } }: { data: Overview }) {
  const { phrase } = useUi();
  const shown = new Set(host?.warnings.map(({ message }) => message));
  return <>{troubles.filter(({ message }) => !shown.has(message)).map((event) => <Notice tone={event.severity === 'error' ? 'bad' : 'warn'} title={phrase(event.message)}>{event.nextStep && phrase(event.nextStep)}</Notice>)}</>;
}

function Vms({ vms }: { vms: VmSummary[] }) {
  const { t } = useUi();
  if (vms.length === 0) return <NoVm />;
  // What is not plainly up or down wants to be seen first.
  const rank = ({ state }: VmSummary) => (state === 'up' ? 1 : state === 'down' ? 2 : 0);
  const first = [...vms].sort((a, b) => rank(a) - rank(b) || b.since - a.since).slice(0, shownVms);
  return <Panel title={t('nav.vms')} layout="flush" aside={<a href="/vms">{t('word.all')}</a>}><VmTable vms={first} isBrief /></Panel>;
}

function Tasks({ tasks, ui }: { tasks: ToldTask[]; ui: Ui }) {
  return (
    <Panel title={ui.t('overview.tasks')} aside={<a href="/tasks">{ui.t('word.all')}</a>}>
      <div class="stack">
        {tasks.map((task) => {
          const shown = showTask(ui, task);
          return <div id={`task-${task.id}`}><a href={`/tasks/${task.id}`}>{shown.title}</a><TaskProgress task={shown} /></div>;
        })}
      </div>
    </Panel>
  );
}

export const overviewPages: AnyPage[] = [overviewPage];
