/** What the screen of the box reads and does by the local socket: the status in few words, and the reset of the password. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isLinkLocal, judgeStatus, urlsOf } from '../../appliance/host/rules.ts';
import { adminPassword, openTestApp, type TestApp } from '../world/app.ts';

async function local<T>(site: TestApp, method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<{ status: number; body: T }> {
  const response = await site.app.http('local').request(`http://bothy/api/v1${path}`, {
    method, headers: { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) }, ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: (text === '' ? null : JSON.parse(text)) as T };
}

test('all is well, until something is not; the worst comes first', async () => {
  const site = await openTestApp();
  const status = async () => (await site.send<{ state: string; name: string; versions: Record<string, string>; troubles: { code: string }[]; leaving: null }>('GET', '/api/v1/hosts/this/status')).body;
  const well = await status();
  assert.equal([well.state, well.name, well.troubles, well.leaving], ['well', 'shop-7', [], null]);
  assert.equal([well.versions['libvirt'], well.versions['qemu'], well.versions['kernel']], ['9.0.0', '7.2.22', '6.1.0-18-amd64']);
  site.world.control.disconnect('socket closed');
  const bad = await status();
  assert.is(bad.state, 'trouble');
  assert.match(bad.troubles[0]?.code ?? '', /^host\.(non-operational|libvirt-lost)$/);
  await site.close();
});

test('a warning asks for attention, an error is trouble, news are neither', () => {
  const standing = (severity: 'info' | 'warning' | 'error') => ({ code: severity, severity, message: 'm', nextStep: null });
  const fine = { isDatabaseWritable: true, reason: '' };
  assert.is(judgeStatus([standing('info')], fine).state, 'well');
  assert.is(judgeStatus([standing('warning')], fine).state, 'attention');
  assert.equal(judgeStatus([standing('warning'), standing('error')], fine).troubles.map(({ code }) => code), ['error', 'warning']);
  assert.is(judgeStatus([], { isDatabaseWritable: false, reason: '' }).troubles[0]?.code, 'host.database');
});

test('addresses become those that a browser takes, the best first', () => {
  const ports = [
    { name: 'eno1', isUp: true, addresses: ['fe80::1/64', '169.254.7.7/16', '2001:db8::5/64', '192.168.10.5/24'] },
    { name: 'eno2', isUp: false, addresses: ['10.0.0.9/8'] },
    { name: 'virbr0', isUp: true, addresses: ['192.168.122.1/24'] },
  ];
  assert.equal(urlsOf({ host: '::', port: 443 }, true, ports), ['https://192.168.10.5', 'https://[2001:db8::5]', 'https://169.254.7.7']);
  assert.equal(urlsOf({ host: '0.0.0.0', port: 8443 }, true, ports), ['https://192.168.10.5:8443', 'https://169.254.7.7:8443']);
  assert.equal(urlsOf({ host: '127.0.0.1', port: 8080 }, false, ports), ['http://127.0.0.1:8080']);
  assert.equal(['fe80::1', 'febf::1', 'fec0::1', '169.254.0.1', '169.255.0.1'].map(isLinkLocal), [true, true, false, true, false]);
});

test('a changed address is put in the change feed', async () => {
  const site = await openTestApp();
  const before = site.app.core.journal.latest();
  site.host.machine.change({ nics: [] });
  site.app.core.reconcilers.wake('host-addresses');
  for (let tries = 0; tries < 200 && !site.app.core.journal.since(before)?.some(({ kind }) => kind === 'host'); tries++) await site.app.core.clock.sleep(10);
  assert.ok(site.app.core.journal.since(before)?.some(({ kind }) => kind === 'host'));
  await site.close();
});

test('whoever types the name of the box at its screen resets the password; nobody else can', async () => {
  const site = await openTestApp();
  await site.send('POST', '/api/v1/setup', { code: site.app.setupCode(), password: adminPassword });
  const signIn = async (password: string) => (await site.door.request('http://bothy/api/v1/sessions', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ user: 'admin', password }) }));
  const session = await signIn(adminPassword);
  const cookie = (session.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
  assert.is((await site.send('POST', '/api/v1/password/reset', { name: 'shop-7' })).status, 403, 'an administrator over the network');
  assert.is((await local(site, 'POST', '/password/reset', { name: 'shop-8' }, { 'bothy-console': 'tty1' })).status, 400);
  assert.is((await signIn(adminPassword)).status, 201, 'a wrong name changes nothing');

  const reset = await local<{ code: string }>(site, 'POST', '/password/reset', { name: 'shop-7' }, { 'bothy-console': 'tty1' });
  assert.is(reset.status, 200);
  assert.is(site.app.setupCode(), reset.body.code);
  assert.is((await signIn(adminPassword)).status, 401);
  assert.is((await site.door.request('http://bothy/api/v1/sessions/current', { headers: { cookie } })).status, 401, 'signed out');
  assert.is((await site.door.request('http://bothy/')).headers.get('location'), '/setup');

  const { items } = (await site.send<{ items: { actor: string; from: string; operation: string; outcome: string; subject: object }[] }>('GET', '/api/v1/audit?operation=password.reset')).body;
  assert.equal(items.map(({ actor, from, outcome, subject }) => [actor, from, outcome, subject]).slice(0, 1), [['console', 'tty1', 'ok', { name: 'shop-7' }]]);

  assert.is((await site.send('POST', '/api/v1/setup', { code: reset.body.code, password: 'another good password' })).status, 201);
  assert.equal([site.app.setupCode(), (await signIn('another good password')).status], [undefined, 201]);
  assert.is((await site.send('POST', '/api/v1/setup', { code: reset.body.code, password: 'a third good password' })).status, 409, 'the code works once');
  await site.close();
});

test('with another administrator the code works as well, and signing in stays possible', async () => {
  const site = await openTestApp();
  await site.send('POST', '/api/v1/setup', { code: site.app.setupCode(), password: adminPassword });
  await site.send('POST', '/api/v1/users', { name: 'deputy', roles: ['administrator'], password: 'the deputy signs in' });
  const { body: { code } } = await local<{ code: string }>(site, 'POST', '/password/reset', { name: 'shop-7' });
  assert.is((await site.door.request('http://bothy/')).headers.get('location'), '/sign-in');
  assert.match(await (await site.door.request('http://bothy/setup')).text(), /name="code"/);
  assert.is((await site.send('POST', '/api/v1/setup', { code, password: 'another good password' })).status, 201);
  await site.close();
});

test('the header of the console means nothing over the network', async () => {
  const site = await openTestApp();
  assert.is((await site.door.request('http://bothy/api/v1/hosts', { headers: { 'bothy-console': 'tty1' } })).status, 401);
  await site.close();
});

test.run();
