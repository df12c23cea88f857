/** The disk from which a guest learns about itself (`cloud-init/`) as libvirt XML. Pure. */
import { rootAddress } from './device-xml.ts';
import { type Element, element } from './xml.ts';

export interface SeedDevice {
  path: string;
  /** USB for systems that come without a driver for virtio. */
  bus: 'virtio' | 'usb';
}

/** What tells the guest about itself: a small disk of its own that it cannot write, beside the user's CD-ROM drive and off their ports. */
export function seedXml({ path, bus }: SeedDevice): Element {
  return element('disk', { type: 'file', device: 'disk' },
    element('driver', { name: 'qemu', type: 'raw' }),
    element('source', { file: path }),
    element('backingStore'),
    element('target', bus === 'virtio' ? { dev: 'vdz', bus } : { dev: 'sdz', bus, removable: 'on' }),
    element('readonly'),
    element('serial', {}, 'bothy-seed'),
    element('alias', { name: seedAlias }),
    bus === 'virtio' ? rootAddress(seedPlace) : undefined);
}

export const seedAlias = 'ua-seed';
/** On the root bus, beside those of `hardware-xml.ts`. */
const seedPlace = 0x13;
