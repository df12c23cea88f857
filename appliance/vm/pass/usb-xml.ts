/** A device of the host in a machine, as libvirt XML. Pure. */
import type { Device } from '../../host/device-schema.ts';
import { deviceAlias } from '../definition/device-xml.ts';
import { type Element, element, find, findAll } from '../definition/xml.ts';

/** Vendor and product beside the number: what was plugged in meanwhile under the same number is not given by mistake. */
export const usbXml = (wish: string, { usb, vendorId, productId }: Pick<Device, 'usb' | 'vendorId' | 'productId'>): Element =>
  element('hostdev', { mode: 'subsystem', type: 'usb', managed: 'yes' },
    element('source', {}, element('vendor', { id: `0x${vendorId}` }), element('product', { id: `0x${productId}` }), usb ? element('address', { bus: usb.bus, device: usb.device }) : undefined),
    element('alias', { name: deviceAlias(wish) }));

/** Places of the devices of the host that a domain has, by the id of their wish; `usb:1:5`, as `placeOf` writes them. */
export function readPassed(domain: Element): Record<string, string> {
  return Object.fromEntries(findAll(domain, 'devices', 'hostdev').flatMap((device) => {
    const alias = find(device, 'alias')?.attributes.name ?? '';
    const { bus, device: number } = find(device, 'source', 'address')?.attributes ?? {};
    return alias.startsWith('ua-') && device.attributes.type === 'usb' ? [[alias.slice('ua-'.length), `usb:${Number(bus)}:${Number(number)}`]] : [];
  }));
}
