/** Which device of the host a guest has, as libvirt judges it: what is not there, or another guest's, is refused. */
import type { NodeDevice } from '../../appliance/world.ts';
import { devicesOf, type SimulatedDomain } from './guest.ts';
import { refuse, type SimulatedLibvirt } from './libvirt.ts';
import { type Element, find } from './xml.ts';

/** Where it is on the host, in one word. */
function placeOf(device: Element): string {
  const { bus, device: number, domain, slot, function: func, target, unit } = find(device, 'source/address')?.attributes ?? {};
  if (device.attributes['type'] === 'usb') return `usb ${Number(bus)}:${Number(number)}`;
  if (device.attributes['type'] === 'scsi') return `scsi ${find(device, 'source/adapter')?.attributes['name']}:${bus}:${target}:${unit}`;
  return `pci ${[domain, bus, slot, func].map(Number).join(':')}`;
}

function placeOfNode({ detail }: NodeDevice): string {
  if (detail.kind === 'usb') return `usb ${detail.bus}:${detail.device}`;
  if (detail.kind === 'scsi') return `scsi scsi_host${detail.host}:${detail.bus}:${detail.target}:${detail.lun}`;
  if (detail.kind === 'pci') return `pci ${detail.address.split(/[:.]/).map((part) => Number.parseInt(part, 16)).join(':')}`;
  return '';
}

export function refuseHostDevices(libvirt: SimulatedLibvirt, domain: SimulatedDomain, wanted: Element[]): void {
  const others = libvirt.domains().flatMap((other) => devicesOf(other.tree).filter((device) => device.name === 'hostdev' && !wanted.includes(device)).map((device) => ({ name: other.name, place: placeOf(device) })));
  for (const device of wanted) {
    const place = placeOf(device);
    const node = libvirt.devices.list().find((each) => placeOfNode(each) === place);
    if (!node && place.startsWith('usb ')) throw refuse.other(`internal error: Did not find USB device ${place.slice(4)}`, 1);
    if (!node) throw refuse.other(`Device ${place} not found`, 99);
    if (node.detail.kind === 'pci' && node.detail.iommuGroup === null) throw refuse.other('unsupported configuration: host doesn\'t support passthrough of host PCI devices', 67);
    const user = others.find((other) => other.place === place);
    if (user) throw refuse.invalid(`${place} is in use by driver QEMU, domain ${user.name}`);
    if (!devicesOf(domain.tree).some(({ name, attributes }) => name === 'controller' && attributes['type'] === 'usb') && place.startsWith('usb ')) throw refuse.other('internal error: No free USB ports', 1);
  }
}
