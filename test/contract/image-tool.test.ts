/**
 * The image tool and the disk gauge of the World: the same cases on the simulated ones and on the real qemu-img and
 * statfs. Below them, what only qemu-img can show: that hostile images are caught, by us before it and by it behind us.
 */
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { run, ToolError } from '../../appliance/core/run.ts';
import { GiB, MiB } from '../../appliance/core/units.ts';
import { createDiskSpace } from '../../appliance/storage/disk-space.ts';
import { checkDeclared, headerBytes, recognise } from '../../appliance/storage/image-header.ts';
import { createQemuImg } from '../../appliance/storage/qemu-img.ts';
import type { DiskSpace, ImageFormat, ImageSource, ImageTool } from '../../appliance/world.ts';
import { real } from '../real/count.ts';
import { createSimulatedDisk } from '../world/disk-space.ts';
import { type GuestWrite, qemuIoWrite, simulatedWrite } from '../world/guest-disk.ts';
import { createSimulatedImageTool, writeImage } from '../world/image-tool.ts';

interface Parts {
  name: string;
  tool: ImageTool;
  disk: DiskSpace;
  /** Makes an image of a format that only others write, with `content` at its start. */
  makeForeign(path: string, format: ImageFormat, content: Buffer): Promise<void>;
  guestWrite: GuestWrite;
  /** Tells the runner that a real part took part. */
  count(): void;
}

const qemuImg = createQemuImg();
const signal = new AbortController().signal;
const content = Buffer.concat([Buffer.from('boot sector'), Buffer.alloc(3 * MiB), Buffer.from('far away')]);

async function rejection(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    assert.instance(error, Error);
    return error as Error; // asserted above
  }
  throw new Error('it did not fail');
}

async function readHeader(path: string): Promise<Buffer> {
  return (await readFile(path)).subarray(0, headerBytes);
}

function defineCases({ name, tool, disk, makeForeign, guestWrite, count }: Parts): void {
  const test = suite(`image tool, ${name}`, { folder: '' });
  test.before.each(async (context) => {
    context.folder = await mkdtemp(join(tmpdir(), 'bothy-image-'));
  });
  test.after.each(async (context) => {
    await rm(context.folder, { recursive: true });
    count();
  });

  test('creates raw and qcow2 images that its own header check accepts', async ({ folder }) => {
    for (const format of ['raw', 'qcow2'] as const) {
      const path = join(folder, format);
      await tool.create(path, { format, sizeBytes: 64 * MiB, preallocated: false, signal });
      const info = await tool.info(path, format, signal);
      assert.is(info.format, format);
      assert.is(info.virtualSizeBytes, 64 * MiB);
      assert.ok(info.actualSizeBytes < MiB, `a sparse image took ${info.actualSizeBytes} bytes`);
      assert.is(info.isEncrypted, false);
      assert.is(info.backingFile, undefined);
      const header = await readHeader(path);
      assert.is(recognise(header), format === 'raw' ? undefined : format);
      assert.equal(checkDeclared(format, header, (await stat(path)).size), { isOk: true, virtualSizeBytes: 64 * MiB });
    }
  });

  test('a preallocated image takes its room at once', async ({ folder }) => {
    for (const format of ['raw', 'qcow2'] as const) {
      const path = join(folder, format);
      await tool.create(path, { format, sizeBytes: 16 * MiB, preallocated: true, signal });
      assert.ok((await tool.info(path, format, signal)).actualSizeBytes >= 16 * MiB);
    }
  });

  test('creating again replaces what was there', async ({ folder }) => {
    const path = join(folder, 'disk');
    await writeFile(path, content);
    await tool.create(path, { format: 'raw', sizeBytes: 8 * MiB, preallocated: false, signal });
    assert.ok((await readFile(path)).equals(Buffer.alloc(8 * MiB)));
  });

  test('grows an image, keeps its content, and never shrinks it', async ({ folder }) => {
    const path = join(folder, 'disk');
    await writeFile(path, content);
    await tool.resize(path, { format: 'raw', sizeBytes: 8 * MiB, preallocated: false, signal });
    const grown = await readFile(path);
    assert.is(grown.length, 8 * MiB);
    assert.ok(grown.subarray(0, content.length).equals(content));
    assert.instance(await rejection(tool.resize(path, { format: 'raw', sizeBytes: MiB, preallocated: false, signal })), ToolError);

    const qcow2 = join(folder, 'qcow2');
    await tool.create(qcow2, { format: 'qcow2', sizeBytes: MiB, preallocated: false, signal });
    await tool.resize(qcow2, { format: 'qcow2', sizeBytes: 9 * MiB, preallocated: false, signal });
    assert.is((await tool.info(qcow2, 'qcow2', signal)).virtualSizeBytes, 9 * MiB);
  });

  test('growing a preallocated image takes the room that it gains', async ({ folder }) => {
    const path = join(folder, 'disk');
    await tool.create(path, { format: 'raw', sizeBytes: 4 * MiB, preallocated: true, signal });
    await tool.resize(path, { format: 'raw', sizeBytes: 12 * MiB, preallocated: true, signal });
    assert.ok((await tool.info(path, 'raw', signal)).actualSizeBytes >= 12 * MiB);
  });

  for (const format of ['raw', 'qcow2', 'vmdk', 'vhdx', 'vdi'] as const) {
    test(`converts from ${format} and keeps the content`, async ({ folder }) => {
      const [foreign, target, back] = [join(folder, 'foreign'), join(folder, 'target'), join(folder, 'back')];
      await makeForeign(foreign, format, content);
      const size = (await tool.info(foreign, format, signal)).virtualSizeBytes;
      assert.ok(checkDeclared(format, await readHeader(foreign), (await stat(foreign)).size).isOk);
      const fractions: number[] = [];
      const progress = (fraction: number) => fractions.push(fraction);
      await tool.convert({ path: foreign, format }, { path: target, format: 'qcow2', preallocated: false }, { signal, progress });
      assert.is((await tool.info(target, 'qcow2', signal)).virtualSizeBytes, size);
      await tool.convert({ path: target, format: 'qcow2' }, { path: back, format: 'raw', preallocated: false }, { signal, progress: () => {} });
      const wanted = Buffer.alloc(size);
      content.copy(wanted);
      assert.ok((await readFile(back)).equals(wanted), 'the content changed');
      assert.is(fractions.at(-1), 1, 'progress ends at 1');
      assert.ok(fractions.every((fraction, index) => fraction >= (fractions[index - 1] ?? 0)), 'progress never goes back');
    });
  }

  for (const base of ['raw', 'qcow2'] as const) {
    test(`layers over a ${base} image: what each holds, merged into what lies below`, async ({ folder }) => {
      const [bottom, middle, top] = [join(folder, 'bottom'), join(folder, 'middle'), join(folder, 'top')];
      await makeForeign(bottom, base, content);
      await tool.createLayer(middle, { sizeBytes: 4 * MiB, below: { name: 'bottom', format: base }, signal });
      await tool.createLayer(top, { sizeBytes: 6 * MiB, below: { name: 'middle', format: 'qcow2' }, signal });
      const two: ImageSource = { path: middle, format: 'qcow2', below: { path: bottom, format: base } };
      const three: ImageSource = { path: top, format: 'qcow2', below: two };
      await guestWrite(two, 65536, 65536, 2);
      await guestWrite(three, 5 * MiB, 65536, 3);
      assert.is((await tool.info(top, 'qcow2', signal)).backingFile, 'middle');
      assert.is((await tool.info(top, 'qcow2', signal)).virtualSizeBytes, 6 * MiB);
      const shown = async (image: ImageSource) => {
        const flat = join(folder, 'flat');
        await tool.convert(image, { path: flat, format: 'raw', preallocated: false }, { signal, progress: () => {} });
        return readFile(flat);
      };
      const wanted = Buffer.alloc(6 * MiB);
      content.copy(wanted);
      wanted.fill(2, 65536, 2 * 65536);
      wanted.fill(3, 5 * MiB, 5 * MiB + 65536);
      assert.ok((await shown(three)).equals(wanted), 'the chain shows something else');
      assert.ok((await shown(two)).equals(wanted.subarray(0, 4 * MiB)), 'the middle shows something else');
      assert.ok((await tool.measure(three, 'qcow2', signal)).requiredBytes > 2 * 65536);

      // The middle into the bottom, twice, as after a kill: what the top shows stays.
      for (let time = 0; time < 2; time++) await tool.commit(two, { signal, progress: () => {} });
      assert.ok((await shown(three)).equals(wanted), 'the merge changed what the top shows');
      await tool.nameBelow(top, { name: 'bottom', format: base }, signal);
      assert.is((await tool.info(top, 'qcow2', signal)).backingFile, 'bottom');
      const short: ImageSource = { path: top, format: 'qcow2', below: { path: bottom, format: base } };
      assert.ok((await shown(short)).equals(wanted), 'without the middle the top shows something else');

      // The top into the bottom, which is shorter.
      await tool.resize(bottom, { format: base, sizeBytes: 6 * MiB, preallocated: false, signal });
      await tool.commit(short, { signal, progress: () => {} });
      assert.ok((await shown({ path: bottom, format: base })).equals(wanted), 'the bottom does not hold what the chain showed');
    });
  }

  test('nothing is merged into what has nothing below, or lies nowhere', async ({ folder }) => {
    const path = join(folder, 'disk');
    await tool.create(path, { format: 'qcow2', sizeBytes: MiB, preallocated: false, signal });
    assert.instance(await rejection(tool.commit({ path, format: 'qcow2' }, { signal, progress: () => {} })), ToolError);
    assert.instance(await rejection(tool.commit({ path, format: 'qcow2', below: { path: join(folder, 'none'), format: 'raw' } }, { signal, progress: () => {} })), ToolError);
  });

  test('converts into a preallocated image', async ({ folder }) => {
    const [from, to] = [join(folder, 'from'), join(folder, 'to')];
    await makeForeign(from, 'qcow2', content);
    await tool.convert({ path: from, format: 'qcow2' }, { path: to, format: 'raw', preallocated: true }, { signal, progress: () => {} });
    const info = await tool.info(to, 'raw', signal);
    assert.ok(info.actualSizeBytes >= info.virtualSizeBytes);
  });

  test('a raw image may hold a qcow2 header: its format is what we say, not what it looks like', async ({ folder }) => {
    const path = join(folder, 'disk');
    await makeForeign(path, 'qcow2', content);
    const { size } = await stat(path);
    assert.is((await tool.info(path, 'raw', signal)).virtualSizeBytes, Math.ceil(size / 512) * 512);
  });

  test('measures what a conversion needs', async ({ folder }) => {
    const path = join(folder, 'disk');
    await tool.create(path, { format: 'qcow2', sizeBytes: 64 * MiB, preallocated: false, signal });
    const sparse = await tool.measure({ path, format: 'qcow2' }, 'qcow2', signal);
    assert.ok(sparse.requiredBytes < 2 * MiB, `${sparse.requiredBytes}`);
    assert.ok(sparse.fullyAllocatedBytes >= 64 * MiB);
    const raw = await tool.measure({ path, format: 'qcow2' }, 'raw', signal);
    assert.is(raw.fullyAllocatedBytes, 64 * MiB);
  });

  test('finds nothing wrong with a sound image', async ({ folder }) => {
    const path = join(folder, 'disk');
    await tool.create(path, { format: 'qcow2', sizeBytes: MiB, preallocated: false, signal });
    assert.equal(await tool.check(path, 'qcow2', signal), { corruptions: 0, leaks: 0 });
    assert.equal(await tool.check(path, 'raw', signal), { corruptions: 0, leaks: 0 });
  });

  test('refuses a missing file, a wrong format, a relative path', async ({ folder }) => {
    assert.instance(await rejection(tool.info(join(folder, 'none'), 'raw', signal)), ToolError);
    const path = join(folder, 'disk');
    await writeFile(path, content);
    assert.instance(await rejection(tool.info(path, 'qcow2', signal)), ToolError);
    assert.match((await rejection(tool.info('nbd:localhost:10809', 'raw', signal))).message, 'not an absolute path');
    assert.match((await rejection(tool.create('disk', { format: 'raw', sizeBytes: MiB, preallocated: false, signal }))).message, 'not an absolute path');
  });

  test('a colon or a comma in a path is only a character', async ({ folder }) => {
    const path = join(folder, 'nbd:host,file=x:"y');
    await tool.create(path, { format: 'qcow2', sizeBytes: MiB, preallocated: false, signal });
    assert.is((await tool.info(path, 'qcow2', signal)).virtualSizeBytes, MiB);
    await tool.resize(path, { format: 'qcow2', sizeBytes: 2 * MiB, preallocated: false, signal });
    assert.is((await tool.info(path, 'qcow2', signal)).virtualSizeBytes, 2 * MiB);
  });

  test('stops when its signal has aborted', async ({ folder }) => {
    const path = join(folder, 'disk');
    await writeFile(path, content);
    const error = await rejection(tool.info(path, 'raw', AbortSignal.abort()));
    assert.instance(error, ToolError);
    assert.is((error as ToolError).failure, 'aborted'); // asserted above
  });

  test('the disk gauge shows a size and what is free of it', async ({ folder }) => {
    const { totalBytes, freeBytes } = await disk.capacity(folder);
    assert.ok(totalBytes > 0 && freeBytes >= 0 && freeBytes <= totalBytes, `${freeBytes} of ${totalBytes}`);
  });

  test.run();
}

const simulatedDisk = createSimulatedDisk(100 * GiB);
defineCases({
  name: 'simulated',
  tool: createSimulatedImageTool(simulatedDisk),
  guestWrite: simulatedWrite,
  disk: simulatedDisk,
  count: () => {},
  async makeForeign(path, format, bytes) {
    await writeImage(path, format, 4 * MiB);
    const image = await readFile(path);
    bytes.copy(image, format === 'raw' ? 0 : headerBytes);
    await writeFile(path, image);
  },
});

/** Runs qemu-img as another machine's would, with none of our care. */
const foreignTool = (...argv: string[]) => run(['qemu-img', ...argv], { timeoutMs: 60_000 });

defineCases({
  name: 'qemu-img',
  tool: qemuImg,
  disk: createDiskSpace(),
  guestWrite: qemuIoWrite,
  count: () => real('qemu-img'),
  async makeForeign(path, format, bytes) {
    await writeFile(`${path}.raw`, Buffer.concat([bytes, Buffer.alloc(4 * MiB - bytes.length)]));
    await foreignTool('convert', '-f', 'raw', '-O', format, `${path}.raw`, path);
  },
});

const hostile = suite('hostile images, qemu-img', { folder: '' });
hostile.before.each(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), 'bothy-hostile-'));
});
hostile.after.each(async (context) => {
  await rm(context.folder, { recursive: true });
  real('qemu-img');
});

const refusal = async (format: ImageFormat, path: string) => {
  const check = checkDeclared(format, await readHeader(path), (await stat(path)).size);
  return check.isOk ? 'accepted' : check.reason;
};

hostile('a backing file is refused, and never read even if it were not', async ({ folder }) => {
  const [secret, path, out] = [join(folder, 'secret'), join(folder, 'layer'), join(folder, 'out')];
  await writeFile(secret, Buffer.alloc(MiB, 'secret'));
  await foreignTool('create', '-q', '-f', 'qcow2', '-b', secret, '-F', 'raw', path);
  assert.match(await refusal('qcow2', path), `backing file "${secret}"`);
  assert.is((await qemuImg.info(path, 'qcow2', signal)).backingFile, secret);
  await qemuImg.convert({ path, format: 'qcow2' }, { path: out, format: 'raw', preallocated: false }, { signal, progress: () => {} });
  assert.ok((await readFile(out)).equals(Buffer.alloc(MiB)), 'the secret leaked');
});

hostile('a data file is refused', async ({ folder }) => {
  const path = join(folder, 'disk');
  await foreignTool('create', '-q', '-f', 'qcow2', '-o', `data_file=${folder}/data,data_file_raw=on`, path, '1M');
  assert.match(await refusal('qcow2', path), 'data file');
  assert.is((await qemuImg.info(path, 'qcow2', signal)).dataFile, join(folder, 'data'));
});

hostile('both kinds of encryption are refused', async ({ folder }) => {
  for (const format of ['aes', 'luks']) {
    const path = join(folder, format);
    const options = `encrypt.format=${format},encrypt.key-secret=key`;
    await foreignTool('create', '-q', '-f', 'qcow2', '--object', 'secret,id=key,data=abc', '-o', options, path, '1M');
    assert.match(await refusal('qcow2', path), 'encrypted');
    assert.ok((await qemuImg.info(path, 'qcow2', signal)).isEncrypted);
  }
});

hostile('a VMDK with a parent, with extents elsewhere, or only a descriptor is refused', async ({ folder }) => {
  const [base, layer, split, flat] = ['base.vmdk', 'layer.vmdk', 'split.vmdk', 'flat.vmdk'].map((name) => join(folder, name)) as [string, string, string, string];
  await foreignTool('create', '-q', '-f', 'vmdk', base, '1M');
  assert.is(await refusal('vmdk', base), 'accepted');
  await foreignTool('create', '-q', '-f', 'vmdk', '-b', base, '-F', 'vmdk', layer);
  assert.match(await refusal('vmdk', layer), 'layer over another VMDK');
  for (const [kind, path] of [['twoGbMaxExtentSparse', split], ['monolithicFlat', flat]] as const) {
    await foreignTool('create', '-q', '-f', 'vmdk', '-o', `subformat=${kind}`, path, '1M');
    assert.match(await refusal('vmdk', path), 'only the descriptor');
  }
});

hostile('streamOptimized VMDKs, as OVAs carry them, are accepted', async ({ folder }) => {
  const [raw, path] = [join(folder, 'raw'), join(folder, 'disk.vmdk')];
  await writeFile(raw, content);
  await foreignTool('convert', '-f', 'raw', '-O', 'vmdk', '-o', 'subformat=streamOptimized', raw, path);
  assert.is(await refusal('vmdk', path), 'accepted');
});

hostile('other formats are refused with what to do', async ({ folder }) => {
  for (const [format, text] of [['vpc', 'VHD image'], ['qcow', 'qcow image of version 1']] as const) {
    const path = join(folder, format);
    await foreignTool('create', '-q', '-f', format, path, '1M');
    assert.match(await refusal('raw', path), text);
  }
});

hostile('damage is found by the check', async ({ folder }) => {
  const path = join(folder, 'disk');
  await writeFile(`${path}.raw`, content);
  await foreignTool('convert', '-f', 'raw', '-O', 'qcow2', `${path}.raw`, path);
  const image = await readFile(path);
  image.fill(0, 0x20000, 0x30000); // the first refcount block of a fresh image
  await writeFile(path, image);
  assert.ok((await qemuImg.check(path, 'qcow2', signal)).corruptions > 0);
});

hostile('a header that asks for endless memory is stopped', async ({ folder }) => {
  const path = join(folder, 'disk');
  await foreignTool('create', '-q', '-f', 'qcow2', path, '1M');
  const image = await readFile(path);
  image.writeBigUInt64BE(1n << 60n, 24); // virtual size
  image.writeUInt32BE(0x7fffffff, 36); // entries of the first-level table
  await writeFile(path, image);
  const started = performance.now();
  assert.instance(await rejection(qemuImg.info(path, 'qcow2', signal)), ToolError);
  assert.ok(performance.now() - started < 30_000);
});

hostile('an image that another process writes is refused, not read', async ({ folder }) => {
  const path = join(folder, 'disk');
  await qemuImg.create(path, { format: 'qcow2', sizeBytes: MiB, preallocated: false, signal });
  const stop = new AbortController();
  const argv = ['qemu-io', '-f', 'qcow2', '-c', 'sleep 60000', path];
  const writing = run(argv, { timeoutMs: 60_000, signal: stop.signal }).catch(() => {});
  let refused: unknown;
  const latest = performance.now() + 40_000; // the writer may be slow to open it
  while (!refused && performance.now() < latest) refused = await qemuImg.info(path, 'qcow2', signal).then(() => undefined, (error) => error);
  assert.match(String(refused), 'lock');
  stop.abort();
  await writing;
});

hostile('a cancelled conversion ends at once', async ({ folder }) => {
  const [from, to] = [join(folder, 'from'), join(folder, 'to')];
  await qemuImg.create(from, { format: 'raw', sizeBytes: 2 * GiB, preallocated: false, signal });
  await run(['dd', 'if=/dev/urandom', `of=${from}`, 'bs=1M', 'count=256', 'conv=notrunc'], { timeoutMs: 60_000 });
  const stop = new AbortController();
  const started = performance.now();
  const options = { signal: stop.signal, progress: () => stop.abort() };
  const error = await rejection(qemuImg.convert({ path: from, format: 'raw' }, { path: to, format: 'qcow2', preallocated: false }, options));
  assert.is((error as ToolError).failure, 'aborted');
  assert.ok(performance.now() - started < 5_000, 'it went on');
});

hostile.run();
