/**
 * A pool on real libvirt and QEMU: what somebody's guest has written is gone before the next one gets the VM, a kill of the service in between
 * changes nothing of that, and of two who want the last VM at the same time one gets it. The same pool out of a site file.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ApiClient } from '../api-client.ts';
import { real } from './count.ts';
import { bootDisk } from './guest/boot-guest.ts';
import { MiB, octets } from './kill-subjects.ts';
import { type Service, withService } from './service.ts';
import { checkNothingIsLeft, type Disk, hashFile, volumesOf } from './service-files.ts';

interface Pool {
  free: number;
  vms: number;
  taken: number;
  waiting: number;
  place: number | null;
  own: { name: string } | null;
  holders: { vm: { name: string }; user: string }[];
}

/** A program that acts for one person. */
async function personOf(service: Service, user: string, password: string): Promise<ApiClient> {
  const client = new ApiClient((path, init) => service.host.fetch(path, init));
  const session = await client.api<{ csrfToken: string }>('POST', '/sessions', { user, password });
  assert.is(session.status, 201, JSON.stringify(session.body));
  const cookie = session.headers.get('set-cookie')?.split(';')[0] ?? '';
  return new ApiClient((path, init) => service.host.fetch(path, { ...init, headers: { ...(init.headers as Record<string, string>), cookie, 'x-csrf-token': session.body.csrfToken } })); // ApiClient's own headers
}

async function makeTemplate(service: Service): Promise<void> {
  await service.carryOut('POST', '/disks', { name: 'origin', sizeBytes: 64 * MiB });
  await service.carryOut('PUT', '/disks/origin/content', readFileSync(await bootDisk({ format: 'qcow2' })), { ...octets, 'x-image-format': 'qcow2' });
  await service.must('POST', '/vms', { name: 'origin', memoryBytes: 64 * MiB, firmware: 'bios', disks: [{ disk: 'origin' }] });
  await service.carryOut('POST', '/templates', { vm: 'origin', name: 'base' });
}

const poolOf = (who: ApiClient) => who.must<Pool>('GET', '/pools/desk');
const isFree = (service: Service, count: number) => service.until(`${count} are free`, async () => (await poolOf(service)).free === count);
const serialOf = async (service: Service, vm: string) => (await service.host.run(['cat', `${service.statePath}/run/vms/${(await service.vm(vm)).id}/serial.log`])).stdout;
const wrote = async (service: Service, vm: string) => service.until(`the guest of ${vm} writes`, async () => (await blocksOf(service, vm)) > 0);

/** Bytes that the guest's own layer holds above an empty one. */
async function blocksOf(service: Service, vm: string): Promise<number> {
  const path = await topOf(service, vm);
  const map = JSON.parse(await service.host.must(['qemu-img', 'map', '-U', '-f', 'qcow2', '--output=json', path])) as { depth: number; length: number; present: boolean }[]; // as qemu-img documents it
  return map.filter(({ depth, present }) => depth === 0 && present).reduce((sum, { length }) => sum + length, 0);
}

/** A VM's own layer; beside it lies the image of the template. */
async function topOf(service: Service, vm: string): Promise<string> {
  const layers = await volumesOf(service, (await service.must<Disk>('GET', `/disks/${vm}-disk1`)).id);
  assert.is(layers.length, 2, layers.join(' '));
  const infos = await Promise.all(layers.map((path) => service.host.must(['qemu-img', 'info', '-U', '--output=json', path])));
  return layers.find((_path, index) => infos[index]?.includes('"backing-filename"')) ?? '';
}

/** What the VM's next guest would see. */
async function contentOf(service: Service, vm: string): Promise<string> {
  const flat = service.host.path('flat.raw');
  await service.host.must(['qemu-img', 'convert', '-O', 'raw', await topOf(service, vm), flat]);
  return hashFile(flat);
}

test('what one has written the next does not see, also after a kill of the service; two who want the last one: one gets it', () => withService({}, async (service) => {
  await makeTemplate(service);
  const file = service.host.path('site.yaml');
  writeFileSync(file, `bothy: 1
users:
  - { name: anna, password: four unrelated words }
  - { name: ben, password: four unrelated words }
pools: [{ name: desk, template: base, size: 2, prestarted: 1 }]
access:
  - { user: anna, role: pool-user, kind: pool, object: desk }
  - { user: ben, role: pool-user, kind: pool, object: desk }
`);
  assert.match(await service.bothy('site', 'apply', file), /The site file is applied/);
  assert.match(await service.bothy('site', 'plan'), /Nothing is to be done/);
  const [anna, ben] = [await personOf(service, 'anna', 'four unrelated words'), await personOf(service, 'ben', 'four unrelated words')];
  await service.vmIs('desk-1', 'up');
  await isFree(service, 2);
  assert.is((await service.vm('desk-2')).state, 'down');
  const clean = await contentOf(service, 'desk-2');

  const taken = await anna.must<Pool>('POST', '/pools/desk/take');
  assert.is(taken.own?.name, 'desk-1', 'the one that runs ahead');
  await service.vmIs('desk-2', 'up'); // another runs ahead
  await wrote(service, 'desk-1');
  assert.match(await serialOf(service, 'desk-1'), /bothy-guest/);

  // Given back, and the service dies at once: whatever it had begun is brought to its end.
  assert.is((await anna.must<Pool>('POST', '/pools/desk/give-back')).own, null);
  await service.restart();
  await service.until('desk-1 is as it was', async () => {
    const { state } = await service.vm('desk-1');
    return state === 'down' && (await poolOf(service)).free === 2 && (await service.must<{ items: unknown[] }>('GET', '/tasks?state=active')).items.length === 0;
  });
  assert.is(await contentOf(service, 'desk-1'), clean, 'nothing of what anna wrote is there');
  assert.is(await serialOf(service, 'desk-1'), '', 'nor what her guest has said');

  // QEMU dies with somebody's writes on the disk while the service is dead, too.
  const again = await anna.must<Pool>('POST', '/pools/desk/take');
  const mine = again.own?.name ?? '';
  await service.vmIs(mine, 'up');
  await wrote(service, mine);
  await service.kill9();
  await service.host.run(['pkill', '-KILL', '-x', '-f', `.*guest=${mine},.*`]);
  await service.start();
  await service.until('it was given back and is clean', async () => {
    const pool = await poolOf(service);
    return pool.taken === 0 && pool.free === 2;
  });
  await service.must('PATCH', '/pools/desk', { prestarted: 0, size: 1 });
  await service.until('one is left', async () => { const { vms, free } = await poolOf(service); return vms === 1 && free === 1; });

  // The last one.
  const answers = await Promise.all([anna, ben].map((who) => who.must<Pool>('POST', '/pools/desk/take')));
  assert.is(answers.filter(({ own, place }) => own !== null && place === null).length, 1, JSON.stringify(answers));
  assert.is(answers.filter(({ own, place }) => own === null && place === 1).length, 1, JSON.stringify(answers));
  const last = answers.find(({ own }) => own)?.own?.name ?? '';
  const [winner, loser] = answers[0]?.own ? [anna, ben] : [ben, anna];
  await service.vmIs(last, 'up');
  await wrote(service, last);
  assert.is((await loser.api('GET', `/vms/${last}`)).status, 403);
  await winner.must('POST', '/pools/desk/give-back');
  await service.until('the other has it', async () => (await poolOf(loser)).own?.name === last);
  await service.vmIs(last, 'up');
  assert.is((await winner.api('GET', `/vms/${last}`)).status, 403);
  await loser.must('POST', '/pools/desk/give-back');
  await isFree(service, 1);
  assert.is(await contentOf(service, last), clean);
  await service.settle();
  await checkNothingIsLeft(service, 1); // the image of the template lies beside the layer, too
  real('libvirt', 'qemu', 'qemu-img');
}));

test.run();
