/** What the guest agent tells of the system inside a VM. It is the guest's own word. */
import type { Child } from 'hono/jsx';
import type { VmDetails } from '../../appliance/vm/schema.ts';
import { useUi } from '../context.ts';
import { formatBytes, Meter } from '../format.tsx';
import { Facts } from '../section.tsx';

type Guest = NonNullable<VmDetails['guest']>;

export function GuestFacts({ guest }: { guest: Guest }) {
  const { t } = useUi();
  return (
    <Facts items={[
      [t('guest.hostname'), guest.hostname],
      [t('guest.addresses'), guest.interfaces.length > 0 && <Addresses guest={guest} />],
      [t('guest.os'), guest.os],
      [t('guest.kernel'), guest.kernel],
      [t('guest.timeZone'), guest.timeZone],
      [t('guest.users'), [...new Set(guest.users.map(({ name }) => name))].join(', ')],
      ...guest.filesystems.flatMap(({ mountPoint, totalBytes, usedBytes }): [string, Child][] => (totalBytes === null || usedBytes === null ? [] : [
        [mountPoint, <Meter label={mountPoint} used={usedBytes} total={totalBytes} text={t('guest.filled', { used: formatBytes(usedBytes), total: formatBytes(totalBytes) })} />],
      ])),
    ]} />
  );
}

/** One a line, the short ones first: those are what people type. */
function Addresses({ guest }: { guest: Guest }) {
  const all = guest.interfaces.flatMap(({ addresses }) => addresses);
  const sorted = [...all.filter((address) => !address.includes(':')), ...all.filter((address) => address.includes(':') && !address.startsWith('fe80:'))];
  return <>{(sorted.length > 0 ? sorted : all).map((address) => <><code>{address}</code><br /></>)}</>;
}
