/** Templates: what there is, and VMs from them. */
import { templateFault } from '../../appliance/vm/template/rules.ts';
import { templateDelete, templateEdit, templateList, templateVm } from '../../appliance/vm/template/operations.ts';
import type { TemplateDetails } from '../../appliance/vm/template/schema.ts';
import { Button, Dialog, More, OperationButton } from '../action.tsx';
import { useUi } from '../context.ts';
import { Form } from '../form.tsx';
import { formatBytes, Time } from '../format.tsx';
import { Icon, type IconName } from '../icon.tsx';
import { List } from '../list.tsx';
import { type AnyPage, definePage } from '../page.ts';
import { Chip, Empty, PageHead, Panel, type Tone } from '../section.tsx';
import { firstStartSections } from './vm-cloud-init.tsx';
import { AboutLinks } from './about.tsx';
import { ShareLink } from './share.tsx';
import { newTemplatePage } from './template-new.tsx';

const templatePage = definePage({
  path: '/templates', live: ['template', 'vm', 'disk'],
  load: async ({ read }) => ({ templates: (await read(templateList, {})).items }),
  title: (_data, { t }) => t('nav.templates'),
  view: ({ templates }, { t, can }) => (
    <>
      <PageHead title={t('nav.templates')} lead={t('template.lead')}>
        {can('template.create') && <a class="button" data-tone="primary" href="/templates/new"><Icon name="plus" />{t('template.create')}</a>}
      </PageHead>
      {templates.length > 0 ? <TemplateTable templates={templates} /> : <Panel><Empty icon="copy" title={t('template.none')} text={t('template.noneText')} /></Panel>}
      {templates.map((template) => <Dialogs template={template} />)}
    </>
  ),
});

const looks: Record<TemplateDetails['state'], { tone: Tone; icon: IconName }> = {
  creating: { tone: 'busy', icon: 'half' }, ok: { tone: 'ok', icon: 'check' }, deleting: { tone: 'busy', icon: 'half' }, broken: { tone: 'bad', icon: 'error' },
};

function TemplateTable({ templates }: { templates: TemplateDetails[] }) {
  const { t } = useUi();
  return (
    <List label={t('nav.templates')} rows={templates} rowId={(template) => `template-${template.id}`} columns={[
      { head: t('field.name'), as: 'main', cell: (template) => <><strong>{template.name}</strong><small>{[template.description || t('template.madeFrom', { vm: template.madeFrom }), ...(template.isGeneralised ? [t('template.generalised')] : [])].join(' · ')}</small></> },
      { head: t('template.version'), cell: ({ version, isLatest }) => <>{version}{isLatest && <span class="quiet"> {t('template.latest')}</span>}</> },
      { head: t('field.state'), as: 'state', cell: ({ state }) => <Chip {...looks[state]} text={t(`template.state.${state}`)} /> },
      { head: t('template.hardware'), from: 'tablet', cell: (template) => <span>{t('portal.size', { count: template.vcpus, memory: formatBytes(template.memoryBytes) })}</span> },
      { head: t('template.disks'), from: 'tablet', cell: ({ disks }) => disks.map(({ sizeBytes }) => formatBytes(sizeBytes)).join(', ') || '–' },
      { head: t('template.vms'), cell: (template) => <UsedBy template={template} /> },
      { head: t('field.created'), from: 'desktop', cell: ({ createdAt }) => <Time at={createdAt} as="clock" /> },
      { head: t('field.verbs'), as: 'verbs', cell: (template) => <Verbs template={template} /> },
    ]} />
  );
}

function UsedBy({ template: { vms, dependentDisks } }: { template: TemplateDetails }) {
  const { t } = useUi();
  if (vms.length > 0) return <AboutLinks about={vms.map((vm) => ({ kind: 'vm', ...vm }))} />;
  return <span class="quiet">{dependentDisks > 0 ? t('template.dependentDisks', { count: dependentDisks }) : '–'}</span>;
}

const aboutTemplate = ({ id }: TemplateDetails) => ({ kind: 'template', id }) as const;

function Verbs({ template }: { template: TemplateDetails }) {
  const { t, can } = useUi();
  const about = aboutTemplate(template);
  const mayManage = can('template.edit', about) || can('template.delete', about);
  return (
    <span class="row-verbs">
      {can('template.use', about) && can('vm.create') && <Button text={t('template.makeVm')} icon="vm" data-dialog={`use-${template.id}`} disabledReason={templateFault('use', template)} />}
      <ShareLink object={about} />
      {mayManage && (
        <More id={`template-menu-${template.id}`} label={t('vm.more')}>
          {can('template.edit', about) && <Button text={t('template.edit')} icon="edit" data-dialog={`edit-${template.id}`} />}
          <OperationButton operation={templateDelete} path={{ template: template.id }} label={t('template.delete')} icon="trash" tone="danger" generation={template.generation}
            disabledReason={template.dependentDisks > 0 ? t('template.inUse') : templateFault('delete', template)}
            confirm={{ title: t('template.deleteTitle', { name: template.name, version: template.version }), body: t('template.deleteBody'), typeName: template.name }} />
        </More>
      )}
    </span>
  );
}

function Dialogs({ template }: { template: TemplateDetails }) {
  const { t, can } = useUi();
  const about = aboutTemplate(template);
  const modes = [{ value: 'thin', label: t('template.thin'), help: t('template.thinHelp') }, { value: 'clone', label: t('template.clone'), help: t('template.cloneHelp') }];
  return (
    <>
      {can('template.use', about) && can('vm.create') && (
        <Dialog id={`use-${template.id}`} title={t('template.makeVmTitle', { name: template.name, version: template.version })}>
          <Form operation={templateVm} id={`use-form-${template.id}`} path={{ template: template.id }} submit={t('vm.create')} next="/vms/{name}" choices={{ mode: modes }}
            values={{ mode: 'thin', vcpus: template.vcpus, memoryBytes: template.memoryBytes }} rows={{ 'cloudInit.interfaces': { add: t('cloud.addInterface') } }}
            sections={[{ fields: ['name', 'description', 'mode', 'vcpus', 'memoryBytes'] }, ...firstStartSections(t, templateVm)]} />
        </Dialog>
      )}
      {can('template.edit', about) && (
        <Dialog id={`edit-${template.id}`} title={template.name}>
          <Form operation={templateEdit} id={`edit-form-${template.id}`} path={{ template: template.id }} values={{ ...template }} generation={template.generation} submit={t('word.save')} />
        </Dialog>
      )}
    </>
  );
}

export const templatePages: AnyPage[] = [newTemplatePage, templatePage];
