/** Machines that leave as an OVA file and come from one: the dialog on a machine's page, and the page of a file with what is in it. */
import type * as z from 'zod';
import { networkList } from '../../appliance/network/operations.ts';
import { domainList } from '../../appliance/storage/operations.ts';
import { ovaImport, ovaLook, vmExport } from '../../appliance/vm/carry/operations.ts';
import type { CarriedOutput } from '../../appliance/vm/carry/schema.ts';
import { vmEdit } from '../../appliance/vm/operations.ts';
import { refusal, vmCan } from '../../appliance/vm/rules.ts';
import type { VmDetails } from '../../appliance/vm/schema.ts';
import { Button, Dialog, LinkButton } from '../action.tsx';
import { useUi } from '../context.ts';
import { objectFields } from '../field-info.ts';
import { Form } from '../form.tsx';
import { formatBytes } from '../format.tsx';
import { type AnyPage, definePage } from '../page.ts';
import { Facts, Notice, PageHead, Panel } from '../section.tsx';
import { aboutVm } from './vm-state.tsx';

export function ExportButton({ vm }: { vm: VmDetails }) {
  const { t, can } = useUi();
  if (!can(vmExport.permission, aboutVm(vm)) || !can('iso.upload')) return null;
  return <Button text={t('carry.export')} icon="download" data-dialog="export-vm" disabledReason={vmCan('export', vm) ? undefined : refusal('export', vm.name, vm)} />;
}

export function ExportDialog({ vm }: { vm: VmDetails }) {
  const { t, can } = useUi();
  if (!can(vmExport.permission, aboutVm(vm)) || !can('iso.upload')) return null;
  return (
    <Dialog id="export-vm" title={t('carry.exportTitle', { name: vm.name })}>
      <Form operation={vmExport} id="export-vm-form" path={{ vm: vm.id }} submit={t('carry.export')}><p>{t('carry.exportText')}</p></Form>
    </Dialog>
  );
}

const importPage = definePage({
  path: '/storage/machines/{name}', offers: ovaImport,
  async load({ read, can }, { params }) {
    const domains = (await read(domainList, {})).items;
    const file = params['name'] ?? '';
    const place = domains.find(({ kind }) => kind === 'iso')?.id ?? '';
    const found = await read(ovaLook, { domain: place, name: file });
    const networks = can('network.read') ? (await read(networkList, {})).items.map(({ name }) => name) : [];
    return { file, place, found, networks, targets: domains.filter(({ kind }) => kind === 'data').map(({ name }) => name) };
  },
  title: ({ file }) => file,
  view: ({ file, place, found, networks, targets }, { t, can }) => (
    <>
      <PageHead title={t('carry.importTitle', { name: found.name || file })} parent={{ href: '/storage/isos', text: t('storage.isos') }} lead={t('carry.importText')} />
      {found.notes.length > 0 && <Notices notes={found.notes} />}
      <div class="grid" data-cols="side">
        {can('vm.create') && <Panel>
          <Form operation={ovaImport} id="import-vm" path={{ domain: place, name: file }} submit={t('carry.import')} next="/vms" values={{ vm: found.name }}
            aside={<LinkButton href="/storage/isos" text={t('confirm.cancel')} tone="quiet" />}
            choices={{ network: networks.map((name) => ({ value: name, label: name })), target: targets.map((name) => ({ value: name, label: name })) }} />
        </Panel>}
        <Panel title={t('carry.found')}><Found found={found} /></Panel>
      </div>
    </>
  ),
});

function Notices({ notes }: { notes: string[] }) {
  const { t, phrase } = useUi();
  return <Notice tone="warn" title={t('carry.notes')}>{notes.map((note) => <>{phrase(note)}<br /></>)}</Notice>;
}

function Found({ found }: { found: z.output<typeof CarriedOutput> }) {
  const { t, phrase } = useUi();
  const labels = objectFields(vmEdit.input).find(({ name }) => name === 'os')?.labels ?? {};
  return (
    <Facts items={[
      [phrase('Guest system'), phrase(labels[found.os] ?? found.os)],
      [t('vm.vcpus'), found.vcpus],
      [t('vm.memory'), formatBytes(found.memoryBytes)],
      ...found.disks.map(({ file, sizeBytes, format, bus }): [string, string] => [file, `${formatBytes(sizeBytes)}, ${format}, ${bus}`]),
      ...found.nics.map(({ network, model }): [string, string] => [network || t('vm.tab.nics'), model]),
    ]} />
  );
}

export const carryPages: AnyPage[] = [importPage];
