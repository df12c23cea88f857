/** What a VM is told about itself at its first boot, by cloud-init or, a Windows, by an answer file: the tab of its page, and the same fields in the forms that make VMs. */
import type * as z from 'zod';
import { cloudInitEdit, cloudInitGet, cloudInitRemove } from '../../appliance/vm/cloud-init/operations.ts';
import type { CloudInitDetails } from '../../appliance/vm/cloud-init/schema.ts';
import { readsAnswers } from '../../appliance/vm/cloud-init/windows/rules.ts';
import type { VmDetails } from '../../appliance/vm/schema.ts';
import { OperationButton } from '../action.tsx';
import { type Ui, useUi } from '../context.ts';
import { objectFields } from '../field-info.ts';
import { Form, type FormSection } from '../form.tsx';
import { definePage } from '../page.ts';
import { Notice } from '../section.tsx';
import { readVm, VmFrame } from './vm-page.tsx';

export const vmCloudInitPage = definePage({
  path: '/vms/{vm}/cloud-init', offers: cloudInitEdit, live: ['vm'],
  async load(call, request) {
    const vm = await readVm(call, request);
    return { vm, told: await call.read(cloudInitGet, { vm: vm.id }) };
  },
  title: ({ vm }) => vm.name,
  view: ({ vm, told }) => <VmFrame vm={vm}><CloudInitForm vm={vm} told={told} /></VmFrame>,
});

/** Whether the guest system is one that reads answer files. */
export const isWindows = readsAnswers;

const linuxSections = (t: Ui['t'], told: CloudInitDetails): FormSection[] => [
  { title: t('cloud.section.user'), icon: 'user', fields: ['user', 'password', 'passwordHash', 'sshKeys'] },
  { title: t('cloud.section.network'), icon: 'nic', fields: ['hostname', 'interfaces'] },
  { title: t('cloud.section.own'), icon: 'edit', isFolded: !told.hasOwnText, fields: ['userData', 'networkConfig'] },
  { title: t('cloud.section.again'), icon: 'reboot', fields: ['runAgain'] },
];

const windowsFields = (names: string[], below = 'windows') => names.map((name) => `${below}.${name}`);

/** Who has cloudbase-init in a Windows finds what it reads, too. */
const windowsSections = (t: Ui['t'], told: CloudInitDetails): FormSection[] => [
  { title: t('cloud.section.computer'), icon: 'vm', fields: windowsFields(['computerName', 'timeZone', 'language', 'owner', 'organisation', 'productKey']) },
  { title: t('cloud.section.user'), icon: 'user', fields: windowsFields(['password', 'user']) },
  { title: t('cloud.section.own'), icon: 'edit', isFolded: told.windows?.answerFile == null, fields: windowsFields(['answerFile']) },
  { title: t('cloud.section.cloudbase'), icon: 'nic', isFolded: true, fields: ['user', 'password', 'passwordHash', 'sshKeys', 'hostname', 'interfaces', 'userData', 'networkConfig', 'runAgain'] },
];

/** In forms that make VMs: one section for each kind of system, folded. */
export function firstStartSections(t: Ui['t'], { input }: { input: z.core.$ZodType }): FormSection[] {
  const inner = objectFields(input).find(({ name }) => name === 'cloudInit')?.fields.map(({ name }) => name) ?? [];
  return [
    { title: t('vm.tab.cloudInit'), icon: 'user', isFolded: true, fields: inner.filter((name) => name !== 'cloudInit.windows') },
    { title: t('cloud.section.windows'), icon: 'vm', isFolded: true, fields: ['cloudInit.windows'] },
  ];
}

/** What somebody is filling in stays as it was when it was opened. */
function CloudInitForm({ vm, told }: { vm: VmDetails; told: CloudInitDetails }) {
  const { t } = useUi();
  const windows = isWindows(vm.os);
  const titles = windows ? (['cloud.onWindows', 'cloud.offWindows'] as const) : (['cloud.on', 'cloud.off'] as const);
  return (
    <>
      <Notice tone="info" title={t(titles[told.isOn ? 0 : 1])}
        actions={told.isOn && <OperationButton operation={cloudInitRemove} path={{ vm: vm.id }} label={t('cloud.remove')} icon="trash" generation={vm.generation} confirm={{ title: t('cloud.removeTitle', { name: vm.name }), body: t('cloud.removeBody') }} />}>
        {t(windows ? 'cloud.textWindows' : 'cloud.text')} {(windows ? told.windows?.hasPassword : told.hasPassword) && t('cloud.hasPassword')} {windows && told.windows?.hasProductKey && t('cloud.hasProductKey')}
      </Notice>
      <div id="cloud-init-form" hx-morph-skip="">
        <Form operation={cloudInitEdit} id="cloud-init" path={{ vm: vm.id }} values={{ ...told }} generation={vm.generation} submit={t('word.save')} next={`/vms/${encodeURIComponent(vm.name)}/cloud-init`}
          rows={{ interfaces: { add: t('cloud.addInterface') } }}
          sections={windows ? windowsSections(t, told) : linuxSections(t, told)} />
      </div>
    </>
  );
}
