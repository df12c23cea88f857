/** Networks that the interfaces of VMs can be plugged into. */
import type * as z from 'zod';
import { bridgeList, networkCreate, networkDelete, networkList, networkUpdate } from '../../appliance/network/operations.ts';
import { defaultNetwork } from '../../appliance/network/rules.ts';
import type * as schema from '../../appliance/network/schema.ts';
import { Button, Dialog, OperationButton } from '../action.tsx';
import { useUi } from '../context.ts';
import type { Choice } from '../field-info.ts';
import { Form } from '../form.tsx';
import type { IconName } from '../icon.tsx';
import { List } from '../list.tsx';
import { type AnyPage, definePage } from '../page.ts';
import { Chip, Empty, PageHead, Panel, type Tone } from '../section.tsx';
import { AboutLinks } from './about.tsx';
import { ShareLink } from './share.tsx';

type Network = z.output<typeof schema.NetworkOutput>;

const looks: Record<Network['state'], { tone: Tone; icon: IconName }> = {
  active: { tone: 'ok', icon: 'dot' }, inactive: { tone: 'off', icon: 'ring' }, missing: { tone: 'bad', icon: 'error' },
};

const networkPage = definePage({
  path: '/networks', live: ['network', 'vm'],
  load: async ({ read }) => ({
    networks: (await read(networkList, {})).items,
    bridges: (await read(bridgeList, {})).items.map(({ name, network }) => ({ value: name, label: network ? `${name} (${network})` : name })),
  }),
  title: (_data, { t }) => t('nav.networks'),
  view: ({ networks, bridges }, { t, can }) => (
    <>
      <PageHead title={t('nav.networks')} lead={t('network.lead')}>
        {can('network.edit') && <Button text={t('network.create')} icon="plus" tone="primary" data-dialog="create-network" />}
      </PageHead>
      {networks.length > 0 ? <NetworkTable networks={networks} /> : <Panel><Empty icon="network" title={t('network.none')} text={t('network.noneText')} /></Panel>}
      {can('network.edit') && <><CreateDialog bridges={bridges} />{networks.map((network) => <EditDialog network={network} bridges={bridges} />)}</>}
    </>
  ),
});

function NetworkTable({ networks }: { networks: Network[] }) {
  const { t, phrase } = useUi();
  return (
    <List label={t('nav.networks')} rows={networks} rowId={(network) => `network-${network.id}`} columns={[
      { head: t('field.name'), as: 'main', cell: (network) => <><strong>{network.name}</strong>{network.description && <small>{phrase(network.description)}</small>}</> },
      { head: t('field.state'), as: 'state', cell: (network) => <Chip {...looks[network.state]} text={t(`network.${network.state}`)} reason={network.reason || undefined} /> },
      { head: t('host.kind'), cell: (network) => (network.kind === 'nat' ? t('network.nat') : t('network.bridge')) },
      { head: t('network.bridge'), from: 'tablet', cell: (network) => (network.bridge ? <code>{network.bridge}</code> : '–') },
      { head: t('network.subnet'), from: 'tablet', cell: (network) => (network.subnet ? <code>{network.subnet}</code> : '–') },
      { head: t('field.usedBy'), cell: (network) => (network.usedBy.length > 0 ? <AboutLinks about={network.usedBy} /> : <span class="quiet">–</span>) },
      { head: t('field.verbs'), as: 'verbs', cell: (network) => <NetworkVerbs network={network} /> },
    ]} />
  );
}

function NetworkVerbs({ network }: { network: Network }) {
  const { t, can } = useUi();
  const share = <ShareLink object={{ kind: 'network', id: network.id }} />;
  if (!can('network.edit')) return share;
  const user = network.usedBy[0]?.name;
  const reason = network.name === defaultNetwork ? t('network.stays') : user && t('network.inUse', { name: user });
  return (
    <span class="row-verbs">
      {share}
      <Button text={t('network.edit')} icon="edit" tone="quiet" isCompact data-dialog={`edit-${network.id}`} />
      <OperationButton operation={networkDelete} path={{ network: network.id }} label={t('network.delete')} icon="trash" tone="quiet" isCompact generation={network.generation}
        disabledReason={reason} confirm={{ title: t('network.deleteTitle', { name: network.name }), body: t('network.deleteBody') }} />
    </span>
  );
}

function CreateDialog({ bridges }: { bridges: Choice[] }) {
  const { t } = useUi();
  return (
    <Dialog id="create-network" title={t('network.create')}>
      <Form operation={networkCreate} id="create-network-form" submit={t('network.create')} instead={{ bridge: ['subnet'] }}
        choices={{ bridge: bridges, kind: [{ value: 'nat', label: t('network.nat'), help: t('network.natHelp') }, { value: 'bridge', label: t('network.bridge'), help: t('network.bridgeHelp') }] }} />
    </Dialog>
  );
}

function EditDialog({ network, bridges }: { network: Network; bridges: Choice[] }) {
  const { t } = useUi();
  const fields = network.kind === 'bridge' ? ['description', 'bridge'] : ['description'];
  const own = bridges.some(({ value }) => value === network.bridge) ? bridges : [{ value: network.bridge, label: network.bridge }, ...bridges];
  return (
    <Dialog id={`edit-${network.id}`} title={network.name}>
      <Form operation={networkUpdate} id={`network-form-${network.id}`} path={{ network: network.id }} values={{ ...network }} generation={network.generation} submit={t('word.save')}
        choices={{ bridge: own }} sections={[{ fields }]} />
    </Dialog>
  );
}

export const networkPages: AnyPage[] = [networkPage];
