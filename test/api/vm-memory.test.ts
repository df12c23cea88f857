/** Suspending to disk as programs and people see it. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MiB, TiB } from '../../appliance/core/units.ts';
import { openTestApp } from '../world/app.ts';

// biome-ignore lint/suspicious/noExplicitAny: a test looks into answers of all operations
type Json = any;

test('suspended, shown, started again, discarded; refused without room', async () => {
  const site = await openTestApp();
  const ask = (method: string, path: string, body?: unknown) => site.send<Json>(method, `/api/v1${path}`, body);
  const vm = async () => (await ask('GET', '/vms/first')).body;
  const page = async () => (await site.door.request('http://bothy/vms/first', { headers: { authorization: `Bearer ${await site.tokenFor(['administrator'])}` } })).text();
  try {
    await ask('POST', '/vms', { name: 'first', memoryBytes: 512 * MiB, disks: [{ sizeBytes: MiB }] });
    assert.is((await ask('POST', '/vms/first/suspend')).status, 409);
    await site.carryOut('POST', '/api/v1/vms/first/start');
    assert.match(await page(), /vms\/first\/suspend/);
    await site.carryOut('POST', '/api/v1/vms/first/suspend');
    const suspended = await vm();
    assert.equal([suspended.state, suspended.explanation.effect], ['saved', 'The guest does not run; its memory lies on disk.']);
    assert.match(await page(), /vms\/first\/discard-memory/);
    const refused = await ask('POST', '/vms/first/power-off');
    assert.equal([refused.status, /is suspended/.test(refused.body.detail)], [409, true]);
    assert.equal((await ask('GET', '/vms?state=saved')).body.items.length, 1);
    await site.carryOut('POST', '/api/v1/vms/first/start');
    assert.is((await vm()).state, 'up');
    await site.carryOut('POST', '/api/v1/vms/first/suspend');
    await site.carryOut('POST', '/api/v1/vms/first/discard-memory');
    assert.equal([(await vm()).state, (await vm()).reason], ['down', 'memory-discarded']);
    await ask('PATCH', '/vms/first', { memoryBytes: 2 * TiB });
    await site.carryOut('POST', '/api/v1/vms/first/start');
    const full = await ask('POST', '/vms/first/suspend');
    assert.equal([full.status, /shut the VM down instead/.test(full.body.detail)], [507, true], JSON.stringify(full.body));
  } finally {
    await site.close();
  }
});

test.run();
