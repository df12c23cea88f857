/** The devices of the host that guests can be given; the part of the World (`world.ts`) that tells of them. */

/** One of libvirt's node devices. */
export interface NodeDevice {
  /** libvirt's name for it, such as `pci_0000_01_00_0`. */
  name: string;
  /** Its place in sysfs, which begins with that of what it hangs on. Empty where libvirt does not tell. */
  path: string;
  /** The driver of the host that has it; empty for none. */
  driver: string;
  detail: NodeDetail;
}

export type NodeDetail = PciDetail | UsbDetail | { kind: 'usb-interface'; classCode: number } | ScsiDetail | StorageDetail;

/** Numbers of vendors and products: four hexadecimal digits in lower case. Their names are empty where libvirt does not know them. */
interface Product {
  vendorId: string;
  vendor: string;
  productId: string;
  product: string;
}

export interface PciDetail extends Product {
  kind: 'pci';
  /** Such as `0000:01:00.0`. */
  address: string;
  /** Class, subclass and interface in 24 bits: 0x030000 is a VGA card. */
  classCode: number;
  /** What the IOMMU cannot tell apart from it; null without an IOMMU. */
  iommuGroup: number | null;
  /** Addresses of all in its group, its own among them. */
  groupMembers: string[];
}

export interface UsbDetail extends Product {
  kind: 'usb';
  bus: number;
  /** Counted up with each thing that is plugged in. */
  device: number;
}

export interface ScsiDetail {
  kind: 'scsi';
  host: number;
  bus: number;
  target: number;
  lun: number;
  /** Such as `disk`, `tape`, `changer`, `cdrom`. */
  type: string;
}

/** A block device, beside what it is made of. */
export interface StorageDetail {
  kind: 'storage';
  /** Such as `/dev/sda`. */
  block: string;
  vendor: string;
  model: string;
  serial: string;
  sizeBytes: number;
}

/** Something that the host works with. It holds all that its path leads through. */
export interface HeldDevice {
  /** In sysfs. */
  path: string;
  by: 'disk' | 'network' | 'screen';
  /** What the host calls it: `sda`, `eno1`, `card0`. */
  name: string;
}

export interface DeviceTraits {
  held: HeldDevice[];
  /** Serial numbers of USB devices, by their path in sysfs. */
  usbSerials: Record<string, string>;
}
