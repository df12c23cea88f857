/**
 * What the service has left on the machine: files of its storage domains and QEMU processes, held against what it says it has.
 *
 * Read from outside the host, where its state folder lies at the same path. Called by test/real/service-*.test.ts.
 */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { runProcess } from '../process.ts';
import type { Service, Vm } from './service.ts';

export interface Disk {
  id: string;
  name: string;
  format: 'raw' | 'cow';
  sizeBytes: number;
  state: string;
}

interface Domain {
  id: string;
  name: string;
  reservedBytes: number;
}

interface Page<T> {
  items: T[];
}

const isoFolder = '11111111-1111-1111-1111-111111111111';

async function imagesFolder(service: Service, name: string): Promise<string> {
  const { id } = await service.must<Domain>('GET', `/storage-domains/${name}`);
  return join(service.statePath, 'storage', id, 'images');
}

/** Paths of the image files of a disk, without what lies beside them. */
export async function volumesOf(service: Service, diskId: string): Promise<string[]> {
  const folder = join(await imagesFolder(service, 'local'), diskId);
  return readdirSync(folder).filter((name) => !name.includes('.')).map((name) => join(folder, name));
}

/** The size that a guest sees and a hash of what it reads; rejects when qemu-img finds anything wrong with the image. */
export async function readImage(path: string, format: Disk['format']): Promise<{ sizeBytes: number; sha256: string }> {
  const tool = async (...args: string[]) => {
    const { code, stdout, stderr } = await runProcess(['qemu-img', ...args]);
    assert.is(code, 0, `qemu-img ${args.join(' ')}\n${stdout}${stderr}`);
    return stdout;
  };
  const name = { raw: 'raw', cow: 'qcow2' }[format];
  if (format === 'cow') await tool('check', '-q', '-f', name, path);
  const info = JSON.parse(await tool('info', '-f', name, '--output=json', path)) as { 'virtual-size': number }; // as qemu-img documents it
  const copy = `${path}.copy`;
  try {
    await tool('convert', '-f', name, '-O', 'raw', path, copy);
    return { sizeBytes: info['virtual-size'], sha256: await hashFile(copy) };
  } finally {
    await rm(copy, { force: true });
  }
}

export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest('hex');
}

/**
 * Fails unless files, domains and processes are exactly those of the disks, ISO images and VMs that the service names, and
 * no room is held. `copies` is how many conversions are kept for downloads. Call it when all tasks have ended.
 */
export async function checkNothingIsLeft(service: Service, copies = 0): Promise<void> {
  const list = async <T>(path: string) => (await service.must<Page<T>>('GET', `${path}?limit=1000`)).items;
  const disks = await list<Disk>('/disks');
  const images = await imagesFolder(service, 'local');
  assert.equal(readdirSync(images).sort(), disks.map(({ id }) => id).sort(), 'image folders are those of the disks');
  const files = disks.map(({ id, name }) => ({ name, files: readdirSync(join(images, id)).length }));
  const expected = 3 * (disks.length + copies); // a volume, its metadata, its lease
  assert.is(files.reduce((sum, disk) => sum + disk.files, 0), expected, `files beside those of each volume: ${JSON.stringify(files.filter((disk) => disk.files !== 3))}`);
  const isos = await list<{ name: string }>('/storage-domains/isos/files');
  assert.equal(readdirSync(join(await imagesFolder(service, 'isos'), isoFolder)).sort(), isos.map(({ name }) => name).sort());
  for (const { name, reservedBytes } of await list<Domain>('/storage-domains')) assert.is(reservedBytes, 0, `room is held in ${name}`);
  await checkGuests(service, await list<Vm>('/vms'));
}

async function checkGuests({ host, statePath }: Service, vms: Vm[]): Promise<void> {
  const running = vms.filter(({ state }) => state !== 'down' && state !== 'saved').map(({ name }) => name).sort();
  const domains = (await host.must(['virsh', '-q', 'list', '--all', '--name'])).split('\n').filter(Boolean).sort();
  assert.equal(domains, running, 'libvirt runs what the service says');
  const processes = (await host.run(['ps', '-o', 'args=', '-C', 'qemu-system-x86_64'])).stdout;
  assert.equal([...processes.matchAll(/-name guest=([^,]+),/g)].map(([, name]) => name).sort(), running, 'no QEMU without a VM');
  const folder = join(statePath, 'run/vms');
  const ids = new Set(vms.map(({ id }) => id));
  for (const id of existsSync(folder) ? readdirSync(folder) : []) assert.ok(ids.has(id), `the folder of a VM that is gone: ${id}`);
}
