/**
 * An example site for `npm run dev`: a shop with a small office and workshop behind it. Twelve VMs in every state that a page
 * must show, disks, installation images, events, a task under way. Made through the API, so it is what the API would make.
 */
import type { Hono } from 'hono';
import { GiB, MiB } from '../../appliance/core/units.ts';
import { isWritable, sourceOf } from './guest.ts';
import { vdiHeader } from './image-bytes.ts';
import type { SimulatedHost } from './world.ts';
import { findAll } from './xml.ts';

interface Guest {
  name: string;
  description: string;
  vcpus: number;
  memoryBytes: number;
  /** Sizes in GiB. */
  disks: number[];
  networks: string[];
  cdrom?: string;
  autostart?: boolean;
  /** What becomes of it; `up` unless told. */
  fate?: 'down' | 'paused' | 'io-error' | 'crashed' | 'powering-down' | 'off';
}

const isos = ['debian-12.5.0-amd64-netinst.iso', 'virtio-win-0.1.240.iso', 'memtest86+x64.iso'];

const guests: Guest[] = [
  { name: 'directory', description: 'Users and computers of the shop', vcpus: 2, memoryBytes: 4 * GiB, disks: [40], networks: ['br0'], autostart: true },
  { name: 'file-server', description: 'Shared folders, scanned invoices', vcpus: 2, memoryBytes: 4 * GiB, disks: [20, 900], networks: ['br0'], autostart: true, fate: 'io-error' },
  { name: 'till-server', description: 'Prices and receipts for the tills', vcpus: 4, memoryBytes: 8 * GiB, disks: [60, 120], networks: ['br0'], autostart: true },
  { name: 'till-test', description: 'Next version of the tills', vcpus: 2, memoryBytes: 4 * GiB, disks: [60], networks: ['lab'], fate: 'paused' },
  { name: 'camera-recorder', description: 'Six cameras, thirty days', vcpus: 4, memoryBytes: 8 * GiB, disks: [20, 500], networks: ['br0'], autostart: true },
  { name: 'print-server', description: 'Labels and receipts', vcpus: 1, memoryBytes: 1 * GiB, disks: [10], networks: ['br0'], autostart: true },
  { name: 'plc-gateway', description: 'Reads the machines of the workshop', vcpus: 1, memoryBytes: 512 * MiB, disks: [8], networks: ['br0'], autostart: true },
  { name: 'backup', description: 'Nightly copies to head office', vcpus: 2, memoryBytes: 2 * GiB, disks: [20], networks: ['br0'], fate: 'powering-down' },
  { name: 'monitoring', description: 'Watches all of this', vcpus: 2, memoryBytes: 2 * GiB, disks: [30], networks: ['br0', 'lab'], fate: 'crashed' },
  { name: 'old-accounting', description: 'Kept until the tax office has seen it', vcpus: 1, memoryBytes: 1 * GiB, disks: [40], networks: [], fate: 'down' },
  { name: 'training', description: 'For new colleagues', vcpus: 2, memoryBytes: 4 * GiB, disks: [40], networks: ['lab'], fate: 'off' },
  { name: 'debian-install', description: '', vcpus: 1, memoryBytes: 1 * GiB, disks: [16], networks: ['default'], cdrom: isos[0] ?? '' },
];

/** Makes the site; `local` is the door of root. Resolves when all is as it should look. */
export async function makeExampleSite(local: Hono, host: SimulatedHost): Promise<void> {
  const ask = createAsk(local);
  await untilStorage(ask, host);
  await ask('POST', '/networks', { name: 'lab', description: 'Apart from the shop', subnet: '192.168.150.0/24' });
  for (const [index, name] of isos.entries()) await upload(local, `/storage-domains/isos/files/${encodeURIComponent(name)}`, isoOf((index + 1) * 2 * MiB));
  host.libvirt.behave({ agentMs: 3_000 });
  host.disk.setFree(9 * GiB);
  for (const guest of guests) await makeGuest(ask, guest);
  await ask('POST', '/disks', { name: 'spare', sizeBytes: 100 * GiB, format: 'cow', allocation: 'sparse' });
  await host.clock.sleep(1_000);
  for (const guest of guests) await lead(ask, host, guest);
  await ask('POST', '/disks', { name: 'head-office-image', sizeBytes: 8 * GiB, format: 'cow', allocation: 'sparse' });
  await untilMade(ask, host, 'head-office-image');
  const image = Buffer.concat([vdiHeader({ virtualSizeBytes: BigInt(8 * MiB) }), Buffer.alloc(8 * MiB)]);
  await upload(local, '/disks/head-office-image/content', image, { 'x-image-format': 'vdi' });
}

type Ask = ReturnType<typeof createAsk>;

function createAsk(local: Hono) {
  return async (method: string, path: string, body?: unknown): Promise<Record<string, unknown>> => {
    const response = await local.request(`/api/v1${path}`, { method, ...(body !== undefined && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }) });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === '' ? {} : JSON.parse(text);
  };
}

/** The storage domains are laid out in the background of the first start. */
async function untilStorage(ask: Ask, { clock }: SimulatedHost): Promise<void> {
  const areActive = async () => {
    const { items } = await ask('GET', '/storage-domains') as { items: { status: string }[] }; // as its schema says
    return items.length >= 2 && items.every(({ status }) => status === 'active');
  };
  while (!(await areActive())) await clock.sleep(50);
}

async function untilMade(ask: Ask, { clock }: SimulatedHost, disk: string): Promise<void> {
  while ((await ask('GET', `/disks/${disk}`))['state'] !== 'ok') await clock.sleep(50);
}

async function makeGuest(ask: Ask, { name, description, vcpus, memoryBytes, disks, networks, cdrom, autostart = false }: Guest): Promise<void> {
  await ask('POST', '/vms', {
    name, description, vcpus, memoryBytes, autostart, firmware: 'efi', ...(cdrom && { cdrom, bootOrder: ['cdrom', 'disk'] }),
    disks: disks.map((sizeGiB, index) => ({ name: index === 0 ? name : `${name}-data`, sizeBytes: sizeGiB * GiB, format: 'cow', allocation: 'sparse' })),
    nics: networks.map((network) => ({ network })),
  });
}

/** From just made to what it should show. */
async function lead(ask: Ask, host: SimulatedHost, { name, fate }: Guest): Promise<void> {
  if (fate === 'down') return;
  await finish(ask, host, await ask('POST', `/vms/${name}/start`));
  if (fate === 'paused') await finish(ask, host, await ask('POST', `/vms/${name}/pause`));
  if (fate === 'off') await finish(ask, host, await ask('POST', `/vms/${name}/power-off`));
  if (fate === 'crashed') host.libvirt.killQemu(name);
  if (fate === 'io-error') host.libvirt.breakDisk(diskOf(host, name));
  if (fate === 'powering-down') {
    host.libvirt.behave({ shutdownMs: 'never' }, name);
    await ask('POST', `/vms/${name}/shutdown`);
  }
}

async function finish(ask: Ask, { clock }: SimulatedHost, { id }: Record<string, unknown>): Promise<void> {
  for (;;) {
    const { state, problem } = await ask('GET', `/tasks/${String(id)}`);
    if (state === 'done') return;
    if (state === 'failed' || state === 'cancelled') throw new Error(JSON.stringify(problem));
    await clock.sleep(50);
  }
}

/** Path of the guest's last writable disk. */
function diskOf({ libvirt }: SimulatedHost, name: string): string {
  const domain = libvirt.domains().find((each) => each.name === name);
  const disk = domain && findAll(domain.tree, 'devices/disk').filter(isWritable).at(-1);
  if (!disk) throw new Error(`${name} has no disk`);
  return sourceOf(disk);
}

/** An ISO 9660 image with nothing but its volume descriptor. */
function isoOf(sizeBytes: number): Buffer {
  const image = Buffer.alloc(sizeBytes);
  image.write('\x01CD001\x01', 16 * 2048, 'latin1');
  return image;
}

async function upload(local: Hono, path: string, content: Buffer, headers: Record<string, string> = {}): Promise<void> {
  const response = await local.request(`/api/v1${path}`, {
    method: 'PUT', headers: { 'content-length': String(content.length), 'content-type': 'application/octet-stream', ...headers }, body: new Uint8Array(content),
  });
  if (!response.ok) throw new Error(`PUT ${path}: ${response.status} ${await response.text()}`);
}
