/** Updates through the API: upload and fetch, what is refused, the switch over a restart, the way back. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../appliance/core/clock.ts';
import { runGate } from '../../appliance/update/gate.ts';
import { readTrial, writeTrial } from '../../appliance/update/record.ts';
import { openTestApp, type TestApp } from '../world/app.ts';
import { openFoundry } from '../world/update-bundle.ts';

interface Status {
  isSupported: boolean;
  running: string;
  slots: { version: string; state: string; createdAt: number | null }[];
  next: string | null;
  previous: string | null;
  isOnTrial: boolean;
  rollbackLosesChanges: boolean;
  missing: string[];
  last: { from: string; to: string; result: string; reasons: string[] } | null;
}

const foundry = openFoundry();
const test = suite<{ site: TestApp }>('updates');
test.before.each(async (context) => {
  context.site = await openTestApp({ keysPath: foundry.keysPath, guests: { shutdownMs: 50 } });
});
test.after.each(({ site }) => site.close());
test.after(() => foundry.close());

const status = async (site: TestApp) => (await site.send<Status>('GET', '/api/v1/update')).body;

async function put(site: TestApp, bytes: Uint8Array, { path = '/api/v1/update/bundle', headers = {} as Record<string, string> } = {}): Promise<Response> {
  const local = site.app.http('local');
  return local.request(`http://bothy${path}`, { method: 'PUT', body: bytes as BodyInit, headers: { 'content-length': String(bytes.length), ...headers } });
}

/** Uploads it and waits; gives how the task ended and why. */
async function install(site: TestApp, bytes: Uint8Array, options?: Parameters<typeof put>[2]): Promise<{ state: string; detail: string }> {
  const response = await put(site, bytes, options);
  if (response.status !== 202) return { state: 'refused', detail: ((await response.json()) as { detail: string }).detail };
  const row = await site.app.core.tasks.ended(((await response.json()) as { id: string }).id);
  return { state: row.state, detail: (row.problem as { detail: string } | null)?.detail ?? '' };
}

test('an upload is verified, written to the other slot and ready to be switched to', async ({ site }) => {
  assert.equal(await install(site, await foundry.make('1.1')), { state: 'done', detail: '' });
  const after = await status(site);
  assert.equal(after.slots, [{ version: '1.0', state: 'running', createdAt: null }, { version: '1.1', state: 'installed', createdAt: 1_700_000_000_000 }]);
  assert.is(after.next, '1.1');
  assert.match(site.host.slots.content('1.1') ?? '', /root of 1\.1/);
  await until('the bundle is gone', () => readdirSync(join(site.statePath, 'update/incoming')).length === 0);
  assert.equal(readdirSync(join(site.statePath, 'update/staged')), ['bothy_1.1.efi']);
  site.host.slots.boot();
  assert.is((await site.host.slots.facts()).running, '1.0', 'a power cut does not switch');
});

test('an upload in two pieces goes on where it stopped', async ({ site }) => {
  const bytes = await foundry.make('1.1');
  const half = 6_000;
  const range = (from: number, to: number) => ({ headers: { 'content-range': `bytes ${from}-${to - 1}/${bytes.length}`, 'content-length': String(to - from) } });
  assert.is((await put(site, bytes.subarray(0, half), range(0, half))).status, 200);
  const { body } = await site.send('GET', '/api/v1/update/bundle');
  assert.is(body.receivedBytes, half);
  assert.equal(await install(site, bytes.subarray(half), range(half, bytes.length)), { state: 'done', detail: '' });
  assert.is((await site.send('GET', '/api/v1/update/bundle')).status, 404);
});

test('an upload that is given up leaves nothing', async ({ site }) => {
  const bytes = await foundry.make('1.1');
  await put(site, bytes.subarray(0, 6_000), { headers: { 'content-range': `bytes 0-5999/${bytes.length}`, 'content-length': '6000' } });
  await site.carryOut('DELETE', '/api/v1/update/bundle');
  assert.is((await site.send('GET', '/api/v1/update/bundle')).status, 404);
});

test('what is no update is refused with its first bytes', async ({ site }) => {
  assert.match((await install(site, Buffer.alloc(200_000, 'x'))).detail, /not an update/);
});

test('tampered, cut off, for another product or machine, older, the same: refused, and nothing is left', async ({ site }) => {
  const good = await foundry.make('1.1');
  const tampered = Buffer.from(good);
  tampered.writeUInt8(tampered.readUInt8(good.length - 2_000) ^ 1, good.length - 2_000);
  const faults: [Buffer, RegExp][] = [
    [tampered, /damaged/], [good.subarray(0, good.length - 1_500), /damaged/],
    [await foundry.make('1.1', { architecture: 'aarch64' }), /aarch64 machines; this one is x86_64/],
    [await foundry.make('0.9'), /older than 1\.0/], [await foundry.make('1.0'), /running already/],
    [await foundry.make('3.0', { minimumVersion: '2.0' }), /update in between/],
  ];
  for (const [bytes, reason] of faults) {
    const { state, detail } = await install(site, bytes);
    assert.is(state, 'failed', detail);
    assert.match(detail, reason);
    await until('the bundle is gone', () => readdirSync(join(site.statePath, 'update/incoming')).length === 0);
    assert.not.ok(existsSync(join(site.statePath, 'update/staged')));
  }
  assert.equal((await status(site)).slots.map(({ version }) => version), ['1.0']);
});

test('an older one is taken when that is asked for', async ({ site }) => {
  assert.is((await install(site, await foundry.make('0.9'), { path: '/api/v1/update/bundle?allowOlder=true' })).state, 'done');
  assert.is((await status(site)).next, '0.9');
});

test('without room it is refused, and taken when there is some', async ({ site }) => {
  const bytes = await foundry.make('1.1');
  const url = 'https://updates.example/1.1';
  site.host.downloads.offer(url, bytes);
  site.host.freeDisk(100_000);
  const { body } = await site.send<{ id: string }>('POST', '/api/v1/update/install', { url });
  const row = await site.app.core.tasks.ended(body.id);
  assert.match((row.problem as { detail: string }).detail, /only 97.6 KiB are free/);
  site.host.freeDisk(10 ** 10);
  await site.carryOut('POST', '/api/v1/update/install', { url });
  assert.is((await status(site)).next, '1.1');
});

test('a slot that cannot be written leaves the machine as it was', async ({ site }) => {
  site.host.slots.failNext('systemd-run failed with exit code 1: Input/output error');
  const { state, detail } = await install(site, await foundry.make('1.1'));
  assert.is(state, 'failed');
  assert.match(detail, /other slot could not be written.*untouched/);
  assert.is((await status(site)).next, null);
  assert.is((await install(site, await foundry.make('1.1'))).state, 'done');
});

test('another build of an installed version is refused', async ({ site }) => {
  await install(site, await foundry.make('1.1'));
  assert.match((await install(site, await foundry.make('1.1', { createdAt: 1_700_000_001_000 }))).detail, /another build of version 1\.1/);
});

test('a machine without slots says why', async ({ site }) => {
  site.host.slots.setLack('This machine was not started from the host image.');
  assert.is((await status(site)).isSupported, false);
  for (const [path, input] of [['install', { url: 'https://updates.example/1' }], ['switch', {}], ['rollback', {}]] as const) {
    const reply = await site.send('POST', `/api/v1/update/${path}`, input);
    assert.is(reply.status, 503, path);
    assert.match(String(reply.body.detail), /not started from the host image/);
  }
  assert.is((await put(site, await foundry.make('1.1'))).status, 503);
});

test('nothing to switch to, nothing to go back to', async ({ site }) => {
  assert.match(String((await site.send('POST', '/api/v1/update/switch', {})).body.detail), /Nothing is installed/);
  assert.match(String((await site.send('POST', '/api/v1/update/rollback', {})).body.detail), /no version to go back to/);
});

// ------------------------------------------------------------------------------------------------ over the restart

async function makeVm(site: TestApp, name: string, autostart: boolean): Promise<void> {
  await site.send('POST', '/api/v1/vms', { name, vcpus: 1, memoryBytes: 2 ** 28, autostart });
  await site.carryOut('POST', `/api/v1/vms/${name}/start`);
}

const vmState = async (site: TestApp, name: string) => (await site.send(`GET`, `/api/v1/vms/${name}`)).body.state;

async function until(what: string, isTrue: () => Promise<boolean> | boolean): Promise<void> {
  for (const end = Date.now() + 20_000; !(await isTrue()); await sleep(20)) if (Date.now() > end) throw new Error(`never: ${what}`);
}

const gateOf = (site: TestApp, limitMs = 60_000) => ({
  elapsed: () => performance.now(),
  statePath: site.statePath, slots: site.host.slots, limitMs, say: () => {}, clock: { now: systemClock.now, sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(ms / 60, signal) },
  ask: async () => {
    const response = await site.app.http('local').request('http://bothy/api/v1/update/gate');
    return (await response.json()) as { isOnTrial: boolean; missing: string[] };
  },
});

/** Installs 1.1, begins the switch and goes on in the life after the restart. */
async function switchTo(site: TestApp, version: string): Promise<{ after: TestApp; task: string }> {
  await install(site, await foundry.make(version));
  const { body } = await site.send<{ id: string }>('POST', '/api/v1/update/switch', { shutdownSeconds: 10 });
  await until('the host has restarted', async () => (await site.host.slots.facts()).running === version);
  return { after: await site.killAndRestart(), task: body.id };
}

test('a switch shuts the VMs down, starts the new version, and is committed when all is there again', async ({ site }) => {
  await makeVm(site, 'till', true);
  await makeVm(site, 'lab', false);
  await makeVm(site, 'off', true);
  await site.carryOut('POST', '/api/v1/vms/off/power-off');
  const { after, task } = await switchTo(site, '1.1');
  assert.equal(readTrial(site.statePath)?.expected.vms.map(({ name, isRequired }) => [name, isRequired]).sort(), [['lab', false], ['till', true]]);
  assert.is((await status(after)).isOnTrial, true);
  assert.is(await runGate(gateOf(after)), 0);
  site.host.slots.bless();
  assert.is((await after.app.core.tasks.ended(task)).state, 'done');
  await until('the VMs run', async () => (await vmState(after, 'till')) === 'up' && (await vmState(after, 'lab')) === 'up');
  const shown = await status(after);
  assert.equal([shown.running, shown.isOnTrial, shown.previous, shown.next, shown.last?.result], ['1.1', false, '1.0', null, 'committed']);
  await until('it is told', async () => (await after.send<{ items: { code: string }[] }>('GET', '/api/v1/events')).body.items.some(({ code }) => code === 'update.committed'));
  await until('what was staged is gone', () => readdirSync(join(site.statePath, 'update/staged')).length === 0);
  await after.close();
});

test('a version that does not bring everything back is given up; the old one tells why', async ({ site }) => {
  await makeVm(site, 'till', true);
  const { after, task } = await switchTo(site, '1.1');
  after.host.machine.change({ nics: [] });
  assert.is(await runGate(gateOf(after, 3_000)), 1);
  await after.host.power.reboot();
  assert.is((await after.host.slots.facts()).running, '1.0');
  const back = await after.killAndRestart();
  const row = await back.app.core.tasks.ended(task);
  assert.is(row.state, 'failed');
  assert.match((row.problem as { detail: string }).detail, /Version 1\.1 did not come up well.*back at version 1\.0.*network interface eno1 was there before/);
  await until('the VM runs', async () => (await vmState(back, 'till')) === 'up');
  const { slots, last, next } = await status(back);
  assert.equal(slots.map(({ version, state }) => [version, state]), [['1.0', 'running'], ['1.1', 'bad']]);
  assert.is(last?.result, 'failed');
  assert.is(next, null, 'a bad version is not offered');
  const told = (await back.send<{ items: { code: string; message: string }[] }>('GET', '/api/v1/events')).body.items.find(({ code }) => code === 'update.failed');
  assert.match(told?.message ?? '', /eno1/);
  assert.is((await back.send('POST', '/api/v1/update/switch', { retry: true })).status, 202, 'but may be tried again');
  await back.close();
});

test('a version that never answers is given up by the gate; one that dies before it returns by its tries', async ({ site }) => {
  const { after } = await switchTo(site, '1.1');
  assert.is(await runGate({ ...gateOf(after, 3_000), ask: async () => { throw new Error('connect ECONNREFUSED'); } }), 1);
  assert.match(readTrial(site.statePath)?.outcome?.reasons.join() ?? '', /did not answer\. Its journal says why.*connect ECONNREFUSED/);
  await after.close();
});

test('where there is nothing to return to the gate ends at once, whatever the service says', async ({ site }) => {
  const said: string[] = [];
  const never = { ...gateOf(site), say: (line: string) => { said.push(line); }, ask: () => Promise.reject(new Error('it was asked')) };
  assert.is(await runGate(never), 0);
  assert.match(said.join(), /no other version to return to/);
  const blind = { ...site.host.slots, facts: () => Promise.reject(new Error('no boot loader')) };
  assert.is(await runGate({ ...never, slots: blind }), 0, 'nor where the slots cannot be seen');
});

test('a service that takes the question and never answers is given up', async ({ site }) => {
  const { after } = await switchTo(site, '1.1');
  assert.is(await runGate({ ...gateOf(after, 2_000), ask: () => new Promise(() => {}) }), 1);
  assert.match(readTrial(site.statePath)?.outcome?.reasons.join() ?? '', /took the question and said nothing/);
  assert.equal((await after.host.slots.facts()).slots.map(({ version, state }) => [version, state]), [['1.0', 'good'], ['1.1', 'bad']]);
  await after.close();
});

test('a decision that the power cut off from the boot loader stands', async ({ site }) => {
  const { after } = await switchTo(site, '1.1');
  const trial = readTrial(site.statePath);
  if (!trial) throw new Error('no record');
  await writeTrial(site.statePath, { ...trial, outcome: { result: 'failed', at: 1, reasons: ['It was ill.'] } });
  assert.is(await runGate(gateOf(after)), 1, 'though all is well now');
  after.host.slots.boot();
  assert.is((await after.host.slots.facts()).running, '1.0');
  await after.close();
});

test('a version that was gone back to and is not well returns to the newer one, which comes last in the boot menu', async ({ site }) => {
  const { after } = await switchTo(site, '1.1');
  await runGate(gateOf(after));
  site.host.slots.bless();
  await until('the task has ended', () => after.app.core.tasks.list({ limit: 1, isActive: true }).length === 0);
  await after.send('POST', '/api/v1/update/rollback', { shutdownSeconds: 10 });
  await until('the host has restarted', async () => (await site.host.slots.facts()).running === '1.0');
  const back = await after.killAndRestart();
  assert.is(await runGate({ ...gateOf(back, 2_000), ask: async () => ({ isOnTrial: true, missing: ['Something is.'] }) }), 1);
  site.host.slots.boot();
  assert.is((await site.host.slots.facts()).running, '1.1');
  assert.is(await runGate({ ...gateOf(back), ask: () => Promise.reject(new Error('it was asked')) }), 0, 'there it stays, well or not');
  await back.close();
});

test('three starts without a word, and the boot loader is back', async ({ site }) => {
  const { after, task } = await switchTo(site, '1.1');
  for (let tries = 0; tries < 3; tries++) after.host.slots.boot();
  const back = await after.killAndRestart();
  assert.is((await status(back)).running, '1.0');
  assert.match(((await back.app.core.tasks.ended(task)).problem as { detail: string }).detail, /did not come up far enough/);
  await back.close();
});

test('a rollback is a switch to the version before', async ({ site }) => {
  const { after } = await switchTo(site, '1.1');
  await runGate(gateOf(after));
  site.host.slots.bless();
  await until('the task has ended', () => after.app.core.tasks.list({ limit: 1, isActive: true }).length === 0);
  await after.send('POST', '/api/v1/update/rollback', { shutdownSeconds: 10 });
  await until('the host has restarted', async () => (await site.host.slots.facts()).running === '1.0');
  const back = await after.killAndRestart();
  assert.is(await runGate(gateOf(back)), 0);
  site.host.slots.bless();
  site.host.slots.boot();
  assert.is((await site.host.slots.facts()).running, '1.0', 'and stays there');
  await back.close();
});

test('while a version with a database of its own is on trial it takes no changes; signing in and reading go on', async ({ site }) => {
  const { after } = await switchTo(site, '1.1');
  const trial = readTrial(site.statePath);
  if (!trial) throw new Error('no record');
  await writeTrial(site.statePath, { ...trial, schema: trial.schema - 1 });
  const refused = await after.send('POST', '/api/v1/vms', { name: 'lost', vcpus: 1, memoryBytes: 2 ** 28 });
  assert.is(refused.status, 503);
  assert.match(String(refused.body.detail), /proving itself/);
  assert.is((await after.send('GET', '/api/v1/vms')).status, 200);
  await runGate(gateOf(after));
  assert.is((await after.send('POST', '/api/v1/vms', { name: 'kept', vcpus: 1, memoryBytes: 2 ** 28 })).status, 201);
  site.host.slots.bless();
  await until('the task has ended', () => after.app.core.tasks.list({ limit: 1, isActive: true }).length === 0);
  assert.is((await status(after)).rollbackLosesChanges, true);
  assert.is((await after.send('POST', '/api/v1/update/rollback', {})).status, 412);
  assert.is((await after.send('POST', '/api/v1/update/rollback', { acceptLoss: true })).status, 202);
  await after.close();
});

test('once a switch has begun no VM is started, until the host is back', async ({ site }) => {
  await install(site, await foundry.make('1.1'));
  site.host.libvirt.behave({ shutdownMs: 60_000 });
  await makeVm(site, 'slow', false);
  await site.send('POST', '/api/v1/vms', { name: 'other', vcpus: 1, memoryBytes: 2 ** 28 });
  await site.send('POST', '/api/v1/update/switch', { shutdownSeconds: 3_600 });
  await until('the VM is asked', async () => (await vmState(site, 'slow')) === 'powering-down');
  const refused = await site.send('POST', '/api/v1/vms/other/start');
  assert.equal([refused.status, String(refused.body.detail).slice(0, 53)], [409, 'The host is being shut down or restarted. Cancel that']);
  assert.is((await site.send('POST', '/api/v1/hosts/this/reboot', {})).status, 409);
  await site.send('POST', '/api/v1/vms/slow/power-off');
  await until('the host has restarted', async () => (await site.host.slots.facts()).running === '1.1');
  const after = await site.killAndRestart();
  await until('the VM that ran runs', async () => (await vmState(after, 'slow')) === 'up');
  assert.is((await after.send('POST', '/api/v1/vms/other/start')).status, 202, 'while the version proves itself');
  await after.close();
});

test('without libvirt it says so and does nothing; told to cut off what runs, it switches', async ({ site }) => {
  await install(site, await foundry.make('1.1'));
  await makeVm(site, 'till', false);
  site.world.control.disconnect();
  await until('it cannot be seen', async () => (await vmState(site, 'till')) === 'unknown');
  const refused = await site.send('POST', '/api/v1/update/switch', { shutdownSeconds: 10 });
  assert.is(refused.status, 412);
  assert.match(String(refused.body.detail), /libvirt does not answer.*"till" may run.*cut off/);
  assert.is((await site.send('POST', '/api/v1/update/switch', { shutdownSeconds: 10, cutOff: true })).status, 202);
  await until('the host has restarted', async () => (await site.host.slots.facts()).running === '1.1');
  const after = await site.killAndRestart();
  after.world.control.reconnect();
  await until('the VM that ran runs', async () => (await vmState(after, 'till')) === 'up');
  await after.close();
});

test('nothing is switched while another task is at work or another update', async ({ site }) => {
  await install(site, await foundry.make('1.1'));
  site.host.libvirt.behave({ shutdownMs: 60_000 });
  await makeVm(site, 'slow', false);
  const first = await site.send('POST', '/api/v1/update/switch', { shutdownSeconds: 3_600 });
  assert.is(first.status, 202);
  assert.match(String((await site.send('POST', '/api/v1/update/switch', {})).body.detail), /right now/);
  assert.is((await put(site, await foundry.make('1.2'))).status, 409);
  await site.send('POST', '/api/v1/vms/slow/power-off');
  await until('the host has restarted', async () => (await site.host.slots.facts()).running === '1.1');
});

test.run();
