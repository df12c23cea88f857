/**
 * A real Debian in a VM of the real service: its consoles over WebSockets, and its devices changed while it looks.
 *
 * One guest for the whole file, because it boots by software emulation; the cases go from its boot to its end.
 */
import { readFile } from 'node:fs/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WebSocket } from 'ws';
import { real } from './count.ts';
import { DEBIAN_LOGIN, debianDisk } from './guest/debian-guest.ts';
import { bootIso } from './guest/boot-guest.ts';
import { openRackHost, type RackHost } from './rack-host.ts';
import { openService, type Service, type Task, type Vm } from './service.ts';

const GiB = 2 ** 30;
const MiB = 2 ** 20;

/** A console as a browser has it. */
interface Console {
  seen(): string;
  type(text: string): void;
  /** Waits until `pattern` appears after what was seen at the last call. */
  until(pattern: RegExp, timeoutMs?: number): Promise<string>;
  close(): void;
}

interface Context {
  host: RackHost;
  service: Service;
  line: Console;
}

const test = suite<Context>('guest');

async function openConsole({ host, service }: Pick<Context, 'host' | 'service'>, type: 'vnc' | 'serial'): Promise<Console> {
  const { url } = await service.must<{ url: string }>('POST', '/vms/debian/console', { type });
  const { url: outside } = await host.forward(8080);
  const socket = new WebSocket(new URL(url, outside.replace('http', 'ws')));
  let seen = '';
  let from = 0;
  socket.on('message', (data: Buffer) => { seen += data.toString('latin1'); });
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  return {
    seen: () => seen,
    type: (text) => socket.send(Buffer.from(text, 'latin1')),
    close: () => socket.close(),
    async until(pattern, timeoutMs = 60_000) {
      const found = await service.until(`${pattern} on the console after ${JSON.stringify(seen.slice(from))}`, async () => pattern.exec(seen.slice(from)) ?? false, timeoutMs);
      from += found.index + found[0].length;
      return found[0];
    },
  };
}

/** What a command prints inside the guest, where `logIn` has logged in. */
async function inGuest({ line }: Pick<Context, 'line'>, command: string): Promise<string> {
  const mark = Math.random().toString(36).slice(2);
  line.type(`echo begin-${mark}; ${command}; echo end-${mark}\r`);
  const seen = await line.until(new RegExp(`begin-${mark}\\r?\\n[^]*end-${mark}\\r?\\n`));
  return seen.split(/\r?\n/).slice(1, -2).join('\n');
}

/** Logs in at the prompt that the guest shows, and makes the shell print nothing but what commands print. */
async function logIn(line: Console): Promise<void> {
  line.type(`${DEBIAN_LOGIN.user}\r`);
  await line.until(/Password:/);
  line.type(`${DEBIAN_LOGIN.password}\r`);
  await line.until(/# /);
  line.type(`bind 'set enable-bracketed-paste off'; PS1=; stty -echo; echo re""ady\r`);
  await line.until(/ready\r?\n/);
}

const untilGuest = (context: Context, what: string, command: string, pattern: RegExp) =>
  context.service.until(what, async () => pattern.test(await inGuest(context, command)), 60_000);

test.before(async (context) => {
  context.host = await openRackHost({ network: true });
  context.service = await openService(context.host);
});
test.after(async ({ host, service, line }) => {
  line?.close();
  if (process.exitCode) console.log(service.logs());
  await host.close();
});

test('boots by UEFI from an uploaded disk; the console shows the boot that nobody watched, and takes a login', async (context) => {
  const { service } = context;
  await service.must('POST', '/disks', { name: 'root', sizeBytes: 2 * GiB });
  const disk = await readFile(await debianDisk());
  const upload = await service.must<Task>('PUT', '/disks/root/content', new Uint8Array(disk), { 'x-image-format': 'qcow2' });
  assert.is((await service.task(upload.id)).state, 'done');
  await service.must('PUT', '/storage-domains/isos/files/one.iso', new Uint8Array(await readFile(await bootIso())));
  await service.must('POST', '/vms', { name: 'debian', memoryBytes: 512 * MiB, firmware: 'efi', disks: [{ disk: 'root' }], nics: [{ network: 'default' }] });
  await service.carryOut('POST', '/vms/debian/start');
  await service.vmIs('debian', 'up', 'running');
  const early = await openConsole(context, 'serial');
  await early.until(/login:/, 240_000);
  early.close();

  context.line = await openConsole(context, 'serial');
  await context.line.until(/login:/, 5_000);
  await logIn(context.line);
  assert.is(await inGuest(context, 'hostname'), DEBIAN_LOGIN.hostname);
  real('libvirt', 'qemu', 'qemu-img');
});

test('the screen speaks VNC through a WebSocket; the ticket is good once', async (context) => {
  const screen = await openConsole(context, 'vnc');
  await screen.until(/RFB 003\.008\n/);
  screen.close();
  const { url } = await context.service.must<{ url: string }>('POST', '/vms/debian/console', { type: 'vnc' });
  const { url: outside } = await context.host.forward(8080);
  const open = () => new Promise<number>((resolve) => {
    const socket = new WebSocket(new URL(url, outside.replace('http', 'ws')));
    socket.on('open', () => { socket.close(); resolve(101); }).on('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0)).on('error', () => {});
  });
  assert.equal([await open(), await open()], [101, 403]);
  real('qemu');
});

test('a disk is plugged in, grows, and goes, and the guest sees each', async (context) => {
  const { service } = context;
  await service.carryOut('POST', '/vms/debian/disks', { name: 'data', sizeBytes: 64 * MiB, format: 'raw' });
  const { disks } = await service.vm('debian');
  assert.equal(disks.map(({ name, isPlugged }) => [name, isPlugged]), [['root', true], ['data', true]]);
  const sizes = 'cat /sys/block/vd?/size';
  await untilGuest(context, 'the disk in the guest', sizes, /^131072\r?$/m);
  await service.carryOut('POST', '/disks/data/resize', { sizeBytes: 96 * MiB });
  await untilGuest(context, 'the larger disk', sizes, /^196608\r?$/m);
  await service.carryOut('DELETE', '/vms/debian/disks/data?delete=true');
  assert.not.match(await inGuest(context, sizes), /^196608\r?$/m);
  await service.until('its file is gone', async () => (await service.must<{ items: unknown[] }>('GET', '/disks')).items.length === 1);
  real('libvirt', 'qemu', 'qemu-img');
});

test('a network interface is plugged in and goes; the one that was there keeps its name', async (context) => {
  const { service } = context;
  const names = async () => (await inGuest(context, 'ls -1 /sys/class/net')).split('\n');
  const before = await names();
  await service.carryOut('POST', '/vms/debian/nics', { network: 'default', mac: '52:54:00:00:00:99' });
  await untilGuest(context, 'the NIC in the guest', 'cat /sys/class/net/*/address', /52:54:00:00:00:99/);
  const during = await names();
  assert.equal([during.length, before.every((name) => during.includes(name))], [before.length + 1, true]);
  const added = (await service.vm('debian')).nics.find(({ mac }) => mac === '52:54:00:00:00:99');
  await service.carryOut('DELETE', `/vms/debian/nics/${added?.id}`);
  assert.equal(await names(), before);
  real('libvirt', 'qemu');
});

test('a medium is put in, and ejected', async (context) => {
  const { service } = context;
  await service.carryOut('PUT', '/vms/debian/cdrom', { iso: 'one.iso' });
  assert.match(await context.host.must(['virsh', 'domblklist', 'debian']), /sda .*one\.iso/);
  await service.carryOut('PUT', '/vms/debian/cdrom', { iso: null });
  assert.match(await context.host.must(['virsh', 'domblklist', 'debian']), /sda +-$/m);
  real('libvirt');
});

test('the guest agent is seen, and what the guest uses', async ({ service }) => {
  await service.until('the agent speaks', async () => (await service.must<{ hasAgent: boolean }>('GET', '/vms/debian')).hasAgent);
  const { items } = await service.until('readings', async () => {
    const stats = await service.must<{ items: { cpuFraction: number; memoryUsedBytes: number | null }[] }>('GET', '/vms/debian/stats');
    return stats.items.length > 2 && stats.items.some(({ memoryUsedBytes }) => memoryUsedBytes !== null) && stats;
  });
  assert.ok(items.every(({ cpuFraction }) => cpuFraction >= 0 && cpuFraction <= 1));
  real('libvirt', 'qemu');
});

test('the agent tells of the system inside, trims it, and sets its clock after a pause', async (context) => {
  const { service } = context;
  interface Told { guest: null | { hostname: string; os: string; kernel: string; filesystems: { mountPoint: string; totalBytes: number }[]; interfaces: { mac: string; addresses: string[] }[] }; nics: { mac: string }[] }
  const { guest, nics } = await service.until('the agent has told of an address', async () => {
    const told = await service.must<Told>('GET', '/vms/debian');
    return (told.guest?.interfaces.some(({ addresses }) => addresses.some((address) => /^\d+\./.test(address))) ?? false) && told;
  });
  assert.is(guest?.hostname, DEBIAN_LOGIN.hostname);
  assert.match(guest?.os ?? '', /^Debian/);
  assert.is(guest?.kernel, await inGuest(context, 'uname -r'));
  assert.equal(guest?.interfaces.map(({ mac }) => mac), [nics[0]?.mac]);
  assert.match(await inGuest(context, 'ip -4 -o addr'), new RegExp(guest?.interfaces[0]?.addresses.find((address) => /^\d+\./.test(address)) ?? 'none'));
  assert.ok(guest?.filesystems.some(({ mountPoint, totalBytes }) => mountPoint === '/' && totalBytes > MiB));
  await service.carryOut('POST', '/vms/debian/trim');
  await inGuest(context, 'date -s @1000000000');
  await service.carryOut('POST', '/vms/debian/pause');
  await service.carryOut('POST', '/vms/debian/resume');
  await untilGuest(context, 'the time of the host', 'date +%Y', new RegExp(String(new Date().getUTCFullYear())));
  real('libvirt', 'qemu');
});

test('the service dies and comes back: the guest has run on, with its consoles', async (context) => {
  await inGuest(context, 'touch /run/still-here');
  await context.service.restart();
  await context.service.vmIs('debian', 'up', 'running');
  context.line = await openConsole(context, 'serial');
  assert.is(await inGuest(context, 'ls /run/still-here'), '/run/still-here');
  const vm = await context.service.must<Vm & { hasAgent: boolean }>('GET', '/vms/debian');
  assert.equal([vm.disks[0]?.isPlugged, vm.nics[0]?.isPlugged, vm.hasAgent], [true, true, true]);
  real('libvirt', 'qemu');
});

test('reboots when asked, and is up all the same', async (context) => {
  const { service } = context;
  const before = await inGuest(context, 'cat /proc/sys/kernel/random/boot_id');
  await service.carryOut('POST', '/vms/debian/reboot', {});
  await context.line.until(/BdsDxe[^]*guest login:/, 240_000);
  await logIn(context.line);
  assert.is.not(await inGuest(context, 'cat /proc/sys/kernel/random/boot_id'), before);
  const { state, reason } = await service.vm('debian');
  assert.equal([state, reason], ['up', 'running']);
  real('libvirt', 'qemu');
});

test('shuts down when asked, starts again on the same disk with the same name of its NIC', async (context) => {
  const { service } = context;
  const name = await inGuest(context, 'ls -1 /sys/class/net');
  await service.carryOut('POST', '/vms/debian/disks', { name: 'more', sizeBytes: 64 * MiB });
  await service.carryOut('POST', '/vms/debian/shutdown');
  await context.line.until(/Power down/, 180_000);
  await service.vmIs('debian', 'down', 'shutdown');
  const ends = context.line.seen().split('Power down').length - 1; // earlier boots and ends are in the scroll-back
  await service.carryOut('POST', '/vms/debian/start');
  context.line = await openConsole(context, 'serial');
  await context.line.until(new RegExp(`(Power down[^]*){${ends}}BdsDxe[^]*guest login:`), 240_000);
  await logIn(context.line);
  assert.is(await inGuest(context, 'ls -1 /sys/class/net'), name);
  await service.carryOut('POST', '/vms/debian/power-off');
  await service.carryOut('DELETE', '/vms/debian');
  real('libvirt', 'qemu');
});

test.run();
