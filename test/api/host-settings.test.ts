/** Name, time and SSH keys of the host through the API: wishes that a reconciler brings about. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openTestApp, type TestApp } from '../world/app.ts';

interface Shown {
  wanted: Record<string, unknown>;
  actual: Record<string, unknown>;
  isManaged: boolean;
  generation: number;
}

const show = async (site: TestApp) => (await site.send<Shown>('GET', '/api/v1/hosts/this/settings')).body;

async function until(site: TestApp, isTrue: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (await isTrue()) return;
    await site.app.core.clock.sleep(10);
  }
  assert.unreachable('never came');
}

test('a wish is kept and brought about; what is not wished stays', async () => {
  const site = await openTestApp();
  assert.equal((await show(site)).wanted, { hostname: null, timeZone: null, ntpServers: null, sshKeys: null });
  const { status, body } = await site.send<Shown>('PATCH', '/api/v1/hosts/this/settings', { hostname: 'Shop-9', timeZone: 'Europe/Berlin' });
  assert.equal([status, body.generation], [200, 1]);
  await until(site, async () => (await show(site)).actual['hostname'] === 'shop-9');
  assert.is((await show(site)).actual['timeZone'], 'Europe/Berlin');
  assert.equal((await show(site)).wanted['sshKeys'], null);
  await site.close();
});

test('wrong names, zones, servers and keys are refused', async () => {
  const site = await openTestApp();
  for (const wrong of [{ hostname: '-a' }, { hostname: 'a.b' }, { timeZone: 'Mars/Olympus' }, { timeZone: '../../etc/shadow' }, { ntpServers: ['a b'] }, { sshKeys: ['command="x" ssh-ed25519 AAAA'] }, { sshKeys: [`ssh-ed25519 ${'A'.repeat(60)} a\nssh-rsa b`] }]) {
    assert.is((await site.send('PATCH', '/api/v1/hosts/this/settings', wrong)).status, 400, JSON.stringify(wrong));
  }
  await site.close();
});

test('on a machine that is not ours the wish is kept and nothing is touched', async () => {
  const site = await openTestApp();
  site.host.settings.manage(false);
  await site.send('PATCH', '/api/v1/hosts/this/settings', { hostname: 'shop-9' });
  site.app.core.reconcilers.wake('host-settings');
  await site.app.core.clock.sleep(50);
  const { isManaged, actual, wanted } = await show(site);
  assert.equal([isManaged, actual['hostname'], wanted['hostname']], [false, 'shop-7', 'shop-9']);
  await site.close();
});

test('what the system refuses is told until it works', async () => {
  const site = await openTestApp();
  const codes = async () => (await site.send<{ items: { code: string }[] }>('GET', '/api/v1/events?standing=true')).body.items.map(({ code }) => code);
  site.host.settings.setFault(new Error('no bus'));
  await site.send('PATCH', '/api/v1/hosts/this/settings', { hostname: 'shop-9' });
  await until(site, async () => (await codes()).includes('host.settings-failed'));
  site.host.settings.setFault(undefined);
  site.app.core.reconcilers.wake('host-settings');
  await until(site, async () => !(await codes()).includes('host.settings-failed'));
  assert.is((await show(site)).actual['hostname'], 'shop-9');
  await site.close();
});

test.run();
