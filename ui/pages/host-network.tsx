/** The host's own ports: their addresses, others on trial, and keeping them. */
import type * as z from 'zod';
import { hostNetworkConfirm, hostNetworkSet } from '../../appliance/network/port-operations.ts';
import type * as schema from '../../appliance/network/schema.ts';
import { Button, Dialog, LinkButton, OperationButton } from '../action.tsx';
import { useUi } from '../context.ts';
import { Form } from '../form.tsx';
import { List } from '../list.tsx';
import { Chip, Notice, Panel } from '../section.tsx';

export type HostNetwork = z.output<typeof schema.HostNetworkOutput>;
type Port = HostNetwork['ports'][number];

/** Whoever has cut themselves off does not see this, and the old addresses come back. */
export function TrialNotice({ network: { trial } }: { network: HostNetwork }) {
  const { t } = useUi();
  if (!trial) return null;
  const actions = (
    <>
      <OperationButton operation={hostNetworkConfirm} path={{ host: 'this' }} label={t('port.keep')} icon="check" tone="primary" />
      <LinkButton href={`/tasks/${trial}`} text={t('port.trialTask')} tone="quiet" />
    </>
  );
  return <Notice tone="warn" title={t('port.trial')} actions={actions}>{t('port.trialText')}</Notice>;
}

export function Ports({ network }: { network: HostNetwork }) {
  const { t, can } = useUi();
  const maySet = network.isManaged && can('host.edit');
  const isSettable = (port: Port) => maySet && !port.isBridge;
  return (
    <>
      <Panel title={t('host.interfaces')} layout="flush">
        <List label={t('host.interfaces')} rows={network.ports} rowId={(port) => `nic-${port.name}`} columns={[
          { head: t('field.name'), as: 'main', cell: (port) => <><strong>{port.name}</strong><small>{methodOf(port, t)}</small></> },
          { head: t('field.state'), as: 'state', cell: (port) => port.isUp ? <Chip tone="ok" icon="dot" text={t('host.linkUp')} /> : <Chip tone="off" icon="ring" text={t('host.linkDown')} /> },
          { head: t('host.addresses'), cell: (port) => port.addresses.map((address) => <code class="block">{address}</code>) },
          { head: t('nic.mac'), from: 'desktop', cell: (port) => <code>{port.mac}</code> },
          { head: t('host.speed'), as: 'number', from: 'tablet', cell: (port) => speedText(port.speedMbps) },
          ...(maySet ? [{ head: t('field.verbs'), as: 'verbs' as const, cell: (port: Port) => isSettable(port) && <SetButton port={port} isOnTrial={network.trial !== null} /> }] : []),
        ]} />
      </Panel>
      {network.ports.filter(isSettable).map((port) => <SetDialog port={port} />)}
    </>
  );
}

function methodOf({ isBridge, settings }: Port, t: ReturnType<typeof useUi>['t']): string {
  if (isBridge) return t('host.bridge');
  return settings?.method === 'static' ? t('port.static') : t('port.dhcp');
}

function SetButton({ port: { name }, isOnTrial }: { port: Port; isOnTrial: boolean }) {
  const { t } = useUi();
  return <Button text={t('port.set')} icon="edit" tone="quiet" isCompact data-dialog={`port-${name}`} disabledReason={isOnTrial ? t('port.trial') : undefined} />;
}

function SetDialog({ port: { name, settings } }: { port: Port }) {
  const { t } = useUi();
  const choices = { method: [{ value: 'dhcp', label: t('port.dhcp'), help: t('port.dhcpHelp') }, { value: 'static', label: t('port.static'), help: t('port.staticHelp') }] };
  return (
    <Dialog id={`port-${name}`} title={t('port.setTitle', { name })}>
      <Form operation={hostNetworkSet} id={`port-form-${name}`} path={{ host: 'this', port: name }} values={{ ...(settings ?? { method: 'dhcp' }) }} submit={t('port.try')} choices={choices}
        sections={[{ fields: ['method', 'address', 'gateway', 'dns'] }]}>
        <p class="quiet">{t('port.setText')}</p>
      </Form>
    </Dialog>
  );
}

function speedText(mbps: number): string {
  return mbps <= 0 ? '–' : mbps >= 1000 ? `${mbps / 1000} Gbit/s` : `${mbps} Mbit/s`;
}
