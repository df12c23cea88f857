/** The list of VMs. */
import { vmList } from '../../appliance/vm/operations.ts';
import { vmStates } from '../../appliance/vm/rules.ts';
import { LinkButton } from '../action.tsx';
import { useUi } from '../context.ts';
import { formatBytes, Time } from '../format.tsx';
import { type Column, filledIn, Filter, FilterChoice, List, nextPage } from '../list.tsx';
import { definePage } from '../page.ts';
import { Empty, PageHead, Panel } from '../section.tsx';
import { aboutVm, RowVerbs, VmChip, type VmSummary } from './vm-state.tsx';

export const vmListPage = definePage({
  path: '/vms', live: ['vm'],
  async load({ read }, { query }) {
    const filter = filledIn(query, ['search', 'state', 'after']);
    return { ...(await read(vmList, filter as never)), filter }; // checked by the record's schema
  },
  title: (_data, { t }) => t('nav.vms'),
  view: ({ items, next, filter, foreignDomains }, { t }) => {
    const isFiltered = Object.keys(filter).length > 0;
    if (items.length === 0 && !isFiltered) return <><PageHead title={t('nav.vms')} /><NoVm /></>;
    return (
      <>
        <PageHead title={t('nav.vms')} lead={isFiltered || next ? undefined : t('vm.count', { count: items.length, up: items.filter(({ state }) => state === 'up').length })}><CreateLink /></PageHead>
        <div class="toolbar">
          <Filter action="/vms" search={filter['search']} label={t('vm.search')}>
            <FilterChoice name="state" label={t('field.state')} any={t('filter.anyState')} chosen={filter['state']} options={vmStates.map((value) => ({ value, label: t(`vm.state.${value}`) }))} />
          </Filter>
        </div>
        {items.length > 0 ? <VmTable vms={items} next={nextPage('/vms', filter, next)} /> : <Panel><Empty icon="search" title={t('vm.noMatch')} text={t('vm.noMatchText')} /></Panel>}
        {foreignDomains > 0 && <p class="footnote">{t('vm.foreign', { count: foreignDomains })}</p>}
      </>
    );
  },
});

/** `isBrief`: beside other panels, only what one acts on. */
export function VmTable({ vms, next, isBrief }: { vms: VmSummary[]; next?: string | undefined; isBrief?: boolean }) {
  const { t } = useUi();
  const more: Column<VmSummary>[] = [
    { head: t('field.since'), from: 'desktop', cell: (vm) => <Time at={vm.since} /> },
    { head: t('vm.autostart'), from: 'desktop', cell: (vm) => (vm.autostart ? t('word.yes') : <span class="quiet">{t('word.no')}</span>) },
  ];
  return (
    <List label={t('nav.vms')} rows={vms} keptAs={isBrief ? 'vms-brief' : 'vms'} rowId={(vm) => `vm-${vm.id}`} about={aboutVm} next={next} columns={[
      { head: t('field.name'), as: 'main', cell: (vm) => <><a href={`/vms/${encodeURIComponent(vm.name)}`}>{vm.name}</a>{vm.description && <small>{vm.description}</small>}</> },
      { head: t('field.state'), as: 'state', cell: (vm) => <VmChip vm={vm} /> },
      { head: t('vm.vcpus'), as: 'number', from: 'tablet', cell: (vm) => vm.vcpus },
      { head: t('vm.memory'), as: 'number', from: 'tablet', cell: (vm) => formatBytes(vm.memoryBytes) },
      ...(isBrief ? [] : more),
      { head: t('field.verbs'), as: 'verbs', cell: (vm) => <RowVerbs vm={vm} /> },
    ]} />
  );
}

export function CreateLink() {
  const { t, can } = useUi();
  return can('vm.create') ? <LinkButton href="/vms/new" text={t('vm.create')} icon="plus" tone="primary" /> : null;
}

export function NoVm() {
  const { t, can } = useUi();
  return (
    <Panel>
      <Empty icon="vm" title={t('vm.none')} text={t('vm.noneText')}>
        <CreateLink />
        {can('iso.upload') && <LinkButton href="/storage/isos" text={t('iso.upload')} icon="upload" />}
      </Empty>
    </Panel>
  );
}
