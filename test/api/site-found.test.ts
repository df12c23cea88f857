/** A site file that lies before the machine: when it is applied by itself, when it waits for a yes, and what a wrong one does. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { hashPassword } from '../../appliance/auth/password.ts';
import { openTestApp, type TestApp } from '../world/app.ts';

const passwordHash = await hashPassword('four unrelated words');
const admin = `users: [{ name: admin, roles: [administrator], passwordHash: "${passwordHash}" }]`;
const fileWith = (vm: string, more = '') => `bothy: 1\n${admin}\nvms: [{ name: ${vm}, memoryBytes: 64 MiB }]\n${more}`;
const source = 'the volume BOTHY (/dev/sdb1)';

interface Shown {
  current: { state: string; source: string } | null;
  found: { state: string; source: string; faults: { line: number; message: string }[] } | null;
}

const show = async (site: TestApp) => (await site.send<Shown>('GET', '/api/v1/site')).body;
const has = async (site: TestApp, vm: string) => (await site.send('GET', `/api/v1/vms/${vm}`)).status === 200;
const troubles = async (site: TestApp) => (await site.send<{ items: { code: string; message: string }[] }>('GET', '/api/v1/events?standing=true')).body.items.filter(({ code }) => code.startsWith('site-file'));

async function until(site: TestApp, what: string, isTrue: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (await isTrue()) return;
    site.app.core.reconcilers.wake('site-file');
    await site.app.core.clock.sleep(20);
  }
  assert.unreachable(`never: ${what}`);
}

/** Long enough for a look at the sticks and what follows from it. */
async function afterALook(site: TestApp): Promise<void> {
  for (let looks = 0; looks < 3; looks++) {
    site.app.core.reconcilers.wake('site-file');
    await site.app.core.clock.sleep(100);
  }
}

const isApplied = (site: TestApp) => async () => (await show(site)).current?.state === 'applied';

test('at first boot it is applied without asking, and its source is shown', async () => {
  const site = await openTestApp();
  site.host.siteSources.plugIn({ source, text: fileWith('web') });
  await until(site, 'applied', isApplied(site));
  assert.is((await show(site)).current?.source, source);
  assert.ok(await has(site, 'web'));
  assert.is(site.app.setupCode(), undefined, 'the file has brought an administrator');
  assert.equal(await troubles(site), []);
  await site.close();
});

test('a stick that stays in undoes nothing that people change by hand, over a restart neither', async () => {
  let site = await openTestApp();
  site.host.siteSources.plugIn({ source, text: fileWith('web') });
  await until(site, 'applied', isApplied(site));
  await site.send('PATCH', '/api/v1/vms/web', { memoryBytes: 128 * 2 ** 20 });
  site.host.siteSources.plugIn({ source, text: fileWith('web') });
  await afterALook(site);
  site = await site.killAndRestart();
  await afterALook(site);
  assert.is((await site.send('GET', '/api/v1/vms/web')).body['memoryBytes'], 128 * 2 ** 20);
  assert.equal((await show(site)).found, null);
  await site.close();
});

test('another file waits for a yes, is told, and is applied when somebody says it', async () => {
  const site = await openTestApp();
  site.host.siteSources.plugIn({ source, text: fileWith('web') });
  await until(site, 'applied', isApplied(site));
  site.host.siteSources.plugIn({ source: 'a volume (/dev/sdc1)', text: fileWith('mail') });
  await until(site, 'waiting', async () => (await show(site)).found?.state === 'waiting');
  assert.not.ok(await has(site, 'mail'));
  assert.equal((await troubles(site)).map(({ code }) => code), ['site-file.waiting']);
  const plan = (await site.send<{ steps: { name: string }[] }>('POST', '/api/v1/site/plan', {})).body;
  assert.equal(plan.steps.map(({ name }) => name), ['mail']);
  await site.carryOut('POST', '/api/v1/site/apply', {});
  assert.ok(await has(site, 'mail'));
  assert.equal([(await show(site)).found, await troubles(site)], [null, []]);
  // The older stick again: it was taken once.
  site.host.siteSources.plugIn({ source, text: fileWith('web') });
  await afterALook(site);
  assert.equal([(await show(site)).found, (await show(site)).current?.source], [null, 'a volume (/dev/sdc1)']);
  await site.close();
});

test('a waiting file is forgotten when its stick is taken out', async () => {
  const site = await openTestApp();
  site.host.siteSources.plugIn({ source, text: fileWith('web') });
  await until(site, 'applied', isApplied(site));
  site.host.siteSources.plugIn({ source, text: fileWith('mail') });
  await until(site, 'waiting', async () => (await show(site)).found !== null);
  site.host.siteSources.takeOut();
  await until(site, 'forgotten', async () => (await show(site)).found === null);
  assert.equal(await troubles(site), []);
  await site.close();
});

test('a file that says so lets the next one in without asking', async () => {
  const site = await openTestApp();
  site.host.siteSources.plugIn({ source, text: fileWith('web', 'onNewFile: apply') });
  await until(site, 'applied', isApplied(site));
  site.host.siteSources.plugIn({ source, text: fileWith('mail', 'onNewFile: apply') });
  await until(site, 'the second one', () => has(site, 'mail'));
  await site.close();
});

test('an appliance that people have set up takes no file by itself', async () => {
  const site = await openTestApp();
  await site.send('POST', '/api/v1/setup', { code: site.app.setupCode(), password: 'correct horse battery' });
  site.host.siteSources.plugIn({ source, text: fileWith('web') });
  await until(site, 'waiting', async () => (await show(site)).found?.state === 'waiting');
  assert.not.ok(await has(site, 'web'));
  await site.close();
});

test('a wrong file leaves a box that can be set up, tells every mistake, and a corrected one is taken', async () => {
  const site = await openTestApp();
  site.host.siteSources.plugIn({ source, text: fileWith('web').replace('memoryBytes', 'memroyBytes').replace('roles', 'rolse') });
  await until(site, 'refused', async () => (await show(site)).found?.state === 'refused');
  const { found, current } = await show(site);
  assert.is(current, null);
  assert.equal(found?.faults.map(({ line }) => line), [2, 3]);
  const [trouble] = await troubles(site);
  assert.match(trouble?.message ?? '', /site file on the volume BOTHY .* is wrong .*Line 2, column \d+.*and 1 more/);
  assert.ok(site.app.setupCode());
  site.host.siteSources.plugIn({ source, text: fileWith('web') });
  await until(site, 'applied', isApplied(site));
  assert.equal([(await show(site)).found, await troubles(site)], [null, []]);
  await site.close();
});

test('a place that cannot be read is told', async () => {
  const site = await openTestApp();
  site.host.siteSources.plugIn({ source, fault: 'It is larger than 512 KiB.' });
  await until(site, 'refused', async () => (await show(site)).found?.faults[0]?.message === 'It is larger than 512 KiB.');
  await site.close();
});

test('what came too late for the first try is tried again by itself', async () => {
  const site = await openTestApp();
  const text = fileWith('web', 'images: [{ name: late.iso, file: late.iso }]');
  site.host.siteSources.plugIn({ source, text });
  await until(site, 'failed', async () => (await show(site)).current?.state === 'failed');
  assert.ok(await has(site, 'web'), 'the rest is there');
  const iso = Buffer.alloc(64 * 2048);
  iso.write('\x01CD001\x01', 16 * 2048, 'latin1');
  site.host.siteSources.plugIn({ source, text }, { 'late.iso': iso });
  site.app.core.database.sql.run('update site_file set endedAt = endedAt - 60000');
  await until(site, 'applied', isApplied(site));
  assert.equal(await troubles(site), []);
  await site.close();
});

test('killed in the middle of a first boot, the next start goes on', async () => {
  let site = await openTestApp();
  site.host.siteSources.plugIn({ source, text: fileWith('web') });
  await until(site, 'begun', async () => (await show(site)).current !== null);
  site = await site.killAndRestart();
  await until(site, 'applied', isApplied(site));
  assert.ok(await has(site, 'web'));
  await site.close();
});

test.run();
