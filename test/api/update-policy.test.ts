/** Updates from an address: looked at, offered, and with a policy installed and switched to without anybody. */
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openTestApp, type TestApp } from '../world/app.ts';
import { openFoundry } from '../world/update-bundle.ts';

interface Policy {
  source: string | null;
  install: string;
  window: string;
  generation: number;
  found: { version: string | null; fault: string | null } | null;
  waitsFor: string | null;
}

const url = 'https://updates.example/bothy.bundle';
const always = '00:00-00:00';
const foundry = openFoundry();
const test = suite<{ site: TestApp }>('policy of updates');
test.before.each(async (context) => {
  context.site = await openTestApp({ keysPath: foundry.keysPath });
});
test.after.each(({ site }) => site.close());
test.after(() => foundry.close());

const policy = async (site: TestApp) => (await site.send<Policy>('GET', '/api/v1/update/policy')).body;
const edit = (site: TestApp, changes: object) => site.send<Policy & { detail: string }>('PATCH', '/api/v1/update/policy', changes);
const running = async (site: TestApp) => (await site.host.slots.facts()).running;

async function until<T>(what: string, look: () => Promise<T | false | undefined> | T | false | undefined): Promise<T> {
  for (const end = Date.now() + 20_000; ; await sleep(20)) {
    const seen = await look();
    if (seen) return seen;
    if (Date.now() > end) throw new Error(`never: ${what}`);
  }
}

const found = (site: TestApp, version: string | null) => until(`${version} is found`, async () => {
  const now = await policy(site);
  return now.found?.version === version && now;
});
const tasks = async (site: TestApp) => (await site.send<{ items: { kind: string; state: string }[] }>('GET', '/api/v1/tasks')).body.items.map(({ kind, state }) => `${kind} ${state}`);

/** A window that is not open now, by the clock of the simulated place. */
async function closedWindow(site: TestApp): Promise<string> {
  const { timeZone } = await site.world.hostSettings.read();
  const hour = Number(new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', hourCycle: 'h23' }).format(Date.now()));
  const at = (hours: number) => `${String((hour + hours) % 24).padStart(2, '0')}:00`;
  return `${at(10)}-${at(12)}`;
}

test('nobody is asked until there is an address; by itself nothing is installed without one', async ({ site }) => {
  assert.equal(await policy(site), { source: null, install: 'by-hand', window: '02:00-04:00', generation: 0, found: null, waitsFor: null });
  const refused = await edit(site, { install: 'in-window' });
  assert.equal([refused.status, /without an address/.test(refused.body.detail)], [400, true]);
  assert.is((await edit(site, { source: 'file:///etc/shadow' })).status, 400);
  assert.is((await edit(site, { window: '2-4' })).status, 400);
  assert.is((await policy(site)).generation, 0);
});

test('what lies there is offered and told once, and left to people', async ({ site }) => {
  site.host.downloads.offer(url, await foundry.make('1.1'));
  assert.is((await edit(site, { source: url })).status, 200);
  assert.is((await found(site, '1.1')).found?.fault, null);
  assert.is((await site.send('POST', '/api/v1/update/policy/look')).status, 204);
  await sleep(300);
  assert.equal(await tasks(site), []);
  const { body } = await site.send<{ items: { code: string; message: string }[] }>('GET', '/api/v1/events');
  assert.equal(body.items.filter(({ code }) => code === 'update.at-source').map(({ message }) => message), ['Version 1.1 lies at updates.example.']);
});

test('nothing there, something else, a stranger\'s, an older one: said, and looked at again when that is asked for', async ({ site }) => {
  await edit(site, { source: url, install: 'in-window', window: always });
  assert.match((await found(site, null)).found?.fault ?? '', /answers 404/);
  const stranger = openFoundry();
  for (const [bytes, fault] of [[Buffer.alloc(9_000, 'x'), /damaged/], [await stranger.make('1.1'), /sign/]] as const) {
    site.host.downloads.offer(url, bytes);
    assert.is((await site.send('POST', '/api/v1/update/policy/look')).status, 204);
    await until(`${fault}`, async () => fault.test((await policy(site)).found?.fault ?? ''));
  }
  stranger.close();
  site.host.downloads.offer(url, await foundry.make('0.9'));
  await site.send('POST', '/api/v1/update/policy/look');
  assert.match((await found(site, '0.9')).found?.fault ?? '', /older than 1\.0/);
  assert.equal(await tasks(site), []);
});

test('in the window it is installed and switched to without anybody', async ({ site }) => {
  site.host.downloads.offer(url, await foundry.make('1.1'));
  await edit(site, { source: url, install: 'in-window', window: always });
  await found(site, '1.1');
  await until('it is installed', async () => (await tasks(site)).includes('update.install done'));
  site.app.core.reconcilers.wake('update-source'); // its next round, five minutes later
  await until('the host has restarted into it', async () => (await running(site)) === '1.1');
});

test('before the window it is installed and waits; a version that did not come up is not tried again', async ({ site }) => {
  site.host.downloads.offer(url, await foundry.make('1.1'));
  await edit(site, { source: url, install: 'in-window', window: await closedWindow(site) });
  await until('it is installed', async () => (await tasks(site)).includes('update.install done'));
  site.app.core.reconcilers.wake('update-source');
  await until('it waits', async () => /when the window opens/.test((await policy(site)).waitsFor ?? ''));
  assert.equal(await tasks(site), ['update.install done']);
  for (const verb of ['arm', 'disarm'] as const) await site.host.slots[verb]('1.1', AbortSignal.timeout(5_000)); // as a trial that failed leaves it
  await edit(site, { window: always });
  await until('it says why', async () => /did not come up well before/.test((await policy(site)).waitsFor ?? ''));
  assert.is(await running(site), '1.0');
});

test('an installation that fails is not tried again before the next look', async ({ site }) => {
  const bytes = await foundry.make('1.1');
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 2_000) ^ 1, bytes.length - 2_000); // its beginning is right
  site.host.downloads.offer(url, bytes);
  await edit(site, { source: url, install: 'in-window', window: always });
  await until('it failed', async () => (await tasks(site)).includes('update.install failed'));
  for (let round = 0; round < 3; round++, await sleep(50)) site.app.core.reconcilers.wake('update-source');
  await until('it says so', async () => /could not be installed/.test((await policy(site)).waitsFor ?? ''));
  assert.equal(await tasks(site), ['update.install failed']);
});

test('while another task is at work the switch waits for it', async ({ site }) => {
  site.host.downloads.offer(url, await foundry.make('1.1'));
  await edit(site, { source: url, install: 'in-window', window: await closedWindow(site) });
  await until('it is installed', async () => (await tasks(site)).includes('update.install done'));
  site.world.control.disconnect();
  await edit(site, { window: always });
  await until('it waits', async () => /libvirt does not answer/.test((await policy(site)).waitsFor ?? ''));
  assert.is(await running(site), '1.0');
});

test.run();
