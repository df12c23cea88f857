/** One VM: its head with state and verbs, and its tabs. Each tab is a page that starts with the same head. */
import { readsAnswers } from '../../appliance/vm/cloud-init/windows/rules.ts';
import type { Child } from 'hono/jsx';
import type { AnyOperation } from '../../appliance/core/operation.ts';
import { eventList } from '../../appliance/activity/operations.ts';
import { hostGet } from '../../appliance/host/operations.ts';
import { diskEdit, nicEdit, vmDelete, vmDiscardChanges, vmEdit, vmGet, vmList } from '../../appliance/vm/operations.ts';
import { refusal, vmCan } from '../../appliance/vm/rules.ts';
import type { VmDetails } from '../../appliance/vm/schema.ts';
import { Button, Dialog, OperationButton } from '../action.tsx';
import { UseOverTime } from '../chart.tsx';
import { useUi } from '../context.ts';
import { objectFields } from '../field-info.ts';
import { Form } from '../form.tsx';
import { formatBytes, Time } from '../format.tsx';
import { definePage, type PageCall, type PageRequest } from '../page.ts';
import { Empty, Facts, Notice, PageHead, Panel, Tabs } from '../section.tsx';
import { ExportButton, ExportDialog } from './vm-carry.tsx';
import { CloneButton, CloneDialog } from './vm-clone.tsx';
import { GuestFacts } from './vm-guest.tsx';
import { EventFeed } from './event.tsx';
import { TemplateLink } from './template-new.tsx';
import { floppyChoices, hardwareFields, type Parts, readParts } from './vm-create.tsx';
import { aboutVm, ConsoleLink, HeadVerbs, isTrouble, VmChip } from './vm-state.tsx';

export const readVm = ({ read }: PageCall, { params }: PageRequest): Promise<VmDetails> => read(vmGet, { vm: params['vm'] ?? '' });
export const vmPath = (vm: { name: string }): string => `/vms/${encodeURIComponent(vm.name)}`;

/** What every tab of a VM shows above its own content. */
/** Somebody wanted it so. */
const asWished = new Set(['saved/user', 'saved/snapshot', 'paused/user']);

export function VmFrame({ vm, children }: { vm: VmDetails; children?: Child }) {
  const { t, phrase, can, isLimited } = useUi();
  const path = vmPath(vm);
  const parent = isLimited ? { href: '/', text: t('portal.title') } : { href: '/vms', text: t('nav.vms') };
  return (
    <>
      <PageHead title={vm.name} parent={parent} aside={<VmChip vm={vm} />} lead={vm.description || undefined}><HeadVerbs vm={vm} hasAgent={vm.hasAgent}><CloneButton vm={vm} /><TemplateLink vm={vm} /><ExportButton vm={vm} /></HeadVerbs></PageHead>
      <CloneDialog vm={vm} /><ExportDialog vm={vm} />
      <Tabs label={vm.name} tabs={[
        { href: path, text: t('vm.tab.overview') },
        { href: `${path}/disks`, text: t('vm.tab.disks'), count: vm.disks.length },
        { href: `${path}/nics`, text: t('vm.tab.nics'), count: vm.nics.length },
        ...(vm.hostDevices.length > 0 || (can('host.pass-device') && can(vmEdit.permission, aboutVm(vm))) ? [{ href: `${path}/devices`, text: t('vm.tab.devices'), count: vm.hostDevices.length }] : []),
        { href: `${path}/snapshots`, text: t('vm.tab.snapshots') },
        { href: `${path}/events`, text: t('vm.tab.events') },
        ...(can('access.read', aboutVm(vm)) ? [{ href: `${path}/people`, text: t('vm.tab.people') }] : []),
        ...(can(vmEdit.permission, aboutVm(vm)) ? [{ href: `${path}/cloud-init`, text: t(readsAnswers(vm.os) ? 'vm.tab.firstStart' : 'vm.tab.cloudInit') }] : []),
        ...(can(vmEdit.permission, aboutVm(vm)) ? [{ href: `${path}/settings`, text: t('vm.tab.settings') }] : []),
      ]} />
      {vm.explanation && <Notice tone={isTrouble(vm) ? 'bad' : asWished.has(`${vm.state}/${vm.reason}`) || vm.state === 'powering-down' ? 'info' : 'warn'} title={phrase(vm.explanation.cause)}>{phrase(vm.explanation.effect)} {phrase(vm.explanation.nextStep)}{vm.said && <><br />{t('vm.said')} <q>{phrase(vm.said)}</q></>}</Notice>}
      {vm.pool !== null && <Notice tone="info" title={t('vm.ofPool', { pool: vm.pool })}>{t('vm.ofPoolText')}</Notice>}
      <Pending vm={vm} />
      {children}
    </>
  );
}

const isMove = (setting: string): setting is 'attach' | 'detach' | 'delete' => ['attach', 'detach', 'delete'].includes(setting);

/** What waits for the next start, of the VM and of its devices, and the way back. */
function Pending({ vm }: { vm: VmDetails }) {
  const { t, phrase } = useUi();
  const own = vm.pending.map((name) => phrase(settingLabel(vmEdit.input, name)));
  const devices = [
    ...vm.disks.flatMap(({ name, pending }) => pending.map((setting) => `${name}: ${isMove(setting) ? t(`disk.waits.${setting}`) : phrase(settingLabel(diskEdit.input, setting))}`)),
    ...vm.nics.flatMap(({ mac, pending }) => pending.map((setting) => `${mac}: ${phrase(settingLabel(nicEdit.input, setting))}`)),
  ];
  if (own.length + devices.length === 0) return null;
  return (
    <Notice tone="info" title={t('vm.pending')} actions={<OperationButton operation={vmDiscardChanges} path={{ vm: vm.name }} about={aboutVm(vm)} label={t('vm.discardChanges')} icon="reboot" />}>
      {t('vm.pendingText', { settings: [...own, ...devices].join(', ') })}
    </Notice>
  );
}

/** What the form calls a choice. */
function labelOf(name: string, value: string): string {
  return objectFields(vmEdit.input).find((field) => field.name === name)?.labels?.[value] ?? value;
}

/** What the form calls a setting. */
function settingLabel(schema: AnyOperation['input'], name: string): string {
  return objectFields(schema).find((field) => field.name === name)?.label ?? name;
}

export const vmOverviewPage = definePage({
  path: '/vms/{vm}', live: ['vm', 'vm-defaults', 'event'],
  async load(call, request) {
    const vm = await readVm(call, request);
    const { read, can } = call;
    const events = can('event.read') ? (await read(eventList, { about: vm.id, limit: 5 })).items : [];
    const acceleration = can('host.read') ? (await read(hostGet, { host: 'this' })).acceleration : undefined;
    return { vm, events, acceleration, span: request.query['span'] };
  },
  title: ({ vm }) => vm.name,
  view: ({ vm, events, acceleration, span }, { t, phrase }) => (
    <VmFrame vm={vm}>
      {acceleration?.accelerator === 'tcg' && vm.state === 'up' && <Notice tone="info" title={t('host.slow')}>{phrase(acceleration.reason)} <a href="/host">{t('host.whatToDo')}</a></Notice>}
      <div class="grid" data-cols="side">
        <div class="stack">
          <Panel title={t('vm.load')}><VmUse vm={vm} span={span} /></Panel>
          <Panel title={t('vm.tab.events')} aside={<a href={`${vmPath(vm)}/events`}>{t('word.all')}</a>}>
            {events.length > 0 ? <EventFeed events={events} /> : <p class="quiet">{t('event.none')}</p>}
          </Panel>
        </div>
        <div class="stack">
          <Panel title={t('vm.screen')} aside={<ConsoleLink vm={vm} isCompact tone="quiet" />}><Screen vm={vm} /></Panel>
          {vm.guest && <Panel title={t('guest.title')}><GuestFacts guest={vm.guest} /></Panel>}
          <Panel title={t('vm.machine')}><MachineFacts vm={vm} /></Panel>
        </div>
      </div>
    </VmFrame>
  ),
});

const vmCharts = ['cpu', 'memory', 'disk', 'network'] as const;

function VmUse({ vm, span }: { vm: VmDetails; span: string | undefined }) {
  const { memoryBytes } = vm;
  const live = { source: `/api/v1${vmPath(vm)}/stats`, isOn: vm.state !== 'down' && vm.state !== 'saved', hasSince: true, memoryBytes, charts: vmCharts };
  return <UseOverTime page={vmPath(vm)} span={span} live={live} history={`/api/v1${vmPath(vm)}/history`} memoryBytes={memoryBytes} charts={vmCharts} />;
}

/** What the guest shows, fetched anew by the script every few seconds while it is in view. */
function Screen({ vm }: { vm: VmDetails }) {
  const { t, can } = useUi();
  if (!vmCan('screenshot', vm) || !can('vm.console', aboutVm(vm))) return <div class="screen-frame"><Empty icon="screen" title={t(`vm.state.${vm.state}`)} text={t('vm.noScreen')} /></div>;
  return (
    <a class="screen-frame" href={`${vmPath(vm)}/console`} hx-morph-skip="" id={`screen-${vm.id}`}>
      <img class="screen" src={`/api/v1${vmPath(vm)}/screenshot`} data-refresh="5000" alt={t('vm.screenAlt', { name: vm.name })} />
    </a>
  );
}

function MachineFacts({ vm }: { vm: VmDetails }) {
  const { t, phrase } = useUi();
  return (
    <Facts items={[
      [t('vm.vcpus'), vm.vcpus],
      [t('vm.memory'), formatBytes(vm.memoryBytes)],
      [phrase('Guest system'), phrase(labelOf('os', vm.os))],
      [t('vm.firmware'), phrase(labelOf('firmware', vm.firmware))],
      [phrase('Machine'), phrase(labelOf('machine', vm.machine))],
      [t('vm.cdrom'), vm.cdrom],
      [t('pool.template'), vm.template],
      [t('vm.autostart'), vm.autostart ? t('word.yes') : t('word.no')],
      [t('vm.agent'), vm.hasAgent ? t('vm.agentThere') : t('vm.agentNone')],
      [t('vm.upSince'), vm.startedAt !== null && vm.state !== 'down' && <Time at={vm.startedAt} as="clock" />],
      [t('field.created'), <Time at={vm.createdAt} as="clock" />],
      [t('field.id'), <code>{vm.id}</code>],
    ]} />
  );
}

export const vmEventsPage = definePage({
  path: '/vms/{vm}/events', live: ['vm', 'event'],
  async load(call, request) {
    const vm = await readVm(call, request);
    return { vm, events: (await call.read(eventList, { about: vm.id })).items };
  },
  title: ({ vm }) => vm.name,
  view: ({ vm, events }, { t }) => (
    <VmFrame vm={vm}>
      <Panel>{events.length > 0 ? <EventFeed events={events} /> : <Empty icon="events" title={t('event.none')} text={t('event.noneText')} />}</Panel>
    </VmFrame>
  ),
});

export const vmSettingsPage = definePage({
  path: '/vms/{vm}/settings', offers: vmEdit, live: ['vm'],
  async load(call, request) {
    const vm = await readVm(call, request);
    const { items } = await call.read(vmList, { limit: 1000 });
    const parts = await readParts(call);
    // Those that start with the host, and those that were chosen: the others are never waited for.
    return { vm, parts, others: items.filter(({ id, name, autostart }) => id !== vm.id && (autostart || vm.startAfter.includes(name))).map(({ name }) => name) };
  },
  title: ({ vm }) => vm.name,
  view: ({ vm, parts, others }) => (
    <VmFrame vm={vm}>
      <EditVm vm={vm} parts={parts} others={others} />
      <DeleteVm vm={vm} />
    </VmFrame>
  ),
});

/** Settings of hardware that stand beside processors and memory. */
const sizeFields = ['guaranteedBytes', 'maxVcpus', 'maxMemoryBytes'];

/** What somebody is filling in stays as it was when it was opened; saving over another's change is refused. */
function EditVm({ vm, parts, others }: { vm: VmDetails; parts: Parts; others: string[] }) {
  const { t } = useUi();
  return (
    <div id="edit-vm-form" hx-morph-skip="">
      <Form operation={vmEdit} id="edit-vm" path={{ vm: vm.id }} values={{ ...vm }} generation={vm.generation} submit={t('word.save')} next="/vms/{name}"
        choices={{ floppy: floppyChoices(parts), startAfter: others.map((name) => ({ value: name, label: name })) }}
        sections={[
          { title: t('vm.section.name'), icon: 'vm', fields: ['name', 'description', 'os'] },
          { title: t('vm.section.size'), icon: 'cpu', help: vm.state === 'down' ? '' : t('vm.fromNextStart'), fields: ['vcpus', 'memoryBytes', ...sizeFields] },
          { title: t('vm.section.boot'), icon: 'disc', fields: ['bootOrder', 'autostart'] },
          { title: t('vm.section.hardware'), icon: 'cpu', isFolded: true, fields: ['firmware', ...hardwareFields.filter((name) => !sizeFields.includes(name))] },
          { title: t('vm.section.startup'), icon: 'clock', isFolded: true, help: t('vm.startupHelp'), fields: ['tier', 'startOrder', 'startAfter', 'healthProbe', 'startDelaySeconds'] },
        ]} />
    </div>
  );
}

function DeleteVm({ vm }: { vm: VmDetails }) {
  const { t, can, phrase } = useUi();
  if (!can('vm.delete', aboutVm(vm))) return null;
  const reason = vmCan('delete', vm) ? undefined : refusal('delete', vm.name, vm);
  return (
    <section class="danger-zone">
      <div><h2>{t('vm.deleteTitle', { name: vm.name })}</h2><p class="quiet">{reason === undefined ? t('vm.deleteText') : phrase(reason)}</p></div>
      <Button text={t('vm.delete')} icon="trash" tone="danger" data-dialog="delete-vm" disabledReason={reason} />
      <Dialog id="delete-vm" title={t('vm.deleteTitle', { name: vm.name })}>
        <Form operation={vmDelete} id="delete-vm-form" path={{ vm: vm.id }} next="/vms" submit={t('vm.delete')} submitTone="danger" generation={vm.generation}>
          <p>{t('vm.deleteBody', { count: vm.disks.length })}</p>
        </Form>
      </Dialog>
    </section>
  );
}
