/**
 * The simulated host's devices: a few of a small server, with those that it works with, and what people plug in and pull out. Names, paths and
 * events are libvirt's; `test/contract/host-devices.test.ts` has libvirt itself write the same devices.
 */
import { createNotices, type Notices } from '../../appliance/core/events.ts';
import type { DeviceTraits, HypervisorEvent, NodeDetail, NodeDevice, PciDetail } from '../../appliance/world.ts';

export interface UsbThing {
  /** Such as `1-2`, or `1-4.1` behind a hub. */
  port: string;
  vendorId: string;
  productId: string;
  vendor?: string;
  product?: string;
  serial?: string;
}

export interface SimulatedDevices {
  readonly events: Notices<HypervisorEvent>;
  list(): NodeDevice[];
  traits(): DeviceTraits;
  plug(thing: UsbThing): void;
  pull(port: string): void;
  /** Any device comes, instead of the one of its name. */
  put(device: NodeDevice): void;
  remove(name: string): void;
  /** USB devices are counted anew. */
  restart(): void;
}

const root = '/sys/devices/pci0000:00';
const usbRoot = `${root}/0000:00:14.0`;

export function createSimulatedDevices(first: NodeDevice[] = smallServer()): SimulatedDevices {
  const events = createNotices<HypervisorEvent>((error) => { throw error; });
  const devices = new Map(first.map((device) => [device.name, device]));
  const serials = new Map<string, string>();
  let count = 2;
  const put = (device: NodeDevice) => {
    devices.set(device.name, device);
    events.emit({ type: 'host-device', name: device.name, change: 'created' });
  };
  const remove = (name: string) => {
    if (devices.delete(name)) events.emit({ type: 'host-device', name, change: 'deleted' });
  };
  return {
    events, put, remove,
    list: () => [...devices.values()],
    traits: () => ({
      held: [
        { path: `${root}/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda/sda1`, by: 'disk', name: 'sda1' },
        { path: `${root}/0000:00:1c.0/0000:01:00.0/net/eno1`, by: 'network', name: 'eno1' },
        { path: `${root}/0000:00:02.0`, by: 'screen', name: '0000:00:02.0' },
      ],
      usbSerials: Object.fromEntries(serials),
    }),
    plug({ port, serial, ...ids }) {
      const device = usb(port, { ...ids, device: ++count });
      if (serial) serials.set(device.path, serial);
      put(device);
    },
    pull(port) {
      serials.delete(usbPath(port));
      remove(usbName(port));
    },
    restart() {
      count = 2;
      for (const { name, detail } of devices.values()) {
        if (detail.kind === 'usb') devices.set(name, { ...usbOf(devices, name), detail: { ...detail, device: ++count } });
      }
    },
  };
}

function usbOf(devices: Map<string, NodeDevice>, name: string): NodeDevice {
  const device = devices.get(name);
  if (!device) throw new Error(`no simulated device named ${name}`);
  return device;
}

/** `1-4.1` hangs on `1-4`. */
function usbPath(port: string): string {
  const parts = port.split('.');
  const above = parts.map((_part, index) => parts.slice(0, index + 1).join('.'));
  return `${usbRoot}/usb${port.split('-')[0]}/${above.join('/')}`;
}

const usbName = (port: string) => `usb_${port.replaceAll(/[-.]/g, '_')}`;

function usb(port: string, { device, vendorId, productId, vendor = '', product = '' }: Omit<UsbThing, 'port' | 'serial'> & { device: number }): NodeDevice {
  return { name: usbName(port), path: usbPath(port), driver: 'usb', detail: { kind: 'usb', bus: Number(port.split('-')[0]), device, vendorId, productId, vendor, product } };
}

interface Card {
  address: string;
  /** Of the bridge that it hangs on; none for the root bus. */
  below?: string;
  classCode: number;
  driver?: string;
  group: number;
  /** Beside its own. */
  groupMembers?: string[];
  names: [vendorId: string, vendor: string, productId: string, product: string];
}

export function pciCard({ address, below, classCode, driver = '', group, groupMembers = [], names }: Card): NodeDevice {
  const [vendorId, vendor, productId, product] = names;
  const detail: PciDetail = { kind: 'pci', address, classCode, iommuGroup: group, groupMembers: [address, ...groupMembers].sort(), vendorId, vendor, productId, product };
  return { name: `pci_${address.replaceAll(/[:.]/g, '_')}`, path: `${root}/${below ? `${below}/` : ''}${address}`, driver, detail };
}

export function scsiDisk(place: [host: number, bus: number, target: number, lun: number], below: string, storage: { block: string; vendor: string; model: string; serial: string; sizeBytes: number }): NodeDevice[] {
  const [host, bus, target, lun] = place;
  const path = `${root}/${below}/host${host}/target${host}:${bus}:${target}/${place.join(':')}`;
  const detail: NodeDetail = { kind: 'scsi', host, bus, target, lun, type: 'disk' };
  return [
    { name: `scsi_${place.join('_')}`, path, driver: 'sd', detail },
    { name: `block_${storage.block.replace('/dev/', '')}_${storage.serial}`, path: `${path}/block/${storage.block.replace('/dev/', '')}`, driver: '', detail: { kind: 'storage', ...storage } },
  ];
}

/** The host starts from `sda` and is reached by `eno1`; `eno2` shares a group with nobody, the two functions of the graphics card with each other. */
function smallServer(): NodeDevice[] {
  return [
    pciCard({ address: '0000:00:02.0', classCode: 0x030000, driver: 'ast', group: 1, names: ['1a03', 'ASPEED Technology, Inc.', '2000', 'ASPEED Graphics Family'] }),
    pciCard({ address: '0000:00:14.0', classCode: 0x0c0330, driver: 'xhci_hcd', group: 2, names: ['8086', 'Intel Corporation', 'a1af', 'C620 USB 3.0 xHCI Controller'] }),
    pciCard({ address: '0000:00:17.0', classCode: 0x010601, driver: 'ahci', group: 3, names: ['8086', 'Intel Corporation', 'a182', 'C620 SATA Controller'] }),
    pciCard({ address: '0000:00:1c.0', classCode: 0x060400, driver: 'pcieport', group: 4, names: ['8086', 'Intel Corporation', 'a190', 'C620 PCI Express Root Port'] }),
    pciCard({ address: '0000:01:00.0', below: '0000:00:1c.0', classCode: 0x020000, driver: 'igb', group: 5, names: ['8086', 'Intel Corporation', '1521', 'I350 Gigabit Network Connection'] }),
    pciCard({ address: '0000:01:00.1', below: '0000:00:1c.0', classCode: 0x020000, driver: 'igb', group: 6, names: ['8086', 'Intel Corporation', '1521', 'I350 Gigabit Network Connection'] }),
    pciCard({ address: '0000:02:00.0', below: '0000:00:1c.1', classCode: 0x030000, driver: 'nouveau', group: 7, groupMembers: ['0000:02:00.1'], names: ['10de', 'NVIDIA Corporation', '1fb1', 'TU117GL [T600]'] }),
    pciCard({ address: '0000:02:00.1', below: '0000:00:1c.1', classCode: 0x040300, driver: 'snd_hda_intel', group: 7, groupMembers: ['0000:02:00.0'], names: ['10de', 'NVIDIA Corporation', '10fa', 'TU116 High Definition Audio Controller'] }),
    { name: 'usb_usb1', path: `${usbRoot}/usb1`, driver: 'usb', detail: { kind: 'usb', bus: 1, device: 1, vendorId: '1d6b', vendor: 'Linux Foundation', productId: '0002', product: '2.0 root hub' } },
    ...scsiDisk([0, 0, 0, 0], '0000:00:17.0/ata1', { block: '/dev/sda', vendor: 'ATA', model: 'Micron_5300', serial: 'S1', sizeBytes: 480_103_981_056 }),
    ...scsiDisk([2, 0, 3, 0], '0000:00:1c.2/0000:03:00.0', { block: '/dev/sdb', vendor: 'HP', model: 'EG0600', serial: '6SL0ABCD', sizeBytes: 600_127_266_816 }),
    usb('1-4', { device: 2, vendorId: '05e3', productId: '0610', vendor: 'Genesys Logic, Inc.', product: 'Hub' }),
    { name: 'usb_1_4_1_0', path: `${usbPath('1-4')}/1-4:1.0`, driver: 'hub', detail: { kind: 'usb-interface', classCode: 9 } },
  ];
}
