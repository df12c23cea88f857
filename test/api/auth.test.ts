/** People: set-up, sign-in and out, sessions, the own password, tokens that come and go. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { elements, parseHtml, textOf } from '../world/html.ts';
import { adminPassword, openTestApp, type TestApp } from '../world/app.ts';

interface SignedIn {
  send(method: string, path: string, body?: unknown): Promise<Response>;
}

async function signIn(site: TestApp, password = adminPassword): Promise<SignedIn> {
  const response = await site.door.request('http://bothy/api/v1/sessions', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ user: 'admin', password }) });
  if (response.status !== 201) throw new Error(`sign-in answered ${response.status}`);
  const { csrfToken } = (await response.json()) as { csrfToken: string };
  const cookie = (response.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
  return {
    send: async (method, path, body) =>
      site.door.request(`http://bothy${path}`, {
        method, headers: { cookie, 'x-csrf-token': csrfToken, ...(body !== undefined && { 'content-type': 'application/json' }) },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      }),
  };
}

async function openSite(): Promise<TestApp> {
  const site = await openTestApp();
  const code = site.app.setupCode();
  const { status } = await site.send('POST', '/api/v1/setup', { code, password: adminPassword });
  assert.is(status, 201);
  return site;
}

test('set-up happens once, needs the code, and refuses a weak password', async () => {
  const site = await openTestApp();
  const code = site.app.setupCode() ?? '';
  assert.match(code, /^[A-Z2-9]{4}-[A-Z2-9]{4}-[A-Z2-9]{4}$/);
  assert.is((await site.send('POST', '/api/v1/setup', { code: 'AAAA-AAAA-AAAA', password: adminPassword })).status, 400);
  assert.is((await site.send('POST', '/api/v1/setup', { code, password: 'short' })).status, 400);
  assert.is((await site.send('POST', '/api/v1/setup', { code, password: 'aaaaaaaaaaaaaaaa' })).status, 400);
  assert.is(site.app.setupCode(), code, 'a failed try costs nothing');
  assert.is((await site.send('POST', '/api/v1/setup', { code: code.toLowerCase(), password: adminPassword })).status, 201);
  assert.is((await site.send('POST', '/api/v1/setup', { code, password: adminPassword })).status, 409);
  assert.is(site.app.setupCode(), undefined);
  await site.close();
});

test('a session tells who it is, is listed, and ends when its user signs out', async () => {
  const site = await openSite();
  const admin = await signIn(site);
  const current = (await (await admin.send('GET', '/api/v1/sessions/current')).json()) as { user: string; permissions: string[] };
  assert.is(current.user, 'admin@internal');
  assert.ok(current.permissions.includes('vm.create'));
  assert.not.ok(current.permissions.includes('local.root'));
  const { items } = (await (await admin.send('GET', '/api/v1/sessions')).json()) as { items: { isThisOne: boolean }[] };
  assert.is(items.filter(({ isThisOne }) => isThisOne).length, 1);
  assert.is((await admin.send('DELETE', '/api/v1/sessions/current')).status, 204);
  assert.is((await admin.send('GET', '/api/v1/sessions/current')).status, 401);
  await site.close();
});

test('an administrator ends a session of another browser at once', async () => {
  const site = await openSite();
  const [here, there] = [await signIn(site), await signIn(site)];
  const { items } = (await (await here.send('GET', '/api/v1/sessions')).json()) as { items: { id: string; isThisOne: boolean }[] };
  const { id: current } = (await (await there.send('GET', '/api/v1/sessions/current')).json()) as { id: string };
  assert.ok(items.some(({ id }) => id === current));
  assert.is((await here.send('DELETE', `/api/v1/sessions/${current}`)).status, 204);
  assert.is((await there.send('GET', '/api/v1/sessions/current')).status, 401);
  assert.is((await here.send('DELETE', `/api/v1/sessions/${current}`)).status, 404);
  await site.close();
});

test('changing the password needs the old one, keeps this session and ends the others', async () => {
  const site = await openSite();
  const [here, there] = [await signIn(site), await signIn(site)];
  const change = (currentPassword: string, password: string) => here.send('PUT', '/api/v1/password', { currentPassword, password });
  assert.is((await change('not the password', 'another good password')).status, 400);
  assert.is((await change(adminPassword, 'short')).status, 400);
  assert.is((await change(adminPassword, 'another good password')).status, 204);
  assert.is((await here.send('GET', '/api/v1/sessions/current')).status, 200);
  assert.is((await there.send('GET', '/api/v1/sessions/current')).status, 401);
  await signIn(site, 'another good password');
  await signIn(site).then(() => assert.unreachable('the old password still works'), () => {});
  await site.close();
});

test('guesses that are sent all at once are slowed as much as one by one', async () => {
  const site = await openSite();
  const guess = (user: string) => site.send('POST', '/api/v1/sessions', { user, password: 'a wrong password' });
  const answers = await Promise.all(Array.from({ length: 20 }, (_, at) => guess(at % 2 ? 'admin' : 'admin@internal')));
  assert.is(answers.filter(({ status }) => status === 401).length, 5);
  assert.is(answers.filter(({ status }) => status === 429).length, 15);
  await site.close();
});

test('a token works until it is deleted or expires; its secret is told once', async () => {
  const site = await openSite();
  const admin = await signIn(site);
  const made = (await (await admin.send('POST', '/api/v1/tokens', { name: 'ci' })).json()) as { id: string; token: string };
  assert.is((await admin.send('POST', '/api/v1/tokens', { name: 'ci' })).status, 409);
  const use = async (token: string) => (await site.door.request('http://bothy/api/v1/vms', { headers: { authorization: `Bearer ${token}` } })).status;
  assert.is(await use(made.token), 200);
  const list = await (await admin.send('GET', '/api/v1/tokens')).text();
  const { items } = JSON.parse(list) as { items: { name: string; lastUsedAt: number | null }[] };
  assert.ok((items.find(({ name }) => name === 'ci')?.lastUsedAt ?? 0) > Date.now() - 60_000, 'its use is noted');
  assert.match(list, /"name":"ci"/);
  assert.not.match(list, new RegExp(made.token));
  assert.is((await admin.send('DELETE', `/api/v1/tokens/${made.id}`)).status, 204);
  assert.is(await use(made.token), 401);
  const old = (await (await admin.send('POST', '/api/v1/tokens', { name: 'old', expiresAt: Date.now() - 1 })).json()) as { token: string };
  assert.is(await use(old.token), 401);
  await site.close();
});

test('a token can end by itself after so many days, and tells whether it may do less than its owner', async () => {
  const site = await openSite();
  const admin = await signIn(site);
  interface Token { name: string; isLimited: boolean; expiresAt: number | null; permissions: string[] | null }
  const make = async (body: object) => (await (await admin.send('POST', '/api/v1/tokens', body)).json()) as Token & { status?: number };
  const weekly = await make({ name: 'weekly', validDays: 7, permissions: ['vm.read', 'vm.operate'] });
  assert.ok(Math.abs((weekly.expiresAt ?? 0) - Date.now() - 7 * 86_400_000) < 60_000);
  assert.is((await make({ name: 'whole' })).isLimited, false);
  assert.is((await make({ name: 'both', validDays: 7, expiresAt: Date.now() + 1 })).status, 400);
  assert.is((await make({ name: 'never', validDays: 0 })).status, 400);
  await make({ name: 'ended', expiresAt: Date.now() - 1 });
  const { items } = (await (await admin.send('GET', '/api/v1/tokens')).json()) as { items: Token[] };
  assert.equal(items.filter(({ name }) => !name.startsWith('test')).map(({ name, isLimited }) => [name, isLimited]), [['ended', false], ['weekly', true], ['whole', false]]);
  const rows = elements(parseHtml(await (await admin.send('GET', '/account')).text())).filter(({ attributes }) => attributes['id']?.startsWith('token-') && !attributes['id'].startsWith('token-name')).map(textOf);
  assert.ok(rows.some((row) => /^weekly admin@internal limited 2 permissions/.test(row)), rows.join('\n'));
  assert.ok(rows.some((row) => /^whole admin@internal All of its owner/.test(row)) && rows.some((row) => /^ended.* has ended/.test(row)), rows.join('\n'));
  await site.close();
});

test('no secret lies in the database as it is', async () => {
  const site = await openSite();
  const admin = await signIn(site);
  const { token } = (await (await admin.send('POST', '/api/v1/tokens', { name: 'ci' }, )).json()) as { token: string };
  const rows = JSON.stringify(site.app.core.journal.history({ limit: 100 }));
  assert.match(rows, /"name":"ci"/);
  assert.not.match(rows, new RegExp(token));
  assert.not.match(rows, new RegExp(adminPassword));
  await site.close();
});

test.run();
