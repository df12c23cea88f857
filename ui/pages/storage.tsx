/** Storage: the domains with their room, the disks, the ISO images; uploads into both. */
import type { Child } from 'hono/jsx';
import type * as z from 'zod';
import { diskCreate, diskDelete, diskList, diskResize, domainEdit, domainList, fileDelete, fileList } from '../../appliance/storage/operations.ts';
import { diskAllows, diskFault, type DiskVerb } from '../../appliance/storage/rules.ts';
import type * as schema from '../../appliance/storage/schema.ts';
import { isOvaName } from '../../appliance/storage/schema.ts';
import { Button, Dialog, LinkButton, More, OperationButton } from '../action.tsx';
import { useUi } from '../context.ts';
import { Form } from '../form.tsx';
import { formatBytes, Meter, Time } from '../format.tsx';
import { Icon, type IconName } from '../icon.tsx';
import { List, nextPage } from '../list.tsx';
import { type AnyPage, definePage } from '../page.ts';
import { Chip, Empty, Facts, Notice, PageHead, Panel, Tabs, type Tone } from '../section.tsx';
import { UploadDrop } from '../upload.tsx';
import { AboutLinks } from './about.tsx';
import { domainUsePath } from './use.tsx';
import { ShareLink } from './share.tsx';

type Domain = z.output<typeof schema.DomainOutput>;
type Disk = z.output<typeof schema.DiskOutput>;
type Iso = z.output<typeof schema.FileOutput>;

function StorageFrame({ verbs, children }: { verbs?: Child; children?: Child }) {
  const { t, can } = useUi();
  const tabs = [
    { href: '/storage', text: t('storage.domains') },
    ...(can('disk.read') ? [{ href: '/storage/disks', text: t('storage.disks') }] : []),
    ...(can('iso.read') ? [{ href: '/storage/isos', text: t('storage.isos') }] : []),
  ];
  return <><PageHead title={t('nav.storage')}>{verbs}</PageHead><Tabs label={t('nav.storage')} tabs={tabs} />{children}</>;
}

// ------------------------------------------------------------------------------------------------ domains

const domainPage = definePage({
  path: '/storage', live: ['storage-domain', 'disk', 'iso'],
  load: async ({ read }) => (await read(domainList, {})).items,
  title: (_data, { t }) => t('nav.storage'),
  view: (domains) => (
    <StorageFrame>
      {domains.map((domain) => <DomainNotice domain={domain} />)}
      <div class="grid">{domains.map((domain) => <DomainPanel domain={domain} />)}</div>
    </StorageFrame>
  ),
});

function DomainNotice({ domain }: { domain: Domain }) {
  const { t, phrase } = useUi();
  if (domain.status === 'inactive') return <Notice tone="bad" title={t('storage.inactive', { name: domain.name })}>{phrase(domain.reason)}</Notice>;
  if (domain.space === 'ok') return null;
  const free = formatBytes(domain.freeBytes);
  return <Notice tone={domain.space === 'critical' ? 'bad' : 'warn'} title={t(`storage.${domain.space}`, { name: domain.name })}>{t('storage.lowText', { free, critical: formatBytes(domain.criticalSpaceBytes) })}</Notice>;
}

const domainLooks: Record<Domain['status'], { tone: Tone; icon: IconName }> = {
  active: { tone: 'ok', icon: 'check' }, inactive: { tone: 'bad', icon: 'error' }, unknown: { tone: 'off', icon: 'question' },
};

function DomainPanel({ domain }: { domain: Domain }) {
  const { t, can } = useUi();
  const used = domain.totalBytes - domain.freeBytes;
  const total = formatBytes(domain.totalBytes);
  return (
    <Panel id={`domain-${domain.id}`} title={domain.name} aside={<><Chip {...domainLooks[domain.status]} text={t(`storage.status.${domain.status}`)} /><ShareLink object={{ kind: 'storage-domain', id: domain.id }} />{can('storage.edit', { kind: 'storage-domain', id: domain.id }) && <Button text={t('storage.settings')} icon="settings" tone="quiet" isCompact data-dialog={`edit-${domain.id}`} />}</>}>
      <Meter label={t('storage.used')} used={used} total={domain.totalBytes} text={t('storage.usedOf', { used: formatBytes(used), total })}
        warnAt={1 - domain.lowSpacePercent / 100} criticalAt={domain.totalBytes > 0 ? 1 - domain.criticalSpaceBytes / domain.totalBytes : 1} />
      <br />
      <Facts items={[
        [t('storage.kind'), t(`storage.kind.${domain.kind}`)],
        [t('storage.free'), formatBytes(domain.freeBytes)],
        [t('storage.reserved'), domain.reservedBytes > 0 && formatBytes(domain.reservedBytes)],
        [t('field.description'), domain.description],
        [t('field.id'), <code>{domain.id}</code>],
        [t('history.use'), <a href={domainUsePath(domain)}>{t('storage.showUse')}</a>],
      ]} />
      {can('storage.edit', { kind: 'storage-domain', id: domain.id }) && (
        <Dialog id={`edit-${domain.id}`} title={domain.name}>
          <Form operation={domainEdit} id={`domain-form-${domain.id}`} path={{ domain: domain.id }} values={{ ...domain }} generation={domain.generation} submit={t('word.save')} />
        </Dialog>
      )}
    </Panel>
  );
}

// ------------------------------------------------------------------------------------------------ disks

const diskPage = definePage({
  path: '/storage/disks', live: ['disk', 'vm'],
  async load({ read, can }, { query }) {
    const domains = can('storage.read') ? (await read(domainList, {})).items.filter(({ kind }) => kind === 'data') : [];
    return { domains, ...(await read(diskList, query['after'] ? { after: query['after'] } : {})) };
  },
  title: (_data, { t }) => t('storage.disks'),
  view: ({ items, next, domains }, { t, can }) => (
    <StorageFrame verbs={can('disk.create') && <Button text={t('disk.create')} icon="plus" tone="primary" data-dialog="create-disk" />}>
      <div class="stack">
        {items.length > 0 ? <DiskTable disks={items} next={nextPage('/storage/disks', {}, next)} /> : <Panel><Empty icon="disk" title={t('disk.none')} text={t('disk.noneText')} /></Panel>}
        {can('disk.create') && can('disk.transfer') && (
          <Panel title={t('disk.upload')}><UploadDrop id="disk-file" kind="disk" address="/api/v1/disks" accept=".qcow2,.qcow,.img,.raw,.vmdk,.vdi,.vhdx" title={t('disk.drop')} text={t('disk.dropText')} /></Panel>
        )}
      </div>
      {can('disk.create') && (
        <Dialog id="create-disk" title={t('disk.create')}>
          <Form operation={diskCreate} id="create-disk-form" submit={t('disk.create')} values={{ sizeBytes: 20 * 2 ** 30 }} choices={{ domain: domains.map(({ name }) => ({ value: name, label: name })) }} />
        </Dialog>
      )}
    </StorageFrame>
  ),
});

const diskLooks: Record<Disk['state'], { tone: Tone; icon: IconName }> = {
  creating: { tone: 'busy', icon: 'half' }, ok: { tone: 'ok', icon: 'check' }, locked: { tone: 'busy', icon: 'half' }, illegal: { tone: 'bad', icon: 'error' },
  template: { tone: 'off', icon: 'copy' },
};

function DiskTable({ disks, next }: { disks: Disk[]; next: string | undefined }) {
  const { t, phrase } = useUi();
  return (
    <>
      <List label={t('storage.disks')} rows={disks} rowId={(disk) => `disk-${disk.id}`} next={next} columns={[
        { head: t('field.name'), as: 'main', cell: (disk) => <><strong>{disk.name}</strong><small>{disk.description || `${disk.domain} · ${phrase(disk.format)}, ${phrase(disk.allocation)}`}</small></> },
        { head: t('field.state'), as: 'state', cell: (disk) => <Chip {...diskLooks[disk.state]} text={t(`disk.state.${disk.state}`)} /> },
        { head: t('disk.usedBy'), cell: (disk) => (disk.usedBy.length > 0 ? <AboutLinks about={disk.usedBy} /> : <span class="quiet">–</span>) },
        { head: t('disk.size'), as: 'number', cell: (disk) => formatBytes(disk.sizeBytes) },
        { head: t('disk.occupied'), from: 'tablet', cell: (disk) => disk.occupiedBytes === null ? '–' : <Meter label={t('disk.occupied')} used={disk.occupiedBytes} total={disk.sizeBytes} text={formatBytes(disk.occupiedBytes)} warnAt={2} criticalAt={2} /> },
        { head: t('field.verbs'), as: 'verbs', cell: (disk) => <DiskVerbs disk={disk} /> },
      ]} />
      {disks.map((disk) => <DiskDialog disk={disk} />)}
    </>
  );
}

/** Why a verb is not allowed now, by the same table that refuses the request. */
function faultOf(verb: DiskVerb, disk: Disk): string | undefined {
  return verb in diskAllows ? diskFault(verb, disk) : undefined;
}

function DiskVerbs({ disk }: { disk: Disk }) {
  const { t, can } = useUi();
  const about = { kind: 'disk', id: disk.id };
  if (!['disk.transfer', 'disk.edit', 'disk.delete'].some((permission) => can(permission, about))) return null;
  const user = disk.usedBy[0]?.name;
  const isReadable = can('disk.transfer', about) && diskFault('download', disk) === undefined;
  return (
    <More id={`disk-menu-${disk.id}`} label={t('disk.more', { name: disk.name })}>
      {isReadable && <a href={`/api/v1/disks/${disk.id}/content`} download={`${disk.name}.${disk.format === 'cow' ? 'qcow2' : 'img'}`}><Icon name="download" />{t('disk.download')}</a>}
      {can('access.read', about) && <a href={`/people/on/disk/${disk.id}`}><Icon name="users" />{t('access.title')}</a>}
      {can('disk.edit', about) && <Button text={t('disk.resize')} icon="expand" data-dialog={`resize-${disk.id}`} disabledReason={faultOf('resize', disk)} />}
      <hr />
      <OperationButton operation={diskDelete} path={{ disk: disk.id }} label={t('disk.delete')} icon="trash" tone="danger" generation={disk.generation}
        disabledReason={user ? t('disk.inUse', { name: user }) : faultOf('delete', disk)}
        confirm={{ title: t('disk.deleteTitle', { name: disk.name }), body: t('disk.deleteBody'), typeName: disk.name }} />
    </More>
  );
}

function DiskDialog({ disk }: { disk: Disk }) {
  const { t, can } = useUi();
  if (!can('disk.edit', { kind: 'disk', id: disk.id })) return null;
  return (
    <Dialog id={`resize-${disk.id}`} title={t('disk.resizeTitle', { name: disk.name })}>
      <Form operation={diskResize} id={`resize-form-${disk.id}`} path={{ disk: disk.id }} values={{ sizeBytes: disk.sizeBytes }} generation={disk.generation} submit={t('disk.resize')} />
    </Dialog>
  );
}

// ------------------------------------------------------------------------------------------------ ISO images

const isoPage = definePage({
  path: '/storage/isos', live: ['iso', 'vm'],
  async load({ read }, { query }) {
    const domain = (await read(domainList, {})).items.find(({ kind }) => kind === 'iso');
    if (!domain) return { domain, items: [], next: null };
    return { domain, ...(await read(fileList, { domain: domain.id, ...(query['after'] && { after: query['after'] }) })) };
  },
  title: (_data, { t }) => t('storage.isos'),
  view: ({ domain, items, next }, { t, can }) => (
    <StorageFrame>
      <div class="stack">
        {items.length > 0 && domain && <IsoTable isos={items} domain={domain} next={nextPage('/storage/isos', {}, next)} />}
        {domain && can('iso.upload') && (
          <Panel title={t('iso.upload')}><UploadDrop id="iso-file" kind="iso" address={`/api/v1/storage-domains/${encodeURIComponent(domain.name)}/files`} accept=".iso,.ova,.vfd,.flp,.ima,.img" title={t('iso.drop')} text={t('iso.dropText')} /></Panel>
        )}
        {items.length === 0 && !can('iso.upload') && <Panel><Empty icon="disc" title={t('iso.none')} text={t('iso.noneText')} /></Panel>}
      </div>
    </StorageFrame>
  ),
});

function IsoTable({ isos, domain, next }: { isos: Iso[]; domain: Domain; next: string | undefined }) {
  const { t, can } = useUi();
  const address = (iso: Iso) => `/api/v1/storage-domains/${encodeURIComponent(domain.name)}/files/${encodeURIComponent(iso.name)}`;
  return (
    <List label={t('storage.isos')} rows={isos} rowId={(iso) => `iso-${iso.name}`} next={next} columns={[
      { head: t('field.name'), as: 'main', cell: (iso) => <><strong>{iso.name}</strong>{iso.sha256 && <small><code title={`SHA-256 ${iso.sha256}`}>sha256 {iso.sha256.slice(0, 16)}…</code></small>}</> },
      { head: t('disk.size'), as: 'number', cell: (iso) => formatBytes(iso.sizeBytes) },
      { head: t('disk.usedBy'), cell: (iso) => (iso.usedBy.length > 0 ? <AboutLinks about={iso.usedBy} /> : <span class="quiet">–</span>) },
      { head: t('iso.added'), from: 'tablet', cell: (iso) => <Time at={iso.modifiedAt} /> },
      { head: t('field.verbs'), as: 'verbs', cell: (iso) => (
        <span class="row-verbs">
          {isOvaName(iso.name) && iso.state === 'ok' && can('vm.create') && <LinkButton href={`/storage/machines/${encodeURIComponent(iso.name)}`} text={t('carry.import')} icon="vm" tone="quiet" isCompact />}
          <a class="button" data-tone="quiet" data-compact="" href={address(iso)} download={iso.name} title={t('disk.download')}><Icon name="download" label={t('disk.download')} /></a>
          <OperationButton operation={fileDelete} path={{ domain: domain.id, name: iso.name }} label={t('iso.delete')} icon="trash" tone="quiet" isCompact
            disabledReason={iso.usedBy[0] ? t('disk.inUse', { name: iso.usedBy[0].name }) : undefined}
            confirm={{ title: t('iso.deleteTitle', { name: iso.name }), body: t('iso.deleteBody') }} />
        </span>
      ) },
    ]} />
  );
}

export const storagePages: AnyPage[] = [domainPage, diskPage, isoPage];
