/** Updates: what runs, what lies in the other slot, how the last switch ended; get another version, switch to it, go back. */
import type * as z from 'zod';
import { taskGet } from '../../appliance/activity/operations.ts';
import { hostGet } from '../../appliance/host/operations.ts';
import { updatePolicyEdit, updatePolicyGet, updateLook } from '../../appliance/update/policy-operations.ts';
import { updateGet, updateInstall, updateInstallFromStick, updateRollback, updateSwitch } from '../../appliance/update/operations.ts';
import type * as schema from '../../appliance/update/schema.ts';
import { vmList } from '../../appliance/vm/operations.ts';
import { OperationButton } from '../action.tsx';
import { useUi } from '../context.ts';
import { Form } from '../form.tsx';
import { Time } from '../format.tsx';
import type { IconName } from '../icon.tsx';
import { List } from '../list.tsx';
import { type AnyPage, definePage, type PageCall } from '../page.ts';
import { Chip, Empty, Facts, Notice, PageHead, Panel, type Tone } from '../section.tsx';
import { showTask } from '../shown-task.ts';
import { isTaskActive, TaskProgress, TaskSteps } from '../task.tsx';
import { UploadDrop } from '../upload.tsx';
import { type Host, Software } from './host.tsx';
import type { ToldTask } from './task.tsx';

type Update = z.output<typeof schema.UpdateOutput>;
type Slot = Update['slots'][number];

type Policy = z.output<typeof schema.UpdatePolicyOutput>;

interface Shown {
  update: Update;
  policy: Policy;
  task: ToldTask | undefined;
  host: Host | undefined;
  /** Names of the VMs that run, or may. */
  running: string[];
}

async function readAll({ read, can }: PageCall): Promise<Shown> {
  const [update, policy] = await Promise.all([read(updateGet, {}), read(updatePolicyGet, {})]);
  const [task, host, vms] = await Promise.all([
    update.task !== null && can('task.read') ? read(taskGet, { task: update.task }) : undefined,
    can('host.read') ? read(hostGet, { host: 'this' }) : undefined,
    can('vm.read') ? read(vmList, { limit: 1000 }).then(({ items }) => items) : [],
  ]);
  return { update, policy, task, host, running: vms.filter(({ state }) => state !== 'down').map(({ name }) => name) };
}

const updatePage = definePage({
  path: '/update', live: ['update', 'task', 'vm', 'host'], offers: updateGet,
  load: readAll,
  title: (_data, { t }) => t('nav.update'),
  view: (shown, { t, can }) => (
    <>
      <PageHead title={t('nav.update')} lead={t('update.lead')} />
      <Standing update={shown.update} isSeen={isSeen(shown)} />
      <div class="stack">
        {shown.task && <AtWork task={shown.task} />}
        {shown.update.next !== null && !shown.task && <Ready shown={shown} version={shown.update.next} />}
        {shown.update.isSupported && <Slots shown={shown} />}
        {shown.update.isSupported && shown.update.onSticks.length > 0 && <OnSticks shown={shown} />}
        {shown.update.isSupported && <AtAddress shown={shown} />}
        {shown.update.isSupported && can('update.install') && !shown.task && <Sources />}
        <div class="grid">{shown.host && <Software host={shown.host} />}<Trust update={shown.update} /></div>
      </div>
    </>
  ),
});

/** Whether VMs can be shut down in order. */
const isSeen = ({ host }: Shown) => host === undefined || host.hypervisor.state === 'connected';

/** What the reader should know before anything else. */
function Standing({ update, isSeen: seesVms }: { update: Update; isSeen: boolean }) {
  const { t, phrase } = useUi();
  const { last, running } = update;
  return (
    <>
      {!update.isSupported && <Notice tone="info" title={t('update.unsupported')}>{phrase(update.reason)}</Notice>}
      {update.isOnTrial && <Notice tone="busy" title={t('update.onTrial', { version: running })}>{update.missing.length > 0 ? <Lines lines={update.missing} /> : t('update.onTrialText')}</Notice>}
      {last?.result === 'failed' && (
        <Notice tone="bad" title={t('update.failed', { to: last.to, running })} actions={<TryAgain update={update} isSeen={seesVms} />}>
          <p>{t('update.failedText')}</p><Lines lines={last.reasons} />
        </Notice>
      )}
      {!seesVms && update.isSupported && <Notice tone="warn" title={t('update.unseen')}>{t('update.unseenText')}</Notice>}
    </>
  );
}

const Lines = ({ lines }: { lines: string[] }) => <ul>{lines.map((line) => <li>{line}</li>)}</ul>;

function TryAgain({ update, isSeen: seesVms }: { update: Update; isSeen: boolean }) {
  const { t } = useUi();
  const version = update.slots.find(({ state }) => state === 'bad')?.version;
  if (version === undefined || update.task !== null) return null;
  return (
    <OperationButton operation={updateSwitch} path={{}} values={{ retry: true, ...(!seesVms && { cutOff: true }) }} label={t('update.tryAgain')} icon="reboot"
      confirm={{ title: t('update.switchTitle', { version }), body: t('update.retryBody') }} />
  );
}

function AtWork({ task }: { task: ToldTask }) {
  const ui = useUi();
  const shown = showTask(ui, task);
  return (
    <Panel title={shown.title} aside={<a href={`/tasks/${task.id}`}>{ui.t('update.showTask')}</a>}>
      <TaskSteps task={shown} />{isTaskActive(shown) && <TaskProgress task={shown} />}
    </Panel>
  );
}

/** What the switch will do to whom, and the one button. */
function Ready({ shown, version }: { shown: Shown; version: string }) {
  const { t } = useUi();
  const effect = useEffect(shown);
  return (
    <Panel title={t('update.ready', { version })} aside={<Chip tone="ok" icon="check" text={t('update.verified')} />}>
      <p>{effect}</p>
      <p class="quiet">{t('update.readyText')}</p>
      <div class="verbs">
        <OperationButton operation={updateSwitch} path={{}} {...(!isSeen(shown) && { values: { cutOff: true } })} label={t('update.switch', { version })} icon="reboot" tone="primary"
          confirm={{ title: t('update.switchTitle', { version }), body: effect }} />
      </div>
    </Panel>
  );
}

function useEffect(shown: Shown): string {
  const { t } = useUi();
  const { running } = shown;
  if (running.length === 0) return t('update.effectNone');
  const names = `${running.slice(0, 6).join(', ')}${running.length > 6 ? ' …' : ''}`;
  return t(isSeen(shown) ? 'update.effect' : 'update.effectCutOff', { count: running.length, names });
}

const looks: Record<Slot['state'], { tone: Tone; icon: IconName }> = {
  running: { tone: 'ok', icon: 'dot' }, installed: { tone: 'info', icon: 'check' }, trying: { tone: 'busy', icon: 'half' }, spare: { tone: 'off', icon: 'ring' }, bad: { tone: 'bad', icon: 'error' },
};

function Slots({ shown }: { shown: Shown }) {
  const { t } = useUi();
  const { slots, isOnTrial } = shown.update;
  return (
    <Panel title={t('update.slots')} layout="flush">
      <List label={t('update.slots')} rows={slots} rowId={({ version }) => `slot-${version}`} columns={[
        { head: t('update.version'), as: 'main', cell: ({ version }) => <strong>{version}</strong> },
        { head: t('field.state'), as: 'state', cell: ({ state }) => <Chip {...(state === 'running' && isOnTrial ? looks.trying : looks[state])} text={t(`update.state.${state}`)} /> },
        { head: t('update.made'), from: 'tablet', cell: ({ createdAt }) => (createdAt === null ? '–' : <Time at={createdAt} as="clock" />) },
        { head: t('field.verbs'), as: 'verbs', cell: (slot) => slot.state === 'spare' && shown.update.task === null && <GoBack shown={shown} version={slot.version} /> },
      ]} />
    </Panel>
  );
}

function GoBack({ shown, version }: { shown: Shown; version: string }) {
  const { t } = useUi();
  const effect = useEffect(shown);
  const losesChanges = shown.update.rollbackLosesChanges;
  const values = { ...(losesChanges && { acceptLoss: true }), ...(!isSeen(shown) && { cutOff: true }) };
  const confirm = { title: t('update.goBackTitle', { version }), body: losesChanges ? `${t('update.loss', { version })} ${effect}` : effect, ...(losesChanges && { typeName: version }) };
  return <OperationButton operation={updateRollback} path={{}} values={values} label={t('update.goBack')} icon="left" confirm={confirm} />;
}

/** What a person at the site has plugged in: one tap each. */
function OnSticks({ shown: { update, task } }: { shown: Shown }) {
  const { t, phrase } = useUi();
  return (
    <Panel title={t('update.onSticks')} layout="flush">
      <List label={t('update.onSticks')} rows={update.onSticks} rowId={({ file }) => `stick-${file}`} columns={[
        { head: t('update.version'), as: 'main', cell: ({ version, file }) => <strong>{version ?? file}</strong> },
        { head: t('update.where'), cell: ({ source, fault }) => (fault === null ? source : phrase(fault)) },
        { head: t('update.made'), from: 'tablet', cell: ({ createdAt }) => (createdAt === null ? '–' : <Time at={createdAt} as="clock" />) },
        { head: t('field.verbs'), as: 'verbs', cell: ({ version, fault }) => {
          if (version === null || fault !== null || task) return null;
          if (version === update.next) return <Chip {...looks.installed} text={t('update.state.installed')} />;
          return <OperationButton operation={updateInstallFromStick} path={{}} values={{ version }} label={t('update.installVerb')} icon="check" tone="primary" />;
        } },
      ]} />
    </Panel>
  );
}

/** What is looked at by itself once a day, and what is done about it. */
function AtAddress({ shown: { update, policy, task } }: { shown: Shown }) {
  const { t, phrase } = useUi();
  const { found, waitsFor, source } = policy;
  const canInstall = found?.version && found.fault === null && found.version !== update.next && !task;
  return (
    <Panel title={t('update.policy')} {...(source !== null && { aside: <OperationButton operation={updateLook} path={{}} label={t('update.look')} icon="search" /> })}>
      <div class="stack">
        {found && (
          <Facts items={[
            [t('update.found'), found.version === null ? t('update.nothing') : <strong>{found.version}</strong>],
            [t('update.made'), found.createdAt !== null && <Time at={found.createdAt} as="clock" />],
            [t('update.lookedAt'), <Time at={found.lookedAt} as="clock" />],
          ]} />
        )}
        {found?.fault && <p class="quiet">{phrase(found.fault)}</p>}
        {waitsFor && <Notice tone="info" title={phrase(waitsFor)} />}
      </div>
      {canInstall && source !== null && <div class="verbs"><OperationButton operation={updateInstall} path={{}} values={{ url: source }} label={t('update.installVerb')} icon="check" tone="primary" /></div>}
      <div id="update-policy-form" hx-morph-skip=""><Form operation={updatePolicyEdit} id="update-policy" values={{ ...policy }} generation={policy.generation} submit={t('word.save')} choices={{ install: [{ value: 'by-hand', label: t('update.byHand') }, { value: 'in-window', label: t('update.inWindow') }] }} /></div>
    </Panel>
  );
}

function Sources() {
  const { t } = useUi();
  return (
    <div class="grid">
      <Panel title={t('update.upload')}><UploadDrop id="update-file" kind="update" address="/api/v1/update/bundle" accept=".bundle,.update" title={t('update.drop')} text={t('update.dropText')} /></Panel>
      <Panel title={t('update.fetch')}><Form operation={updateInstall} id="update-fetch" submit={t('update.fetchVerb')} /></Panel>
    </div>
  );
}

/** How the last switch ended, and whose updates are taken. */
function Trust({ update: { last, keys } }: { update: Update }) {
  const { t } = useUi();
  return (
    <Panel title={t('update.record')}>
      {last === null && keys.length === 0 ? <Empty icon="info" title={t('update.noKeys')} text={t('update.noKeysText')} /> : (
        <Facts items={[
          [t('update.last'), last && t('update.lastText', { from: last.from, to: last.to })],
          [t('field.started'), last && <Time at={last.at} as="clock" />],
          [t('update.outcome'), last && <Chip {...{ pending: looks.trying, committed: looks.running, failed: looks.bad }[last.result]} text={t(`update.result.${last.result}`)} />],
          [t('update.keys'), keys.map((key) => <code class="block">{key}</code>)],
        ]} />
      )}
    </Panel>
  );
}

export const updatePages: AnyPage[] = [updatePage];
