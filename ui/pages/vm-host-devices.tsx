/** The devices of the host that a VM is to have: how each stands, those that are free to be given, and a rule of one's own. */
import { hostDeviceList } from '../../appliance/host/device-operations.ts';
import type { Device } from '../../appliance/host/device-schema.ts';
import { passDevice, passedDevices, withdrawDevice } from '../../appliance/vm/pass/operations.ts';
import { matches, parseRule, ruleOf } from '../../appliance/vm/pass/rules.ts';
import type { Passed } from '../../appliance/vm/pass/schema.ts';
import { vmEdit } from '../../appliance/vm/operations.ts';
import type { VmDetails } from '../../appliance/vm/schema.ts';
import { Button, Dialog, OperationButton } from '../action.tsx';
import { useUi } from '../context.ts';
import { Form } from '../form.tsx';
import { List } from '../list.tsx';
import { definePage, type PageCall } from '../page.ts';
import { Chip, Empty, Panel } from '../section.tsx';
import { readVm, VmFrame, vmPath } from './vm-page.tsx';
import { aboutVm } from './vm-state.tsx';

export const vmHostDevicesPage = definePage({
  path: '/vms/{vm}/devices', live: ['vm', 'host'],
  async load(call, request) {
    const vm = await readVm(call, request);
    return { vm, passed: (await call.read(passedDevices, { vm: vm.id })).items, free: await readFree(call) };
  },
  title: ({ vm }) => vm.name,
  view: ({ vm, passed, free }, { t, can }) => (
    <VmFrame vm={vm}>
      <div class="stack">
        <Panel title={t('pass.title')} layout="flush" aside={mayPass(can, vm) && <WriteRule vm={vm} />}>
          {passed.length > 0 ? <PassedTable passed={passed} vm={vm} /> : <Empty icon="cpu" title={t('pass.none')} text={t('pass.noneText')} />}
        </Panel>
        {mayPass(can, vm) && <Panel title={t('pass.free')} layout="flush"><FreeTable vm={vm} devices={free.filter((device) => !passed.some(({ device: text }) => isMeant(text, device)))} /></Panel>}
      </div>
    </VmFrame>
  ),
});

type Can = ReturnType<typeof useUi>['can'];
export const mayPass = (can: Can, vm: VmDetails): boolean => can(passDevice.permission) && can(vmEdit.permission, aboutVm(vm));

async function readFree({ read, can }: PageCall): Promise<Device[]> {
  if (!can('host.read') || !can(passDevice.permission)) return [];
  const { items } = await read(hostDeviceList, { host: 'this' });
  return items.filter(({ kind, obstacle, usedBy }) => kind === 'usb' && obstacle === null && usedBy === null);
}

function isMeant(text: string, device: Device): boolean {
  const rule = parseRule(text);
  return rule !== undefined && matches(rule, device);
}

const tones = { off: 'off', 'in-use': 'ok', moving: 'busy', waiting: 'warn', taken: 'warn', failed: 'bad' } as const;
const icons = { off: 'power', 'in-use': 'check', moving: 'clock', waiting: 'clock', taken: 'vm', failed: 'error' } as const;

/** Of one VM, or, without `vm`, of all. */
export function PassedTable({ passed, vm }: { passed: Passed[]; vm?: VmDetails }) {
  const { t, phrase } = useUi();
  return (
    <List label={t('pass.title')} rows={passed} rowId={({ id }) => `pass-${id}`} columns={[
      { head: t('device.rule'), as: 'main', cell: ({ device, name, message, nextStep }) => <><strong>{name || <code>{device}</code>}</strong>{name && <small><code>{device}</code></small>}{message && <small>{phrase(message)} {phrase(nextStep)}</small>}</> },
      ...(vm ? [] : [{ head: t('field.vm'), cell: ({ vm: of }: Passed) => <a href={`${vmPath(of)}/devices`}>{of.name}</a> }]),
      { head: t('device.place'), from: 'tablet', cell: ({ place }) => (place === null ? '–' : <code>{place.slice(place.indexOf(':') + 1)}</code>) },
      { head: t('field.state'), as: 'state', cell: ({ state, takenBy }) => <Chip tone={tones[state]} icon={icons[state]} text={takenBy ? t('pass.takenBy', { name: takenBy.name }) : t(`pass.state.${state}`)} /> },
      ...(vm ? [{ head: t('field.verbs'), as: 'verbs' as const, cell: ({ id, device, name }: Passed) => (
        <OperationButton operation={withdrawDevice} path={{ vm: vm.id, device: id }} label={t('pass.withdraw')} icon="eject" tone="quiet" isCompact
          confirm={{ title: t('pass.withdrawTitle', { device: name || device, vm: vm.name }), body: t('pass.withdrawBody') }} />
      ) }] : []),
    ]} />
  );
}

/** The very device wherever it is plugged in, or whatever is plugged in there. */
function FreeTable({ devices, vm }: { devices: Device[]; vm: VmDetails }) {
  const { t } = useUi();
  if (devices.length === 0) return <Empty icon="cpu" title={t('pass.noFree')} text={t('pass.noFreeText')} />;
  return (
    <List label={t('pass.free')} rows={devices} rowId={({ id }) => `free-${id.replaceAll(/[:.]/g, '-')}`} columns={[
      { head: t('field.name'), as: 'main', cell: (device) => <><strong>{device.name}</strong><small>{device.vendorId}:{device.productId}{device.serial && `, ${device.serial}`}</small></> },
      { head: t('device.place'), from: 'tablet', cell: ({ id }) => <code>{id.slice(id.indexOf(':') + 1)}</code> },
      { head: t('field.verbs'), as: 'verbs', cell: (device) => (
        <span class="row-verbs">
          <OperationButton operation={passDevice} path={{ vm: vm.id }} values={{ device: ruleOf(device) }} label={t('pass.giveThing')} icon="plus" />
          <OperationButton operation={passDevice} path={{ vm: vm.id }} values={{ device: device.id }} label={t('pass.givePlace')} icon="plus" tone="quiet" />
        </span>
      ) },
    ]} />
  );
}

function WriteRule({ vm }: { vm: VmDetails }) {
  const { t } = useUi();
  return (
    <>
      <Button text={t('pass.write')} icon="plus" data-dialog="pass-device" />
      <Dialog id="pass-device" title={t('pass.write')}>
        <Form operation={passDevice} id="pass-device-form" path={{ vm: vm.id }} submit={t('pass.give')} />
      </Dialog>
    </>
  );
}
