/** Pools of VMs: for those who keep them a list, for those who use them a card with what they have, or their place among those who wait. */
import { poolCreate, poolDelete, poolEdit, poolGiveBack, poolList, poolTake } from '../../appliance/vm/pool/operations.ts';
import type { PoolDetails } from '../../appliance/vm/pool/schema.ts';
import { templateList } from '../../appliance/vm/template/operations.ts';
import { Button, Dialog, More, OperationButton } from '../action.tsx';
import { type Ui, useUi } from '../context.ts';
import type { Choice } from '../field-info.ts';
import { Form, type FormSection } from '../form.tsx';
import { List } from '../list.tsx';
import { type AnyPage, definePage, type PageCall } from '../page.ts';
import { Chip, Empty, PageHead, Panel } from '../section.tsx';
import { firstStartSections } from './vm-cloud-init.tsx';
import { ShareLink } from './share.tsx';

async function readPools({ read, can }: PageCall) {
  const templates = can('template.read') ? (await read(templateList, {})).items.filter(({ state }) => state === 'ok') : [];
  return { pools: (await read(poolList, {})).items, templates: templates.map(({ name, version }): Choice => ({ value: `${name}:${version}`, label: `${name} ${version}` })) };
}
type Data = Awaited<ReturnType<typeof readPools>>;

const poolPage = definePage({
  path: '/pools', live: ['pool', 'vm'],
  load: readPools,
  title: (_data: Data, { t }) => t('nav.pools'),
  view: ({ pools, templates }, { t, can }) => (
    <>
      <PageHead title={t('nav.pools')} lead={t('pool.lead')}>
        {can('pool.create') && <Button text={t('pool.create')} icon="plus" tone="primary" data-dialog="create-pool" disabledReason={templates.length === 0 ? t('pool.noTemplate') : undefined} />}
      </PageHead>
      {pools.length > 0 ? <PoolTable pools={pools} /> : <Panel><Empty icon="vm" title={t('pool.none')} text={t('pool.noneText')} /></Panel>}
      {can('pool.create') && <Dialog id="create-pool" title={t('pool.create')}><Form operation={poolCreate} id="create-pool-form" submit={t('pool.create')} choices={{ template: templates }}
        sections={poolSections(t)} /></Dialog>}
      {pools.filter((pool) => can('pool.edit', aboutPool(pool))).map((pool) => <EditDialog pool={pool} templates={templates} />)}
    </>
  ),
});

const poolSections = (t: Ui['t']): FormSection[] => [
  { fields: ['name', 'description', 'template', 'size', 'prestarted'] },
  ...firstStartSections(t, poolCreate),
];

const aboutPool = ({ id }: PoolDetails) => ({ kind: 'pool', id }) as const;

function PoolTable({ pools }: { pools: PoolDetails[] }) {
  const { t } = useUi();
  return (
    <List label={t('nav.pools')} rows={pools} rowId={(pool) => `pool-${pool.id}`} columns={[
      { head: t('field.name'), as: 'main', cell: (pool) => <><strong>{pool.name}</strong>{pool.description && <small>{pool.description}</small>}</> },
      { head: t('field.state'), as: 'state', cell: (pool) => <StateChip pool={pool} /> },
      { head: t('pool.template'), from: 'tablet', cell: ({ template }) => template },
      { head: t('pool.size'), as: 'number', from: 'tablet', cell: ({ vms, size }) => (vms === size ? size : `${vms} / ${size}`) },
      { head: t('pool.prestarted'), as: 'number', from: 'desktop', cell: ({ prestarted }) => prestarted },
      { head: t('pool.waiting'), as: 'number', from: 'tablet', cell: ({ waiting }) => waiting },
      { head: t('pool.holders'), cell: (pool) => <Holders pool={pool} /> },
      { head: t('field.verbs'), as: 'verbs', cell: (pool) => <span class="row-verbs"><TakeButton pool={pool} /><ShareLink object={aboutPool(pool)} /><Verbs pool={pool} /></span> },
    ]} />
  );
}

function StateChip({ pool }: { pool: PoolDetails }) {
  const { t } = useUi();
  if (pool.isDeleting) return <Chip tone="busy" icon="half" text={t('pool.deleting')} />;
  return pool.free > 0 ? <Chip tone="ok" icon="check" text={t('pool.free', { count: pool.free })} /> : <Chip tone={pool.vms < pool.size ? 'busy' : 'off'} icon={pool.vms < pool.size ? 'half' : 'ring'} text={t('pool.noneFree')} />;
}

function Holders({ pool: { holders, taken } }: { pool: PoolDetails }) {
  if (holders.length === 0) return <span class="quiet">{taken > 0 ? taken : '–'}</span>;
  return <span class="about">{holders.map(({ vm, user }, index) => <>{index > 0 && ', '}{user} <a href={`/vms/${encodeURIComponent(vm.name)}`}>{vm.name}</a></>)}</span>;
}

/** One button for whoever uses the pool: take, wait no longer, or give back. */
function TakeButton({ pool, isMain }: { pool: PoolDetails; isMain?: boolean }) {
  const { t } = useUi();
  const path = { pool: pool.id };
  if (pool.own) return <OperationButton operation={poolGiveBack} path={path} label={t('pool.giveBack')} icon="undo" confirm={{ title: t('pool.giveBackTitle', { name: pool.own.name }), body: t('pool.giveBackBody') }} />;
  if (pool.place !== null) return <OperationButton operation={poolGiveBack} path={path} label={t('pool.waitNoLonger')} icon="close" />;
  return <OperationButton operation={poolTake} path={path} label={t('pool.take')} icon="play" tone={isMain ? 'primary' : 'plain'} disabledReason={pool.isDeleting ? t('pool.deleting') : undefined} />;
}

function Verbs({ pool }: { pool: PoolDetails }) {
  const { t, can } = useUi();
  const about = aboutPool(pool);
  if (!can('pool.edit', about) && !can('pool.delete', about)) return null;
  return (
    <More id={`pool-menu-${pool.id}`} label={t('vm.more')}>
      {can('pool.edit', about) && <Button text={t('pool.edit')} icon="edit" data-dialog={`edit-${pool.id}`} disabledReason={pool.isDeleting ? t('pool.deleting') : undefined} />}
      <OperationButton operation={poolDelete} path={{ pool: pool.id }} label={t('pool.delete')} icon="trash" tone="danger" generation={pool.generation}
        disabledReason={pool.taken > 0 ? t('pool.isTaken') : pool.isDeleting ? t('pool.deleting') : undefined} confirm={{ title: t('pool.deleteTitle', { name: pool.name }), body: t('pool.deleteBody'), typeName: pool.name }} />
    </More>
  );
}

function EditDialog({ pool, templates }: { pool: PoolDetails; templates: Choice[] }) {
  const { t } = useUi();
  const own = templates.some(({ value }) => value === pool.template) ? templates : [{ value: pool.template, label: pool.template }, ...templates];
  return (
    <Dialog id={`edit-${pool.id}`} title={pool.name}>
      <Form operation={poolEdit} id={`edit-form-${pool.id}`} path={{ pool: pool.id }} values={{ ...pool }} generation={pool.generation} submit={t('word.save')} choices={{ template: own }}
        sections={poolSections(t).map((section) => ({ ...section, fields: section.fields.filter((name) => name !== 'name') }))} />
    </Dialog>
  );
}

/** On the first page of whoever uses pools. */
export function PoolCards({ pools }: { pools: PoolDetails[] }) {
  const { t } = useUi();
  if (pools.length === 0) return null;
  return (
    <Panel title={t('nav.pools')}>
      <ul class="pool-cards">
        {pools.map((pool) => (
          <li id={`pool-card-${pool.id}`}>
            <span><strong>{pool.name}</strong>{pool.description && <small>{pool.description}</small>}</span>
            <span class="quiet">{pool.own ? t('pool.youHave', { name: pool.own.name }) : pool.place !== null ? t('pool.youWait', { place: pool.place }) : pool.free > 0 ? t('pool.free', { count: pool.free }) : t('pool.noneFree')}</span>
            <TakeButton pool={pool} isMain />
          </li>
        ))}
      </ul>
    </Panel>
  );
}

export const poolPages: AnyPage[] = [poolPage];
