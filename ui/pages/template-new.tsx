/** Making a template: first the VM, then whether of the VM as it is now or of one of its snapshots; and the ways to it from a VM and from a snapshot. */
import { snapshotList, vmGet, vmList } from '../../appliance/vm/operations.ts';
import { vmCan } from '../../appliance/vm/rules.ts';
import type { VmDetails } from '../../appliance/vm/schema.ts';
import { snapshotFault } from '../../appliance/vm/snapshot/rules.ts';
import type { SnapshotDetails } from '../../appliance/vm/snapshot/schema.ts';
import { templateCreate, templateList } from '../../appliance/vm/template/operations.ts';
import { useUi } from '../context.ts';
import { Form } from '../form.tsx';
import { Icon } from '../icon.tsx';
import { definePage, type PageCall } from '../page.ts';
import { Empty, PageHead, Panel } from '../section.tsx';
import { aboutVm } from './vm-state.tsx';

const path = '/templates/new';

async function readSource({ read, can }: PageCall, name: string | undefined): Promise<{ vm: VmDetails; snapshots: SnapshotDetails[] } | undefined> {
  if (!name) return undefined;
  const vm = await read(vmGet, { vm: name });
  return { vm, snapshots: can('vm.read', aboutVm(vm)) ? (await read(snapshotList, { vm: vm.id })).items.filter((snapshot) => !snapshotFault('clone', snapshot)) : [] };
}

export const newTemplatePage = definePage({
  path, live: [], offers: templateCreate,
  async load(call, { query }) {
    const vms = (await call.read(vmList, { limit: 1000 })).items.filter(({ isDeleting }) => !isDeleting);
    return { vms, source: await readSource(call, query['vm']), snapshot: query['snapshot'], generaliseFault: (await call.read(templateList, {})).generaliseFault };
  },
  title: (_data, { t }) => t('template.create'),
  view: ({ vms, source, snapshot, generaliseFault }, { t }) => (
    <>
      <PageHead title={t('template.create')} lead={t('template.createLead')} />
      {vms.length === 0 ? <Panel><Empty icon="copy" title={t('template.noVm')} text={t('template.noVmText')} /></Panel> : (
        <Panel>
          <div class="stack">
            <VmChoice vms={vms} chosen={source?.vm.name} />
            {source && <Source {...source} snapshot={snapshot} generaliseFault={generaliseFault} />}
          </div>
        </Panel>
      )}
    </>
  ),
});

/** What can be chosen next depends on it: the page comes anew. */
function VmChoice({ vms, chosen }: { vms: { name: string; state: VmDetails['state'] }[]; chosen: string | undefined }) {
  const { t, phrase } = useUi();
  return (
    <form class="form" action={path} method="get" hx-get={path} hx-trigger="change" hx-target="#page" hx-select="#page" hx-swap="outerMorph" hx-replace-url="true">
      <div class="form-body"><div class="form-fields"><div class="field">
        <label class="field-label" for="template-vm">{phrase('VM')}</label>
        <select id="template-vm" name="vm">
          {chosen === undefined && <option value="">{t('template.chooseVm')}</option>}
          {vms.map(({ name, state }) => <option value={name} selected={name === chosen}>{`${name} (${t(`vm.state.${state}`)})`}</option>)}
        </select>
      </div></div></div>
      <noscript><button type="submit" class="button">{t('list.next')}</button></noscript>
    </form>
  );
}

function Source({ vm, snapshots, snapshot, generaliseFault }: { vm: VmDetails; snapshots: SnapshotDetails[]; snapshot: string | undefined; generaliseFault: string | null }) {
  const { t } = useUi();
  const isDown = vmCan('make-template', vm);
  if (!isDown && snapshots.length === 0) return <Empty icon="copy" title={t('template.notDown', { vm: vm.name })} text={t('template.notDownText')} />;
  const choices = [...(isDown ? [{ value: '', label: t('template.asItIs') }] : []), ...snapshots.map(({ id, name }) => ({ value: id, label: name }))];
  return (
    <Form operation={templateCreate} id="create-template-form" fixed={{ vm: vm.id }} submit={t('template.create')} next="/templates" choices={{ snapshot: choices }} needed={['snapshot']}
      values={{ snapshot: snapshot ?? choices[0]?.value }} disabledReasons={{ generalise: generaliseFault ?? undefined }} sections={[{ fields: ['snapshot', 'name', 'description', 'generalise'] }]} />
  );
}

/** For the menu of a VM, and of a snapshot of it. */
export function TemplateLink({ vm, snapshot }: { vm: { id: string; name: string }; snapshot?: string }) {
  const { t, can } = useUi();
  if (!can(templateCreate.permission) || !can('vm.edit', aboutVm(vm))) return null;
  return <a class="button" href={`${path}?${new URLSearchParams({ vm: vm.name, ...(snapshot && { snapshot }) })}`}><Icon name="copy" />{t('template.create')}</a>;
}
