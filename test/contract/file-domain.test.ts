/** The file domain on a real file system: its layout, what it refuses, and that a kill at any instant leaves old or new. */
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { newId } from '../../appliance/core/id.ts';
import { run, type ToolError } from '../../appliance/core/run.ts';
import { MiB } from '../../appliance/core/units.ts';
import { DomainFault } from '../../appliance/storage/backend.ts';
import { createDiskSpace } from '../../appliance/storage/disk-space.ts';
import { createFileDomain, findFileDomains, openImageDomain, openIsoDomain } from '../../appliance/storage/file-domain.ts';
import type { Volume } from '../../appliance/storage/volume-metadata.ts';

const test = suite('file domain', { folder: '', id: '' });
const disk = createDiskSpace();
const isoImageId = '11111111-1111-1111-1111-111111111111';

test.before.each(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), 'bothy-domain-'));
  context.id = newId();
});
test.after.each((context) => rm(context.folder, { recursive: true }));

async function makeData(folder: string, id: string) {
  await createFileDomain(folder, { id, class: 'data', description: 'local', remotePath: folder });
  return openImageDomain({ folder, id, disk });
}

async function makeIso(folder: string, id: string) {
  await createFileDomain(folder, { id, class: 'iso', description: 'isos', remotePath: folder });
  return openIsoDomain({ folder, id, disk });
}

function sampleVolume(domainId: string, changes: Partial<Volume> = {}): Volume {
  return {
    domainId, imageId: newId(), volumeId: newId(), format: 'raw', allocation: 'sparse', role: 'leaf',
    sizeBytes: MiB, isLegal: true, description: 'd', createdAt: 1, generation: 0, ...changes,
  };
}

async function rejection(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    assert.instance(error, Error);
    return error as Error; // asserted above
  }
  throw new Error('it did not fail');
}

test('is laid out as a version 5 domain, with nothing half-made beside it', async ({ folder, id }) => {
  const domain = await makeData(folder, id);
  assert.equal(await readdir(folder), [id]);
  assert.equal((await readdir(join(folder, id))).sort(), ['dom_md', 'images']);
  assert.equal((await readdir(join(folder, id, 'dom_md'))).sort(), ['ids', 'inbox', 'leases', 'metadata', 'outbox']);
  assert.is((await stat(join(folder, id, 'dom_md', 'inbox'))).size, 16 * MiB);
  await domain.verify();
  assert.ok((await domain.capacity()).freeBytes > 0);
});

test('making a domain again leaves it as it is', async ({ folder, id }) => {
  const domain = await makeData(folder, id);
  const volume = sampleVolume(id);
  await domain.stageVolume(volume);
  await createFileDomain(folder, { id, class: 'data', description: 'other', remotePath: '/' });
  assert.equal(await domain.images(), [volume.imageId]);
  assert.is((await findFileDomains(folder))[0]?.domain?.description, 'local');
});

test('a domain that was cut off while it was made is made anew', async ({ folder, id }) => {
  await mkdir(join(folder, `${id}.new`, 'dom_md'), { recursive: true });
  await writeFile(join(folder, `${id}.new`, 'dom_md', 'metadata'), 'half');
  assert.equal(await findFileDomains(folder), []);
  await (await makeData(folder, id)).verify();
  assert.equal(await readdir(folder), [id]);
});

test('finds domains, and names the fault of one that cannot be read', async ({ folder, id }) => {
  await makeData(folder, id);
  const broken = newId();
  await mkdir(join(folder, broken));
  const found = await findFileDomains(folder);
  assert.is(found.length, 2);
  assert.is(found.find((entry) => entry.id === id)?.domain?.class, 'data');
  assert.match(found.find((entry) => entry.id === broken)?.fault ?? '', 'cannot be read');
  assert.equal(await findFileDomains(join(folder, 'nowhere')), []);
});

test('says what is wrong with a domain and what to do', async ({ folder, id }) => {
  const domain = await makeData(folder, id);
  const metadata = join(folder, id, 'dom_md', 'metadata');
  const whole = await readFile(metadata, 'utf8');
  const fault = async () => {
    const error = await rejection(domain.verify());
    assert.instance(error, DomainFault);
    return error.message;
  };
  await writeFile(metadata, whole.replace('CLASS=Data', 'CLASS=Iso'));
  assert.match(await fault(), 'checksum is wrong. Restore it');
  await writeFile(metadata, '');
  assert.match(await fault(), 'no checksum');
  await rm(metadata);
  assert.match(await fault(), 'cannot be read');
  await writeFile(metadata, whole);
  await domain.verify();

  await rename(join(folder, id, 'images'), join(folder, id, 'gone'));
  assert.match(await fault(), 'images is missing');
  await symlink('/', join(folder, id, 'images'));
  assert.match(await fault(), 'images is not a folder');
});

test('a copied domain and one of the wrong class are refused', async ({ folder, id }) => {
  await makeIso(folder, id);
  assert.match((await rejection(openImageDomain({ folder, id, disk }).verify())).message, 'of class iso, not data');
  const copy = newId();
  await rename(join(folder, id), join(folder, copy));
  assert.match((await rejection(openIsoDomain({ folder, id: copy, disk }).verify())).message, 'belongs to another domain');
});

test('a volume is illegal until it is committed', async ({ folder, id }) => {
  const domain = await makeData(folder, id);
  const volume = sampleVolume(id);
  const path = await domain.stageVolume(volume);
  assert.is(path, join(folder, id, 'images', volume.imageId, volume.volumeId));
  assert.equal(await domain.volumes(volume.imageId), [{ ...volume, isLegal: false }]);
  await writeFile(path, 'content');
  await domain.commitVolume(volume);
  assert.equal(await domain.volumes(volume.imageId), [volume]);
  assert.equal((await readdir(join(folder, id, 'images', volume.imageId))).sort(), [volume.volumeId, `${volume.volumeId}.lease`, `${volume.volumeId}.meta`]);
  assert.is((await stat(path)).mode & 0o777, 0o660);
  assert.ok((await domain.occupiedBytes(volume)) > 0);
});

test('a volume without data cannot be committed', async ({ folder, id }) => {
  const domain = await makeData(folder, id);
  const volume = sampleVolume(id);
  await domain.stageVolume(volume);
  assert.match((await rejection(domain.commitVolume(volume))).message, 'ENOENT');
  assert.is((await domain.volumes(volume.imageId))[0]?.isLegal, false);
});

test('metadata that could not be written leave nothing, and what a power cut left of them goes with the volume', async ({ folder, id }) => {
  const domain = await makeData(folder, id);
  const volume = sampleVolume(id);
  const image = join(folder, id, 'images', volume.imageId);
  await mkdir(join(image, `${volume.volumeId}.meta`), { recursive: true }); // no file can take its name
  await rejection(domain.stageVolume(volume));
  assert.equal(await readdir(image), [`${volume.volumeId}.meta`]);
  await rm(join(image, `${volume.volumeId}.meta`), { recursive: true });
  await domain.stageVolume(volume);
  await writeFile(join(image, `${volume.volumeId}.meta.new`), 'VERS');
  await domain.deleteVolume(volume);
  assert.equal(await readdir(image), []);
});

test('every move may be repeated', async ({ folder, id }) => {
  const domain = await makeData(folder, id);
  const volume = sampleVolume(id);
  for (let time = 0; time < 2; time++) await writeFile(await domain.stageVolume(volume), 'content');
  for (let time = 0; time < 2; time++) await domain.commitVolume(volume);
  for (let time = 0; time < 2; time++) await domain.deleteVolume(volume);
  assert.equal(await domain.volumes(volume.imageId), []);
  for (let time = 0; time < 2; time++) await domain.deleteImage(volume.imageId);
  await domain.deleteVolume(volume);
  assert.equal(await domain.images(), []);
});

test('an image that was cut off while it was deleted is gone, and its remains are swept', async ({ folder, id }) => {
  const domain = await makeData(folder, id);
  const [kept, removed] = [sampleVolume(id), sampleVolume(id)];
  for (const volume of [kept, removed]) {
    await writeFile(await domain.stageVolume(volume), 'content');
    await domain.commitVolume(volume);
  }
  const images = join(folder, id, 'images');
  await rename(join(images, removed.imageId), join(images, `_remove_me_${removed.imageId}`));
  assert.equal(await domain.images(), [kept.imageId]);
  await domain.sweep();
  assert.equal(await readdir(images), [kept.imageId]);
});

test('no id and no name leads out of the domain', async ({ folder, id }) => {
  const domain = await makeData(folder, id);
  for (const evil of ['..', '../../etc', '/etc/passwd', '', 'A', `${newId()}/..`]) {
    assert.throws(() => domain.volumePath({ imageId: evil, volumeId: newId() }), /not an id/);
    assert.throws(() => domain.volumePath({ imageId: newId(), volumeId: evil }), /not an id/);
    assert.throws(() => openImageDomain({ folder, id: evil, disk }), /not an id/);
    assert.match((await rejection(domain.deleteImage(evil))).message, 'not an id');
  }
  const iso = await makeIso(folder, newId());
  for (const evil of ['..', '.hidden', '-rf', 'a/b', '/a', '', 'a\0b', 'a\nb', 'x'.repeat(256)]) assert.throws(() => iso.filePath(evil), /not a file name/);
});

test('a link in place of an image is not followed', async ({ folder, id }) => {
  const domain = await makeData(folder, id);
  const [outside, imageId] = [join(folder, 'outside'), newId()];
  await mkdir(outside);
  const volume = sampleVolume(id, { imageId });
  for (const suffix of ['', '.meta']) await writeFile(join(outside, volume.volumeId + suffix), 'precious');
  await symlink(outside, join(folder, id, 'images', imageId));
  assert.equal(await domain.images(), []);
  const moves = [() => domain.volumes(imageId), () => domain.stageVolume(volume), () => domain.deleteVolume(volume), () => domain.writeMetadata(volume)];
  for (const move of moves) assert.instance(await rejection(move()), DomainFault);
  await domain.deleteImage(imageId);
  assert.is((await readdir(outside)).length, 2, 'something outside was deleted');
});

test('an ISO file has its name only when it is whole', async ({ folder, id }) => {
  const domain = await makeIso(folder, id);
  const uploadId = newId();
  await writeFile(domain.uploadPath(uploadId), 'iso content');
  assert.equal(await domain.files(), []);
  for (let time = 0; time < 2; time++) await domain.publish(uploadId, 'Debian 12 (netinst).iso');
  const [file] = await domain.files();
  assert.is(file?.name, 'Debian 12 (netinst).iso');
  assert.is(file?.sizeBytes, 11);
  assert.equal(await readdir(join(folder, id, 'images', isoImageId)), ['Debian 12 (netinst).iso']);
  for (let time = 0; time < 2; time++) await domain.deleteFile('Debian 12 (netinst).iso');
  assert.equal(await domain.files(), []);
  await writeFile(domain.uploadPath(uploadId), 'x');
  for (let time = 0; time < 2; time++) await domain.deleteUpload(uploadId);
  assert.equal(await readdir(join(folder, id, 'images', isoImageId)), []);
});

test('publishing an upload that never was is an error', async ({ folder, id }) => {
  assert.match((await rejection((await makeIso(folder, id)).publish(newId(), 'a.iso'))).message, 'ENOENT');
});

test('a folder that cannot be written is a fault', async ({ folder, id }) => {
  await makeData(folder, id);
  // A permission does not stop root, which runs the appliance; a read-only file system does.
  const script = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && exec "$2" --input-type=module -e "$3"';
  const module = (name: string) => JSON.stringify(new URL(`../../appliance/storage/${name}.js`, import.meta.url).href);
  const program = `
    const { openImageDomain } = await import(${module('file-domain')});
    const place = { folder: ${JSON.stringify(folder)}, id: ${JSON.stringify(id)}, disk: {} };
    await openImageDomain(place).verify().catch((error) => console.log(error.name, error.message));`;
  const { stdout } = await run(['unshare', '--mount', 'sh', '-c', script, 'sh', folder, process.execPath, program], { timeoutMs: 30_000 });
  assert.match(stdout, /^DomainFault .*EROFS.*remount it/);
});

test('a kill at any instant leaves metadata old or new, never half', async ({ folder, id }) => {
  const domain = await makeData(folder, id);
  const volume = sampleVolume(id, { description: 'x'.repeat(200) });
  await writeFile(await domain.stageVolume(volume), 'content');
  await domain.commitVolume(volume);
  const module = JSON.stringify(new URL('../../appliance/storage/file-domain.js', import.meta.url).href);
  const program = `
    const { openImageDomain } = await import(${module});
    const volume = ${JSON.stringify(volume)};
    const domain = openImageDomain({ folder: ${JSON.stringify(folder)}, id: volume.domainId, disk: {} });
    console.log('writing');
    for (let generation = 0; ; generation = (generation + 1) % 1000) await domain.writeMetadata({ ...volume, generation });`;
  const generations = new Set<number>();
  for (let round = 0; round < 15; round++) {
    const stop = new AbortController();
    const argv = [process.execPath, '--input-type=module', '-e', program];
    const onLine = () => void setImmediate(() => stop.abort());
    const error = await rejection(run(argv, { timeoutMs: 30_000, signal: stop.signal, onLine }));
    assert.is((error as ToolError).failure, 'aborted', error.message);
    const [found] = await domain.volumes(volume.imageId);
    assert.ok(found?.isLegal, 'the metadata is damaged');
    generations.add(found.generation);
  }
  await domain.sweep();
  await domain.deleteImage(volume.imageId);
  assert.equal(await readdir(join(folder, id, 'images')), []);
});

test('it can be listed while volumes come and go', async ({ folder, id }) => {
  const domain = await makeData(folder, id);
  const imageId = newId();
  let isOver = false;
  const changing = (async () => {
    for (let count = 0; count < 60; count++) {
      const volumes = Array.from({ length: 3 }, () => sampleVolume(id, { imageId }));
      for (const volume of volumes) await domain.stageVolume(volume);
      for (const volume of volumes) await domain.deleteVolume(volume);
    }
  })().finally(() => { isOver = true; });
  while (!isOver) await domain.volumes(imageId);
  await changing;
});

test.run();
