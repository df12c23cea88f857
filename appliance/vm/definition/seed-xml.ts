/** The disk from which a guest learns about itself (`cloud-init/`) as libvirt XML. Pure. */
import { deviceSlots, rootAddress } from './device-xml.ts';
import type { Hardware } from './hardware.ts';
import { type Element, element } from './xml.ts';

export interface SeedDevice {
  path: string;
  /** USB for systems that come without a driver for virtio. */
  bus: 'virtio' | 'usb';
}

/**
 * What tells the guest about itself: a small disk of its own that it cannot write, beside the user's CD-ROM drive and off their ports. A guest counts its
 * disks bus by bus, and by place on a bus: so the last of all is the seed, and what was `vda` without it is `vda` with it.
 */
export function seedXml({ path, bus }: SeedDevice, machine: Hardware['machine']): Element[] {
  const disk = (...address: Element[]) => element('disk', { type: 'file', device: 'disk' },
    element('driver', { name: 'qemu', type: 'raw' }),
    element('source', { file: path }),
    element('backingStore'),
    element('target', bus === 'virtio' ? { dev: 'vdz', bus } : { dev: 'sdz', bus, removable: 'on' }),
    element('readonly'),
    element('serial', {}, 'bothy-seed'),
    element('alias', { name: seedAlias }),
    ...address);
  if (bus === 'usb') return [disk()];
  if (machine === 'pc') return [disk(rootAddress(seedPlace))];
  const port = element('controller', { type: 'pci', index: seedBus, model: 'pcie-root-port' }, rootAddress(seedPlace));
  return [disk(element('address', { type: 'pci', domain: '0x0000', bus: `0x${seedBus.toString(16)}`, slot: '0x00', function: '0x0' })), port];
}

export const seedAlias = 'ua-seed';
/** On the root bus, behind the ports of disks and NICs and beside what is in `hardware-xml.ts`. */
const seedPlace = 0x13;
/** On q35 behind a port of its own: what is on the root bus itself comes before everything behind a port. */
const seedBus = deviceSlots + 1;
