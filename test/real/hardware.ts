/**
 * What a guest must see of each model of `appliance/vm/definition/hardware.ts`: PCI ids as QEMU gives them, drivers as Linux names them. The
 * compiler asks for a row for each model. Called by vm-hardware*.test.ts.
 */
import type { DiskBusName, Hardware, NicModelName } from '../../appliance/vm/definition/hardware.ts';
import type { GuestReport } from './guest/linux-guest.ts';

type Sight<K extends keyof Hardware> = Record<Hardware[K] & string, (report: GuestReport) => boolean>;

const has = (id: string) => ({ pci }: GuestReport) => [...pci.values()].includes(id);
const fact = (name: string, pattern: RegExp) => ({ facts }: GuestReport) => pattern.test(facts.get(name) ?? '');
const audio = ['8086:2415', '1274:5000', '8086:293e'];
const hasNone = (ids: string[]) => ({ pci }: GuestReport) => ![...pci.values()].some((id) => ids.includes(id));

export const seen: { machine: Sight<'machine'>; video: Sight<'video'>; sound: Sight<'sound'>; usb: Sight<'usb'>; watchdog: Sight<'watchdog'>; tpm: Sight<'tpm'> } = {
  machine: { q35: has('8086:29c0'), pc: has('8086:1237') },
  video: { vga: has('1234:1111'), cirrus: has('1013:00b8'), qxl: has('1b36:0100'), virtio: has('1af4:1050') },
  sound: { none: hasNone(audio), ac97: has('8086:2415'), es1370: has('1274:5000'), ich9: has('8086:293e') },
  usb: { xhci: has('1b36:000d'), ehci: has('8086:293a'), uhci: has('8086:7020') },
  // Nothing can find an iB700; that it is there shows when it acts (see the test of watchdogs).
  watchdog: { none: ({ facts }) => !facts.has('watchdog'), i6300esb: fact('watchdog', /i6300ESB/i), ib700: ({ facts }) => !facts.has('watchdog') },
  tpm: { none: ({ facts }) => !facts.has('tpm'), crb: fact('tpm', /^2 tpm_crb/), tis: fact('tpm', /^2 tpm_tis/) },
};

export const nicDrivers: Record<NicModelName, RegExp> = { virtio: /^virtio_net$/, e1000: /^e1000$/, e1000e: /^e1000e$/, rtl8139: /^8139cp$/ };

/** Where Linux puts a disk of that bus: its name and its path. */
export const diskPlaces: Record<DiskBusName, { name: RegExp; at: RegExp }> = {
  virtio: { name: /^vd[a-z]$/, at: /\/virtio\d+$/ },
  scsi: { name: /^sd[a-z]$/, at: /\/virtio\d+\/host\d+\// },
  sata: { name: /^sd[a-z]$/, at: /\/ata\d+\/host\d+\// },
  ide: { name: /^sd[a-z]$/, at: /00:01\.1\/ata\d+\/host\d+\// },
};
