/** A machine of one's own from one that is down, as programs and people see it. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MiB } from '../../appliance/core/units.ts';
import { openTestApp } from '../world/app.ts';

// biome-ignore lint/suspicious/noExplicitAny: a test looks into answers of all operations
type Json = any;

test('hardware and disks are copied, identity is not; one that runs is refused with the way out', async () => {
  const site = await openTestApp();
  const ask = (method: string, path: string, body?: unknown) => site.send<Json>(method, `/api/v1${path}`, body);
  const settled = async () => {
    for (const { id } of site.app.core.tasks.list({ limit: 100, isActive: true })) await site.app.core.tasks.ended(id);
  };
  try {
    await ask('POST', '/vms', { name: 'first', vcpus: 2, memoryBytes: 512 * MiB, video: 'cirrus', autostart: true, disks: [{ sizeBytes: MiB, serial: 'S-1', bus: 'sata' }], nics: [{ network: 'default', mac: '52:54:00:00:00:01' }] });
    await settled();
    const { status, body: made } = await ask('POST', '/vms/first/clone', { name: 'second', description: 'for a try' });
    assert.is(status, 201, JSON.stringify(made));
    assert.equal([made.name, made.description, made.vcpus, made.video, made.autostart, made.disks[0].bus, made.disks[0].serial], ['second', 'for a try', 2, 'cirrus', false, 'sata', null]);
    assert.not.equal(made.nics[0].mac, '52:54:00:00:00:01');
    await settled();
    assert.is((await ask('POST', '/vms/first/clone', { name: 'second' })).status, 409);
    await site.carryOut('POST', '/api/v1/vms/first/start');
    const refused = await ask('POST', '/vms/first/clone', { name: 'third' });
    assert.is(refused.status, 409);
    assert.match(refused.body.detail, /take a snapshot and make a VM of that/);
    const page = await (await site.door.request('http://bothy/vms/second', { headers: { authorization: `Bearer ${await site.tokenFor(['administrator'])}` } })).text();
    assert.match(page, /id="clone-vm-form"/);
  } finally {
    await site.close();
  }
});

test.run();
