/** Hardware that depends on what the host has, or that changes at once: TPM, floppy disk, huge pages, memory nodes. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GiB, MiB } from '../../appliance/core/units.ts';
import { openTestApp, type TestApp } from '../world/app.ts';
import { callsOf, type Json } from '../world/calls.ts';
import { untilReady } from '../world/ready.ts';
import { find, findAll } from '../world/xml.ts';

let site: TestApp;
test.before.each(async () => {
  site = await openTestApp();
  await untilReady(site);
});
test.after.each(() => site.close());

const { send, carryOut } = callsOf(() => site);
const get = async (path = '/vms/web') => (await send('GET', path)).body;
const create = (body: object = {}) => send('POST', '/vms', { name: 'web', memoryBytes: GiB, ...body });
const domain = (): Json => site.host.libvirt.domains()[0]?.tree ?? assert.unreachable('no domain runs');
const errorsOf = (reply: { body: Json }) => (reply.body.errors ?? []).map(({ path }: Json) => path);

/** The task that a start has become, failed, in its own words. */
async function refusedStart(): Promise<string> {
  const { body } = await send('POST', '/vms/web/start');
  const task = await site.app.core.tasks.ended(body.id);
  assert.is(task.state, 'failed');
  return (task.problem as Json).detail;
}

async function putFile(name: string, bytes: Uint8Array) {
  const { body } = await send('POST', '/tokens', { name: `for ${name}` });
  return site.door.request(`http://bothy/api/v1/storage-domains/isos/files/${name}`, { method: 'PUT', body: bytes as BodyInit, headers: { authorization: `Bearer ${body.token}` } });
}

test('a TPM is kept while the VM is down, and goes with it', async () => {
  await create({ tpm: 'crb' });
  await carryOut('POST', '/vms/web/start');
  assert.equal(findAll(domain(), 'devices/tpm').map(({ attributes, children }) => [attributes['model'], children[0]?.attributes]), [['tpm-crb', { type: 'emulator', version: '2.0', persistent_state: 'yes' }]]);
  const kept = [...site.host.libvirt.tpms];
  await carryOut('POST', '/vms/web/power-off');
  await carryOut('POST', '/vms/web/start');
  await carryOut('POST', '/vms/web/power-off');
  assert.equal([kept.length, [...site.host.libvirt.tpms]], [1, kept]);
  await send('PATCH', '/vms/web', { tpm: 'none' });
  assert.equal([...site.host.libvirt.tpms], kept, 'who takes it out may put it in again');
  await carryOut('DELETE', '/vms/web');
  assert.equal([...site.host.libvirt.tpms], []);
});

test('Windows 11 brings a TPM; a host that cannot emulate one says so before QEMU does', async () => {
  site.host.libvirt.facts.tpmModels = [];
  assert.is((await create({ os: 'windows-11' })).body.tpm, 'crb');
  assert.match(await refusedStart(), /has no TPM for guests\. .*"swtpm"/);
  site.host.libvirt.facts.tpmModels = ['tpm-crb'];
  await carryOut('POST', '/vms/web/start');
});

test('a floppy disk: only its image, only into a drive, and at once', async () => {
  assert.is((await putFile('one.img', new Uint8Array(1440 * 1024))).status, 201);
  assert.is((await putFile('two.vfd', new Uint8Array(720 * 1024))).status, 201);
  assert.is((await putFile('cut.img', new Uint8Array(1000))).status, 400);
  assert.equal(errorsOf(await create({ floppy: 'one.img' })), ['floppy'], 'no drive');
  assert.is((await create({ floppyDrive: true, floppy: 'three.img' })).status, 404);
  assert.equal(errorsOf(await create({ floppyDrive: true, floppy: 'debian.iso' })), ['floppy']);
  await create({ floppyDrive: true, floppy: 'one.img' });
  await carryOut('POST', '/vms/web/start');
  const inside = () => findAll(domain(), 'devices/disk').filter(({ attributes }) => attributes['device'] === 'floppy').map((disk) => find(disk, 'source')?.attributes['file']?.replace(/.*\//, ''));
  assert.equal([inside(), (await get()).disks, (await get()).pending], [['one.img'], [], []]);
  const change = async (floppy: string | null) => {
    await send('PATCH', '/vms/web', { floppy });
    while ((await get()).pending.length > 0) await site.app.core.clock.sleep(10);
    return inside();
  };
  assert.equal(await change('two.vfd'), ['two.vfd']);
  assert.equal((await get('/storage-domains/isos/files')).items.map(({ name, usedBy }: Json) => [name, usedBy.length]), [['one.img', 0], ['two.vfd', 1]]);
  assert.is((await send('DELETE', '/storage-domains/isos/files/two.vfd')).status, 409);
  assert.equal(await change(null), [undefined]);
  await send('PATCH', '/vms/web', { floppyDrive: false });
  assert.equal((await get()).pending, ['floppyDrive']);
  await send('POST', '/vms/web/discard-changes');
  assert.equal([(await get()).pending, (await get()).floppyDrive], [[], true]);
});

test('huge pages: refused while the host has too few, with figures; told of where it has them', async () => {
  await create({ hugePages: '2M' });
  assert.match(await refusedStart(), /web needs 512 huge pages of 2 MiB; this host has 0 free of 0/);
  site.host.machine.setNodes([{ id: 0, cpus: '0-7', memoryBytes: 64 * GiB, pages: [{ sizeBytes: 2 * MiB, total: 600, free: 512 }] }]);
  await carryOut('POST', '/vms/web/start');
  assert.equal(findAll(domain(), 'memoryBacking/hugepages/page').map(({ attributes }) => attributes), [{ size: String(2 * MiB), unit: 'b' }]);
  assert.equal((await get('/hosts/this')).memoryNodes, [{ id: 0, cpus: '0-7', memoryBytes: 64 * GiB, pages: [{ sizeBytes: 2 * MiB, total: 600, free: 512 }] }]);
});

test('memory nodes of the guest keep to those of the host', async () => {
  site.host.machine.setNodes([0, 1].map((id) => ({ id, cpus: '', memoryBytes: 2 * GiB, pages: [] })));
  assert.equal(errorsOf(await create({ vcpus: 3, numaNodes: 2 })), ['numaNodes']);
  await create({ vcpus: 4, numaNodes: 2, numaBinding: 'strict' });
  await carryOut('POST', '/vms/web/start');
  assert.equal(findAll(domain(), 'cpu/numa/cell').map(({ attributes }) => [attributes['cpus'], attributes['memory']]), [['0-1', String(GiB / 2)], ['2-3', String(GiB / 2)]]);
  assert.equal(findAll(domain(), 'numatune/memnode').map(({ attributes }) => [attributes['cellid'], attributes['mode'], attributes['nodeset']]), [['0', 'strict', '0'], ['1', 'strict', '1']]);
  await carryOut('POST', '/vms/web/power-off');
  await send('PATCH', '/vms/web', { memoryBytes: 6 * GiB });
  assert.match(await refusedStart(), /memory node 0 of this host is smaller/);
});

test.run();
