/**
 * Machines that leave and come as OVA files, on the whole appliance with the simulated image tool and with qemu-img: out and in again with the same content and
 * hardware, in from what others write, and nothing left of what is damaged or hostile.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../appliance/core/clock.ts';
import { run } from '../../appliance/core/run.ts';
import { endOfTar, formatHeader, paddedBytes } from '../../appliance/core/tar.ts';
import { MiB } from '../../appliance/core/units.ts';
import { createQemuImg } from '../../appliance/storage/qemu-img.ts';
import type { ImageTool } from '../../appliance/world.ts';
import { real } from '../real/count.ts';
import { openTestApp, type TestApp } from '../world/app.ts';
import { qcow2Header, vmdkHeader } from '../world/image-bytes.ts';
import { createSimulatedHost } from '../world/world.ts';
import { ovirtOvf, virtualBoxOvf, vmwareOvf } from '../world/ovf-examples.ts';

// biome-ignore lint/suspicious/noExplicitAny: a test looks into answers of all operations
type Json = any;

interface Context {
  site: TestApp;
}

const sum = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const ask = (site: TestApp, method: string, path: string, body?: unknown) => site.send<Json>(method, `/api/v1${path}`, body);

async function quiet({ app }: TestApp): Promise<void> {
  for (let rows = app.core.tasks.list({ limit: 100, isActive: true }); rows.length > 0; rows = app.core.tasks.list({ limit: 100, isActive: true })) {
    for (const { id } of rows) await app.core.tasks.ended(id);
  }
}

/** How its task ended. */
async function outcome(site: TestApp, method: string, path: string, body?: unknown): Promise<{ state: string; detail: string }> {
  const reply = await ask(site, method, path, body);
  if (reply.status >= 400) return { state: `refused ${reply.status}`, detail: reply.body.detail };
  const row = await site.app.core.tasks.ended(reply.body.id);
  await quiet(site);
  return { state: row.state, detail: (row.problem as Json)?.detail ?? '' };
}

async function bytesOf(site: TestApp, path: string): Promise<Buffer> {
  const { body } = await site.send<{ token: string }>('POST', '/api/v1/tokens', { name: `reader ${Math.random()}` });
  const response = await site.door.request(`http://bothy/api/v1${path}`, { headers: { authorization: `Bearer ${body.token}` } });
  if (response.status !== 200) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return Buffer.from(await response.arrayBuffer());
}

async function put(site: TestApp, path: string, bytes: Uint8Array, headers: Record<string, string> = {}): Promise<number> {
  const { body } = await site.send<{ token: string }>('POST', '/api/v1/tokens', { name: `writer ${Math.random()}` });
  const response = await site.door.request(`http://bothy/api/v1${path}`, { method: 'PUT', body: new Uint8Array(bytes), headers: { authorization: `Bearer ${body.token}`, 'content-length': String(bytes.length), ...headers } });
  await response.text();
  await quiet(site);
  return response.status;
}

/** An archive of these files, in this order. */
function ova(files: Record<string, Uint8Array | string>): Buffer {
  const parts = Object.entries(files).flatMap(([name, content]) => {
    const bytes = Buffer.from(content);
    return [formatHeader({ name, sizeBytes: bytes.length }, 0), bytes, Buffer.alloc(paddedBytes(bytes.length) - bytes.length)];
  });
  return Buffer.concat([...parts, endOfTar]);
}

const upload = (site: TestApp, name: string, bytes: Uint8Array) => put(site, `/storage-domains/isos/files/${name}`, bytes);
const importing = (site: TestApp, name: string, body: object = {}) => outcome(site, 'POST', `/storage-domains/isos/files/${name}/machine`, body);
const contentOf = async (site: TestApp, vm: Json) => Promise.all(vm.disks.map(async ({ id }: Json) => sum(await bytesOf(site, `/disks/${id}/content?format=raw`))));

async function left(site: TestApp): Promise<unknown> {
  await quiet(site);
  return { vms: (await ask(site, 'GET', '/vms')).body.items.map(({ name }: Json) => name), disks: (await ask(site, 'GET', '/disks')).body.items.map(({ name }: Json) => name) };
}

function defineCases(name: string, tool: ImageTool | undefined, count: () => void): void {
  const test = suite<Context>(`carried machines, ${name}`);
  test.before.each(async (context) => {
    const statePath = mkdtempSync(join(tmpdir(), 'bothy-carry-'));
    const host = createSimulatedHost({ clock: systemClock, statePath });
    context.site = await openTestApp({ statePath, host: tool ? { ...host, imageTool: tool as typeof host.imageTool } : host });
  });
  test.after.each(async ({ site }) => {
    await site.close();
    count();
  });

  const image = async (format: 'vmdk' | 'qcow2', content: Uint8Array): Promise<Buffer> => {
    const folder = mkdtempSync(join(tmpdir(), 'bothy-image-'));
    const [from, to] = [join(folder, 'raw'), join(folder, 'image')];
    writeFileSync(from, content);
    const { signal } = new AbortController();
    const host = createSimulatedHost({ clock: systemClock, statePath: folder });
    await (tool ?? host.imageTool).convert({ path: from, format: 'raw' }, { path: to, format, preallocated: false }, { signal, progress: () => {} });
    return readFileSync(to);
  };

  const hardware = { vcpus: 2, sockets: 2, memoryBytes: 192 * MiB, os: 'freebsd', machine: 'q35', video: 'cirrus', watchdog: 'i6300esb', description: 'the <first> & only' };
  const contents = [randomBytes(2 * MiB), Buffer.concat([Buffer.alloc(MiB), randomBytes(MiB)])];

  async function makeMachine(site: TestApp): Promise<Json> {
    const disks = [{ sizeBytes: 2 * MiB, bus: 'sata', serial: 'A-1' }, { sizeBytes: 2 * MiB, format: 'raw', bus: 'scsi', discard: false }];
    assert.is((await ask(site, 'POST', '/vms', { name: 'origin', ...hardware, disks, nics: [{ network: 'default', model: 'e1000', mac: '52:54:00:00:00:01' }] })).status, 201);
    await quiet(site);
    const vm = (await ask(site, 'GET', '/vms/origin')).body;
    for (const [index, content] of contents.entries()) assert.ok((await put(site, `/disks/${vm.disks[index].id}/content`, content, { 'x-image-format': 'raw' })) < 300);
    return vm;
  }

  for (const format of ['vmdk', 'qcow2'] as const) {
    test(`out as ${format} and in again: the same content and hardware, new addresses`, async ({ site }) => {
      const vm = await makeMachine(site);
      assert.equal(await outcome(site, 'POST', '/vms/origin/export', { format }), { state: 'done', detail: '' });
      const file = await bytesOf(site, '/storage-domains/isos/files/origin.ova');
      const path = join(site.statePath, 'copy.ova');
      writeFileSync(path, file);
      const { stdout } = await run(['tar', '-tf', path], { timeoutMs: 10_000 });
      assert.equal(stdout.trim().split('\n'), ['origin.ovf', 'origin.mf', `origin-disk1.${format}`, `origin-disk2.${format}`]);
      const look = (await ask(site, 'GET', '/storage-domains/isos/files/origin.ova/machine')).body;
      assert.equal([look.name, look.vcpus, look.hasSums, look.notes, look.disks.map((disk: Json) => [disk.format, disk.sizeBytes, disk.bus])], ['origin', 2, true, [], [[format, 2 * MiB, 'sata'], [format, 2 * MiB, 'scsi']]]);
      assert.equal(await importing(site, 'origin.ova', { vm: 'twin' }), { state: 'done', detail: '' });
      const twin = (await ask(site, 'GET', '/vms/twin')).body;
      assert.equal(await contentOf(site, twin), contents.map(sum));
      for (const key of [...Object.keys(hardware), 'firmware', 'cpu', 'usb', 'clock']) if (key !== 'description') assert.is(twin[key], vm[key], key);
      assert.equal(twin.disks.map(({ bus, serial, discard }: Json) => [bus, serial, discard]), vm.disks.map(({ bus, serial, discard }: Json) => [bus, serial, discard]));
      assert.equal(twin.nics.map(({ network, model }: Json) => [network, model]), [['default', 'e1000']]);
      assert.is.not(twin.nics[0].mac, vm.nics[0].mac);
      assert.equal(await outcome(site, 'POST', '/vms/twin/start'), { state: 'done', detail: '' });
      assert.equal(await outcome(site, 'POST', '/vms/origin/start'), { state: 'done', detail: '' }, 'its disks are free again');
      assert.match((await outcome(site, 'POST', '/vms/origin/export')).detail, /Shut it down/);
    });
  }

  test('what is damaged on the way is refused, and leaves nothing', async ({ site }) => {
    await makeMachine(site);
    await outcome(site, 'POST', '/vms/origin/export', {});
    const file = await bytesOf(site, '/storage-domains/isos/files/origin.ova');
    const before = await left(site);
    const tampered = Buffer.from(file);
    const at = file.length - MiB;
    tampered[at] = (tampered[at] ?? 0) ^ 1;
    await upload(site, 'tampered.ova', tampered);
    const failed = await importing(site, 'tampered.ova', { vm: 'bad' });
    assert.is(failed.state, 'failed');
    assert.match(failed.detail, /not what its sum says/);
    assert.equal(await left(site), before);
    for (const cut of [file.length - MiB, 5000, 1024]) {
      await upload(site, 'cut.ova', file.subarray(0, cut));
      assert.match((await importing(site, 'cut.ova', { vm: 'bad' })).state, /refused 400/, String(cut));
    }
    assert.equal(await left(site), before);
    // A VMDK that is cut off within a whole archive, without sums.
    if (!tool) return; // only qemu-img looks for the end of one
    const disk = await image('vmdk', contents[0] ?? Buffer.alloc(0));
    await upload(site, 'short.ova', ova({ 'a.ovf': vmwareOvf({ file: 'a.vmdk' }), 'a.vmdk': disk.subarray(0, MiB) }));
    assert.match((await importing(site, 'short.ova', { vm: 'bad' })).state, /refused 400|failed/);
    assert.equal(await left(site), before);
  });

  test('what VMware, VirtualBox and oVirt write is understood; what has no place here is told', async ({ site }) => {
    const content = contents[0] ?? Buffer.alloc(0);
    const disk = await image('vmdk', content);
    await upload(site, 'vmware.ova', ova({ 'photon.ovf': vmwareOvf({ file: 'photon-disk1.vmdk' }), 'photon.mf': `SHA256(photon-disk1.vmdk)= ${sum(disk)}\n`, 'photon-disk1.vmdk': disk }));
    await upload(site, 'box.ova', ova({ 'box.ovf': virtualBoxOvf({ file: 'box-disk001.vmdk' }), 'box-disk001.vmdk': disk }));
    await upload(site, 'ovirt.ova', ova({ 'vm.ovf': ovirtOvf({ file: 'b1b2' }), b1b2: await image('qcow2', content) }));
    const all: Json[] = [];
    for (const file of ['vmware', 'box', 'ovirt']) {
      const look = await ask(site, 'GET', `/storage-domains/isos/files/${file}.ova/machine`);
      assert.is(look.status, 200, JSON.stringify(look.body));
      assert.equal(await importing(site, `${file}.ova`, { vm: file }), { state: 'done', detail: '' });
      const vm = (await ask(site, 'GET', `/vms/${file}`)).body;
      assert.equal(await contentOf(site, vm), [sum(content)], file);
      all.push([vm.os, vm.firmware, vm.vcpus, vm.memoryBytes / MiB, vm.disks.map(({ bus }: Json) => bus), vm.nics.map(({ model }: Json) => model), look.body.notes.length]);
    }
    assert.equal(all, [['linux', 'efi', 2, 1024, ['sata'], ['e1000e'], 3], ['linux', 'bios', 1, 512, ['sata'], ['rtl8139'], 4], ['linux', 'efi-secure', 4, 2048, ['scsi'], ['virtio'], 1]]);
  });

  test('what is hostile is refused with the reason, and leaves nothing', async ({ site }) => {
    const before = await left(site);
    const disk = await image('vmdk', Buffer.alloc(MiB));
    const layered = Buffer.concat([Buffer.from(qcow2Header({ virtualSizeBytes: BigInt(MiB), backingFile: '/etc/shadow' })), Buffer.alloc(MiB)]);
    const descriptor = Buffer.from('# Disk DescriptorFile\nversion=1\nRW 2048 FLAT "/etc/shadow" 0\n'.padEnd(1024, '\n'));
    const hidden = Buffer.concat([Buffer.from(vmdkHeader({ capacitySectors: 0n })), Buffer.alloc(MiB)]);
    const link = Buffer.from(ova({ 'a.vmdk': '' }));
    link.write('2', 156);
    link.write('        ', 148);
    link.write(`${link.subarray(0, 512).reduce((total, byte) => total + byte, 0).toString(8).padStart(6, '0')}\0 `, 148);
    const plain = vmwareOvf({ file: 'a.vmdk' });
    const bomb = plain.replace('?>', '?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>').replace('<Name>', '<Name>&b;');
    const refused: [Buffer, RegExp][] = [
      [ova({ 'a.ovf': vmwareOvf({ file: '../../../etc/shadow' }), 'a.vmdk': disk }), /not in the archive/],
      [ova({ 'a.ovf': vmwareOvf({ file: 'http://example.org/a.vmdk' }), 'a.vmdk': disk }), /not in the archive/],
      [ova({ 'a.ovf': plain, 'a.vmdk': layered }), /declared as|VMDK|vmdk/],
      [ova({ 'a.ovf': plain.replaceAll('vmdk', 'qcow2'), 'a.qcow2': layered }), /backing file/],
      [ova({ 'a.ovf': plain, 'a.vmdk': descriptor }), /other files/],
      [ova({ 'a.ovf': plain, 'a.vmdk': hidden }), /other files/],
      [Buffer.concat([ova({ 'a.ovf': plain }).subarray(0, -1024), link]), /no plain file/],
      [ova({ 'a.ovf': bomb, 'a.vmdk': disk }), /whole XML/],
      [ova({ 'a.ovf': `${'<a b="/>">'.repeat(40)}`, 'a.vmdk': disk }), /cannot be read/],
      [ova({ 'a.ovf': '<a/>', 'a.vmdk': disk }), /names no machine/],
      [ova({ 'a.ovf': 'x'.repeat(2 * MiB), 'a.vmdk': disk }), /too long/],
      [ova({ 'a.vmdk': disk }), /no description/],
      [ova({ 'a.ovf': plain.replace('ovf:href', 'ovf:compression="gzip" ovf:href'), 'a.vmdk': disk }), /compressed/],
      [ova({ 'a.ovf': plain, 'a.mf': `SHA256(a.vmdk)= ${'0'.repeat(64)}\n`, 'a.vmdk': disk }), /sum/],
      [ova({ 'a.ovf': plain, 'a.mf': `SHA256(gone.vmdk)= ${'0'.repeat(64)}\n`, 'a.vmdk': disk }), /missing/],
      [ova({ 'a.ovf': plain, 'a.mf': 'nothing', 'a.vmdk': disk }), /sums cannot be read/],
    ];
    for (const [index, [bytes, words]] of refused.entries()) {
      await upload(site, `bad${index}.ova`, bytes);
      const { state, detail } = await importing(site, `bad${index}.ova`, { vm: `bad${index}` });
      assert.match(`${state}: ${detail}`, new RegExp(`(refused 400|failed): .*(${words.source})`, 's'), String(index));
    }
    assert.equal(await left(site), before);
    assert.is(await upload(site, 'iso.ova', Buffer.alloc(4096, 1)), 400);
  });

  test.run();
}

defineCases('simulated', undefined, () => {});
defineCases('qemu-img', createQemuImg(), () => real('qemu-img'));
