/** The form that makes a VM, with defaults that suit a small server. */
import { networkList } from '../../appliance/network/operations.ts';
import { diskList, domainList, fileList } from '../../appliance/storage/operations.ts';
import { isFloppyName, isOvaName } from '../../appliance/storage/schema.ts';
import { vmCreate } from '../../appliance/vm/operations.ts';
import { hardwareNames } from '../../appliance/vm/schema.ts';
import { LinkButton } from '../action.tsx';
import type { Ui } from '../context.ts';
import type { Choice } from '../field-info.ts';
import { Form } from '../form.tsx';
import { formatBytes } from '../format.tsx';
import { definePage, type PageCall } from '../page.ts';
import { PageHead } from '../section.tsx';
import { firstStartSections } from './vm-cloud-init.tsx';

const GiB = 2 ** 30;
/** What a new disk is unless told. */
export const firstDisk = { sizeBytes: 20 * GiB, format: 'cow', allocation: 'sparse' };

/** What a VM can be made of here. Without the right to see a kind, its choices stay empty. */
export async function readParts({ read, can }: PageCall) {
  const domains = can('storage.read') ? (await read(domainList, {})).items : [];
  const isoDomain = domains.find((domain) => domain.kind === 'iso');
  return {
    networks: can('network.read') ? (await read(networkList, {})).items : [],
    isos: isoDomain && can('iso.read', { kind: 'storage-domain', id: isoDomain.id }) ? (await read(fileList, { domain: isoDomain.id })).items : [],
    disks: can('disk.read') ? (await read(diskList, {})).items : [],
    domains: domains.filter((domain) => domain.kind === 'data'),
  };
}
export type Parts = Awaited<ReturnType<typeof readParts>>;

const mediumChoices = ({ isos }: Parts, isFloppy: boolean): Choice[] => isos.filter(({ name, state }) => state === 'ok' && !isOvaName(name) && isFloppyName(name) === isFloppy).map(({ name }) => ({ value: name, label: name }));
export const isoChoices = (parts: Parts): Choice[] => mediumChoices(parts, false);
export const floppyChoices = (parts: Parts): Choice[] => mediumChoices(parts, true);
export const networkChoices = ({ networks }: Parts): Choice[] => networks.map(({ name, bridge }) => ({ value: name, label: bridge && bridge !== name ? `${name} (${bridge})` : name }));
export const freeDiskChoices = ({ disks }: Parts): Choice[] => disks.filter((disk) => disk.usedBy.length === 0 && disk.state !== 'template').map(({ name, sizeBytes }) => ({ value: name, label: `${name} (${formatBytes(sizeBytes)})` }));

/** A chosen existing disk has its own size, format and allocation. */
export const insteadOfNewDisk = ['sizeBytes', 'format', 'allocation', 'name'];

/** All but the guest system, which stands at the top. */
export const hardwareFields = hardwareNames.filter((name) => name !== 'os');

export const vmCreatePage = definePage({
  path: '/vms/new', offers: vmCreate,
  load: (call) => readParts(call),
  title: (_data, { t }) => t('vm.createTitle'),
  view: (parts, { t }) => (
    <>
      <PageHead title={t('vm.createTitle')} parent={{ href: '/vms', text: t('nav.vms') }} lead={t('vm.createLead')} />
      <Form operation={vmCreate} id="create-vm" next="/vms/{name}" submit={t('vm.create')}
        aside={<LinkButton href="/vms" text={t('confirm.cancel')} tone="quiet" />}
        values={{ vcpus: 2, memoryBytes: 2 * GiB, os: 'linux', disks: [firstDisk], nics: [{}] }}
        choices={{
          cdrom: isoChoices(parts),
          floppy: floppyChoices(parts),
          'nics.network': networkChoices(parts),
          'disks.disk': freeDiskChoices(parts),
        }}
        rows={{
          disks: { add: t('vm.addDisk'), fields: ['disk', 'sizeBytes', 'format', 'allocation', 'bus'], initial: firstDisk },
          nics: { add: t('vm.addNic'), fields: ['network', 'model', 'mac'] },
          'cloudInit.interfaces': { add: t('cloud.addInterface') },
        }}
        instead={{ 'disks.disk': insteadOfNewDisk }}
        sections={[
          { title: t('vm.section.name'), icon: 'vm', fields: ['name', 'description', 'os'] },
          { title: t('vm.section.size'), icon: 'cpu', fields: ['vcpus', 'memoryBytes'] },
          { title: t('vm.section.boot'), icon: 'disc', help: parts.isos.length === 0 ? t('vm.noIso') : '', fields: ['cdrom', 'autostart'] },
          { title: t('vm.section.disks'), icon: 'disk', help: freeText(parts, t), fields: ['disks'] },
          { title: t('vm.section.nics'), icon: 'nic', fields: ['nics'] },
          ...firstStartSections(t, vmCreate),
          { title: t('vm.section.hardware'), icon: 'cpu', isFolded: true, fields: ['firmware', ...hardwareFields.filter((name) => name !== 'rng')] },
        ]} />
    </>
  ),
});

function freeText({ domains }: Parts, t: Ui['t']): string {
  return domains.map(({ name, freeBytes }) => t('storage.freeIn', { name, free: formatBytes(freeBytes) })).join(', ');
}
