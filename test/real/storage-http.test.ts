/**
 * Uploads and downloads with curl over real sockets, a real qemu-img behind them: at flat memory, through `kill -9` of the
 * service, refused early, and readable by anyone else's tools.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, readFileSync } from 'node:fs';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../appliance/core/clock.ts';
import { run, ToolError } from '../../appliance/core/run.ts';
import { MiB } from '../../appliance/core/units.ts';
import { isoImage } from '../world/iso-bytes.ts';
import { real } from './count.ts';

interface Service {
  process: ChildProcess;
  url: string;
}

interface Context extends Service {
  folder: string;
  state: string;
}

const test = suite<Context>('storage over HTTP');

/** With `sizeBytes` the state lies on a file system of its own, that small, which only the service sees. */
async function start(state: string, sizeBytes?: number): Promise<Service> {
  const program = [process.execPath, fileURLToPath(new URL('./storage-service.js', import.meta.url)), state];
  const mount = 'mkdir -p "$1" && mount -t tmpfs -o "size=$2" tmpfs "$1" && shift 2 && exec "$@"';
  const argv = sizeBytes === undefined ? program : ['unshare', '--mount', 'sh', '-c', mount, 'sh', state, String(sizeBytes), ...program];
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...argv], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [url] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  const service = { process: child, url };
  while ((await get(service, '/storage-domains')).items.length < 2) await systemClock.sleep(20);
  return service;
}

async function kill({ process: child }: Service): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

test.before.each(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), 'bothy-http-'));
  context.state = join(context.folder, 'state');
  Object.assign(context, await start(context.state));
});
test.after.each(async (context) => {
  await kill(context);
  await rm(context.folder, { recursive: true });
  real('qemu-img');
});

// biome-ignore lint/suspicious/noExplicitAny: a test looks into answers of all operations
const get = async ({ url }: Service, path: string): Promise<any> => (await fetch(url + path)).json();
const curl = (...argv: string[]) => run(['curl', '--silent', '--show-error', ...argv], { timeoutMs: 300_000 }).then(({ stdout }) => stdout);

/** How the task ended that `answer` began. */
async function ended(service: Service, answer: string): Promise<{ state: string; problem: { detail: string } | null }> {
  const { id } = JSON.parse(answer);
  assert.ok(id, answer);
  for (;;) {
    const task = await get(service, `/tasks/${id}`);
    if (task.endedAt !== null) return task;
    await systemClock.sleep(50);
  }
}

async function done(service: Service, answer: string): Promise<void> {
  const task = await ended(service, answer);
  assert.is(task.state, 'done', JSON.stringify(task.problem));
}

async function makeDisk(service: Service, body: Record<string, unknown>): Promise<void> {
  await done(service, await curl('-X', 'POST', `${service.url}/disks`, '-H', 'content-type: application/json', '-d', JSON.stringify({ name: 'root', ...body })));
}

async function randomFile(path: string, sizeBytes: number): Promise<string> {
  await run(['dd', 'if=/dev/urandom', `of=${path}`, 'bs=1M', `count=${Math.ceil(sizeBytes / MiB)}`], { timeoutMs: 120_000 });
  await truncate(path, sizeBytes);
  return digest(path);
}

async function digest(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest('hex');
}

/** Peak and present resident memory of the service, in bytes. */
function memoryOf({ process: child }: Service): { peakBytes: number; nowBytes: number } {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  const field = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) * 1024;
  return { peakBytes: field('VmHWM'), nowBytes: field('VmRSS') };
}

test('half a GiB goes up and comes down at flat memory, and is the same', async (context) => {
  const { folder, url } = context;
  const sizeBytes = 512 * MiB;
  const [file, back] = [join(folder, 'image'), join(folder, 'back')];
  const sha256 = await randomFile(file, sizeBytes);
  await makeDisk(context, { sizeBytes, format: 'raw' });
  const before = memoryOf(context).nowBytes;
  const answer = await curl('-T', file, '-H', 'x-image-format: raw', `${url}/disks/root/content`);
  assert.is(JSON.parse(answer).sha256, sha256);
  await done(context, answer);
  await curl('-o', back, `${url}/disks/root/content`);
  assert.is(await digest(back), sha256);
  const grownBytes = memoryOf(context).peakBytes - before;
  assert.ok(grownBytes < 64 * MiB, `${Math.round(grownBytes / MiB)} MiB more than before`);
});

test('the service is killed in the middle of an upload; it goes on from what was safe', async (context) => {
  const { folder, state } = context;
  const sizeBytes = 400 * MiB;
  const file = join(folder, 'image');
  const sha256 = await randomFile(file, sizeBytes);
  await makeDisk(context, { sizeBytes, format: 'raw' });
  const sending = curl('--limit-rate', '200M', '-T', file, '-H', 'x-image-format: raw', `${context.url}/disks/root/content`).catch((error: ToolError) => error);
  while (((await get(context, '/disks/root/upload').catch(() => ({}))).receivedBytes ?? 0) < 150 * MiB) await systemClock.sleep(20);
  await kill(context);
  assert.instance(await sending, ToolError);
  Object.assign(context, await start(state));
  const { receivedBytes, totalBytes } = await get(context, '/disks/root/upload');
  assert.ok(receivedBytes >= 64 * MiB && receivedBytes < sizeBytes, `${receivedBytes}`);
  assert.is(totalBytes, sizeBytes);
  const rest = join(folder, 'rest');
  await run(['sh', '-c', 'tail -c +"$1" "$2" > "$3"', 'sh', `${receivedBytes + 1}`, file, rest], { timeoutMs: 60_000 });
  const answer = await curl('-T', rest, '-H', `content-range: bytes ${receivedBytes}-${sizeBytes - 1}/${sizeBytes}`, `${context.url}/disks/root/content`);
  assert.is(JSON.parse(answer).sha256, sha256);
  await done(context, answer);
  await curl('-o', join(folder, 'back'), `${context.url}/disks/root/content`);
  assert.is(await digest(join(folder, 'back')), sha256);
});

test('curl goes on with a broken download', async (context) => {
  const { folder, url } = context;
  const [file, back] = [join(folder, 'image'), join(folder, 'back')];
  const sha256 = await randomFile(file, 20 * MiB);
  await makeDisk(context, { sizeBytes: 20 * MiB, format: 'raw' });
  await done(context, await curl('-T', file, '-H', 'x-image-format: raw', `${url}/disks/root/content`));
  await curl('-r', '0-9999999', '-o', back, `${url}/disks/root/content`);
  await curl('-C', '-', '-o', back, `${url}/disks/root/content`);
  assert.is(await digest(back), sha256);
});

for (const format of ['qcow2', 'vmdk', 'vhdx', 'vdi'] as const) {
  test(`a ${format} image, made elsewhere, becomes a disk and comes back as raw and as qcow2`, async (context) => {
    const { folder, url } = context;
    const [raw, image, back] = [join(folder, 'raw'), join(folder, 'image'), join(folder, 'back')];
    const sha256 = await randomFile(raw, 8 * MiB);
    await run(['qemu-img', 'convert', '-f', 'raw', '-O', format, raw, image], { timeoutMs: 60_000 });
    await makeDisk(context, { sizeBytes: 8 * MiB });
    await done(context, await curl('-T', image, '-H', `x-image-format: ${format}`, `${url}/disks/root/content`));
    await curl('-f', '-o', back, `${url}/disks/root/content?format=raw`);
    assert.is(await digest(back), sha256);
    await curl('-f', '-o', back, `${url}/disks/root/content`);
    await run(['qemu-img', 'convert', '-f', 'qcow2', '-O', 'raw', back, raw], { timeoutMs: 60_000 });
    assert.is(await digest(raw), sha256);
  });
}

test('a hostile image is refused at its first 64 KiB: curl need not send the rest', async (context) => {
  const { folder, url } = context;
  const image = join(folder, 'layer.qcow2');
  await run(['qemu-img', 'create', '-q', '-f', 'qcow2', '-b', '/etc/hostname', '-F', 'raw', image, '100M'], { timeoutMs: 60_000 });
  await truncate(image, 1024 * MiB);
  await makeDisk(context, { sizeBytes: 2048 * MiB });
  const answer = await curl('-T', image, '-H', 'x-image-format: qcow2', '-w', '\\n%{size_upload} %{http_code}', `${url}/disks/root/content`);
  const [body = '', figures = ''] = answer.trim().split('\n');
  assert.match(JSON.parse(body).detail, 'backing file "/etc/hostname"');
  const [sentBytes, status] = figures.split(' ').map(Number);
  assert.is(status, 400);
  assert.ok((sentBytes ?? 0) < 100 * MiB, `${sentBytes} bytes were sent`);
  assert.is((await get(context, '/disks/root')).state, 'ok');
});

test('a vmdk that QEMU cannot read to its end fails the import with advice', async (context) => {
  const { folder, url } = context;
  const [raw, image] = [join(folder, 'raw'), join(folder, 'image')];
  await randomFile(raw, 8 * MiB);
  await run(['qemu-img', 'convert', '-f', 'raw', '-O', 'vmdk', '-o', 'subformat=streamOptimized', raw, image], { timeoutMs: 60_000 });
  await truncate(image, 2 * MiB);
  await makeDisk(context, { sizeBytes: 8 * MiB });
  const task = await ended(context, await curl('-T', image, '-H', 'x-image-format: vmdk', `${url}/disks/root/content`));
  assert.is(task.state, 'failed');
  assert.match(task.problem?.detail ?? '', 'qemu-img cannot read it. It is probably damaged or cut off');
  assert.is((await get(context, '/disks/root')).state, 'ok');
});

test('a full file system stops an upload with figures, keeps what arrived, and is free again when it is cancelled', async (context) => {
  await kill(context);
  Object.assign(context, await start(context.state, 300 * MiB));
  const { url, folder } = context;
  await makeDisk(context, { sizeBytes: 1024 * MiB, format: 'raw' });
  const tooLarge = join(folder, 'large');
  await randomFile(tooLarge, 400 * MiB);
  const isRaw = ['-H', 'x-image-format: raw'];
  assert.match(JSON.parse(await curl('-T', tooLarge, ...isRaw, `${url}/disks/root/content`)).detail, 'This needs 400 MiB, but the storage domain "local" has room for');
  // Its size not told: it has to find out on the way.
  const problem = JSON.parse(await curl('-H', 'transfer-encoding: chunked', '-T', tooLarge, ...isRaw, `${url}/disks/root/content`));
  assert.equal([problem.type, problem.status], ['insufficient-storage', 507]);
  assert.ok((await get(context, '/disks/root/upload')).receivedBytes >= 128 * MiB);
  assert.is((await get(context, '/storage-domains/local')).status, 'active');
  await done(context, await curl('-X', 'DELETE', `${url}/disks/root/upload`));
  assert.is((await get(context, '/disks/root')).state, 'ok');
});

test('an image that would not fit when it is unpacked is refused before it is', async (context) => {
  await kill(context);
  Object.assign(context, await start(context.state, 300 * MiB));
  const { url, folder } = context;
  const [raw, image] = [join(folder, 'raw'), join(folder, 'image')];
  await writeFile(raw, Buffer.alloc(400 * MiB, 'compresses well '));
  await run(['qemu-img', 'convert', '-c', '-f', 'raw', '-O', 'qcow2', raw, image], { timeoutMs: 60_000 });
  await makeDisk(context, { sizeBytes: 400 * MiB, format: 'raw' });
  const task = await ended(context, await curl('-T', image, '-H', 'x-image-format: qcow2', `${url}/disks/root/content`));
  assert.is(task.state, 'failed');
  assert.match(task.problem?.detail ?? '', /This needs 400(\.\d)? MiB, but the storage domain "local" has room for/);
  assert.is((await get(context, '/storage-domains/local')).reservedBytes, 0);
});

test('an ISO file goes up as the README says', async (context) => {
  const { folder, url } = context;
  const file = join(folder, 'small.iso');
  await writeFile(file, isoImage(4 * MiB));
  const answer = JSON.parse(await curl('-f', '-T', file, `${url}/storage-domains/isos/files/memtest.iso`));
  assert.equal([answer.name, answer.sha256], ['memtest.iso', await digest(file)]);
  assert.is((await get(context, '/storage-domains/isos/files')).items[0].name, 'memtest.iso');
});

test.run();
