/** Snapshots as programs see them, on the whole appliance with a simulated host: the way there and back, refusals, and what the page shows. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MiB } from '../../appliance/core/units.ts';
import { openTestApp, type TestApp } from '../world/app.ts';
import { type Json, settled } from '../world/calls.ts';

const test = suite<{ site: TestApp }>('snapshots');
test.before.each(async (context) => {
  context.site = await openTestApp();
  const { status, body } = await context.site.send('POST', '/api/v1/vms', {
    name: 'first', vcpus: 1, memoryBytes: 512 * MiB, disks: [{ sizeBytes: MiB }, { sizeBytes: MiB, format: 'raw' }], nics: [{ network: 'default', mac: '52:54:00:00:00:01' }],
  });
  assert.is(status, 201, JSON.stringify(body));
  await settled(context.site);
});
test.after.each(({ site }) => site.close());

const ask = (site: TestApp, method: string, path: string, body?: unknown) => site.send<Json>(method, `/api/v1${path}`, body);
async function carryOut(site: TestApp, method: string, path: string, body?: unknown): Promise<void> {
  await site.carryOut(method, `/api/v1${path}`, body);
  await settled(site);
}

const take = (site: TestApp, name: string) => carryOut(site, 'POST', '/vms/first/snapshots', { name });
const list = async (site: TestApp) => (await ask(site, 'GET', '/vms/first/snapshots')).body;
const named = ({ items }: Json) => items.map(({ name, parent }: Json) => [name, items.find(({ id }: Json) => id === parent)?.name ?? null]);
const vmOf = async (site: TestApp) => (await ask(site, 'GET', '/vms/first')).body;

/** It is refused so, with words that say why. */
async function refused(site: TestApp, [method, path, body]: [string, string, unknown?], [status, words]: [number, RegExp]): Promise<void> {
  const reply = await ask(site, method, path, body);
  assert.is(reply.status, status, JSON.stringify(reply.body));
  assert.match(reply.body.detail, words);
}

test('taken, shown, renamed, gone back to and on from, deleted: hardware and NICs follow, and branches stay', async ({ site }) => {
  await take(site, 'one');
  await carryOut(site, 'POST', '/vms/first/disks', { sizeBytes: MiB, name: 'later' });
  await ask(site, 'PATCH', '/vms/first', { vcpus: 4, firmware: 'efi' });
  await carryOut(site, 'POST', '/vms/first/nics', { network: 'default', mac: '52:54:00:00:00:02' });
  await take(site, 'two');
  assert.equal(named(await list(site)), [['one', null], ['two', 'one']]);
  const { status, body: renamed } = await ask(site, 'PATCH', '/vms/first/snapshots/one', { name: 'as it was', description: 'clean' });
  assert.equal([status, renamed.name, renamed.description], [200, 'as it was', 'clean']);
  assert.is((await ask(site, 'GET', '/vms/first/snapshots/as%20it%20was')).body.disks.length, 2);

  await carryOut(site, 'POST', '/vms/first/snapshots/as%20it%20was/preview');
  const tried = await vmOf(site);
  assert.equal([tried.vcpus, tried.firmware, tried.nics.length, tried.disks.map(({ name }: Json) => name)], [1, 'bios', 1, ['first-disk1', 'first-disk2', 'later']]);
  assert.equal((await list(site)).beforePreview, { parent: (await list(site)).items[1].id });
  for (const verb of ['preview', 'delete'] as const) await refused(site, verb === 'delete' ? ['DELETE', '/vms/first/snapshots/two'] : ['POST', '/vms/first/snapshots/two/preview'], [409, /previews the snapshot "as it was"/]);
  await refused(site, ['POST', '/vms/first/snapshots', { name: 'three' }], [409, /Commit or undo that first/]);
  await refused(site, ['POST', '/vms/first/snapshots/two/commit'], [409, /does not preview/]);

  await carryOut(site, 'POST', '/vms/first/snapshots/as%20it%20was/undo');
  const again = await vmOf(site);
  assert.equal([again.vcpus, again.firmware, again.nics.map(({ mac }: Json) => mac)], [4, 'efi', ['52:54:00:00:00:01', '52:54:00:00:00:02']]);
  await carryOut(site, 'POST', '/vms/first/snapshots/as%20it%20was/preview');
  await carryOut(site, 'POST', '/vms/first/snapshots/as%20it%20was/commit');
  await take(site, 'three');
  assert.equal(named(await list(site)), [['as it was', null], ['two', 'as it was'], ['three', 'as it was']], 'a tree of two branches');

  const page = await (await site.door.request('http://bothy/vms/first/snapshots', { headers: { authorization: `Bearer ${await site.tokenFor(['administrator'])}` } })).text();
  assert.is(page.match(/class="tree-lines"/g)?.length, 4);
  await carryOut(site, 'DELETE', '/vms/first/snapshots/as%20it%20was');
  assert.equal(named(await list(site)), [['two', null], ['three', null]]);
  await carryOut(site, 'DELETE', '/vms/first');
  await settled(site);
  assert.equal((await ask(site, 'GET', '/disks')).body.items, []);
});

test('going back brings the chosen hardware and how disks and NICs are plugged in; what came later and does not fit is told', async ({ site }) => {
  await ask(site, 'PATCH', '/vms/first', { machine: 'pc', video: 'qxl' });
  await carryOut(site, 'PATCH', '/vms/first/disks/first-disk1', { bus: 'ide' });
  await take(site, 'old');
  await carryOut(site, 'PATCH', '/vms/first/disks/first-disk1', { bus: 'sata', serial: 'S-1', readsPerSecond: 10 });
  await ask(site, 'PATCH', '/vms/first', { machine: 'q35', video: 'virtio', sound: 'ac97' });
  await carryOut(site, 'PATCH', `/vms/first/nics/${(await vmOf(site)).nics[0].id}`, { model: 'e1000' });
  await take(site, 'new');
  await ask(site, 'PATCH', '/vms/first', { machine: 'pc' });
  await carryOut(site, 'POST', '/vms/first/disks', { sizeBytes: MiB, name: 'later', bus: 'ide' });
  await refused(site, ['POST', '/vms/first/snapshots/new/preview'], [409, /Only the machine i440FX \(pc\) has IDE/]);
  const kept = await vmOf(site);

  await carryOut(site, 'POST', '/vms/first/snapshots/old/preview');
  const tried = await vmOf(site);
  assert.equal([tried.machine, tried.video, tried.sound, tried.nics[0].model, tried.disks[0].serial, tried.disks[0].readsPerSecond], ['pc', 'qxl', 'none', 'virtio', null, null]);
  assert.equal(tried.disks.map(({ name, target }: Json) => [name, target]), [['first-disk1', 'hda'], ['first-disk2', 'vdb'], ['later', 'hdb']], 'the later disk has made room');
  await carryOut(site, 'POST', '/vms/first/start');
  await carryOut(site, 'POST', '/vms/first/power-off');
  await carryOut(site, 'POST', '/vms/first/snapshots/old/undo');
  const again = await vmOf(site);
  const plain = ({ machine, video, sound, nics, disks }: Json) => ({ machine, video, sound, nics, disks: disks.map(({ target: _target, ...disk }: Json) => disk) });
  assert.equal(plain(again), plain(kept));
});

test('what cannot be is refused with why: running, taken names, disks in snapshots, uploads, keeping disks', async ({ site }) => {
  await take(site, 'one');
  await refused(site, ['POST', '/vms/first/snapshots', { name: 'one' }], [409, /already a snapshot "one"/]);
  await refused(site, ['POST', '/vms/first/snapshots', { name: '-x' }], [400, /./]);
  await refused(site, ['DELETE', '/vms/first/disks/first-disk1'], [409, /part of snapshots of first/]);
  await refused(site, ['DELETE', '/vms/first?keepDisks=true'], [409, /has snapshots, which lie in its disks/]);
  await refused(site, ['GET', '/vms/first/snapshots/two'], [404, /no snapshot "two"/]);
  await refused(site, ['POST', '/vms/first/snapshots/one/undo'], [409, /does not preview/]);
  const upload = await site.door.request('http://bothy/api/v1/disks/first-disk1/content', {
    method: 'PUT', body: Buffer.alloc(4096), headers: { authorization: `Bearer ${await site.tokenFor(['administrator'])}`, 'x-image-format': 'raw', 'content-length': '4096' },
  });
  assert.equal([upload.status, /has snapshots/.test(await upload.text())], [409, true]);
  await carryOut(site, 'POST', '/vms/first/start');
  await refused(site, ['POST', '/vms/first/snapshots/one/preview'], [409, /is running/]);
});

test('a NIC address that another VM has by now, and a second one at the same time, are told', async ({ site }) => {
  await take(site, 'one');
  const { nics } = await vmOf(site);
  await carryOut(site, 'DELETE', `/vms/first/nics/${nics[0].id}`);
  await ask(site, 'POST', '/vms', { name: 'other', nics: [{ network: 'default', mac: '52:54:00:00:00:01' }] });
  await refused(site, ['POST', '/vms/first/snapshots/one/preview'], [409, /which another VM has now/]);
  const replies = await Promise.all(['two', 'three'].map((name) => ask(site, 'POST', '/vms/first/snapshots', { name })));
  assert.equal(replies.map(({ status }) => status).sort(), [202, 409]);
  await settled(site);
});

test('one disk that fails: the other is merged, the guest has all it had, and deleting again ends it', async ({ site }) => {
  await take(site, 'one');
  await take(site, 'two');
  site.host.imageTool.failNext('commit', new Error('the disk did not answer'));
  const { body } = await ask(site, 'DELETE', '/vms/first/snapshots/one');
  assert.is((await site.app.core.tasks.ended(body.id)).state, 'failed');
  assert.equal((await list(site)).items.map(({ name, state }: Json) => [name, state]), [['one', 'broken'], ['two', 'ok']]);
  await refused(site, ['POST', '/vms/first/snapshots/one/preview'], [409, /was deleted in part/]);
  await carryOut(site, 'POST', '/vms/first/start');
  await carryOut(site, 'POST', '/vms/first/power-off');
  await carryOut(site, 'DELETE', '/vms/first/snapshots/one');
  assert.equal(named(await list(site)), [['two', null]]);
});

test('a disk in layers is downloaded whole, and enlarged on top', async ({ site }) => {
  await take(site, 'one');
  const token = await site.tokenFor(['administrator']);
  const response = await site.door.request('http://bothy/api/v1/disks/first-disk1/content?format=raw', { headers: { authorization: `Bearer ${token}` } });
  assert.equal([response.status, (await response.arrayBuffer()).byteLength], [200, MiB]);
  await carryOut(site, 'POST', '/disks/first-disk2/resize', { sizeBytes: 2 * MiB });
  await carryOut(site, 'DELETE', '/vms/first/snapshots/one');
  const { body } = await ask(site, 'GET', '/disks/first-disk2');
  assert.equal([body.sizeBytes, body.format, body.state], [2 * MiB, 'raw', 'ok']);
  await carryOut(site, 'POST', '/vms/first/start');
});

test('a VM that runs has its snapshot taken and deleted, and a VM of its own is made from it', async ({ site }) => {
  await carryOut(site, 'POST', '/vms/first/start');
  await take(site, 'live');
  const { items: [live] } = await list(site);
  assert.equal([live.state, live.consistency, (await vmOf(site)).state], ['ok', 'crash', 'up']);
  const { status, body: made } = await ask(site, 'POST', '/vms/first/snapshots/live/clone', { name: 'second' });
  assert.is(status, 201, JSON.stringify(made));
  assert.equal([made.state, made.disks.map(({ name, state }: Json) => [name, state])], ['down', [['second-disk1', 'creating'], ['second-disk2', 'creating']]]);
  assert.is.not(made.nics[0].mac, '52:54:00:00:00:01');
  await refused(site, ['POST', '/vms/first/snapshots/live/clone', { name: 'second' }], [409, /There is already/]);
  await refused(site, ['POST', '/vms/first/snapshots/none/clone', { name: 'third' }], [404, /no snapshot "none"/]);
  await carryOut(site, 'POST', '/vms/second/start'); // waits for its disks
  await carryOut(site, 'DELETE', '/vms/first/snapshots/live');
  assert.equal([(await list(site)).items, (await vmOf(site)).state], [[], 'up']);
});

test.run();
