/** What a disk, a network interface or a storage domain has used: a page for each, one step behind the list where it stands. */
import type * as z from 'zod';
import { Problem } from '../../appliance/core/problem.ts';
import { domainList } from '../../appliance/storage/operations.ts';
import type * as storage from '../../appliance/storage/schema.ts';
import type { VmDetails } from '../../appliance/vm/schema.ts';
import { UseOverTime } from '../chart.tsx';
import { formatBytes } from '../format.tsx';
import { type AnyPage, definePage, type PageCall, type PageRequest } from '../page.ts';
import { PageHead, Panel } from '../section.tsx';
import { readVm, vmPath } from './vm-page.tsx';

type Domain = z.output<typeof storage.DomainOutput>;

export const diskUsePath = (vm: { name: string }, disk: { id: string }): string => `${vmPath(vm)}/disks/${disk.id}`;
export const nicUsePath = (vm: { name: string }, nic: { id: string }): string => `${vmPath(vm)}/nics/${nic.id}`;
export const domainUsePath = (domain: { name: string }): string => `/storage/domains/${encodeURIComponent(domain.name)}`;

const gone = () => new Problem('not-found', 'It is not there any more. It may have been removed or renamed.');

async function readPart<T extends { id: string }>(call: PageCall, request: PageRequest, { list, name }: { list(vm: VmDetails): T[]; name: string }) {
  const vm = await readVm(call, request);
  const part = list(vm).find(({ id }) => id === request.params[name]);
  if (!part) throw gone();
  return { vm, part, span: request.query['span'] };
}

const historyOf = (vm: VmDetails, part: { id: string }) => `/api/v1${vmPath(vm)}/history?of=${part.id}`;

const diskUsePage = definePage({
  path: '/vms/{vm}/disks/{disk}', live: ['vm', 'disk'],
  load: (call, request) => readPart(call, request, { list: ({ disks }) => disks, name: 'disk' }),
  title: ({ part }) => part.name,
  view: ({ vm, part, span }, { t, phrase }) => (
    <>
      <PageHead title={part.name} parent={{ href: `${vmPath(vm)}/disks`, text: `${vm.name}: ${t('vm.tab.disks')}` }} lead={`${formatBytes(part.sizeBytes)} · ${phrase(part.format)}, ${phrase(part.allocation)} · ${part.target}`} />
      <Panel title={t('history.use')}><UseOverTime page={diskUsePath(vm, part)} span={span} history={historyOf(vm, part)} charts={['disk', 'requests']} /></Panel>
    </>
  ),
});

const nicUsePage = definePage({
  path: '/vms/{vm}/nics/{nic}', live: ['vm', 'network'],
  load: (call, request) => readPart(call, request, { list: ({ nics }) => nics, name: 'nic' }),
  title: ({ part }) => part.network,
  view: ({ vm, part, span }, { t }) => (
    <>
      <PageHead title={part.network} parent={{ href: `${vmPath(vm)}/nics`, text: `${vm.name}: ${t('vm.tab.nics')}` }} lead={`${part.mac} · ${part.model}`} />
      <Panel title={t('history.use')}><UseOverTime page={nicUsePath(vm, part)} span={span} history={historyOf(vm, part)} charts={['network']} /></Panel>
    </>
  ),
});

const domainUsePage = definePage({
  path: '/storage/domains/{domain}', live: ['storage-domain'],
  async load({ read }, { params, query }): Promise<{ domain: Domain; span: string | undefined }> {
    const domain = (await read(domainList, {})).items.find(({ id, name }) => id === params['domain'] || name === params['domain']);
    if (!domain) throw gone();
    return { domain, span: query['span'] };
  },
  title: ({ domain }) => domain.name,
  view: ({ domain, span }, { t }) => (
    <>
      <PageHead title={domain.name} parent={{ href: '/storage', text: t('nav.storage') }} lead={t('storage.usedOf', { used: formatBytes(domain.totalBytes - domain.freeBytes), total: formatBytes(domain.totalBytes) })} />
      <Panel title={t('history.use')}><UseOverTime page={domainUsePath(domain)} span={span} history={`/api/v1/storage-domains/${domain.id}/history`} charts={['space']} /></Panel>
    </>
  ),
});

export const usePages: AnyPage[] = [diskUsePage, nicUsePage, domainUsePage];
