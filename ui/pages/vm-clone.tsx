/** A machine of its own from one that is down: the button for its menu and the dialog that it opens. */
import { vmClone } from '../../appliance/vm/operations.ts';
import { refusal, vmCan } from '../../appliance/vm/rules.ts';
import { Button, Dialog } from '../action.tsx';
import { useUi } from '../context.ts';
import { Form } from '../form.tsx';
import { aboutVm, type VmSummary } from './vm-state.tsx';

export function CloneButton({ vm }: { vm: VmSummary }) {
  const { t, can } = useUi();
  if (!can('vm.create') || !can(vmClone.permission, aboutVm(vm))) return null;
  return <Button text={t('vm.clone')} icon="plus" data-dialog="clone-vm" disabledReason={vmCan('clone', vm) ? undefined : refusal('clone', vm.name, vm)} />;
}

export function CloneDialog({ vm }: { vm: VmSummary }) {
  const { t, can } = useUi();
  if (!can('vm.create') || !can(vmClone.permission, aboutVm(vm))) return null;
  return (
    <Dialog id="clone-vm" title={t('vm.clone')}>
      <div class="stack">
        <p class="quiet">{t('vm.cloneText')}</p>
        <Form operation={vmClone} id="clone-vm-form" path={{ vm: vm.id }} submit={t('vm.clone')} next="/vms/{name}" />
      </div>
    </Dialog>
  );
}
