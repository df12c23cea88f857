/** What a VM is told about itself at its first boot: the tab of its page, and the same fields in the forms that make VMs. */
import { cloudInitEdit, cloudInitGet, cloudInitRemove } from '../../appliance/vm/cloud-init/operations.ts';
import type { CloudInitDetails } from '../../appliance/vm/cloud-init/schema.ts';
import type { VmDetails } from '../../appliance/vm/schema.ts';
import { OperationButton } from '../action.tsx';
import { useUi } from '../context.ts';
import { Form } from '../form.tsx';
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

/** What somebody is filling in stays as it was when it was opened. */
function CloudInitForm({ vm, told }: { vm: VmDetails; told: CloudInitDetails }) {
  const { t } = useUi();
  return (
    <>
      <Notice tone="info" title={t(told.isOn ? 'cloud.on' : 'cloud.off')}
        actions={told.isOn && <OperationButton operation={cloudInitRemove} path={{ vm: vm.id }} label={t('cloud.remove')} icon="trash" generation={vm.generation} confirm={{ title: t('cloud.removeTitle', { name: vm.name }), body: t('cloud.removeBody') }} />}>
        {t('cloud.text')} {told.hasPassword && t('cloud.hasPassword')}
      </Notice>
      <div id="cloud-init-form" hx-morph-skip="">
        <Form operation={cloudInitEdit} id="cloud-init" path={{ vm: vm.id }} values={{ ...told }} generation={vm.generation} submit={t('word.save')} next={`/vms/${encodeURIComponent(vm.name)}/cloud-init`}
          rows={{ interfaces: { add: t('cloud.addInterface') } }}
          sections={[
            { title: t('cloud.section.user'), icon: 'user', fields: ['user', 'password', 'passwordHash', 'sshKeys'] },
            { title: t('cloud.section.network'), icon: 'nic', fields: ['hostname', 'interfaces'] },
            { title: t('cloud.section.own'), icon: 'edit', isFolded: !told.hasOwnText, fields: ['userData', 'networkConfig'] },
            { title: t('cloud.section.again'), icon: 'reboot', fields: ['runAgain'] },
          ]} />
      </div>
    </>
  );
}
