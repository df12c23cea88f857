/** Uploads and downloads as programs see them: whole, in parts, broken, wrong, cancelled; of ISO files and of disks. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../appliance/core/clock.ts';
import { GiB, KiB, MiB } from '../../appliance/core/units.ts';
import type { StorageServices } from '../../appliance/storage/services.ts';
import { createVirtualClock, type VirtualClock } from '../world/clock.ts';
import { qcow2Header } from '../world/image-bytes.ts';
import { isoImage } from '../world/iso-bytes.ts';
import { openStorageSite, type StorageSite } from '../world/storage.ts';

const isoPath = '/storage-domains/isos/files/test.iso';
const sha256 = (bytes: Uint8Array<ArrayBufferLike>) => createHash('sha256').update(bytes).digest('hex');
const range = (start: number, end: number, total: number | '*') => ({ 'content-range': `bytes ${start}-${end - 1}/${total}` });

/** A body that gives `bytes` piece by piece and then breaks, if told so. */
function bodyOf(bytes: Uint8Array, { breaks = false, chunkBytes = 10_000 } = {}): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at < bytes.length) {
        controller.enqueue(bytes.slice(at, at + chunkBytes));
        at += chunkBytes;
      } else if (breaks) controller.error(new Error('the line broke'));
      else controller.close();
    },
  });
}

/** Moves time on until it is so, and lets the files keep up with it. */
async function eventually(clock: VirtualClock, isTrue: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 200 && !(await isTrue()); tries++) {
    await clock.advance(30_000);
    await systemClock.sleep(5);
  }
  assert.ok(await isTrue(), 'it never came');
}

const filesOf = (site: StorageSite, ...names: string[]) => readdirSync(join(site.core.statePath, 'storage', ...names));
const domainId = async (site: StorageSite, name: string): Promise<string> => (await site.ask('GET', `/storage-domains/${name}`)).body.id;
const isoFolder = async (site: StorageSite) => filesOf(site, await domainId(site, 'isos'), 'images', '11111111-1111-1111-1111-111111111111');
/** Uploads whose hash is kept in memory. */
const hashed = ({ storage }: StorageSite): string[] => (storage.operations[0]?.services as StorageServices).receiver.hashed(); // all records of a slice share its services
const reserved = async (site: StorageSite, name: string) => (await site.ask('GET', `/storage-domains/${name}`)).body.reservedBytes;

// ---------------------------------------------------------------------------------------------- ISO files

const iso = suite<{ site: StorageSite }>('ISO files');
iso.before.each(async (context) => { context.site = await openStorageSite(); });
iso.after.each(({ site }) => site.close());

iso('a file is uploaded whole, listed, downloaded and deleted', async ({ site }) => {
  const image = isoImage();
  const answer = await site.put(isoPath, image);
  assert.equal([answer.status, answer.body], [201, { name: 'test.iso', sizeBytes: image.length, sha256: sha256(image) }]);
  const [file] = (await site.ask('GET', '/storage-domains/isos/files')).body.items;
  assert.equal([file.name, file.sizeBytes, file.sha256, file.state, file.usedBy], ['test.iso', image.length, sha256(image), 'ok', []]);
  assert.is(site.storage.isoPath('test.iso').endsWith('/test.iso'), true);
  const got = await site.door.fetch('/api/v1/storage-domains/isos/files/test.iso');
  assert.is(got.status, 200);
  assert.is(got.headers.get('content-length'), String(image.length));
  assert.match(got.headers.get('content-disposition') ?? '', "attachment; filename*=UTF-8''test.iso");
  assert.is(sha256(new Uint8Array(await got.arrayBuffer())), sha256(image));
  await site.carryOut('DELETE', isoPath);
  assert.equal(await isoFolder(site), []);
  assert.is((await site.ask('DELETE', isoPath)).status, 404);
  assert.throws(() => site.storage.isoPath('test.iso'), /no installation image/);
});

iso('a range, a tail and a resumed download get exactly their bytes', async ({ site }) => {
  const image = isoImage();
  await site.put(isoPath, image);
  const get = async (headers: Record<string, string>) => {
    const response = await site.door.fetch(`/api/v1${isoPath}`, { headers });
    return { status: response.status, headers: response.headers, bytes: Buffer.from(await response.arrayBuffer()) };
  };
  const part = await get({ range: 'bytes=32768-32779' });
  assert.equal([part.status, part.headers.get('content-range'), part.bytes.length], [206, `bytes 32768-32779/${image.length}`, 12]);
  assert.ok(part.bytes.equals(Buffer.from(image.subarray(32768, 32780))));
  assert.ok((await get({ range: 'bytes=-100' })).bytes.equals(Buffer.from(image.subarray(-100))));
  assert.ok((await get({ range: 'bytes=260000-' })).bytes.equals(Buffer.from(image.subarray(260000))));
  assert.is((await get({ range: `bytes=${image.length}-` })).status, 416);
  const etag = part.headers.get('etag') ?? '';
  assert.is((await get({ range: 'bytes=0-9', 'if-range': etag })).status, 206);
  assert.is((await get({ range: 'bytes=0-9', 'if-range': '"other"' })).status, 200, 'it is another file now');
  const head = await site.door.fetch(`/api/v1${isoPath}`, { method: 'HEAD' });
  assert.equal([head.status, head.headers.get('content-length'), head.headers.get('accept-ranges')], [200, String(image.length), 'bytes']);
});

iso('a file that is used, or being downloaded, is neither deleted nor replaced', async ({ site }) => {
  await site.put(isoPath, isoImage());
  site.uses.set('test.iso', [{ kind: 'vm', id: 'v', name: 'web' }]);
  for (const refused of [await site.ask('DELETE', isoPath), await site.put(isoPath, isoImage())]) {
    assert.equal([refused.status, refused.body.type], [409, 'in-use']);
    assert.match(refused.body.detail, 'the VM "web". Eject it there');
  }
  site.uses.clear();
  const reader = (await site.door.fetch(`/api/v1${isoPath}`)).body?.getReader();
  await reader?.read();
  assert.match((await site.ask('DELETE', isoPath)).body.detail, 'being downloaded');
  await reader?.cancel();
  await site.carryOut('DELETE', isoPath);
});

iso('a file of that name is replaced as a whole', async ({ site }) => {
  await site.put(isoPath, isoImage(256 * KiB, { fill: 1 }));
  const next = isoImage(300 * KiB, { fill: 2 });
  assert.is((await site.put(isoPath, next)).status, 201);
  assert.is(sha256(readFileSync(site.storage.isoPath('test.iso'))), sha256(next));
  assert.equal(await isoFolder(site), ['test.iso']);
});

iso('names are safe', async ({ site }) => {
  for (const name of ['..%2F..%2Fetc%2Fpasswd.iso', '.hidden.iso', '-rf.iso', 'a%00b.iso', 'a%0Ab.iso', 'noending', `${'x'.repeat(140)}.iso`]) {
    const refused = await site.put(`/storage-domains/isos/files/${name}`, isoImage());
    assert.is(refused.status, 400, name);
    assert.is(refused.body.errors[0].path, 'name');
  }
  const odd = 'Größe 存 memtest86+x64 (1).iso';
  assert.is((await site.put(`/storage-domains/isos/files/${encodeURIComponent(odd)}`, isoImage())).status, 201);
  assert.equal((await site.ask('GET', '/storage-domains/isos/files')).body.items.map(({ name }: { name: string }) => name), [odd]);
  assert.is((await site.ask('GET', '/storage-domains/local/files')).status, 409);
});

iso('what is no ISO image is refused, as early as its first 64 KiB, and nothing of it stays', async ({ site }) => {
  const wrong = new Uint8Array(MiB).fill(7);
  let sent = 0;
  const body = bodyOf(wrong, { chunkBytes: 16 * KiB }).pipeThrough(new TransformStream({ transform(chunk, controller) { sent += chunk.length; controller.enqueue(chunk); } }));
  const refused = await site.put(isoPath, body, { 'content-length': String(wrong.length) });
  assert.equal([refused.status, refused.body.type], [400, 'invalid-input']);
  assert.match(refused.body.detail, 'not an ISO 9660 image');
  assert.ok(sent < 256 * KiB, `${sent} bytes were taken before`);
  assert.equal(await isoFolder(site), []);
  assert.is(await reserved(site, 'isos'), 0);
  assert.match((await site.put(isoPath, qcow2Header())).body.detail, 'qcow2 disk image, not an installation image. Create a disk');
  assert.match((await site.put(isoPath, Buffer.from([0x1f, 0x8b, 8]))).body.detail, 'gzip archive. Unpack it');
});

iso('an image that was cut off before it came here is refused', async ({ site }) => {
  const cut = isoImage(256 * KiB, { volumeBytes: 700 * MiB });
  assert.match((await site.put(isoPath, cut)).body.detail, 'cut off: it holds 256 KiB of 700 MiB');
});

iso('what cannot fit is refused before its first byte', async ({ site }) => {
  site.disk.setFree(GiB + MiB);
  const refused = await site.put(isoPath, bodyOf(isoImage()), { 'content-length': String(2 * MiB) });
  assert.is(refused.status, 507);
  assert.match(refused.body.detail, 'needs 2 MiB, but the storage domain "isos" has room for 1 MiB');
  assert.is((await site.ask('GET', `/storage-domains/isos/files/test.iso/upload`)).status, 404);
});

iso('an upload in parts goes on where it stands, and says where that is', async ({ site }) => {
  const image = isoImage();
  const first = await site.put(isoPath, image.subarray(0, 100_000), range(0, 100_000, image.length));
  assert.equal([first.status, first.body.state, first.body.receivedBytes, first.headers.get('range')], [200, 'receiving', 100_000, 'bytes=0-99999']);
  const state = await site.ask('GET', '/storage-domains/isos/files/test.iso/upload');
  assert.equal([state.body.receivedBytes, state.body.totalBytes], [100_000, image.length]);
  assert.is(await reserved(site, 'isos'), image.length);
  for (const [start, end] of [[0, 10], [99_999, 200_000], [100_001, 200_000]] as const) {
    if (start === 0) continue;
    const refused = await site.put(isoPath, image.subarray(start, end), range(start, end, image.length));
    assert.equal([refused.status, refused.body.type], [409, 'wrong-state']);
    assert.match(refused.body.detail, 'stands at byte 100000');
  }
  assert.match((await site.put(isoPath, image.subarray(100_000, 100_010), range(100_000, 100_010, 5_000_000))).body.detail, 'it is another file');
  const question = await site.put(isoPath, null, { 'content-range': `bytes */${image.length}` });
  assert.equal([question.status, question.body.receivedBytes], [200, 100_000]);
  const last = await site.put(isoPath, image.subarray(100_000), range(100_000, image.length, image.length));
  assert.equal([last.status, last.body.sha256], [201, sha256(image)]);
  assert.is((await site.ask('GET', '/storage-domains/isos/files/test.iso/upload')).status, 404);
  assert.is(await reserved(site, 'isos'), 0);
});

iso('the total may come with the last part', async ({ site }) => {
  const image = isoImage();
  assert.is((await site.put(isoPath, image.subarray(0, 80_000), range(0, 80_000, '*'))).status, 200);
  const last = await site.put(isoPath, image.subarray(80_000), range(80_000, image.length, image.length));
  assert.equal([last.status, last.body.sha256], [201, sha256(image)]);
});

iso('a body without a length is taken to its end', async ({ site }) => {
  const image = isoImage();
  const answer = await site.put(isoPath, bodyOf(image));
  assert.equal([answer.status, answer.body.sha256], [201, sha256(image)]);
});

iso('a broken line keeps what arrived; a restart of the service too', async ({ site }) => {
  const image = isoImage();
  const broken = await site.put(isoPath, bodyOf(image.subarray(0, 120_000), { breaks: true }), { 'content-length': String(image.length) });
  assert.ok(broken.status >= 400);
  const stateOf = async (at: StorageSite) => (await at.ask('GET', '/storage-domains/isos/files/test.iso/upload')).body;
  assert.is((await stateOf(site)).receivedBytes, 120_000);
  const again = await site.restart();
  assert.is((await stateOf(again)).receivedBytes, 120_000);
  const last = await again.put(isoPath, image.subarray(120_000), range(120_000, image.length, image.length));
  assert.equal([last.status, last.body.sha256], [201, sha256(image)], 'the part of the earlier life is hashed again');
  await again.close();
});

iso('bytes that had not reached the disk for sure are written again', async ({ site }) => {
  const image = isoImage();
  await site.put(isoPath, image.subarray(0, 120_000), range(0, 120_000, image.length));
  const folder = join(site.core.statePath, 'storage', await domainId(site, 'isos'), 'images', '11111111-1111-1111-1111-111111111111');
  const [upload = ''] = readdirSync(folder);
  writeFileSync(join(folder, upload), Buffer.alloc(5000, 0xff), { flag: 'a' });
  const zeros = isoImage(image.length, { fill: 0 });
  zeros.set(image.subarray(0, 120_000));
  const last = await site.put(isoPath, zeros.subarray(120_000), range(120_000, image.length, image.length));
  assert.equal([last.status, last.body.sha256], [201, sha256(zeros)]);
  assert.is(sha256(readFileSync(site.storage.isoPath('test.iso'))), sha256(zeros), 'left-overs shine through skipped zeros');
});

iso('an upload whose last answer was lost is finished by asking', async ({ site }) => {
  const image = isoImage();
  await site.put(isoPath, image, range(0, image.length, '*'));
  const answer = await site.put(isoPath, null, { 'content-range': `bytes */${image.length}` });
  assert.equal([answer.status, answer.body.sha256], [201, sha256(image)]);
});

iso('starting anew throws away what had arrived', async ({ site }) => {
  await site.put(isoPath, isoImage(256 * KiB, { fill: 1 }).subarray(0, 100_000), range(0, 100_000, 256 * KiB));
  const image = isoImage(200 * KiB, { fill: 2 });
  const answer = await site.put(isoPath, image);
  assert.equal([answer.status, answer.body.sha256], [201, sha256(image)]);
  assert.is(await reserved(site, 'isos'), 0);
});

iso('more bytes than announced are refused', async ({ site }) => {
  const image = isoImage();
  const refused = await site.put(isoPath, bodyOf(image), { 'content-length': String(image.length - 5_000) });
  assert.equal([refused.status, refused.body.type], [400, 'invalid-input']);
  assert.equal((await site.ask('GET', '/storage-domains/isos/files')).body.items, []);
});

iso('an upload is cancelled: nothing of it stays', async ({ site }) => {
  await site.put(isoPath, isoImage().subarray(0, 100_000), range(0, 100_000, 256 * KiB));
  await site.carryOut('DELETE', '/storage-domains/isos/files/test.iso/upload');
  assert.equal(await isoFolder(site), []);
  assert.is(await reserved(site, 'isos'), 0);
  assert.is((await site.ask('DELETE', '/storage-domains/isos/files/test.iso/upload')).status, 404);
});

iso('cancelling ends the connection that sends', async ({ site }) => {
  const endless = new ReadableStream<Uint8Array>({ async pull(controller) { await systemClock.sleep(5); controller.enqueue(isoImage(64 * KiB)); } });
  const sending = site.put(isoPath, endless);
  while (((await site.ask('GET', '/storage-domains/isos/files/test.iso/upload')).body.receivedBytes ?? 0) < 100_000) await systemClock.sleep(5);
  const second = await site.put(isoPath, isoImage());
  assert.equal([second.status, second.body.type], [409, 'in-use'], 'two connections would mix');
  await site.carryOut('DELETE', '/storage-domains/isos/files/test.iso/upload');
  assert.is((await sending).status, 409);
  assert.equal(await isoFolder(site), []);
});

iso('the hash of an upload is kept while it can be gone on with, and not after it has ended in any way', async ({ site }) => {
  const image = isoImage();
  const half = range(0, 100_000, image.length);
  const begin = async () => {
    await site.put(isoPath, image.subarray(0, 100_000), half);
    assert.is(hashed(site).length, 1, 'a half upload waits');
  };
  await begin();
  assert.is((await site.put(isoPath, image.subarray(100_000), range(100_000, image.length, image.length))).status, 201);
  assert.equal(hashed(site), [], 'it is whole');
  await begin();
  await site.carryOut('DELETE', `${isoPath}/upload`);
  assert.equal(hashed(site), [], 'it was cancelled');
  await site.put(isoPath, new Uint8Array(MiB).fill(7));
  assert.equal(hashed(site), [], 'it was refused');
  const endless = new ReadableStream<Uint8Array>({ async pull(controller) { await systemClock.sleep(5); controller.enqueue(isoImage(64 * KiB)); } });
  const sending = site.put(isoPath, endless);
  while (hashed(site).length === 0) await systemClock.sleep(5);
  await site.carryOut('DELETE', `${isoPath}/upload`);
  await sending;
  assert.equal(hashed(site), [], 'it was cancelled while it arrived');
});

iso('a full disk stops an upload, keeps what arrived, and lets it go on when there is room', async ({ site }) => {
  const image = isoImage(80 * MiB);
  const half = 70 * MiB;
  let sent = 0;
  const body = bodyOf(image.subarray(0, half), { chunkBytes: MiB }).pipeThrough(new TransformStream({
    transform(chunk, controller) {
      sent += chunk.length;
      if (sent > 20 * MiB) site.disk.setFree(MiB);
      controller.enqueue(chunk);
    },
  }));
  const refused = await site.put(isoPath, body, range(0, half, image.length));
  assert.equal([refused.status, refused.body.type], [507, 'insufficient-storage']);
  site.disk.setFree(50 * GiB);
  const { receivedBytes } = (await site.ask('GET', '/storage-domains/isos/files/test.iso/upload')).body;
  assert.ok(receivedBytes >= 60 * MiB && receivedBytes <= half, `${receivedBytes}`);
  const last = await site.put(isoPath, image.subarray(receivedBytes), range(receivedBytes, image.length, image.length));
  assert.equal([last.status, last.body.sha256], [201, sha256(image)]);
});

iso('malformed ranges are refused', async ({ site }) => {
  for (const header of ['bytes 5-1/10', 'bytes 0-9/5', 'bytes=0-9', 'bytes */*', 'nonsense']) {
    assert.is((await site.put(isoPath, isoImage(), { 'content-range': header })).status, 400, header);
  }
  assert.match((await site.put(isoPath, isoImage(), range(5, 10, 100))).body.detail, 'no upload to go on with');
});

iso('files that people put into the folder, or take out, are noticed', async () => {
  const clock = createVirtualClock();
  const site = await openStorageSite({ clock });
  const folder = join(site.core.statePath, 'storage', await domainId(site, 'isos'), 'images', '11111111-1111-1111-1111-111111111111');
  const names = async () => (await site.ask('GET', '/storage-domains/isos/files')).body.items.map(({ name }: { name: string }) => name);
  writeFileSync(join(folder, 'copied.iso'), isoImage());
  await eventually(clock, async () => (await names()).length === 1);
  assert.equal(await names(), ['copied.iso']);
  rmSync(join(folder, 'copied.iso'));
  await eventually(clock, async () => (await names()).length === 0);
  assert.equal(await names(), []);
  await site.close();
});

iso('an upload that stands still for a day is given up', async () => {
  const clock = createVirtualClock();
  const site = await openStorageSite({ clock });
  await site.put(isoPath, isoImage().subarray(0, 100_000), range(0, 100_000, 256 * KiB));
  await clock.advance(25 * 3_600_000);
  await eventually(clock, async () => site.events.has('upload.given-up'));
  assert.match(site.events.get('upload.given-up')?.message ?? '', 'stood still for a day');
  await site.settled();
  assert.equal(await isoFolder(site), []);
  assert.equal(hashed(site), []);
  await site.close();
});

iso.run();

// ---------------------------------------------------------------------------------------------- disks

const disks = suite<{ site: StorageSite }>('content of disks');
disks.before.each(async (context) => { context.site = await openStorageSite(); });
disks.after.each(({ site }) => site.close());

const content = Buffer.alloc(300 * KiB, 'content of a disk ');
const qcow2Image = (sizeBytes: number) => Buffer.concat([qcow2Header({ virtualSizeBytes: BigInt(sizeBytes) }), content, Buffer.alloc(sizeBytes - content.length)]);
const isQcow2 = { 'x-image-format': 'qcow2' };
const isRaw = { 'x-image-format': 'raw' };

async function makeDisk(site: StorageSite, changes: Record<string, unknown> = {}) {
  await site.carryOut('POST', '/disks', { name: 'root', sizeBytes: 2 * MiB, ...changes });
  return (await site.ask('GET', '/disks/root')).body as { id: string; state: string; sizeBytes: number };
}

const imageFolder = async (site: StorageSite, id: string) => filesOf(site, await domainId(site, 'local'), 'images', id).filter((name) => !/\.(meta|lease)$/.test(name));

async function rawContent(site: StorageSite): Promise<Buffer> {
  const response = await site.door.fetch('/api/v1/disks/root/content?format=raw');
  assert.is(response.status, 200);
  return Buffer.from(await response.arrayBuffer());
}

const upTo = (sizeBytes: number) => Buffer.concat([content, Buffer.alloc(sizeBytes - content.length)]);

disks('the contract: create a cow disk, upload a qcow2 image at once, read it back', async ({ site }) => {
  await site.ask('POST', '/disks', { body: { name: 'root', sizeBytes: 2 * MiB, format: 'cow', allocation: 'sparse' } });
  const image = qcow2Image(MiB);
  const answer = await site.put('/disks/root/content', image, isQcow2);
  assert.is(answer.status, 202);
  assert.equal([answer.body.kind, answer.body.receivedBytes, answer.body.sha256], ['disk.import', image.length, sha256(image)]);
  assert.is(answer.headers.get('location'), `/api/v1/tasks/${answer.body.id}`);
  assert.is((await site.ended(answer)).state, 'done');
  await site.settled();
  const { body } = await site.ask('GET', '/disks/root');
  assert.equal([body.state, body.sizeBytes], ['ok', 2 * MiB]);
  assert.ok((await rawContent(site)).equals(upTo(2 * MiB)), 'the image is smaller than its disk: the rest is empty');
  assert.is(await reserved(site, 'local'), 0);
});

for (const [format, allocation] of [['raw', 'sparse'], ['raw', 'preallocated'], ['cow', 'sparse'], ['cow', 'preallocated']] as const) {
  for (const declared of ['raw', 'qcow2'] as const) {
    disks(`a ${declared} image becomes the content of a ${allocation} ${format} disk`, async ({ site }) => {
      const disk = await makeDisk(site, { format, allocation });
      const image = declared === 'raw' ? upTo(MiB) : qcow2Image(MiB);
      const answer = await site.put('/disks/root/content', image, { 'x-image-format': declared });
      assert.is(answer.status, 202, JSON.stringify(answer.body));
      assert.is((await site.ended(answer)).state, 'done');
      await site.settled();
      assert.ok((await rawContent(site)).equals(upTo(2 * MiB)));
      const { path } = site.storage.diskVolume(disk.id);
      assert.ok((await imageFolder(site, disk.id)).includes(path.split('/').at(-1) ?? ''));
      assert.is(await reserved(site, 'local'), 0);
    });
  }
}

disks('old volumes and received files go; only the new content stays', async ({ site }) => {
  const disk = await makeDisk(site);
  for (const image of [qcow2Image(MiB), upTo(MiB)]) {
    await site.ended(await site.put('/disks/root/content', image, image.length > MiB ? isQcow2 : isRaw));
    await site.settled();
    for (let tries = 0; tries < 100 && (await imageFolder(site, disk.id)).length > 1; tries++) await systemClock.sleep(20);
    assert.is((await imageFolder(site, disk.id)).length, 1);
  }
});

disks('volumes that nothing refers to are deleted at the next start', async ({ site }) => {
  const disk = await makeDisk(site);
  const folder = join(site.core.statePath, 'storage', await domainId(site, 'local'), 'images', disk.id);
  const [current = ''] = await imageFolder(site, disk.id);
  const left = '99999999-9999-4999-8999-999999999999';
  for (const suffix of ['', '.meta', '.lease']) writeFileSync(join(folder, left + suffix), readFileSync(join(folder, current + suffix)));
  const again = await site.restart();
  for (let tries = 0; tries < 100 && (await imageFolder(again, disk.id)).length > 1; tries++) await systemClock.sleep(20);
  assert.equal(await imageFolder(again, disk.id), [current]);
  await again.close();
});

disks('the format must be declared, and the file be what was declared', async ({ site }) => {
  await makeDisk(site);
  const undeclared = await site.put('/disks/root/content', upTo(MiB));
  assert.equal([undeclared.status, undeclared.body.errors[0].path], [400, 'format']);
  assert.is((await site.put('/disks/root/content', upTo(MiB), { 'x-image-format': 'iso' })).status, 400);
  assert.match((await site.put('/disks/root/content', qcow2Image(MiB), isRaw)).body.detail, 'a qcow2 image, but it was declared as raw');
  assert.match((await site.put('/disks/root/content?format=qcow2', upTo(MiB))).body.detail, 'not a qcow2 image');
  assert.is((await site.ask('GET', '/disks/root')).body.state, 'ok', 'a refused upload leaves the disk free');
});

disks('a backing file, a data file and encryption are refused with the reason, at once', async ({ site }) => {
  const disk = await makeDisk(site);
  for (const [fields, text] of [[{ backingFile: '/etc/shadow' }, 'backing file "/etc/shadow"'], [{ features: 4n }, 'data file'], [{ encryption: 2 }, 'encrypted']] as const) {
    const refused = await site.put('/disks/root/content', bodyOf(Buffer.concat([qcow2Header(fields), Buffer.alloc(MiB)])), isQcow2);
    assert.equal([refused.status, refused.body.type], [400, 'invalid-input']);
    assert.match(refused.body.detail, text);
  }
  assert.is((await imageFolder(site, disk.id)).length, 1);
  assert.is(await reserved(site, 'local'), 0);
});

disks('what QEMU finds behind a good header fails the import, and the old content stays', async ({ site }) => {
  await makeDisk(site);
  await site.ended(await site.put('/disks/root/content', qcow2Image(MiB), isQcow2));
  site.tool.check = async () => ({ corruptions: 3, leaks: 0 });
  const row = await site.ended(await site.put('/disks/root/content', Buffer.concat([qcow2Header(), Buffer.alloc(MiB, 9)]), isQcow2));
  assert.is(row.state, 'failed');
  assert.match((row.problem as { detail: string }).detail, 'damaged in 3 places');
  await site.settled();
  assert.ok((await rawContent(site)).equals(upTo(2 * MiB)));
  assert.is((await site.ask('GET', '/disks/root')).body.state, 'ok');
});

disks('an image larger than its disk is refused by its header, with both sizes', async ({ site }) => {
  await makeDisk(site);
  const qcow2 = await site.put('/disks/root/content', qcow2Image(4 * MiB), isQcow2);
  assert.match(qcow2.body.detail, 'holds a disk of 4194304 bytes (4 MiB), but "root" has only 2097152 (2 MiB). Enlarge it first');
  const raw = await site.put('/disks/root/content', upTo(4 * MiB), isRaw);
  assert.equal([raw.status, raw.body.type], [413, 'too-large']);
  assert.match(raw.body.detail, 'Enlarge the disk "root" first');
});

disks('a disk is locked while content comes, and usable as before when the upload is cancelled', async ({ site }) => {
  const disk = await makeDisk(site, { format: 'raw' });
  await site.ended(await site.put('/disks/root/content', upTo(MiB), isRaw));
  await site.settled();
  await site.put('/disks/root/content', Buffer.alloc(MiB, 1), { ...isRaw, ...range(0, MiB, 2 * MiB) });
  assert.is((await site.ask('GET', '/disks/root')).body.state, 'locked');
  assert.throws(() => site.storage.diskVolume(disk.id), /being changed or filled/);
  assert.is((await site.ask('DELETE', '/disks/root')).status, 409);
  assert.is((await site.ask('POST', '/disks/root/resize', { body: { sizeBytes: GiB } })).status, 409);
  await site.carryOut('DELETE', '/disks/root/upload');
  assert.is((await site.ask('GET', '/disks/root')).body.state, 'ok');
  assert.ok((await rawContent(site)).equals(upTo(2 * MiB)));
  assert.is((await imageFolder(site, disk.id)).length, 1);
});

disks('an upload that could not begin leaves the disk free', async ({ site }) => {
  const disk = await makeDisk(site, { format: 'raw', allocation: 'preallocated' });
  site.tool.failNext('create', new Error('write error: No space left on device'));
  const refused = await site.put('/disks/root/content', upTo(MiB), isRaw);
  assert.equal([refused.status, refused.body.type], [507, 'insufficient-storage']);
  assert.is((await site.ask('GET', '/disks/root')).body.state, 'ok');
  assert.is((await imageFolder(site, disk.id)).length, 1);
  assert.is(await reserved(site, 'local'), 0);
});

disks('an upload in parts with a break and a restart between them', async ({ site }) => {
  await makeDisk(site);
  const image = qcow2Image(MiB);
  await site.put('/disks/root/content', bodyOf(image.subarray(0, 200_000), { breaks: true }), { ...isQcow2, 'content-length': String(image.length) });
  const again = await site.restart();
  const { receivedBytes, format } = (await again.ask('GET', '/disks/root/upload')).body;
  assert.equal([receivedBytes, format], [200_000, 'qcow2']);
  const answer = await again.put('/disks/root/content', image.subarray(200_000), range(200_000, image.length, image.length));
  assert.equal([answer.status, answer.body.sha256], [202, sha256(image)], 'the format need not be told again');
  await again.settled();
  assert.ok((await rawContent(again)).equals(upTo(2 * MiB)));
  await again.close();
});

disks('blocks of zeros take no room on a sparse disk', async ({ site }) => {
  await makeDisk(site, { format: 'raw', sizeBytes: 32 * MiB });
  const image = Buffer.alloc(32 * MiB);
  content.copy(image, 16 * MiB);
  const answer = await site.put('/disks/root/content', image, isRaw);
  assert.is(answer.body.sha256, sha256(image));
  await site.settled();
  const { id } = (await site.ask('GET', '/disks/root')).body;
  const { actualSizeBytes } = await site.tool.info(site.storage.diskVolume(id).path, 'raw', new AbortController().signal);
  assert.ok(actualSizeBytes < 2 * MiB, `${actualSizeBytes}`);
  assert.ok((await rawContent(site)).equals(image));
});

disks('a disk of a running guest takes no content and gives none', async ({ site }) => {
  const disk = await makeDisk(site);
  site.uses.set(disk.id, [{ kind: 'vm', id: 'v', name: 'web', isActive: true }]);
  const refusals = [await site.put('/disks/root/content', qcow2Image(MiB), isQcow2), await site.ask('GET', '/disks/root/content')];
  for (const refused of refusals) {
    assert.equal([refused.status, refused.body.type], [409, 'in-use']);
    assert.match(refused.body.detail, 'Shut it down first');
  }
  site.uses.set(disk.id, [{ kind: 'vm', id: 'v', name: 'web', isActive: false }]);
  assert.is((await site.put('/disks/root/content', qcow2Image(MiB), isQcow2)).status, 202);
  await site.settled();
});

disks('a guest does not start from a disk that is being downloaded', async ({ site }) => {
  const disk = await makeDisk(site);
  const reader = (await site.door.fetch('/api/v1/disks/root/content')).body?.getReader();
  await reader?.read();
  assert.throws(() => site.storage.diskVolume(disk.id), /being downloaded/);
  assert.is((await site.ask('DELETE', '/disks/root')).status, 409);
  await reader?.cancel();
  assert.ok(site.storage.diskVolume(disk.id));
});

disks('content comes down in the format of the disk unless told, with ranges and a fitting name', async ({ site }) => {
  await makeDisk(site);
  const whole = await site.door.fetch('/api/v1/disks/root/content');
  assert.match(whole.headers.get('content-disposition') ?? '', 'root.qcow2');
  const bytes = Buffer.from(await whole.arrayBuffer());
  assert.ok(bytes.subarray(0, 4).equals(Buffer.from('QFI\u00fb', 'latin1')));
  const part = await site.door.fetch('/api/v1/disks/root/content', { headers: { range: 'bytes=0-3', 'if-range': whole.headers.get('etag') ?? '' } });
  assert.equal([part.status, Buffer.from(await part.arrayBuffer()).toString('latin1')], [206, 'QFI\u00fb']);
});

disks('another format is converted once, kept for an hour after its last use, and made anew when the disk has changed', async () => {
  const clock = createVirtualClock();
  const site = await openStorageSite({ clock });
  const disk = await makeDisk(site);
  const exports = async () => (await imageFolder(site, disk.id)).length - 1;
  const raw = await site.door.fetch('/api/v1/disks/root/content?format=raw');
  assert.match(raw.headers.get('content-disposition') ?? '', 'root.img');
  assert.is((await raw.arrayBuffer()).byteLength, 2 * MiB);
  await (await site.door.fetch('/api/v1/disks/root/content?format=raw', { headers: { range: 'bytes=0-9' } })).arrayBuffer();
  assert.is(await exports(), 1);
  const { path } = site.storage.diskVolume(disk.id);
  writeFileSync(path, Buffer.from('changed'), { flag: 'r+' });
  writeFileSync(path, qcow2Image(2 * MiB));
  assert.ok((await rawContent(site)).equals(upTo(2 * MiB)));
  assert.is(await exports(), 2);
  await clock.advance(2 * 3_600_000);
  await eventually(clock, async () => (await exports()) === 0);
  assert.ok(existsSync(path));
  await site.close();
});

disks('only with the right to transfer', async ({ site }) => {
  await makeDisk(site);
  const { door } = site;
  for (const [permissions, status] of [[undefined, 401], [['disk.read'], 403]] as const) {
    for (const [method, path] of [['PUT', '/disks/root/content'], ['GET', '/disks/root/content'], ['DELETE', '/disks/root/upload'], ['DELETE', isoPath], ['PUT', isoPath]] as const) {
      assert.is((await door.askAs(permissions && [...permissions], method, path)).status, status, `${method} ${path}`);
    }
  }
});

disks.run();
