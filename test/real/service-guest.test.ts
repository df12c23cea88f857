/**
 * Real systems as guests, from the upload of their images to their consoles: a Debian that one signs in to over the serial
 * console, and the installation images that Debian's packages ship. All through the API, on libvirt, QEMU and qemu-img.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { WebSocket } from 'ws';
import { real } from './count.ts';
import { DEBIAN_LOGIN, debianDisk } from './guest/debian-guest.ts';
import { grubRescueIso, ipxeIso, memtestIso } from './guest/iso.ts';
import { MiB, octets } from './kill-subjects.ts';
import { type Service, type Vm, withService } from './service.ts';
import { hasColour, ipxeCyan, memtestBlue, readScreen, type Screen, textGrey } from './service-screen.ts';

interface Console {
  /** All that has come. */
  text(): string;
  type(text: string): void;
  /** Waits until `pattern` has come after what was last waited for. */
  read(pattern: RegExp, timeoutMs?: number): Promise<void>;
  close(): void;
}

/** A viewer like the one in the page: a ticket from the API, then a WebSocket. */
async function openConsole(service: Service, vm: string, type: 'serial' | 'vnc'): Promise<Console> {
  const { url } = await service.must<{ url: string }>('POST', `/vms/${vm}/console`, { type });
  const socket = new WebSocket(new URL(url, (await service.host.forward(8080)).url.replace('http', 'ws')));
  let [text, seen] = ['', 0];
  socket.on('message', (data: Buffer) => { text += data.toString('latin1'); });
  await new Promise<void>((resolve, reject) => {
    socket.once('open', () => resolve());
    socket.once('error', reject);
  });
  return {
    text: () => text,
    type: (words) => socket.send(Buffer.from(words)),
    async read(pattern, timeoutMs) {
      await service.until(`${pattern} on the console, which shows:\n${text.slice(-2_000)}`, async () => {
        const found = pattern.exec(text.slice(seen));
        if (found) seen += found.index + found[0].length;
        return found !== null;
      }, timeoutMs);
    },
    close: () => socket.close(),
  };
}

const curlUpload = async ({ host, token }: Service, path: string, file: string, format: string) =>
  JSON.parse(await host.must(['curl', '-sf', '-H', `authorization: Bearer ${token}`, '-H', `x-image-format: ${format}`, '-T', file, `http://127.0.0.1:8080/api/v1${path}`]));

test('a Debian image goes up, boots by UEFI, lets one in over the serial console, and shuts down', () => withService({ network: true }, async (service) => {
  await service.carryOut('POST', '/disks', { name: 'root', sizeBytes: 2048 * MiB });
  const { id } = await curlUpload(service, '/disks/root/content', await debianDisk(), 'qcow2');
  assert.is((await service.task(id)).state, 'done');
  await service.must('POST', '/vms', { name: 'debian', memoryBytes: 512 * MiB, firmware: 'efi', disks: [{ disk: 'root' }], nics: [{ network: 'default' }] });
  await service.carryOut('POST', '/vms/debian/start');

  const serial = await openConsole(service, 'debian', 'serial');
  const { user, password, hostname } = DEBIAN_LOGIN;
  await serial.read(new RegExp(`${hostname} login: `), 300_000);
  serial.type(`${user}\r`);
  await serial.read(/Password: /);
  serial.type(`${password}\r`);
  await serial.read(/# /, 60_000);
  serial.type('uname -sn; ip -br -4 address show scope global\r');
  await serial.read(new RegExp(`Linux ${hostname}`));
  await serial.read(/192\.168\.122\.\d+/);
  const screen = await openConsole(service, 'debian', 'vnc');
  await screen.read(/^RFB 003\.008\n/);
  screen.close();
  await service.until('the agent inside answers', async () => (await service.must<{ hasAgent: boolean }>('GET', '/vms/debian')).hasAgent);

  await service.restart();
  const again = await openConsole(service, 'debian', 'serial');
  await again.read(new RegExp(`Linux ${hostname}`)); // scroll-back from before the viewer, and the service, were there
  again.type('echo still-$((40 + 2))\r');
  await again.read(/still-42/);
  await service.carryOut('POST', '/vms/debian/shutdown');
  await service.vmIs('debian', 'down', 'shutdown', 180_000);
  assert.match(again.text(), /Power(ing)? (down|off)/);
  const path = (await service.host.must(['find', `${service.statePath}/storage`, '-size', '+100M', '-path', '*/images/*', '-type', 'f'])).trim();
  await service.host.must(['qemu-img', 'check', '-q', '-f', 'qcow2', path]);
  real('libvirt', 'qemu', 'qemu-img');
}));

const images: { name: string; path: () => Promise<string>; isShown: (screen: Screen) => boolean }[] = [
  { name: 'memtest', path: memtestIso, isShown: ({ colours }) => colours[0]?.[0] === memtestBlue },
  { name: 'grub', path: grubRescueIso, isShown: (screen) => screen.longestLine(textGrey) > screen.width / 2 }, // the frame of its menu
  { name: 'ipxe', path: ipxeIso, isShown: (screen) => hasColour(screen, ipxeCyan) },
];

test('installation images as Debian ships them boot and show what they are', () => withService({ network: true }, async (service) => {
  for (const { name, path, isShown } of images) {
    await service.must('PUT', `/storage-domains/isos/files/${name}.iso`, readFileSync(await path()), octets);
    await service.must<Vm>('POST', '/vms', { name, memoryBytes: 256 * MiB, cdrom: `${name}.iso`, nics: [{ network: 'default' }] });
    await service.carryOut('POST', `/vms/${name}/start`);
    await service.until(`${name} shows itself`, async () => {
      await sleep(1_000);
      return isShown(readScreen(await service.must<Uint8Array>('GET', `/vms/${name}/screenshot`)));
    }, 300_000);
    await service.carryOut('POST', `/vms/${name}/power-off`);
  }
  real('libvirt', 'qemu');
}));

test.run();
