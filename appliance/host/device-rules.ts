/**
 * From what libvirt and the kernel tell of the host's devices to those that a virtual machine can be given, and why others cannot. Pure.
 *
 * Left out are what nobody gives away: bridges, memory and other parts of the chipset, USB hubs.
 */
import type { DeviceTraits, HeldDevice, NodeDevice, PciDetail, ScsiDetail, StorageDetail, UsbDetail } from '../world.ts';
import type { Device } from './device-schema.ts';

/** One of those of a kind. */
type Of<D> = Omit<NodeDevice, 'detail'> & { detail: D };
type Unused = Omit<Device, 'usedBy'>;

export function devicesOf(nodes: NodeDevice[], traits: DeviceTraits): Unused[] {
  const of = <K extends NodeDevice['detail']['kind']>(kind: K) => nodes.filter((node): node is Of<Extract<NodeDevice['detail'], { kind: K }>> => node.detail.kind === kind);
  const hubs = of('usb-interface').filter(({ detail }) => detail.classCode === hubClass).map(({ path }) => path.slice(0, path.lastIndexOf('/')));
  const pci = of('pci');
  return [
    ...of('usb').filter(({ path }) => !isRootHub(path) && !hubs.includes(path)).map((node) => usbDevice(node, traits)),
    ...pci.filter(({ detail }) => !chipset.has(detail.classCode >> 16)).map((node) => pciDevice(node, pci, traits.held)),
    ...of('scsi').map((node) => scsiDevice(node, of('storage'), traits.held)),
  ];
}

const hubClass = 9;
/** Memory, bridges, system peripherals, processors, signal processing, and what has no class. */
const chipset = new Set([0x05, 0x06, 0x08, 0x0b, 0x11, 0x13, 0xff]);

const isBelow = (path: string, above: string) => above !== '' && (path === above || path.startsWith(`${above}/`));
const isRootHub = (path: string) => /\/usb\d+$/.test(path);

// ------------------------------------------------------------------------------------------------ names

const vendorAndProduct = ({ vendor, product, vendorId, productId }: Pick<PciDetail, 'vendor' | 'product' | 'vendorId' | 'productId'>) => [vendor, product].filter(Boolean).join(' ') || `${vendorId}:${productId}`;

const pciTypes = new Map([[0x01, 'storage'], [0x02, 'network'], [0x03, 'graphics'], [0x04, 'sound'], [0x07, 'serial'], [0x0d, 'network'], [0x12, 'accelerator']]);
const pciType = (classCode: number) => (classCode >> 8 === 0x0c03 ? 'usb-controller' : (pciTypes.get(classCode >> 16) ?? 'other'));

const plain = { vendorId: '', productId: '', vendor: '', product: '', serial: '', usb: null, sizeBytes: null, iommuGroup: null, together: [] };

// ------------------------------------------------------------------------------------------------ kinds

function usbDevice({ path, driver, detail }: Of<UsbDetail>, { held, usbSerials }: DeviceTraits): Unused {
  const { vendorId, vendor, productId, product, bus, device } = detail;
  const port = path.slice(path.lastIndexOf('/') + 1);
  return {
    ...plain, id: `usb-port:${port}`, kind: 'usb', type: 'usb', name: vendorAndProduct(detail), vendorId, vendor, productId, product, driver,
    serial: usbSerials[path] ?? '', usb: { bus, device }, obstacle: heldObstacle(held, path),
  };
}

function pciDevice({ path, driver, detail }: Of<PciDetail>, all: Of<PciDetail>[], held: HeldDevice[]): Unused {
  const { address, vendorId, vendor, productId, product, iommuGroup, groupMembers } = detail;
  // Bridges stay with the host: the kernel lets them.
  const others = all.filter((other) => other.detail.address !== address && groupMembers.includes(other.detail.address) && other.detail.classCode >> 16 !== 0x06);
  const kept = others.find((other) => heldObstacle(held, other.path));
  const together = others.map((other) => `pci:${other.detail.address}`).sort();
  return {
    ...plain, id: `pci:${address}`, kind: 'pci', type: pciType(detail.classCode), name: vendorAndProduct(detail), vendorId, vendor, productId, product, driver,
    iommuGroup, together,
    obstacle: heldObstacle(held, path) ?? (iommuGroup === null ? noIommu : kept ? groupObstacle(kept.detail.address, iommuGroup) : null),
  };
}

/** What it is made of lies in the block device below it; tapes and changers have none. */
function scsiDevice({ path, driver, detail }: Of<ScsiDetail>, storage: Of<StorageDetail>[], held: HeldDevice[]): Unused {
  const disk = storage.find((other) => isBelow(other.path, path))?.detail;
  const { host, bus, target, lun, type } = detail;
  const place = `${host}:${bus}:${target}:${lun}`;
  return {
    ...plain, id: `scsi:${place}`, kind: 'scsi', type, name: [disk?.vendor, disk?.model].filter(Boolean).join(' ') || `${type || 'SCSI'} ${place}`,
    vendor: disk?.vendor ?? '', product: disk?.model ?? '', serial: disk?.serial ?? '', driver, sizeBytes: disk?.sizeBytes ?? null, obstacle: heldObstacle(held, path),
  };
}

// ------------------------------------------------------------------------------------------------ obstacles

type Obstacle = Device['obstacle'];

function heldObstacle(held: HeldDevice[], path: string): Obstacle {
  const found = held.find((device) => isBelow(device.path, path));
  if (!found) return null;
  return { code: 'in-use-by-host', message: heldBy[found.by](found.name), nextStep: 'Only what the host can do without can be given to a virtual machine.' };
}

const heldBy: Record<HeldDevice['by'], (name: string) => string> = {
  disk: (name) => `The host works with its disk ${name}.`,
  network: (name) => `The host works with its network port ${name}.`,
  screen: () => 'The host shows its own screen on it.',
};

const noIommu: Obstacle = {
  code: 'no-iommu', message: 'This host has no IOMMU that keeps the memory of guests apart from devices.',
  nextStep: 'Switch on Intel VT-d or AMD-Vi in the firmware of the machine; where that is not enough, start Linux with intel_iommu=on.',
};

const groupObstacle = (address: string, group: number): Obstacle => ({
  code: 'group-in-use-by-host', message: `It cannot be kept apart from ${address}, which the host works with (IOMMU group ${group}).`,
  nextStep: 'Put the card into another slot, or use another one.',
});
