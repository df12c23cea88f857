/**
 * The first page of somebody who sees only what they were given: a calm page of their own machines with start, stop and console. Who may
 * make machines finds that here, too. The same address shows others how the whole stands (`overview.tsx`).
 */
import { quotaOwn } from '../../appliance/auth/quota-operations.ts';
import { vmList } from '../../appliance/vm/operations.ts';
import { poolList } from '../../appliance/vm/pool/operations.ts';
import { vmCan } from '../../appliance/vm/rules.ts';
import { useUi } from '../context.ts';
import { formatBytes } from '../format.tsx';
import { Icon } from '../icon.tsx';
import { filledIn, Filter, nextPage } from '../list.tsx';
import type { PageCall, PageRequest } from '../page.ts';
import { Empty, PageHead, Panel } from '../section.tsx';
import { PoolCards } from './pool.tsx';
import { OwnQuotas } from './quotas.tsx';
import { CreateLink } from './vm-list.tsx';
import { aboutVm, ConsoleLink, VerbButton, VmChip, type VmSummary } from './vm-state.tsx';

const cardsOnPage = 60;
/** With fewer, looking is quicker than searching. */
const searchFrom = 9;

export async function readPortal({ read, can }: PageCall, { query }: PageRequest) {
  const filter = filledIn(query, ['search', 'after']);
  const { items: quotas } = await read(quotaOwn, {});
  const pools = can('pool.use') ? (await read(poolList, {})).items : [];
  if (!can('vm.read')) return { vms: [], next: null, filter, quotas, pools };
  const { items, next } = await read(vmList, { limit: cardsOnPage, ...filter });
  return { vms: items, next, filter, quotas, pools };
}
export type PortalData = Awaited<ReturnType<typeof readPortal>>;

export function Portal({ data: { vms, next, filter, quotas, pools } }: { data: PortalData }) {
  const { t, can } = useUi();
  const isFiltered = Object.keys(filter).length > 0;
  const up = vms.filter(({ state }) => state === 'up').length;
  const more = nextPage('/', filter, next);
  return (
    <>
      <PageHead title={t('portal.title')} lead={vms.length > 0 && !isFiltered && !next ? t('vm.count', { count: vms.length, up }) : undefined}><CreateLink /></PageHead>
      <PoolCards pools={pools} />
      {(isFiltered || next || vms.length >= searchFrom) && <div class="toolbar"><Filter action="/" search={filter['search']} label={t('vm.search')} /></div>}
      {vms.length > 0 ? <ul class="machines">{vms.map((vm) => <li><Machine vm={vm} /></li>)}</ul> : (isFiltered || pools.length === 0) && <Panel><None isFiltered={isFiltered} mayMake={can('vm.create')} /></Panel>}
      {quotas.length > 0 && <OwnQuotas quotas={quotas} />}
      {more && <p class="list-next"><a class="button" href={more}>{t('list.next')}<Icon name="right" /></a></p>}
    </>
  );
}

function None({ isFiltered, mayMake }: { isFiltered: boolean; mayMake: boolean }) {
  const { t } = useUi();
  if (isFiltered) return <Empty icon="search" title={t('vm.noMatch')} text={t('vm.noMatchText')} />;
  return mayMake ? <Empty icon="vm" title={t('vm.none')} text={t('vm.noneText')}><CreateLink /></Empty> : <Empty icon="vm" title={t('portal.none')} text={t('portal.noneText')} />;
}

function Machine({ vm }: { vm: VmSummary }) {
  const { t } = useUi();
  const path = `/vms/${encodeURIComponent(vm.name)}`;
  const main = vmCan('start', vm) ? 'start' : vmCan('resume', vm) ? 'resume' : undefined;
  return (
    <article class="machine" id={`machine-${vm.id}`}>
      <Picture vm={vm} path={path} />
      <div class="machine-text">
        <h2><a href={path}>{vm.name}</a></h2>
        <VmChip vm={vm} />
        {vm.description && <p>{vm.description}</p>}
        <p class="quiet">{t('portal.size', { count: vm.vcpus, memory: formatBytes(vm.memoryBytes) })}</p>
      </div>
      <footer class="verbs">
        <ConsoleLink vm={vm} tone={main ? 'plain' : 'primary'} />
        {main && <VerbButton vm={vm} verb={main} tone="primary" />}
        {!main && <VerbButton vm={vm} verb="shutdown" />}
      </footer>
    </article>
  );
}

/** What the guest shows, fetched anew by the script every few seconds while it is in view. */
function Picture({ vm, path }: { vm: VmSummary; path: string }) {
  const { t, can } = useUi();
  if (!vmCan('screenshot', vm) || !can('vm.console', aboutVm(vm))) return <div class="screen-frame machine-off"><Icon name="screen" /></div>;
  return (
    <a class="screen-frame" href={`${path}/console`} hx-morph-skip="" id={`screen-${vm.id}`}>
      <img class="screen" src={`/api/v1${path}/screenshot`} data-refresh="10000" loading="lazy" alt={t('vm.screenAlt', { name: vm.name })} />
    </a>
  );
}
