/**
 * A full file system: guests wait and go on, uploads and disks are refused and leave nothing, the service itself outlives
 * a state folder that takes no more. On small file systems of a rack host, with a guest that writes all it can.
 */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { real } from './count.ts';
import { bootDisk, BOOT_GUEST_READY, GREEDY } from './guest/boot-guest.ts';
import { MiB, octets } from './kill-subjects.ts';
import { openRackHost, type RackHost } from './rack-host.ts';
import { openService, type Problem, type Service } from './service.ts';

/** A service whose storage domains, or all of whose state, lie on a file system of `sizeBytes`. */
async function withSmallDisk(sizeBytes: number, place: 'storage' | 'state', work: (service: Service, disk: string) => Promise<void>): Promise<void> {
  const host = await openRackHost();
  let service: Service | undefined;
  try {
    const disk = await host.smallDisk(sizeBytes);
    if (place === 'storage') await bind(host, disk, host.path('state/storage'));
    service = await openService(host, place === 'state' ? { statePath: disk } : {});
    await service.must('PATCH', '/storage-domains/local', { criticalSpaceBytes: 2 * MiB });
    await service.must('PATCH', '/storage-domains/isos', { criticalSpaceBytes: 2 * MiB });
    await work(service, disk);
  } catch (error) {
    console.log(service?.logs());
    throw error;
  } finally {
    await host.close();
  }
}

async function bind(host: RackHost, from: string, to: string): Promise<void> {
  await host.must(['mkdir', '-p', to]);
  await host.must(['mount', '--bind', from, to]);
}

/** Takes all room that is left; the file can be removed again. */
const fill = ({ host }: Service, disk: string) => host.run(['dd', 'if=/dev/zero', `of=${disk}/ballast`, 'bs=64k']);
const reserved = async (service: Service) => (await service.must<{ items: { reservedBytes: number }[] }>('GET', '/storage-domains')).items.map(({ reservedBytes }) => reservedBytes);

for (const place of ['storage', 'state'] as const) test(`a guest that fills the file system of the ${place} is paused with the reason, and goes on by itself when there is room`, () => withSmallDisk(48 * MiB, place, async (service, disk) => {
  await service.carryOut('POST', '/disks', { name: 'root', sizeBytes: 64 * MiB });
  await service.carryOut('PUT', '/disks/root/content', readFileSync(await bootDisk({ ...GREEDY, format: 'qcow2' })), { ...octets, 'x-image-format': 'qcow2' });
  const { id } = await service.must<{ id: string }>('POST', '/vms', { name: 'greedy', memoryBytes: 64 * MiB, disks: [{ disk: 'root' }] });
  await service.carryOut('POST', '/vms/greedy/start');
  const serial = () => service.host.must(['cat', `${service.statePath}/run/vms/${id}/serial.log`]);

  const paused = await service.vmIs('greedy', 'paused', 'no-space');
  assert.match(paused.explanation?.cause ?? '', /storage domain is full/);
  assert.match(paused.explanation?.nextStep ?? '', /Make room.*resumes by itself/);
  const event = (await service.events('greedy')).find(({ code }) => code === 'vm.paused-no-space');
  assert.ok(event?.severity === 'error' && event.nextStep);
  assert.match(await serial(), new RegExp(BOOT_GUEST_READY));
  const before = await serial();
  assert.is((await service.api('POST', '/disks', { name: 'more', sizeBytes: 16 * MiB, allocation: 'preallocated' })).status, 507);

  await service.host.must(['mount', '-o', 'remount,size=160m', disk]);
  await service.vmIs('greedy', 'up');
  await service.until('the guest writes on', async () => (await serial()).length > before.length + 20);
  assert.not.match(await serial(), /disk error/, 'the guest has lost no write');
  assert.ok((await service.events('greedy')).some(({ code }) => code === 'vm.resumed'));
  await service.carryOut('POST', '/vms/greedy/power-off');
  const image = (await service.host.must(['find', disk, '-size', '+20M', '-path', '*/images/*', '-type', 'f'])).trim();
  await service.host.must(['qemu-img', 'check', '-q', '-f', 'qcow2', image]);
  real('libvirt', 'qemu', 'qemu-img');
}));

/** An upload by curl, which reads a refusal that comes before it has sent everything. `body` is a file or `-` with a size unknown to the service. */
async function put<T>({ host, token }: Service, path: string, body: string, format?: string): Promise<{ status: number; body: T }> {
  const headers = [`authorization: Bearer ${token}`, ...(format ? [`x-image-format: ${format}`] : [])].flatMap((header) => ['-H', header]);
  const command = ['curl', '-s', '-w', '\n%{http_code}', ...headers, '-T', body, `http://127.0.0.1:8080/api/v1${path}`];
  const output = await host.must(body === '-' ? ['bash', '-c', `head -c ${8 * MiB} /dev/urandom | "$@"`, '-', ...command] : command);
  const [text = '', status] = output.split(/\n(?=\d+$)/);
  return { status: Number(status), body: JSON.parse(text) };
}

test('what cannot fit is refused before it begins or where room ends, and leaves nothing', () => withSmallDisk(48 * MiB, 'storage', async (service, disk) => {
  const { host } = service;
  const files = async () => (await host.must(['find', disk, '-type', 'f', '-path', '*/images/*'])).split('\n').filter(Boolean).length;
  await service.carryOut('POST', '/disks', { name: 'root', sizeBytes: 64 * MiB, format: 'raw' });
  const before = await files();
  const large = host.path('large');
  await host.must(['sh', '-c', `head -c ${56 * MiB} /dev/urandom >${large}`]);
  const refusals = [
    await put<Problem>(service, '/storage-domains/isos/files/large.iso', large),
    await put<Problem>(service, '/disks/root/content', large, 'raw'),
    await service.api<Problem>('POST', '/disks', { name: 'whole', sizeBytes: 64 * MiB, format: 'raw', allocation: 'preallocated' }),
  ];
  for (const { status, body } of refusals) {
    assert.is(status, 507, JSON.stringify(body));
    assert.match(body.detail, /Delete disks or images|enlarge its file system/);
  }
  assert.is(await files(), before);
  assert.equal(await reserved(service), [0, 0]);
  assert.is((await service.must<{ state: string }>('GET', '/disks/root')).state, 'ok');

  await fill(service, disk);
  const streamed = await put<Problem>(service, '/disks/root/content', '-', 'raw');
  assert.is(streamed.status, 507, JSON.stringify(streamed.body));
  await host.must(['rm', `${disk}/ballast`]);
  const { status, body } = await put<{ id: string }>(service, '/disks/root/content', '-', 'raw');
  assert.is(status, 202, JSON.stringify(body));
  assert.is((await service.task(body.id)).state, 'done');
  await service.settle();
  assert.equal(await reserved(service), [0, 0]);
  assert.is(await files(), before);
  real('qemu-img');
}));

test('on a full state folder the service goes on, and what makes room can be done', () => withSmallDisk(64 * MiB, 'state', async (service, disk) => {
  for (const name of ['one', 'two']) await service.carryOut('POST', '/disks', { name, sizeBytes: 8 * MiB, allocation: 'preallocated' });
  await fill(service, disk);
  await service.must('POST', '/vms', { name: 'small', memoryBytes: 64 * MiB });
  await service.restart();
  await service.carryOut('DELETE', '/disks/one');
  await fill(service, disk);
  assert.is(await service.stop(), 0);
  await service.start();
  await service.carryOut('DELETE', '/disks/two');
  assert.is((await service.must<{ state: string }>('GET', '/vms/small')).state, 'down');
  real('qemu-img');
}));

test.run();
