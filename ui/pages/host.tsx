/** The host: what it is made of, its load, how it accelerates VMs, and what is wrong with it. */
import type * as z from 'zod';
import { certificateGet } from '../../appliance/host/certificate-operations.ts';
import { hostDeviceList } from '../../appliance/host/device-operations.ts';
import { hostGet, hostLoad } from '../../appliance/host/operations.ts';
import { hostReboot, hostShutdown } from '../../appliance/host/power-operations.ts';
import type * as schema from '../../appliance/host/schema.ts';
import { hostNetworkGet } from '../../appliance/network/port-operations.ts';
import { vmDefaultsEdit, vmDefaultsGet } from '../../appliance/vm/defaults/operations.ts';
import type { VmDefaultsOutput } from '../../appliance/vm/defaults/schema.ts';
import { cpuModels } from '../../appliance/vm/schema.ts';
import { OperationButton } from '../action.tsx';
import { UseOverTime } from '../chart.tsx';
import { useUi } from '../context.ts';
import { Form } from '../form.tsx';
import { formatBytes, formatPercent, Meter, Time } from '../format.tsx';
import { Icon } from '../icon.tsx';
import { List } from '../list.tsx';
import { type AnyPage, definePage, type PageCall } from '../page.ts';
import { Chip, Facts, Figure, Notice, PageHead, Panel } from '../section.tsx';
import { CertificatePanel } from './host-certificate.tsx';
import { HostDevices } from './host-devices.tsx';
import { passedDevicesOfAll } from '../../appliance/vm/pass/operations.ts';
import { PassedTable } from './vm-host-devices.tsx';
import { Ports, TrialNotice } from './host-network.tsx';

export type Host = z.output<typeof schema.HostOutput>;
export type Load = z.output<typeof schema.LoadOutput>['items'][number];

/** The newest sample; none in the first seconds after a start. */
export async function readLoad({ read }: PageCall): Promise<Load | undefined> {
  const { items } = await read(hostLoad, { host: 'this', since: Date.now() - 30_000 });
  return items.at(-1);
}

const hostPage = definePage({
  path: '/host', live: ['host', 'vm', 'event', 'network', 'vm-defaults'],
  async load(call, { query }) {
    const { read } = call;
    return {
      span: query['span'], devices: await read(hostDeviceList, { host: 'this' }), passed: (await read(passedDevicesOfAll, {})).items,
      host: await read(hostGet, { host: 'this' }), load: await readLoad(call),
      network: await read(hostNetworkGet, { host: 'this' }), certificate: await read(certificateGet, { host: 'this' }),
      defaults: await read(vmDefaultsGet, {}),
    };
  },
  title: (_data, { t }) => t('nav.host'),
  view: ({ host, load, network, certificate, defaults, devices, passed, span }, { t }) => (
    <>
      <PageHead title={host.name} aside={<HostChip host={host} />} lead={t('host.lead', { version: host.version, os: host.os })}><PowerButtons host={host} /></PageHead>
      <HostWarnings host={host} />
      <TrialNotice network={network} />
      <div class="figures"><HostFigures host={host} load={load} /></div>
      <div class="stack">
        <Panel title={t('vm.load')}><HostUse host={host} span={span} /></Panel>
        <div class="grid"><Machine host={host} /><Software host={host} /></div>
        <Staying host={host} />
        <Defaults defaults={defaults} />
        <Ports network={network} />
        {certificate && <CertificatePanel certificate={certificate} />}
        <HostDevices devices={devices} />
        {passed.length > 0 && <Panel title={t('pass.title')} layout="flush"><PassedTable passed={passed} /></Panel>}
        <div class="grid"><Disks host={host} /><Reconcilers host={host} /></div>
      </div>
    </>
  ),
});

const hostCharts = ['cpu', 'memory', 'network'] as const;

function HostUse({ host: { memoryBytes }, span }: { host: Host; span: string | undefined }) {
  const live = { source: '/api/v1/hosts/this/load', isOn: true, hasSince: true, memoryBytes, charts: hostCharts };
  return <UseOverTime page="/host" span={span} live={live} history="/api/v1/hosts/this/history" memoryBytes={memoryBytes} charts={hostCharts} />;
}

function HostChip({ host }: { host: Host }) {
  const { t } = useUi();
  return host.state === 'up' ? <Chip tone="ok" icon="dot" text={t('host.up')} /> : <Chip tone="bad" icon="error" text={t('host.nonOperational')} reason={host.reason} />;
}

function PowerButtons({ host: { name } }: { host: Host }) {
  const { t } = useUi();
  return (
    <>
      <OperationButton operation={hostReboot} path={{ host: 'this' }} label={t('host.restart')} icon="reboot" confirm={{ title: t('host.rebootTitle', { name }), body: t('host.rebootBody') }} />
      <OperationButton operation={hostShutdown} path={{ host: 'this' }} label={t('host.shutdown')} icon="power" tone="danger" confirm={{ title: t('host.shutdownTitle', { name }), body: t('host.shutdownBody') }} />
    </>
  );
}

/** Troubles that last, each with its way out, and how the machine went down if nobody had wanted that. */
export function HostWarnings({ host }: { host: Host }) {
  const { phrase } = useUi();
  const { lastEnd } = host;
  return (
    <>
      {lastEnd?.isNews && <Notice tone="warn" title={phrase(lastEnd.message)}><Time at={lastEnd.at} /></Notice>}
      {host.state !== 'up' && <Notice tone="bad" title={phrase(host.reason)}>{phrase(host.hypervisor.message)}</Notice>}
      {host.warnings.map((warning) => <Notice tone={warning.severity === 'error' ? 'bad' : warning.severity === 'warning' ? 'warn' : 'info'} title={phrase(warning.message)}>{warning.nextStep && phrase(warning.nextStep)}</Notice>)}
    </>
  );
}

export function HostFigures({ host, load }: { host: Host; load: Load | undefined }) {
  const { t } = useUi();
  const used = load?.memoryUsedBytes ?? 0;
  return (
    <>
      <Figure label={t('host.processor')} icon="cpu" value={load ? formatPercent(load.cpuFraction) : '–'} note={t('host.ofThreads', { count: host.cpu.threads })}>
        <Meter label={t('host.processor')} used={load?.cpuFraction ?? 0} total={1} warnAt={0.9} criticalAt={2} text="" />
      </Figure>
      <Figure label={t('host.memory')} icon="memory" value={load ? formatBytes(used) : '–'} note={t('word.of', { total: formatBytes(host.memoryBytes) })}>
        <Meter label={t('host.memory')} used={used} total={host.memoryBytes} />
      </Figure>
    </>
  );
}

function Machine({ host }: { host: Host }) {
  const { t } = useUi();
  const { cpu } = host;
  return (
    <Panel title={t('vm.machine')}>
      <Facts items={[
        [t('host.manufacturer'), host.manufacturer],
        [t('host.model'), host.model],
        [t('host.serial'), host.serial],
        [t('host.cpu'), cpu.brand],
        [t('host.topology'), t('host.topologyText', { sockets: cpu.sockets, cores: cpu.cores, threads: cpu.threads })],
        [t('host.cpuModel'), cpu.model && <code>{cpu.model}</code>],
        [t('host.virtualization'), cpu.virtualization === 'vmx' ? 'Intel VT-x' : cpu.virtualization === 'svm' ? 'AMD-V' : t('host.noVirtualization')],
        [t('host.memory'), formatBytes(host.memoryBytes)],
        ...(host.memoryNodes.length > 1 ? host.memoryNodes.map(({ id, cpus, memoryBytes }): [string, string] => [t('host.memoryNode', { id }), t('host.memoryNodeText', { size: formatBytes(memoryBytes), cpus })]) : []),
        [t('host.hugePages'), hugePagesOf(host).map(({ sizeBytes, total, free }) => t('host.hugePagesText', { size: formatBytes(sizeBytes), total, free })).join(', ') || t('host.noHugePages')],
      ]} />
    </Panel>
  );
}

/** Over all memory nodes; sizes of which none are reserved are left out. */
function hugePagesOf({ memoryNodes }: Host): Host['memoryNodes'][number]['pages'] {
  const all = memoryNodes.flatMap(({ pages }) => pages);
  const sum = (sizeBytes: number, of: 'total' | 'free') => all.filter((page) => page.sizeBytes === sizeBytes).reduce((total, page) => total + page[of], 0);
  return [...new Set(all.map(({ sizeBytes }) => sizeBytes))].map((sizeBytes) => ({ sizeBytes, total: sum(sizeBytes, 'total'), free: sum(sizeBytes, 'free') })).filter(({ total }) => total > 0);
}

export function Software({ host }: { host: Host }) {
  const { t, phrase } = useUi();
  const { hypervisor, acceleration } = host;
  return (
    <Panel title={t('host.software')}>
      <Facts items={[
        ['Bothy', host.version],
        [t('host.acceleration'), <>{acceleration.accelerator === 'kvm' ? 'KVM' : t('host.emulation')}<br /><span class="quiet">{phrase(acceleration.reason)}</span></>],
        ['libvirt', hypervisor.state === 'connected' ? hypervisor.libvirtVersion : t('host.disconnected')],
        ['QEMU', hypervisor.qemuVersion],
        [t('host.guestFirmware'), hypervisor.firmware.map((name) => phrase(name)).join(', ')],
        [t('host.os'), host.os],
        [t('host.kernel'), host.kernel],
        [t('host.architecture'), hypervisor.architecture],
        [t('field.id'), <code>{host.id}</code>],
      ]} />
    </Panel>
  );
}

const watchTones = { armed: 'ok', waiting: 'busy', paused: 'warn', off: 'off' } as const;
const watchIcons = { armed: 'check', waiting: 'ring', paused: 'alert', off: 'ring' } as const;

/** Whether the machine helps itself when it hangs, and how it went down the last time. */
function Staying({ host: { watchdog, lastEnd } }: { host: Host }) {
  const { t, phrase } = useUi();
  const seconds = watchdog.resetAfterSeconds;
  return (
    <Panel title={t('host.staying')}>
      <Facts items={[
        [t('host.watchdog'), <><Chip tone={watchTones[watchdog.state]} icon={watchIcons[watchdog.state]} text={t(`host.watchdog.${watchdog.state}`)} /><br /><span class="quiet">{seconds === null ? phrase(watchdog.reason) : t('host.watchdogText', { count: seconds })}</span></>],
        [t('host.watchdogKind'), <>{t(`host.watchdogKind.${watchdog.kind}`)}{watchdog.model && <><br /><span class="quiet">{watchdog.model}</span></>}</>],
        [t('host.lastEnd'), lastEnd ? <>{phrase(lastEnd.message)}<br /><span class="quiet"><Time at={lastEnd.at} /></span></> : t('host.lastEndUnknown')],
      ]} />
    </Panel>
  );
}

/** What VMs get that have not chosen themselves. */
function Defaults({ defaults }: { defaults: z.output<typeof VmDefaultsOutput> }) {
  const { t, phrase, can } = useUi();
  const nameOf = (cpu: keyof typeof cpuModels) => (cpu === 'auto' ? t('host.bestCpu') : phrase(cpuModels[cpu]));
  if (!can(vmDefaultsEdit.permission)) return <Panel title={t('host.vmDefaults')}><Facts items={[[t('host.cpuModel'), nameOf(defaults.cpu)]]} /></Panel>;
  return (
    <Panel title={t('host.vmDefaults')}>
      <div id="vm-defaults-form" hx-morph-skip="">
        <Form operation={vmDefaultsEdit} id="vm-defaults" values={{ cpu: defaults.cpu }} generation={defaults.generation} choices={{ cpu: defaults.offeredCpus.map((cpu) => ({ value: cpu, label: nameOf(cpu) })) }} submit={t('word.save')} submitTone="plain" />
      </div>
    </Panel>
  );
}

function Disks({ host }: { host: Host }) {
  const { t } = useUi();
  return (
    <Panel title={t('host.disks')} layout="flush">
      <List label={t('host.disks')} rows={host.disks} rowId={(disk) => `host-disk-${disk.name}`} columns={[
        { head: t('field.name'), as: 'main', cell: (disk) => <><strong>{disk.name}</strong><small>{disk.model}</small></> },
        { head: t('host.kind'), cell: (disk) => disk.kind },
        { head: t('disk.size'), as: 'number', cell: (disk) => formatBytes(disk.sizeBytes) },
      ]} />
    </Panel>
  );
}

/** What brings wishes and facts together; of interest when something seems stuck, so what is in order is folded away. */
function Reconcilers({ host: { reconcilers } }: { host: Host }) {
  const { t } = useUi();
  const failing = reconcilers.filter(({ failuresInARow }) => failuresInARow > 0);
  const others = reconcilers.filter(({ failuresInARow }) => failuresInARow === 0);
  return (
    <Panel title={t('host.reconcilers')} layout="flush">
      {failing.length > 0 && <ReconcilerTable rows={failing} />}
      <details class="folded-list" id="reconcilers-in-order">
        <summary>{t('host.inOrderCount', { count: others.length })}<Icon name="down" class="fold" /></summary>
        <ReconcilerTable rows={others} />
      </details>
    </Panel>
  );
}

function ReconcilerTable({ rows }: { rows: Host['reconcilers'] }) {
  const { t } = useUi();
  return (
    <List label={t('host.reconcilers')} rows={rows} rowId={(each) => `reconciler-${each.name}`} columns={[
      { head: t('field.name'), as: 'main', cell: (each) => <><strong>{each.name}</strong>{each.lastError && <small>{each.lastError}</small>}</> },
      { head: t('field.state'), as: 'state', cell: (each) => each.failuresInARow > 0 ? <Chip tone="warn" icon="alert" text={t('host.failing', { count: each.failuresInARow })} /> : <Chip tone="ok" icon="check" text={t('host.inOrder')} /> },
      { head: t('host.lastRound'), from: 'tablet', cell: (each) => each.lastEndedAt === null ? '–' : <Time at={each.lastEndedAt} /> },
    ]} />
  );
}

export const hostPages: AnyPage[] = [hostPage];
