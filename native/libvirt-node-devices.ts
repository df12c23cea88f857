/**
 * The devices of the host as the World's. The XML is libvirt's own and as flat as a form, so patterns do instead of a parser; names in
 * it come from hardware and are cut to a length that fits a page.
 */
import type { NodeDetail, NodeDevice } from '../appliance/world.ts';

/** `undefined` for a kind that guests cannot be given. */
export function toNodeDevice(xml: string): NodeDevice | undefined {
  const head = xml.split('<capability')[0] ?? '';
  const capability = /<capability type='([^']*)'>([\s\S]*)<\/capability>/.exec(xml);
  const detail = details[capability?.[1] ?? '']?.(capability?.[2] ?? '');
  return detail && { name: element(head, 'name'), path: element(head, 'path'), driver: element(/<driver>([\s\S]*?)<\/driver>/.exec(head)?.[1] ?? '', 'name'), detail };
}

const details: Record<string, (text: string) => NodeDetail | undefined> = {
  pci: (text) => ({ kind: 'pci', address: elementAddress(text), classCode: number(text, 'class'), ...product(text), ...iommuGroup(text) }),
  usb_device: (text) => ({ kind: 'usb', bus: number(text, 'bus'), device: number(text, 'device'), ...product(text) }),
  usb: (text) => ({ kind: 'usb-interface', classCode: number(text, 'class') }),
  scsi: (text) => ({ kind: 'scsi', host: number(text, 'host'), bus: number(text, 'bus'), target: number(text, 'target'), lun: number(text, 'lun'), type: element(text, 'type') }),
  storage: (text) => ({ kind: 'storage', block: element(text, 'block'), vendor: element(text, 'vendor'), model: element(text, 'model'), serial: element(text, 'serial'), sizeBytes: number(text, 'size') }),
};

function product(text: string) {
  const named = (kind: 'vendor' | 'product') => {
    const found = new RegExp(`<${kind} id='0x([0-9a-fA-F]{1,4})'\\s*(?:/>|>([^<]*)<)`).exec(text);
    return { id: (found?.[1] ?? '').toLowerCase().padStart(4, '0'), name: plain(found?.[2] ?? '') };
  };
  const [vendor, made] = [named('vendor'), named('product')];
  return { vendorId: vendor.id, vendor: vendor.name, productId: made.id, product: made.name };
}

const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0');
const pciAddress = (domain: number, bus: number, slot: number, func: number) => `${hex(domain, 4)}:${hex(bus, 2)}:${hex(slot, 2)}.${func}`;
const elementAddress = (text: string) => pciAddress(number(text, 'domain'), number(text, 'bus'), number(text, 'slot'), number(text, 'function'));

function iommuGroup(text: string): { iommuGroup: number | null; groupMembers: string[] } {
  const group = /<iommuGroup number='(\d+)'>([\s\S]*?)<\/iommuGroup>/.exec(text);
  const members = [...(group?.[2] ?? '').matchAll(/<address domain='([^']*)' bus='([^']*)' slot='([^']*)' function='([^']*)'/g)];
  return { iommuGroup: group ? Number(group[1]) : null, groupMembers: members.map(([, domain, bus, slot, func]) => pciAddress(Number(domain), Number(bus), Number(slot), Number(func))) };
}

const longestName = 120;
const entities: Record<string, string> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };
const plain = (text: string) => text.replace(/&(\w+);/g, (all, name: string) => entities[name] ?? all).replace(/\p{C}+/gu, ' ').trim().slice(0, longestName);

const element = (text: string, name: string) => plain(new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1] ?? '');
const number = (text: string, name: string) => Number(element(text, name) || 0);
