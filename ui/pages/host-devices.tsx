/** What the host is made of that machines can be given: what is free first, what the host keeps folded away with the reason. */
import type { z } from 'zod';
import type { Device, DeviceListOutput } from '../../appliance/host/device-schema.ts';
import { useUi } from '../context.ts';
import { formatBytes } from '../format.tsx';
import { Icon } from '../icon.tsx';
import { List } from '../list.tsx';
import { Chip, Empty, Panel } from '../section.tsx';

const order: Device['kind'][] = ['usb', 'scsi', 'pci'];
const sorted = (devices: Device[]) => [...devices].sort((one, other) => order.indexOf(one.kind) - order.indexOf(other.kind) || one.name.localeCompare(other.name) || one.id.localeCompare(other.id));

export function HostDevices({ devices: { items, isKnown } }: { devices: z.output<typeof DeviceListOutput> }) {
  const { t } = useUi();
  const free = sorted(items.filter(({ obstacle, usedBy }) => obstacle === null || usedBy !== null));
  const kept = sorted(items.filter((device) => !free.includes(device)));
  return (
    <Panel title={t('device.hostTitle')} layout="flush">
      {free.length > 0 ? <DeviceTable label={t('device.hostTitle')} devices={free} /> : <Empty icon="cpu" title={t('device.hostNone')} text={isKnown ? t('device.hostNoneText') : t('device.hostUnknown')} />}
      {kept.length > 0 && (
        <details class="folded-list" id="host-devices-kept">
          <summary>{t('device.keptCount', { count: kept.length })}<Icon name="down" class="fold" /></summary>
          <DeviceTable label={t('device.kept')} devices={kept} isKept />
        </details>
      )}
    </Panel>
  );
}

function DeviceTable({ label, devices, isKept = false }: { label: string; devices: Device[]; isKept?: boolean }) {
  const { t, phrase } = useUi();
  return (
    <List label={label} rows={devices} rowId={(device) => `device-${device.id.replaceAll(/[:.]/g, '-')}`} columns={[
      { head: t('field.name'), as: 'main', cell: (device) => <><strong>{device.name}</strong><small>{noteOf(device, t)}</small>{device.obstacle && <small>{phrase(device.obstacle.message)} {phrase(device.obstacle.nextStep)}</small>}</> },
      { head: t('host.kind'), from: 'tablet', cell: (device) => t(`device.kind.${device.kind}`) },
      { head: t('device.place'), cell: (device) => <code>{device.id.slice(device.id.indexOf(':') + 1)}</code> },
      { head: t('device.serial'), from: 'desktop', cell: (device) => (device.serial ? <code>{device.serial}</code> : '–') },
      ...(isKept ? [] : [{ head: t('field.state'), as: 'state' as const, cell: (device: Device) => <DeviceState device={device} /> }]),
    ]} />
  );
}

function noteOf({ vendorId, productId, sizeBytes, together }: Device, t: ReturnType<typeof useUi>['t']): string {
  const number = vendorId ? `${vendorId}:${productId}` : '';
  const size = sizeBytes === null ? '' : formatBytes(sizeBytes);
  const others = together.length > 0 ? t('device.together', { names: together.map((id) => id.slice('pci:'.length)).join(', ') }) : '';
  return [number, size, others].filter(Boolean).join(', ');
}

function DeviceState({ device: { usedBy } }: { device: Device }) {
  const { t } = useUi();
  if (usedBy) return <Chip tone="busy" icon="vm" text={t('device.given', { name: usedBy.name })} />;
  return <Chip tone="ok" icon="check" text={t('device.free')} />;
}
