/** The disks, the CD-ROM drive and the network interfaces of a VM. */
import type { AnyOperation } from '../../appliance/core/operation.ts';
import { cdromChange, diskAttach, diskDetach, diskEdit, nicAdd, nicEdit, nicRemove, vmEdit } from '../../appliance/vm/operations.ts';
import { refusal, vmCan } from '../../appliance/vm/rules.ts';
import { diskBuses, type VmDetails } from '../../appliance/vm/schema.ts';
import { Button, Dialog, OperationButton } from '../action.tsx';
import { useUi } from '../context.ts';
import type { Choice } from '../field-info.ts';
import { Form } from '../form.tsx';
import { formatBytes } from '../format.tsx';
import { List } from '../list.tsx';
import { definePage } from '../page.ts';
import { Chip, Empty, Panel } from '../section.tsx';
import { diskUsePath, nicUsePath } from './use.tsx';
import { firstDisk, floppyChoices, freeDiskChoices, insteadOfNewDisk, isoChoices, networkChoices, type Parts, readParts } from './vm-create.tsx';
import { readVm, VmFrame } from './vm-page.tsx';
import { aboutVm } from './vm-state.tsx';

export const vmDisksPage = definePage({
  path: '/vms/{vm}/disks', live: ['vm', 'disk'],
  load: async (call, request) => ({ vm: await readVm(call, request), parts: await readParts(call) }),
  title: ({ vm }) => vm.name,
  view: ({ vm, parts }, { t }) => (
    <VmFrame vm={vm}>
      <div class="stack">
        <Panel title={t('vm.tab.disks')} layout="flush" aside={<AddDisk vm={vm} parts={parts} />}>
          {vm.disks.length > 0 ? <DiskTable vm={vm} /> : <Empty icon="disk" title={t('vm.noDisk')} text={t('vm.noDiskText')} />}
        </Panel>
        <Panel><Cdrom vm={vm} parts={parts} /></Panel>
        {vm.floppyDrive && <Panel><Floppy vm={vm} parts={parts} /></Panel>}
      </div>
    </VmFrame>
  ),
});

function DiskTable({ vm }: { vm: VmDetails }) {
  const { t, phrase } = useUi();
  const reason = vmCan('detach-disk', vm) ? undefined : refusal('detach-disk', vm.name, vm);
  return (
    <List label={t('vm.tab.disks')} rows={vm.disks} rowId={(disk) => `disk-${disk.id}`} columns={[
      { head: t('field.name'), as: 'main', cell: (disk) => <><strong><a href={diskUsePath(vm, disk)}>{disk.name}</a></strong><small>{phrase(disk.format)}, {phrase(disk.allocation)}, {phrase(diskBuses[disk.bus])}</small></> },
      { head: t('disk.target'), cell: (disk) => <code>{disk.target}</code> },
      { head: t('disk.size'), as: 'number', cell: (disk) => formatBytes(disk.sizeBytes) },
      { head: t('field.state'), cell: (disk) => <PlugChip isPlugged={disk.isPlugged && disk.pending.length === 0} isUp={vm.state !== 'down'} /> },
      { head: t('field.verbs'), as: 'verbs', cell: (disk) => (
        <span class="row-verbs">
          <EditDevice vm={vm} operation={diskEdit} path={{ disk: disk.id }} name={disk.name} values={{ ...disk }} />
          <OperationButton operation={diskDetach} path={{ vm: vm.name, disk: disk.id }} label={t('disk.detach')} icon="eject" tone="quiet" isCompact disabledReason={reason}
            confirm={{ title: t('disk.detachTitle', { name: disk.name, vm: vm.name }), body: t('disk.detachBody') }} />
          <OperationButton operation={diskDetach} path={{ vm: vm.name, disk: disk.id }} values={{ delete: true }} label={t('disk.delete')} icon="trash" tone="quiet" isCompact disabledReason={reason}
            confirm={{ title: t('disk.deleteTitle', { name: disk.name }), body: t('disk.deleteBody'), typeName: disk.name }} />
        </span>
      ) },
    ]} />
  );
}

/** `name` is what the button is told apart by, for who hears the page. */
function EditDevice({ vm, operation, path, name, values, choices = {} }: { vm: VmDetails; operation: AnyOperation; path: Record<string, string>; name: string; values: Record<string, unknown>; choices?: Record<string, Choice[]> }) {
  const { t, can } = useUi();
  if (!can(operation.permission, aboutVm(vm))) return null;
  const id = `edit-${Object.values(path).join('-')}`;
  return (
    <>
      <Button text={t('device.change', { name })} icon="edit" tone="quiet" isCompact data-dialog={id} />
      <Dialog id={id} title={name}>
        <Form operation={operation} id={`${id}-form`} path={{ vm: vm.name, ...path }} values={values} choices={choices} submit={t('word.save')} />
      </Dialog>
    </>
  );
}

function PlugChip({ isPlugged, isUp }: { isPlugged: boolean; isUp: boolean }) {
  const { t } = useUi();
  if (!isUp) return <span class="quiet">–</span>;
  return isPlugged ? <Chip tone="ok" icon="check" text={t('device.inUse')} /> : <Chip tone="off" icon="clock" text={t('device.nextStart')} />;
}

function AddDisk({ vm, parts }: { vm: VmDetails; parts: Parts }) {
  const { t, can } = useUi();
  if (!can(diskAttach.permission, aboutVm(vm))) return null;
  return (
    <>
      <Button text={t('vm.addDisk')} icon="plus" data-dialog="add-disk" disabledReason={vmCan('attach-disk', vm) ? undefined : refusal('attach-disk', vm.name, vm)} />
      <Dialog id="add-disk" title={t('vm.addDisk')}>
        <Form operation={diskAttach} id="add-disk-form" path={{ vm: vm.name }} submit={t('vm.addDisk')} values={firstDisk}
          choices={{ disk: freeDiskChoices(parts), domain: parts.domains.map(({ name }) => ({ value: name, label: name })) }}
          instead={{ disk: insteadOfNewDisk }} sections={[{ fields: ['disk', 'sizeBytes', 'format', 'allocation', 'bus'] }]} />
      </Dialog>
    </>
  );
}

function Cdrom({ vm, parts }: { vm: VmDetails; parts: Parts }) {
  const { t, can } = useUi();
  if (!can(cdromChange.permission, aboutVm(vm)) || !vmCan('change-cdrom', vm)) return <p>{vm.cdrom ?? t('vm.noCdrom')}</p>;
  return <Form operation={cdromChange} id="cdrom-form" path={{ vm: vm.name }} values={{ iso: vm.cdrom }} choices={{ iso: isoChoices(parts) }} submit={t('vm.changeCdrom')} submitTone="plain" />;
}

function Floppy({ vm, parts }: { vm: VmDetails; parts: Parts }) {
  const { t, can } = useUi();
  if (!can(vmEdit.permission, aboutVm(vm))) return <p>{vm.floppy ?? t('vm.noFloppy')}</p>;
  return <Form operation={vmEdit} id="floppy-form" path={{ vm: vm.name }} values={{ floppy: vm.floppy }} choices={{ floppy: floppyChoices(parts) }} sections={[{ fields: ['floppy'] }]} submit={t('vm.changeFloppy')} submitTone="plain" />;
}

export const vmNicsPage = definePage({
  path: '/vms/{vm}/nics', live: ['vm', 'network'],
  load: async (call, request) => ({ vm: await readVm(call, request), parts: await readParts(call) }),
  title: ({ vm }) => vm.name,
  view: ({ vm, parts }, { t }) => (
    <VmFrame vm={vm}>
      <Panel title={t('vm.tab.nics')} layout="flush" aside={<AddNic vm={vm} parts={parts} />}>
        {vm.nics.length > 0 ? <NicTable vm={vm} parts={parts} /> : <Empty icon="nic" title={t('vm.noNic')} text={t('vm.noNicText')} />}
      </Panel>
    </VmFrame>
  ),
});

function NicTable({ vm, parts }: { vm: VmDetails; parts: Parts }) {
  const { t } = useUi();
  const reason = vmCan('remove-nic', vm) ? undefined : refusal('remove-nic', vm.name, vm);
  return (
    <List label={t('vm.tab.nics')} rows={vm.nics} rowId={(nic) => `nic-${nic.id}`} columns={[
      { head: t('nic.network'), as: 'main', cell: (nic) => <strong><a href={nicUsePath(vm, nic)}>{nic.network}</a></strong> },
      { head: t('nic.mac'), cell: (nic) => <code>{nic.mac}</code> },
      { head: t('nic.model'), from: 'tablet', cell: (nic) => nic.model },
      { head: t('field.state'), cell: (nic) => <PlugChip isPlugged={nic.isPlugged && nic.pending.length === 0} isUp={vm.state !== 'down'} /> },
      { head: t('field.verbs'), as: 'verbs', cell: (nic) => (
        <span class="row-verbs">
          <EditDevice vm={vm} operation={nicEdit} path={{ nic: nic.id }} name={nic.mac} values={{ ...nic }} choices={{ network: networkChoices(parts) }} />
          <OperationButton operation={nicRemove} path={{ vm: vm.name, nic: nic.id }} label={t('nic.remove')} icon="trash" tone="quiet" isCompact disabledReason={reason}
            confirm={{ title: t('nic.removeTitle', { network: nic.network }), body: t('nic.removeBody') }} />
        </span>
      ) },
    ]} />
  );
}

function AddNic({ vm, parts }: { vm: VmDetails; parts: Parts }) {
  const { t, can } = useUi();
  if (!can(nicAdd.permission, aboutVm(vm))) return null;
  return (
    <>
      <Button text={t('vm.addNic')} icon="plus" data-dialog="add-nic" disabledReason={vmCan('add-nic', vm) ? undefined : refusal('add-nic', vm.name, vm)} />
      <Dialog id="add-nic" title={t('vm.addNic')}>
        <Form operation={nicAdd} id="add-nic-form" path={{ vm: vm.name }} submit={t('vm.addNic')} choices={{ network: networkChoices(parts) }} />
      </Dialog>
    </>
  );
}
