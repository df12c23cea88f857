/** Storage domains and disks as programs see them: the API on the simulated image tool, with real files and a real database. */
import { existsSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../appliance/core/clock.ts';
import { GiB, MiB } from '../../appliance/core/units.ts';
import { createVirtualClock } from '../world/clock.ts';
import { openStorageSite, type StorageSite } from '../world/storage.ts';

const test = suite<{ site: StorageSite }>('storage');
test.before.each(async (context) => { context.site = await openStorageSite(); });
test.after.each(({ site }) => site.close());

const newDisk = { name: 'root', sizeBytes: GiB };
const domainOf = async ({ ask }: StorageSite, name: string) => (await ask('GET', `/storage-domains/${name}`)).body;
const imagesOf = async (site: StorageSite) => readdirSync(join(site.core.statePath, 'storage', (await domainOf(site, 'local')).id, 'images'));

test('a new appliance has a data domain and an ISO domain, active, with their space', async ({ site }) => {
  const { body } = await site.ask('GET', '/storage-domains');
  assert.equal(body.items.map(({ name, kind, status }: Record<string, string>) => [name, kind, status]), [['isos', 'iso', 'active'], ['local', 'data', 'active']]);
  assert.is(body.next, null);
  const local = await domainOf(site, 'local');
  assert.is(local.totalBytes, 100 * GiB);
  assert.is(local.space, 'ok');
  assert.equal(await domainOf(site, local.id), local, 'by id as by name');
  assert.is((await site.ask('GET', '/storage-domains/none')).status, 404);
});

test('lists come in pages', async ({ site }) => {
  const first = (await site.ask('GET', '/storage-domains?limit=1')).body;
  assert.equal([first.items.length, first.next], [1, 'isos']);
  const second = (await site.ask('GET', `/storage-domains?limit=1&after=${first.next}`)).body;
  assert.equal([second.items[0].name, second.next], ['local', null]);
});

test('a restart finds the domains again; lost rows are taken over from the folders', async ({ site }) => {
  const before = await domainOf(site, 'local');
  await site.carryOut('POST', '/disks', newDisk);
  const again = await site.restart();
  assert.is((await domainOf(again, 'local')).id, before.id);
  again.core.database.write({ actor: 'test', operation: 'test' }, ({ sql }) => {
    for (const table of ['disk', 'iso', 'storage_domain']) sql.run(`delete from "${table}"`);
  });
  const third = await again.restart();
  assert.is((await domainOf(third, 'local')).id, before.id);
  assert.is((await imagesOf(third)).length, 1, 'nothing was deleted');
  await third.close();
});

test('space limits are wishes that can be edited, by one person at a time', async ({ site }) => {
  const edited = await site.ask('PATCH', '/storage-domains/local', { body: { lowSpacePercent: 20, criticalSpaceBytes: 5 * GiB, description: 'in the rack' }, headers: { 'if-match': '"1"' } });
  assert.is(edited.status, 200);
  assert.equal([edited.body.lowSpacePercent, edited.body.criticalSpaceBytes, edited.body.description, edited.body.generation], [20, 5 * GiB, 'in the rack', 2]);
  assert.is((await site.ask('PATCH', '/storage-domains/local', { body: { lowSpacePercent: 1 }, headers: { 'if-match': '"1"' } })).status, 412);
  assert.is((await site.ask('PATCH', '/storage-domains/local', { body: { lowSpacePercent: 100 } })).status, 400);
});

test('a disk is created with its volume, legal once it is whole', async ({ site }) => {
  const answer = await site.ask('POST', '/disks', { body: { ...newDisk, description: 'system', format: 'raw' } });
  assert.is(answer.status, 202);
  assert.is(answer.headers.get('location'), `/api/v1/tasks/${answer.body.id}`);
  assert.is((await site.ended(answer)).state, 'done');
  const { body } = await site.ask('GET', '/disks/root');
  assert.equal(
    [body.name, body.description, body.domain, body.format, body.allocation, body.sizeBytes, body.state, body.usedBy, body.generation],
    ['root', 'system', 'local', 'raw', 'sparse', GiB, 'ok', [], 1],
  );
  assert.equal((await site.ask('GET', '/disks')).body.items.map(({ id }: { id: string }) => id), [body.id]);
  const { path, format } = site.storage.diskVolume(body.id);
  assert.is(format, 'raw');
  assert.ok(existsSync(path) && existsSync(`${path}.meta`) && existsSync(`${path}.lease`));
});

test('a disk has cow and sparse unless told', async ({ site }) => {
  await site.carryOut('POST', '/disks', newDisk);
  const { body } = await site.ask('GET', '/disks/root');
  assert.equal([body.format, body.allocation], ['cow', 'sparse']);
  assert.is(site.storage.diskVolume(body.id).format, 'qcow2');
});

test('refuses wrong sizes, names, domains and unknown settings, each with its field', async ({ site }) => {
  const errorsOf = async (body: unknown) => {
    const answer = await site.ask('POST', '/disks', { body });
    assert.is(answer.status, 400);
    return answer.body.errors.map(({ path }: { path: string }) => path);
  };
  assert.equal(await errorsOf({ name: '-rf', sizeBytes: 1000, foo: 1 }), ['name', 'sizeBytes', 'sizeBytes', 'foo']);
  assert.equal(await errorsOf({ name: 'a/b', sizeBytes: 65 * 1024 * GiB }), ['name', 'sizeBytes']);
  assert.is((await site.ask('POST', '/disks', { body: { ...newDisk, domain: 'none' } })).status, 404);
  const wrongKind = await site.ask('POST', '/disks', { body: { ...newDisk, domain: 'isos' } });
  assert.is(wrongKind.status, 409);
  assert.match(wrongKind.body.detail, 'holds installation images, not disks');
});

test('a name can be taken once, also by two requests at the same time', async ({ site }) => {
  const [one, two] = await Promise.all([site.ask('POST', '/disks', { body: newDisk }), site.ask('POST', '/disks', { body: newDisk })]);
  assert.equal([one.status, two.status].sort(), [202, 409]);
  const refused = one.status === 409 ? one : two;
  assert.is(refused.body.type, 'name-taken');
});

test('a dry run plans and changes nothing', async ({ site }) => {
  const { status, body } = await site.ask('POST', '/disks?dryRun=true', { body: newDisk });
  assert.is(status, 200);
  assert.equal(body, { kind: 'disk.create', steps: ['Prepare the volume', 'Allocate the volume', 'Finish the volume'] });
  assert.equal((await site.ask('GET', '/disks')).body.items, []);
  assert.equal(await imagesOf(site), []);
  assert.is((await domainOf(site, 'local')).reservedBytes, 0);
});

test('a preallocated disk that does not fit is refused with figures and advice', async ({ site }) => {
  site.disk.setFree(10 * GiB);
  const body = { name: 'big', sizeBytes: 10 * GiB, format: 'raw', allocation: 'preallocated' };
  const refused = await site.ask('POST', '/disks', { body });
  assert.is(refused.status, 507);
  assert.match(refused.body.detail, 'needs 10 GiB, but the storage domain "local" has room for 9 GiB (10 GiB free, 1 GiB kept for running guests)');
  await site.carryOut('POST', '/disks', { ...body, name: 'sparse', allocation: 'sparse' });
  await site.carryOut('POST', '/disks', { ...body, name: 'fits', sizeBytes: 9 * GiB });
});

test('room that is promised to a running task is not given twice, and given back at its end', async ({ site }) => {
  site.disk.setFree(10 * GiB);
  const body = { sizeBytes: 5 * GiB, format: 'raw', allocation: 'preallocated' };
  const [one, two] = await Promise.all([site.ask('POST', '/disks', { body: { ...body, name: 'one' } }), site.ask('POST', '/disks', { body: { ...body, name: 'two' } })]);
  assert.equal([one.status, two.status], [202, 507]);
  assert.match(two.body.detail, '5 GiB promised to writes under way');
  await site.ended(one);
  assert.is((await domainOf(site, 'local')).reservedBytes, 0);
});

test('nothing new is begun on a domain below its critical limit', async ({ site }) => {
  site.disk.setFree(GiB / 2);
  assert.is((await site.ask('POST', '/disks', { body: newDisk })).status, 507);
});

test('a disk whose creation fails for want of room leaves nothing behind', async ({ site }) => {
  const answer = await site.ask('POST', '/disks', { body: { name: 'big', sizeBytes: 5 * GiB, format: 'raw', allocation: 'preallocated' } });
  site.disk.setFree(GiB);
  const row = await site.ended(answer);
  assert.is(row.state, 'failed');
  assert.is((row.problem as { type: string }).type, 'insufficient-storage');
  assert.is((await site.ask('GET', '/disks/big')).status, 404);
  assert.equal(await imagesOf(site), []);
  assert.is((await domainOf(site, 'local')).reservedBytes, 0);
});

test('a disk that something uses is kept as illegal when its creation fails, and people are told', async ({ site }) => {
  const disk = site.core.database.write({ actor: 'test', operation: 'test' }, (tx) => site.storage.createDisk(tx, newDisk));
  site.uses.set(disk.id, [{ kind: 'vm', id: 'v', name: 'web' }]);
  site.tool.failNext('create', new Error('broken'));
  await site.settled();
  assert.is((await site.ask('GET', '/disks/root')).body.state, 'illegal');
  assert.match(site.events.get('disk.not-created')?.message ?? '', 'The disk "root" was not created');
  site.uses.clear();
  await site.carryOut('DELETE', '/disks/root');
  assert.is((await site.ask('GET', '/disks/root')).status, 404);
});

test('a disk is renamed and described; two people do not overwrite each other', async ({ site }) => {
  await site.carryOut('POST', '/disks', newDisk);
  await site.carryOut('POST', '/disks', { ...newDisk, name: 'other' });
  const edited = await site.ask('PATCH', '/disks/root', { body: { name: 'system' }, headers: { 'if-match': '"1"' } });
  assert.equal([edited.status, edited.body.name, edited.body.generation, edited.headers.get('etag')], [200, 'system', 2, '"2"']);
  assert.is((await site.ask('PATCH', '/disks/system', { body: { name: 'x' }, headers: { 'if-match': '"1"' } })).status, 412);
  assert.is((await site.ask('PATCH', '/disks/system', { body: { name: 'other' } })).status, 409);
  assert.is((await site.ask('PATCH', '/disks/system', { body: { name: 'system', description: 'same name' } })).status, 200);
});

test('a disk grows and never shrinks', async ({ site }) => {
  await site.carryOut('POST', '/disks', newDisk);
  await site.carryOut('POST', '/disks/root/resize', { sizeBytes: 2 * GiB });
  const { body } = await site.ask('GET', '/disks/root');
  assert.equal([body.sizeBytes, body.state, body.generation], [2 * GiB, 'ok', 2]);
  const { path } = site.storage.diskVolume(body.id);
  assert.is((await site.tool.info(path, 'qcow2', new AbortController().signal)).virtualSizeBytes, 2 * GiB);
  for (const sizeBytes of [GiB, 2 * GiB]) {
    const refused = await site.ask('POST', '/disks/root/resize', { body: { sizeBytes } });
    assert.is(refused.status, 400);
    assert.match(refused.body.detail, 'can only grow');
  }
});

test('growing a preallocated disk needs the room that it gains', async ({ site }) => {
  await site.carryOut('POST', '/disks', { ...newDisk, format: 'raw', allocation: 'preallocated' });
  site.disk.setFree(3 * GiB);
  assert.is((await site.ask('POST', '/disks/root/resize', { body: { sizeBytes: 4 * GiB } })).status, 507);
  await site.carryOut('POST', '/disks/root/resize', { sizeBytes: 3 * GiB });
  assert.is((await domainOf(site, 'local')).reservedBytes, 0);
});

test('a running guest grows its own disk', async ({ site }) => {
  await site.carryOut('POST', '/disks', newDisk);
  const { body } = await site.ask('GET', '/disks/root');
  const grown: [string, number][] = [];
  site.storage.registerGrowth(async (id, sizeBytes) => {
    grown.push([id, sizeBytes]);
    return true;
  });
  await site.carryOut('POST', '/disks/root/resize', { sizeBytes: 2 * GiB });
  assert.equal(grown, [[body.id, 2 * GiB]]);
  assert.is((await site.ask('GET', '/disks/root')).body.sizeBytes, 2 * GiB);
});

test('a resize that fails leaves the disk as it was', async ({ site }) => {
  await site.carryOut('POST', '/disks', newDisk);
  site.tool.failNext('resize', new Error('broken'));
  const row = await site.ended(await site.ask('POST', '/disks/root/resize', { body: { sizeBytes: 2 * GiB } }));
  assert.is(row.state, 'failed');
  const { body } = await site.ask('GET', '/disks/root');
  assert.equal([body.sizeBytes, body.state], [GiB, 'ok']);
});

test('a disk that something uses is not deleted; the message names who', async ({ site }) => {
  await site.carryOut('POST', '/disks', newDisk);
  const { body } = await site.ask('GET', '/disks/root');
  site.uses.set(body.id, [{ kind: 'vm', id: 'v', name: 'web' }]);
  assert.equal((await site.ask('GET', '/disks/root')).body.usedBy, [{ kind: 'vm', id: 'v', name: 'web' }]);
  const refused = await site.ask('DELETE', '/disks/root');
  assert.equal([refused.status, refused.body.type], [409, 'in-use']);
  assert.match(refused.body.detail, 'used by the VM "web". Detach it there first.');
  site.uses.clear();
  await site.carryOut('DELETE', '/disks/root');
  assert.equal(await imagesOf(site), []);
  assert.is((await site.ask('DELETE', '/disks/root')).status, 404);
});

test('a disk can be deleted while it is being created: one after the other', async ({ site }) => {
  await site.ask('POST', '/disks', { body: newDisk });
  const answer = await site.ask('DELETE', '/disks/root');
  assert.is(answer.status, 202);
  await site.settled();
  assert.is((await site.ask('GET', '/disks/root')).status, 404);
  assert.equal(await imagesOf(site), []);
});

test('slices to the right create a disk in their own transaction', async ({ site }) => {
  const { database } = site.core;
  const disk = database.write({ actor: 'test', operation: 'vm.create' }, (tx) => site.storage.createDisk(tx, { name: 'web-disk1', sizeBytes: GiB }));
  assert.is(disk.state, 'creating');
  assert.throws(() => site.storage.diskVolume(disk.id), /still being created/);
  await site.settled();
  assert.is(site.storage.requireDisk('web-disk1').state, 'ok');
  assert.equal(site.storage.disks([disk.id, 'unknown']).map(({ id }) => id), [disk.id]);
  assert.is(await site.storage.hasRoom(disk.id), true);
  site.disk.setFree(MiB);
  assert.is(await site.storage.hasRoom(disk.id), false);
  database.write({ actor: 'test', operation: 'vm.delete' }, (tx) => site.storage.deleteDisk(tx, disk.id));
  await site.settled();
  assert.is(site.storage.findDisk(disk.id), undefined);
});

test('every change is in the feed, and every change of a wish in the journal with who made it', async ({ site }) => {
  const from = site.core.journal.latest();
  await site.carryOut('POST', '/disks', newDisk);
  await site.carryOut('DELETE', '/disks/root');
  const changes = site.core.journal.since(from)?.filter(({ kind }) => kind === 'disk').map(({ what }) => what) ?? [];
  assert.equal([changes[0], changes.at(-1)], ['created', 'deleted']);
  const rows = site.core.journal.history({ limit: 10 }).filter(({ changes: [change] }) => change?.kind === 'disk').reverse();
  assert.equal(rows.map(({ actor, operation, changes: [change] }) => `${actor} ${operation} ${change?.what}`), [
    'root@local disk.create created', 'root@local disk.create updated', 'root@local disk.delete updated', 'root@local disk.delete deleted',
  ]);
});

test.run();

const watch = suite<{ site: StorageSite }>('storage, watched');
watch.before.each(async (context) => {
  context.site = await openStorageSite({ clock: createVirtualClock() });
});
watch.after.each(({ site }) => site.close());

const clockOf = ({ core }: StorageSite) => core.clock as ReturnType<typeof createVirtualClock>; // made above
const until = async (site: StorageSite, is: (local: { status: string; space: string; freeBytes: number }) => boolean) => {
  for (let rounds = 0; rounds < 200 && !is(await domainOf(site, 'local')); rounds++) {
    await clockOf(site).advance(5_000);
    await systemClock.sleep(5);
  }
  return domainOf(site, 'local');
};

watch('a domain whose folder is gone is inactive with a reason, refuses work, and comes back by itself', async ({ site }) => {
  const { id } = await domainOf(site, 'local');
  const folder = join(site.core.statePath, 'storage', id);
  renameSync(folder, `${folder}-gone`);
  const local = await until(site, ({ status }) => status === 'inactive');
  assert.match(local.reason, 'cannot be read');
  assert.match(site.events.get('storage-domain.inactive')?.message ?? '', 'The storage domain "local" is inactive');
  const refused = await site.ask('POST', '/disks', { body: newDisk });
  assert.is(refused.status, 503);
  assert.match(refused.body.detail, 'It becomes active by itself');
  assert.not.ok(existsSync(folder), 'the folder was made anew: it may have been an unmounted disk');
  renameSync(`${folder}-gone`, folder);
  await until(site, ({ status }) => status === 'active');
  assert.is(site.events.has('storage-domain.inactive'), false);
  assert.ok(site.events.has('storage-domain.active'));
});

watch('space that runs low is told once, worse when it is critical, and settled when there is room', async ({ site }) => {
  site.disk.setFree(9 * GiB);
  assert.is((await until(site, ({ space }) => space === 'low')).space, 'low');
  assert.match(site.events.get('storage-domain.space-low')?.message ?? '', '9 GiB of 100 GiB are free');
  site.disk.setFree(GiB / 2);
  assert.is((await until(site, ({ space }) => space === 'critical')).space, 'critical');
  assert.equal([...site.events.keys()], ['storage-domain.space-critical']);
  site.disk.setFree(50 * GiB);
  assert.is((await until(site, ({ space }) => space === 'ok')).space, 'ok');
  assert.is(site.events.size, 0);
});

watch('a domain that does not answer is inactive', async ({ site }) => {
  site.disk.setFault(new Error('the file system of x does not answer'));
  assert.match((await until(site, ({ status }) => status === 'inactive')).reason, 'does not answer');
  site.disk.setFault(undefined);
  await until(site, ({ status }) => status === 'active');
});

watch('what a disk occupies is looked at', async ({ site }) => {
  await site.carryOut('POST', '/disks', { ...newDisk, format: 'raw' });
  const { id } = (await site.ask('GET', '/disks/root')).body;
  writeFileSync(site.storage.diskVolume(id).path, Buffer.alloc(MiB, 1), { flag: 'r+' });
  await clockOf(site).advance(61_000);
  const occupied = async () => (await site.ask('GET', '/disks/root')).body.occupiedBytes;
  for (let rounds = 0; rounds < 200 && !((await occupied()) >= MiB); rounds++) {
    await clockOf(site).advance(30_000);
    await systemClock.sleep(5);
  }
  assert.ok((await occupied()) >= MiB);
});

watch.run();
