/**
 * One device of a VM as libvirt XML, the same for a start and for hot-plug. Pure.
 *
 * What a guest can see of a device never changes with its neighbours: the PCI port, the target name and the alias come from the
 * device's own slot and id, so a disk stays `vda` and a NIC keeps its name when another device is removed.
 */
import type { ImageSource } from '../world.ts';
import { type Element, element } from './xml.ts';

/** Ports for disks and NICs; each sits behind a PCIe root port of its own, so each can be hot-plugged. */
export const deviceSlots = 16;

export interface DiskDevice extends ImageSource {
  /** Disk id. */
  id: string;
  /** 0 to `deviceSlots - 1`, unique among the VM's disks and NICs. */
  slot: number;
  /** Position in the boot order from 1; absent if it does not boot. */
  bootIndex?: number;
}

export interface NicDevice {
  id: string;
  slot: number;
  mac: string;
  source: { kind: 'nat' | 'bridge'; name: string };
  bootIndex?: number;
}

export interface CdromDevice {
  /** Path of the medium; `null` when the tray is empty. */
  path: string | null;
  bootIndex?: number;
}

export const diskTarget = (slot: number) => `vd${String.fromCharCode('a'.charCodeAt(0) + slot)}`;
/** libvirt keeps a name of ours only if it starts with `ua-`. */
export const deviceAlias = (id: string) => `ua-${id}`;
export const cdromTarget = 'sda';

const port = (slot: number) => element('address', { type: 'pci', domain: '0x0000', bus: `0x${(slot + 1).toString(16).padStart(2, '0')}`, slot: '0x00', function: '0x0' });
const boot = (order: number | undefined) => (order === undefined ? undefined : element('boot', { order }));

export function diskXml({ id, slot, path, format, below, bootIndex }: DiskDevice): Element {
  return element('disk', { type: 'file', device: 'disk' },
    // The format is never probed. An error stops the guest: it waits instead of losing a write.
    element('driver', { name: 'qemu', type: format, cache: 'none', io: 'native', discard: 'unmap', error_policy: 'stop', rerror_policy: 'stop' }),
    element('source', { file: path }),
    belowXml(below),
    element('target', { dev: diskTarget(slot), bus: 'virtio' }),
    element('serial', {}, serialOf(id)),
    boot(bootIndex),
    element('alias', { name: deviceAlias(id) }),
    port(slot));
}

/** The layers below, to the last one: libvirt reads no header to find more. */
function belowXml(below: ImageSource | undefined): Element {
  if (!below) return element('backingStore');
  return element('backingStore', { type: 'file' }, element('format', { type: below.format }), element('source', { file: below.path }), belowXml(below.below));
}

/** What the guest shows under /dev/disk/by-id: virtio has room for 20 characters. */
export const serialOf = (diskId: string) => diskId.replaceAll('-', '').slice(0, 20);

export function cdromXml({ path, bootIndex }: CdromDevice): Element {
  return element('disk', { type: 'file', device: 'cdrom' },
    element('driver', { name: 'qemu', type: 'raw' }),
    path === null ? undefined : element('source', { file: path }),
    element('target', { dev: cdromTarget, bus: 'sata' }),
    element('readonly'),
    boot(bootIndex),
    element('alias', { name: 'ua-cdrom' }));
}

export function nicXml({ id, slot, mac, source, bootIndex }: NicDevice): Element {
  return element('interface', { type: source.kind === 'nat' ? 'network' : 'bridge' },
    element('mac', { address: mac }),
    element('source', source.kind === 'nat' ? { network: source.name } : { bridge: source.name }),
    element('model', { type: 'virtio' }),
    boot(bootIndex),
    element('alias', { name: deviceAlias(id) }),
    port(slot));
}
