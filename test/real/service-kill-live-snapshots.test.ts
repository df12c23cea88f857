/**
 * Snapshots of a VM that runs, on libvirt, QEMU and qemu-img: a guest of one sector writes its count to one place after the other and says over
 * its serial line how far it is. Snapshots are taken and deleted under it while the service is killed again and again, and QEMU in the end: every
 * write that it has told of must be there, and a snapshot must hold all writes up to one of them and none after it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { real } from './count.ts';
import { bootDisk } from './guest/boot-guest.ts';
import { octets } from './kill-subjects.ts';
import { type Service, type Vm, withService } from './service.ts';
import { type Disk, volumesOf } from './service-files.ts';

const [name, firstLba, sectors] = ['writer', 2048, 8];
const sizeBytes = 16 * 2 ** 20;

interface Snapshot {
  name: string;
  state: string;
  consistency: string;
}

async function start(service: Service): Promise<void> {
  await service.carryOut('POST', '/disks', { name, sizeBytes });
  const disk = readFileSync(await bootDisk({ sectors, periodTicks: 2, sizeBytes }));
  const { id } = await service.must<{ id: string }>('PUT', `/disks/${name}/content`, disk, { ...octets, 'x-image-format': 'raw' });
  assert.is((await service.task(id)).state, 'done');
  await service.must('POST', '/vms', { name, memoryBytes: 64 * 2 ** 20, disks: [{ disk: name }] });
  await service.carryOut('POST', `/vms/${name}/start`);
}

/** How many writes the guest has told of since it was started. */
async function told(service: Service): Promise<number> {
  const { id } = await service.must<Vm>('GET', `/vms/${name}`);
  const line = await service.host.must(['cat', join(service.statePath, 'run/vms', id, 'serial.log')]);
  assert.not.match(line, /disk error/);
  return Number.parseInt([...line.matchAll(/tick ([0-9a-f]{8})/g)].at(-1)?.[1] ?? '0', 16);
}

async function moreWrites(service: Service, count = 8): Promise<number> {
  const before = await told(service);
  await service.until('the guest goes on writing', async () => (await told(service)) >= before + count, 60_000);
  return told(service);
}

/** The counts that lie on the disk as it is now, in order of their places, up to the first place that is empty. */
async function written(service: Service): Promise<number[]> {
  const content = Buffer.from(await service.must<Uint8Array>('GET', `/disks/${name}/content?format=raw`));
  const counts: number[] = [];
  for (let at = firstLba * 512; at + sectors * 512 <= content.length; at += sectors * 512) counts.push(content.readUInt32LE(at));
  const end = counts.findIndex((count, place) => count !== place);
  assert.equal(counts.slice(end).filter((count) => count !== 0), [], 'nothing lies behind the first empty place');
  return counts.slice(0, end);
}

const take = (service: Service, called: string) => service.carryOut('POST', `/vms/${name}/snapshots`, { name: called });
const list = async (service: Service) => (await service.must<{ items: Snapshot[] }>('GET', `/vms/${name}/snapshots`)).items;
const volumes = async (service: Service) => (await volumesOf(service, (await service.must<Disk>('GET', `/disks/${name}`)).id)).length;

/** Kills the service some time after the request, again and again until its task has ended. */
async function underKills(service: Service, request: () => Promise<{ id: string }>, pausesMs: number[]): Promise<void> {
  const { id } = await request();
  for (const pauseMs of pausesMs) {
    await sleep(pauseMs);
    await service.restart();
  }
  const task = await service.task(id);
  assert.is(task.state, 'done', JSON.stringify(task.problem));
}

test('a guest writes on while snapshots of it are taken and deleted, and every write is there after kills of service and QEMU', () => withService({}, async (service) => {
  await start(service);
  await moreWrites(service);
  await take(service, 'one');
  await moreWrites(service);
  const low = await told(service);
  await take(service, 'two');
  const high = await moreWrites(service);
  await take(service, 'three');
  await moreWrites(service);
  assert.equal((await list(service)).map(({ state, consistency }) => `${state} ${consistency}`), ['ok crash', 'ok crash', 'ok crash']);
  assert.is(await volumes(service), 4);

  await service.carryOut('DELETE', `/vms/${name}/snapshots/one`); // below the top
  assert.is(await volumes(service), 3);
  await service.carryOut('DELETE', `/vms/${name}/snapshots/three`); // the top: the guest changes over
  assert.is(await volumes(service), 2);
  await moreWrites(service);

  for (const pausesMs of [[5], [60, 30], [150], [300, 10]]) {
    await underKills(service, () => service.must('POST', `/vms/${name}/snapshots`, { name: 'four' }), pausesMs);
    await moreWrites(service);
    await underKills(service, () => service.must('DELETE', `/vms/${name}/snapshots/four`), pausesMs);
    await moreWrites(service);
    await service.until('what a kill has left is swept', async () => (await volumes(service)) === 2, 90_000);
    await service.vmIs(name, 'up');
  }

  const last = await told(service);
  await service.host.must(['sh', '-c', `kill -9 $(cat /run/libvirt/qemu/${name}.pid)`]);
  await service.vmIs(name, 'down');
  const all = await written(service);
  assert.ok(all.length >= last, `the guest told of ${last} writes, ${all.length} are there`);

  await service.carryOut('POST', `/vms/${name}/snapshots/two/preview`);
  const then = (await written(service)).length;
  assert.ok(then >= low && then <= high, `the snapshot holds ${then} writes, and was taken between ${low} and ${high}`);
  await service.carryOut('POST', `/vms/${name}/snapshots/two/undo`);
  await service.settle();
  assert.is((await written(service)).length, all.length);
  real('libvirt', 'qemu', 'qemu-img');
}));

test('QEMU dies while layers are merged in it: what was told is there, and the merge ends by itself', () => withService({}, async (service) => {
  await start(service);
  for (const round of [1, 2, 3]) {
    await take(service, 'one');
    const last = await moreWrites(service, 20);
    const { id } = await service.must<{ id: string }>('DELETE', `/vms/${name}/snapshots/one`);
    await sleep(40 * round);
    await service.host.run(['sh', '-c', `kill -9 $(cat /run/libvirt/qemu/${name}.pid)`]);
    assert.is((await service.task(id)).state, 'done');
    await service.vmIs(name, 'down');
    assert.equal([await volumes(service), await list(service)], [round, []]); // the disk, and the copies that were downloaded before
    const all = await written(service);
    assert.ok(all.length >= last, `round ${round}: the guest told of ${last} writes, ${all.length} are there`);
    await service.carryOut('POST', `/vms/${name}/start`);
    await service.host.must(['truncate', '-s', '0', join(service.statePath, 'run/vms', (await service.must<Vm>('GET', `/vms/${name}`)).id, 'serial.log')]);
    await service.until('the guest has written anew', async () => (await told(service)) > all.length, 300_000);
  }
  real('libvirt', 'qemu', 'qemu-img');
}));

test.run();
