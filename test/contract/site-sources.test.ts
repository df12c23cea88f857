/** Where a site file is found: real file systems in real files, mounted as a stick would be, and what the boot says. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../appliance/core/clock.ts';
import { run } from '../../appliance/core/run.ts';
import { bootFault, parseCommandLine, parseOemStrings } from '../../appliance/provision/boot-arguments.ts';
import { createSiteSources } from '../../appliance/provision/sources.ts';
import { openInside, openVolume, type Volume } from '../../appliance/provision/volumes.ts';
import { createVirtualClock } from '../world/clock.ts';

interface Context {
  folder: string;
}

const test = suite<Context>('site sources');
test.before.each((context) => { context.folder = mkdtempSync(join(tmpdir(), 'bothy-stick-')); });
test.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

const signal = new AbortController().signal;
const volumeAt = (mountPoint: string, changes: Partial<Volume> = {}): Volume => ({ path: '/dev/sdx1', label: 'BOTHY', fileSystem: 'vfat', kind: 'label', mountPoint, mark: mountPoint, ...changes });
const sourcesOf = (folder: string, volumes: Volume[] = []) => createSiteSources({ isManaged: true, clock: systemClock, root: folder, volumes: async () => volumes });

function put(folder: string, path: string, content: string | Uint8Array): void {
  mkdirSync(join(folder, path, '..'), { recursive: true });
  writeFileSync(join(folder, path), content);
}

test('the first place that holds a file wins: label, stick, boot partition, command line, fw_cfg, SMBIOS', async ({ folder }) => {
  for (const name of ['labelled', 'stick', 'esp']) mkdirSync(join(folder, name));
  const all = [volumeAt(join(folder, 'labelled')), volumeAt(join(folder, 'stick'), { kind: 'removable', label: '' }), volumeAt(join(folder, 'esp'), { kind: 'esp' })];
  const oem = 'bothy.site.base64=';
  const raw = (text: string) => Buffer.concat([Buffer.from([11, 5, 0, 0, 1]), Buffer.from(`other\0${text}\0\0`)]);
  put(folder, 'sys/firmware/dmi/entries/11-0/raw', raw(`${oem}${Buffer.from('by smbios').toString('base64')}`));
  const found = async () => (await sourcesOf(folder, all).find(signal))?.text;
  assert.is(await found(), 'by smbios');
  put(folder, 'sys/firmware/qemu_fw_cfg/by_name/opt/bothy/site/raw', 'by fw_cfg');
  assert.is(await found(), 'by fw_cfg');
  put(folder, 'srv/site.yaml', 'by command line');
  put(folder, 'proc/cmdline', 'quiet bothy.site=/srv/site.yaml ro\n');
  assert.is(await found(), 'by command line');
  put(folder, 'esp/bothy/site.yaml', 'by boot partition');
  assert.is(await found(), 'by boot partition');
  put(folder, 'stick/bothy-site.yaml', 'by stick');
  assert.is(await found(), 'by stick');
  put(folder, 'labelled/bothy-site.yaml', 'by label');
  assert.is(await found(), 'by label');
});

test('what is named and cannot be read is told, and nothing else is taken in its place', async ({ folder }) => {
  put(folder, 'sys/firmware/qemu_fw_cfg/by_name/opt/bothy/site/raw', 'by fw_cfg');
  put(folder, 'proc/cmdline', 'bothy.site=/srv/none.yaml');
  assert.match((await sourcesOf(folder).find(signal))?.fault ?? '', /cannot be read/);
  put(folder, 'srv/none.yaml', 'bothy: 1');
  put(folder, 'proc/cmdline', `bothy.site=/srv/none.yaml bothy.site.sha256=${'0'.repeat(64)}`);
  assert.match((await sourcesOf(folder).find(signal))?.fault ?? '', /SHA-256/);
  put(folder, 'proc/cmdline', 'bothy.site=http://127.0.0.1:9/site.yaml?key=secret');
  const own = await sourcesOf(folder).find(signal);
  assert.match(own?.fault ?? '', /this appliance itself/);
  assert.not.match(JSON.stringify(own), /secret/);
});

test('a stick leads nowhere else: no link out of it, no folder, nothing too large, nothing that is no text', async ({ folder }) => {
  const stick = join(folder, 'stick');
  put(folder, 'secret.yaml', 'bothy: 1');
  mkdirSync(stick);
  symlinkSync('../secret.yaml', join(stick, 'bothy-site.yaml'));
  const find = () => sourcesOf(folder, [volumeAt(stick)]).find(signal);
  assert.is(await find(), undefined);
  assert.is(await sourcesOf(folder, [volumeAt(stick)]).openFile('../secret.yaml', signal), undefined);
  rmSync(join(stick, 'bothy-site.yaml'));
  mkdirSync(join(stick, 'bothy-site.yaml'));
  assert.is(await find(), undefined);
  rmSync(join(stick, 'bothy-site.yaml'), { recursive: true });
  put(stick, 'bothy-site.yaml', Buffer.alloc(600_000, 'a'));
  assert.match((await find())?.fault ?? '', /512 KiB/);
  put(stick, 'bothy-site.yaml', Buffer.from([0xff, 0xfe, 0x62]));
  assert.match((await find())?.fault ?? '', /UTF-8/);
});

test('files at the top of sticks are told by their ending: no hidden ones, no folders, none of the boot partition, no link out of the stick', async ({ folder }) => {
  for (const [name, kind] of [['one', 'label'], ['two', 'removable'], ['esp', 'esp']] as const) put(folder, `${name}/${kind}.bundle`, kind);
  put(folder, 'one/._label.bundle', 'x');
  put(folder, 'one/deep/x.bundle', 'x');
  put(folder, 'one/notes.txt', 'x');
  mkdirSync(join(folder, 'two/folder.bundle'));
  put(folder, 'secret', 'x');
  symlinkSync('../secret', join(folder, 'two/link.bundle'));
  const volumes = [volumeAt(join(folder, 'one')), volumeAt(join(folder, 'two'), { kind: 'removable', label: 'PHOTOS', path: '/dev/sdy' }), volumeAt(join(folder, 'esp'), { kind: 'esp' })];
  assert.equal(await sourcesOf(folder, volumes).listFiles('.bundle', signal), [
    { source: 'the volume BOTHY (/dev/sdx1)', name: 'label.bundle', sizeBytes: 5 }, { source: 'the volume PHOTOS (/dev/sdy)', name: 'removable.bundle', sizeBytes: 9 },
  ]);
  assert.equal(await createSiteSources({ isManaged: false, root: folder, volumes: async () => volumes }).listFiles('.bundle', signal), []);
});

test('a stick whose files could not be listed is asked again by itself', async ({ folder }) => {
  const clock = createVirtualClock();
  const sources = createSiteSources({ isManaged: true, clock, root: folder, volumes: async () => [volumeAt(join(folder, 'late'))] });
  const before = await sources.fingerprint();
  assert.equal(await sources.listFiles('.bundle', signal), []); // its folder is not there yet
  put(folder, 'late/a.bundle', '1');
  await clock.advance(31_000);
  assert.is.not(await sources.fingerprint(), before);
  assert.is((await sources.listFiles('.bundle', signal)).length, 1);
});

test('a volume that cannot be read is tried again by itself', async ({ folder }) => {
  for (const changes of [{ kind: 'label' }, { kind: 'removable', label: '' }] as const) {
    const clock = createVirtualClock();
    const stick = join(folder, changes.kind);
    const sources = createSiteSources({ isManaged: true, clock, root: folder, volumes: async () => [volumeAt(stick, changes)] });
    const before = await sources.fingerprint();
    assert.is((await sources.find(signal))?.text, undefined); // its folder is not there yet
    put(stick, 'bothy-site.yaml', 'bothy: 1');
    await clock.advance(31_000);
    assert.is.not(await sources.fingerprint(), before);
    assert.is((await sources.find(signal))?.text, 'bothy: 1');
    const after = await sources.fingerprint();
    await clock.advance(31_000);
    assert.is(await sources.fingerprint(), after);
  }
});

test('a machine that is not ours is not looked at', async ({ folder }) => {
  put(folder, 'proc/cmdline', 'bothy.site=/srv/site.yaml');
  const volumes = async () => assert.unreachable('asked for volumes') as never;
  const sources = createSiteSources({ isManaged: false, root: folder, volumes });
  assert.equal([await sources.fingerprint(), await sources.find(signal), await sources.openFile('a', signal)], ['', undefined, undefined]);
});

// Not every kernel that runs this has vfat or iso9660; the booted image has all of them.
for (const [fileSystem, make] of Object.entries({ ext4: ['mkfs.ext4', '-q', '-F', '-L', 'BOTHY'] })) {
  test(`a ${fileSystem} stick is mounted for as long as it is read, and never written`, async ({ folder }) => {
    const image = join(folder, 'stick.img');
    await run(['truncate', '-s', '32M', image], { timeoutMs: 10_000 });
    await run([...make, image], { timeoutMs: 30_000 });
    const { stdout } = await run(['losetup', '--find', '--show', image], { timeoutMs: 10_000 });
    const device = stdout.trim();
    try {
      const mountPoint = join(folder, 'writer');
      mkdirSync(mountPoint);
      await run(['mount', device, mountPoint], { timeoutMs: 10_000 });
      put(mountPoint, 'bothy-site.yaml', 'bothy: 1');
      put(mountPoint, 'isos/a.iso', Buffer.alloc(100_000, 7));
      await run(['umount', mountPoint], { timeoutMs: 10_000 });
      const before = (await run(['sha256sum', image], { timeoutMs: 10_000 })).stdout;
      const volume = volumeAt('', { path: device, fileSystem, mountPoint: undefined });
      const sources = sourcesOf(folder, [volume]);
      assert.is((await sources.find(signal))?.text, 'bothy: 1');
      const opened = await sources.openFile('isos/a.iso', signal);
      assert.is(opened?.sizeBytes, 100_000);
      assert.is((await new Response(opened?.stream).arrayBuffer()).byteLength, 100_000);
      await opened?.close();
      const held = await openVolume(volume, signal);
      assert.throws(() => writeFileSync(join(held.folder, 'mine'), 'x'), /EROFS|read-only/);
      assert.ok(await openInside(held.folder, 'bothy-site.yaml').then(async (file) => { await file?.close(); return file; }));
      await held.close();
      assert.not.ok(existsSync(held.folder));
      assert.equal(readdirSync('/run/bothy').filter((name) => name.startsWith('site-')), []);
      assert.is((await run(['sha256sum', image], { timeoutMs: 10_000 })).stdout, before);
    } finally {
      await run(['losetup', '--detach', device], { timeoutMs: 10_000 }).catch(() => {});
    }
  });
}

test('the command line and SMBIOS as they really look', () => {
  assert.equal(parseCommandLine('BOOT_IMAGE=/x root=PARTLABEL=a bothy.site="/srv/my site.yaml" bothy.site.sha256=AB'), { site: '/srv/my site.yaml', sha256: 'AB' });
  assert.equal(parseCommandLine('xbothy.site=/a bothy.site=/b bothy.site=/c'), { site: '/c', sha256: undefined });
  assert.equal(parseCommandLine(''), { site: undefined, sha256: undefined });
  assert.equal(parseOemStrings(Buffer.from([4, 5, 0, 0, 1, 65, 0, 0])), []);
  assert.equal(parseOemStrings(Buffer.alloc(0)), []);
  assert.equal(['127.0.0.1', '::1', '::ffff:127.0.0.1', '10.0.0.5', '169.254.1.1', '192.168.1.1'].map((address) => bootFault(address, ['10.0.0.5']) === undefined), [false, false, false, false, true, true]);
});

test.run();
