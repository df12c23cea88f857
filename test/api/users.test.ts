/** Users: made with a password or its hash, changed, deleted; an administrator who can sign in is always left. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { hashPassword } from '../../appliance/auth/password.ts';
import { isPasswordHash } from '../../appliance/auth/rules.ts';
import { adminPassword, openTestApp, type TestApp } from '../world/app.ts';

async function signIn(site: TestApp, user: string, password: string): Promise<number> {
  const { status } = await site.door.request('http://bothy/api/v1/sessions', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ user, password }) });
  return status;
}

test('a user made with a hash signs in with its password, is listed without it, and can be changed and deleted', async () => {
  const site = await openTestApp();
  await site.send('POST', '/api/v1/setup', { code: site.app.setupCode(), password: adminPassword });
  const passwordHash = await hashPassword('four unrelated words here');
  const made = await site.send('POST', '/api/v1/users', { name: 'Maria', roles: ['operator'], passwordHash });
  assert.is(made.status, 201);
  assert.equal([made.body['name'], made.body['hasPassword']], ['maria@internal', true]);
  assert.not.match(JSON.stringify(made.body), /scrypt/);
  assert.is((await site.send('POST', '/api/v1/users', { name: 'maria@internal', roles: ['observer'] })).status, 409);
  assert.is(await signIn(site, 'maria', 'four unrelated words here'), 201);
  assert.is((await site.send('PATCH', '/api/v1/users/maria', { roles: ['observer'], password: 'another good password' })).status, 200);
  assert.is(await signIn(site, 'maria', 'four unrelated words here'), 401);
  assert.is(await signIn(site, 'maria', 'another good password'), 201);
  assert.equal((await site.send('GET', '/api/v1/users/maria')).body['roles'], ['observer']);
  assert.is((await site.send('DELETE', '/api/v1/users/maria')).status, 204);
  assert.is((await site.send<{ items: unknown[] }>('GET', '/api/v1/users')).body.items.length, 1);
  await site.close();
});

test('the last administrator who can sign in stays one', async () => {
  const site = await openTestApp();
  await site.send('POST', '/api/v1/setup', { code: site.app.setupCode(), password: adminPassword });
  assert.is((await site.send('DELETE', '/api/v1/users/admin')).status, 409);
  assert.is((await site.send('PATCH', '/api/v1/users/admin', { roles: ['observer'] })).status, 409);
  await site.send('POST', '/api/v1/users', { name: 'second', roles: ['administrator'] });
  assert.is((await site.send('DELETE', '/api/v1/users/admin')).status, 409, 'one without a password is none');
  await site.send('PATCH', '/api/v1/users/second', { password: adminPassword });
  assert.is((await site.send('DELETE', '/api/v1/users/admin')).status, 204);
  await site.close();
});

test('set-up stays open until an administrator can sign in', async () => {
  const site = await openTestApp();
  await site.send('POST', '/api/v1/users', { name: 'watcher', roles: ['observer'], password: adminPassword });
  await site.send('POST', '/api/v1/users', { name: 'admin', roles: ['administrator'] });
  const code = site.app.setupCode();
  assert.ok(code);
  assert.is((await site.send('POST', '/api/v1/setup', { code, password: adminPassword })).status, 201);
  assert.is(site.app.setupCode(), undefined);
  assert.is(await signIn(site, 'admin', adminPassword), 201);
  await site.close();
});

test('a hash that is none, is cheap, or would cost too much is refused', async () => {
  const good = await hashPassword('four unrelated words here');
  assert.ok(isPasswordHash(good));
  const parts = good.split('$');
  const withCost = (n: number, r: number, p: number) => ['scrypt', n, r, p, parts[4], parts[5]].join('$');
  for (const bad of ['', 'secret', '$2b$10$abc', withCost(2, 8, 1), withCost(2 ** 20, 8, 1), withCost(2 ** 15, 99, 1), withCost(33_000, 8, 1), `${good}x`]) assert.not.ok(isPasswordHash(bad), bad);
});

test.run();
