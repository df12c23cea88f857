/** `kill -9` of the service at every instant of the tasks of disks and installation images: `kill-round.ts` says how. */
import { createCipheriv } from 'node:crypto';
import { readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openTestApp } from '../world/app.ts';
import { build, cached } from './guest/cache.ts';
import type { KillCase } from './kill-round.ts';
import { checkKills, isoPath, makeDisk, MiB, octets, putIso } from './kill-subjects.ts';
import type { Service } from './service.ts';
import { type Disk, readImage, volumesOf } from './service-files.ts';

/** What a guest would find; rejects when an image is damaged. */
async function observeDisk(service: Service, name: string) {
  const { status, body: disk } = await service.api<Disk>('GET', `/disks/${name}`);
  if (status === 404) return 'absent';
  const images = await Promise.all((await volumesOf(service, disk.id)).map((path) => readImage(path, disk.format)));
  return { state: disk.state, sizeBytes: disk.sizeBytes, images };
}

/** A qcow2 image of 2 MiB of noise, the same in each run; `isDamaged` spoils a reference count. */
async function noise(isDamaged = false): Promise<Buffer> {
  const path = await cached({ name: 'noise', suffix: '.qcow2', ingredients: [1] }, async (draft) => {
    writeFileSync(`${draft}.raw`, createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16)).update(Buffer.alloc(2 * MiB)));
    await build(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', `${draft}.raw`, draft]);
    unlinkSync(`${draft}.raw`);
  });
  const image = readFileSync(path);
  const refcounts = Number(image.readBigUInt64BE(Number(image.readBigUInt64BE(48)))); // first entry of the table that the header points to
  if (isDamaged) image.fill(0, refcounts, refcounts + 8);
  return image;
}

const upload = async (service: Service, name: string, isDamaged = false) =>
  service.must<{ id: string }>('PUT', `/disks/${name}/content`, await noise(isDamaged), { ...octets, 'x-image-format': 'qcow2' });

const withContent = async (service: Service, name: string) => {
  await makeDisk(service, name);
  await service.task((await upload(service, name)).id);
};

const cases: KillCase[] = [
  { name: 'create', kind: 'disk.create', prepare: async () => {}, begin: (service, name) => service.must('POST', '/disks', { name, sizeBytes: 4 * MiB }), observe: observeDisk },
  { name: 'allocate', kind: 'disk.create', prepare: async () => {}, begin: (service, name) => service.must('POST', '/disks', { name, sizeBytes: 4 * MiB, format: 'raw', allocation: 'preallocated' }), observe: observeDisk },
  { name: 'resize', kind: 'disk.resize', prepare: makeDisk, begin: (service, name) => service.must('POST', `/disks/${name}/resize`, { sizeBytes: 8 * MiB }), observe: observeDisk },
  { name: 'delete', kind: 'disk.delete', prepare: makeDisk, begin: (service, name) => service.must('DELETE', `/disks/${name}`), observe: observeDisk },
  { name: 'import', kind: 'disk.import', prepare: makeDisk, begin: upload, observe: observeDisk },
  { name: 'convert', kind: 'disk.import', prepare: (service, name) => makeDisk(service, name, { format: 'raw' }), begin: upload, observe: observeDisk },
  // Refused by its first step: before that, and after the undoing.
  { name: 'damaged', kind: 'disk.import', instants: 2, prepare: makeDisk, begin: (service, name) => upload(service, name, true), observe: observeDisk },
  { name: 'export', kind: 'disk.export', prepare: withContent, begin: (service, name) => service.must('GET', `/disks/${name}/content?format=raw`), observe: observeExport },
  {
    name: 'discard', kind: 'upload.discard', observe: observeDisk,
    async prepare(service, name) {
      await makeDisk(service, name);
      const half = (await noise()).subarray(0, MiB);
      await service.must('PUT', `/disks/${name}/content`, half, { ...octets, 'x-image-format': 'qcow2', 'content-range': `bytes 0-${half.length - 1}/${2 * MiB}` });
    },
    begin: (service, name) => service.must('DELETE', `/disks/${name}/upload`),
  },
  {
    // Begun by the end of a preview; what it works on is the disk.
    name: 'merge', kind: 'disk.merge', observe: observeDisk,
    async prepare(service, name) {
      await makeDisk(service, name);
      await service.must('POST', '/vms', { name: `of-${name}`, memoryBytes: 64 * MiB, disks: [{ disk: name }] });
      await service.carryOut('POST', `/vms/of-${name}/snapshots`, { name: 'one' });
      await service.carryOut('POST', `/vms/of-${name}/snapshots/one/preview`);
    },
    begin: (service, name) => service.must('POST', `/vms/of-${name}/snapshots/one/commit`),
  },
  {
    name: 'iso', suffix: '.iso', kind: 'iso.delete', prepare: putIso,
    begin: (service, name) => service.must('DELETE', isoPath(name)),
    observe: async (service, name) => (await service.api('GET', isoPath(name))).status,
  },
];

/** The download that was cut off goes through the second time. */
async function observeExport(service: Service, name: string) {
  const content = await service.must<Uint8Array>('GET', `/disks/${name}/content?format=raw`);
  const { id } = await service.must<Disk>('GET', `/disks/${name}`);
  return { sizeBytes: content.length, sum: content.reduce((sum, byte) => sum + byte, 0), volumes: (await volumesOf(service, id)).length };
}

checkKills('tasks of disks and installation images', cases, { copies: 4 + 4 }); // export-0 to export-3, and the layers that a snapshot keeps of merge-0 to merge-3

/** VMs and templates have files of their own; the rest needs a machine of one's own, and is cut at every step in test/task. */
const elsewhere = /^(vm|template|host|host-network|site|update)\.|^disk\.(copy|reset)$/;

test('no other kind of task was left out', async () => {
  const site = await openTestApp();
  const kinds = site.app.core.tasks.definitions().map(({ kind }) => kind).filter((kind) => !elsewhere.test(kind));
  await site.close();
  assert.equal([...new Set(cases.map(({ kind }) => kind))].sort(), kinds.sort());
});

test.run();
