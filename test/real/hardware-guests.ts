/**
 * VMs of the real service whose small Linux tells what hardware it sees: made, started, typed into. Called by vm-hardware*.test.ts.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import type { DiskBusName, FirmwareName, Hardware, NicModelName } from '../../appliance/vm/definition/hardware.ts';
import { type GuestReport, linuxIso, readReport } from './guest/linux-guest.ts';
import { openRackHost, type RackHost } from './rack-host.ts';
import { openService, type Service } from './service.ts';

export const MiB = 2 ** 20;
export const bootMs = 300_000;

export interface Context {
  host: RackHost;
  service: Service;
}

export interface Details extends Hardware {
  id: string;
  pending: string[];
  disks: { id: string; name: string; bus: DiskBusName; isPlugged: boolean; serial: string | null; pending: string[] }[];
  nics: { id: string; mac: string; model: NicModelName; pending: string[] }[];
}

export type Wish = Partial<Hardware> & { firmware?: FirmwareName; cdrom?: string; vcpus?: number; memoryBytes?: number; disks?: { bus: DiskBusName; serial?: string; discard?: boolean }[]; nics?: { model: NicModelName; mac: string }[] };

export const details = (service: Service, name: string) => service.must<Details>('GET', `/vms/${name}`);
export const macOf = (number: number) => `52:54:00:00:01:${String(number).padStart(2, '0')}`;

export async function make(service: Service, name: string, { disks = [], nics = [], ...hardware }: Wish): Promise<void> {
  await service.must('POST', '/vms', { name, memoryBytes: 192 * MiB, cdrom: 'linux.iso', bootOrder: ['cdrom'], ...hardware, disks: disks.map((disk) => ({ sizeBytes: 8 * MiB, ...disk })), nics: nics.map((nic) => ({ network: 'default', ...nic })) });
}

export async function serialOf(service: Service, name: string): Promise<string> {
  const path = join(service.statePath, 'run/vms', (await details(service, name)).id, 'serial.log');
  return existsSync(path) ? readFileSync(path, 'latin1') : '';
}

/** Starts it and gives what the guest tells; the log goes on over starts, so only what is new counts. */
export async function boot(service: Service, name: string): Promise<GuestReport> {
  const before = (await serialOf(service, name)).length;
  await service.carryOut('POST', `/vms/${name}/start`);
  return service.until(`${name} tells what it sees`, async () => readReport((await serialOf(service, name)).slice(before)) ?? false, bootMs);
}

/** A line typed on the guest's serial console. */
export async function type({ host, service }: Context, name: string, line: string): Promise<void> {
  const { url } = await service.must<{ url: string }>('POST', `/vms/${name}/console`, { type: 'serial' });
  const socket = new WebSocket(new URL(url, (await host.forward(8080)).url.replace('http', 'ws')));
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  socket.send(Buffer.from(`${line}\r`));
  await new Promise((resolve) => setTimeout(resolve, 500));
  socket.close();
}

/** What the guest prints after a line was typed. */
export async function answerTo(context: Context, name: string, line: string): Promise<string> {
  const before = (await serialOf(context.service, name)).length;
  await type(context, name, `${line}; echo ready-$((40 + 2))`);
  return context.service.until(`${name} answers`, async () => {
    const text = (await serialOf(context.service, name)).slice(before);
    return text.includes('ready-42') && text;
  });
}

export const floppyText = 'drivers-of-a-floppy';

/** A floppy disk that begins with `text`. */
export function floppyOf(text: string): Uint8Array {
  const disk = new Uint8Array(1440 * 1024);
  disk.set(new TextEncoder().encode(text));
  return disk;
}

/** A service with the CD-ROM of that Linux. */
export async function openHardwareHost(context: Context): Promise<void> {
  context.host = await openRackHost({ network: true });
  context.service = await openService(context.host);
  await context.service.must('PUT', '/storage-domains/isos/files/linux.iso', new Uint8Array(readFileSync(await linuxIso())));
  await context.service.must('PUT', '/storage-domains/isos/files/drivers.img', floppyOf(floppyText));
}

export async function closeHardwareHost({ host, service }: Context): Promise<void> {
  if (process.exitCode) console.log(service.logs());
  await host.close();
}

/** Together they have every model. */
export const wishes = {
  modern: {
    vcpus: 4, sockets: 2, numaNodes: 2, numaBinding: 'strict', tpm: 'crb', video: 'virtio', graphics: 'spice', sound: 'ich9', watchdog: 'i6300esb', ioThreads: 2, serialPorts: 2, channels: ['org.example.one', 'org.example.two'],
    disks: [{ bus: 'virtio', serial: 'V-1' }, { bus: 'scsi', serial: 'S-2' }, { bus: 'sata', serial: 'A-3' }, { bus: 'virtio', serial: 'V-4', discard: false }],
    nics: [{ model: 'virtio', mac: macOf(1) }, { model: 'e1000e', mac: macOf(2) }],
  },
  old: {
    machine: 'pc', cpu: 'Westmere', video: 'cirrus', sound: 'ac97', usb: 'uhci', watchdog: 'ib700', watchdogAction: 'pause', rng: false, tpm: 'tis', floppyDrive: true, floppy: 'drivers.img',
    disks: [{ bus: 'ide', serial: 'I-1' }, { bus: 'sata', serial: 'A-2' }, { bus: 'ide', serial: 'I-3' }, { bus: 'scsi', serial: 'S-4' }],
    nics: [{ model: 'rtl8139', mac: macOf(3) }, { model: 'e1000', mac: macOf(4) }],
  },
  between: { video: 'qxl', sound: 'es1370', usb: 'ehci', cpu: 'Nehalem', disks: [{ bus: 'sata', serial: 'A-1' }], nics: [{ model: 'e1000', mac: macOf(5) }, { model: 'rtl8139', mac: macOf(6) }] },
  plain: { machine: 'pc', disks: [{ bus: 'virtio', serial: 'V-1' }], nics: [{ model: 'virtio', mac: macOf(7) }] },
} satisfies Record<string, Wish>;
