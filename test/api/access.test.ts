/** Roles on single things: who sees and does what, what follows from making and deleting, and that nobody gives what they do not have. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openTestApp, type TestApp } from '../world/app.ts';
import { openPerson, openTwoPeople, type Person } from '../world/person.ts';

interface Context {
  site: TestApp;
  /** Starts and uses `mine`; owns nothing. */
  user: Person;
  /** Makes VMs and disks of their own. */
  power: Person;
}

const test = suite<Context>('access');
const plain = { vcpus: 1, memoryBytes: 2 ** 28 };
const names = ({ body }: { body: { items?: { name: string }[] } }) => body.items?.map(({ name }) => name);
const list = async (who: Pick<Person, 'send'>, path: string) => names(await who.send<{ items: { name: string }[] }>('GET', `/api/v1${path}`));

test.before.each(async (context) => {
  context.site = await openTestApp();
  Object.assign(context, await openTwoPeople(context.site));
});
test.after.each(({ site }) => site.close());

test('a user without any role signs in and sees nothing', async ({ site }) => {
  const nobody = await openPerson(site, 'nemo');
  for (const path of ['/vms', '/disks', '/tasks', '/events', '/hosts', '/users']) assert.is((await nobody.send('GET', `/api/v1${path}`)).status, 403, path);
  assert.is((await nobody.send('GET', '/api/v1/sessions/current')).status, 200);
});

test('a role on a VM: that VM is seen, started and used; others are not there at all', async ({ site, user }) => {
  assert.equal(await list(user, '/vms'), ['mine']);
  assert.is((await user.send('GET', '/api/v1/vms/mine')).status, 200);
  const [theirs, none] = [await user.send('GET', '/api/v1/vms/theirs'), await user.send('GET', '/api/v1/vms/none')];
  assert.equal([theirs.status, none.status], [404, 404]);
  assert.is(String(theirs.body['detail']).replace('theirs', 'none'), none.body['detail'], 'what one may not see cannot be told from what is not there');
  assert.is((await user.send('POST', '/api/v1/vms/theirs/start')).status, 404);
  const { id } = (await site.send<{ id: string }>('GET', '/api/v1/vms/theirs')).body;
  assert.is((await user.send('POST', `/api/v1/vms/${id}/start`)).status, 404);
  const started = await user.send<{ id: string }>('POST', '/api/v1/vms/mine/start');
  assert.is(started.status, 202);
  await site.app.core.tasks.ended(started.body.id);
  assert.is((await user.send('GET', `/api/v1/tasks/${started.body.id}`)).status, 200);
  assert.is((await user.send('POST', '/api/v1/vms/mine/console', {})).status, 201);
  assert.is((await user.send('PATCH', '/api/v1/vms/mine', { vcpus: 2 })).status, 403, 'seen, but not to be changed');
  assert.is((await user.send('DELETE', '/api/v1/vms/mine')).status, 403);
  assert.is((await user.send('POST', '/api/v1/vms', { name: 'new', ...plain })).status, 403);
});

test('tasks and events of others are not there', async ({ site, user }) => {
  const { body: { id } } = await site.send<{ id: string }>('POST', '/api/v1/vms/theirs/start');
  await site.app.core.tasks.ended(id);
  assert.is((await user.send('GET', `/api/v1/tasks/${id}`)).status, 404);
  assert.is((await user.send('POST', `/api/v1/tasks/${id}/cancel`)).status, 403);
  assert.equal((await user.send<{ items: unknown[] }>('GET', '/api/v1/tasks')).body.items, []);
  assert.equal((await user.send<{ items: unknown[] }>('GET', '/api/v1/events')).body.items, []);
  const own = await user.send<{ id: string }>('POST', '/api/v1/vms/mine/start');
  await site.app.core.tasks.ended(own.body.id);
  assert.equal((await user.send<{ items: { id: string }[] }>('GET', '/api/v1/tasks')).body.items.map((task) => task.id), [own.body.id]);
  const events = (await user.send<{ items: { about: { name: string }[] }[] }>('GET', '/api/v1/events')).body.items;
  assert.ok(events.length > 0);
  assert.ok(events.every(({ about }) => about.some(({ name }) => name === 'mine')));
});

test('who makes a VM owns it with its disks, and may share it; what is deleted takes its assignments along', async ({ site, user, power }) => {
  const made = await power.send('POST', '/api/v1/vms', { name: 'web', ...plain, disks: [{ sizeBytes: 2 ** 20 }], nics: [{}] });
  assert.is(made.status, 201);
  assert.equal(await list(power, '/vms'), ['web']);
  assert.equal(await list(power, '/disks'), ['web-disk1']);
  assert.is((await power.send('PATCH', '/api/v1/vms/web', { vcpus: 2 })).status, 200);
  assert.is((await power.send('PATCH', '/api/v1/vms/theirs', { vcpus: 2 })).status, 404);
  assert.is((await power.send('POST', '/api/v1/assignments', { user: 'una', role: 'vm-user', kind: 'vm', object: 'web' })).status, 201);
  assert.equal(await list(user, '/vms'), ['mine', 'web']);
  assert.is((await user.send('POST', '/api/v1/assignments', { user: 'una', role: 'vm-owner', kind: 'vm', object: 'web' })).status, 403);
  const gone = await power.send<{ id: string }>('DELETE', '/api/v1/vms/web');
  assert.is(gone.status, 202);
  await site.app.core.tasks.ended(gone.body.id);
  const { items } = (await site.send<{ items: { object: string }[] }>('GET', '/api/v1/assignments?kind=vm')).body;
  assert.equal(items.map(({ object }) => object), ['mine']);
});

test('a VM is not a way to the disks, networks and images of others', async ({ site, power }) => {
  await site.carryOut('POST', '/api/v1/disks', { name: 'secret', sizeBytes: 2 ** 20 });
  await site.send('POST', '/api/v1/roles', { name: 'bare', permissions: ['vm.create', 'vm.read'] });
  const bare = await openPerson(site, 'bob', ['bare']);
  assert.is((await power.send('GET', '/api/v1/disks/secret')).status, 403);
  assert.is((await power.send('POST', '/api/v1/vms', { name: 'spy', ...plain, disks: [{ disk: 'secret' }] })).status, 403);
  await power.send('POST', '/api/v1/vms', { name: 'spy', ...plain });
  assert.is((await power.send('POST', '/api/v1/vms/spy/disks', { disk: 'secret' })).status, 403);
  assert.is((await bare.send('POST', '/api/v1/vms', { name: 'b', ...plain, disks: [{ sizeBytes: 2 ** 20 }] })).status, 403);
  assert.is((await bare.send('POST', '/api/v1/vms', { name: 'b', ...plain, nics: [{}] })).status, 403);
  assert.is((await bare.send('POST', '/api/v1/vms', { name: 'b', ...plain })).status, 201);
  await site.send('POST', '/api/v1/assignments', { user: 'bob', role: 'disk-creator', kind: 'storage-domain', object: 'local' });
  await site.send('POST', '/api/v1/assignments', { user: 'bob', role: 'network-user', kind: 'network', object: 'default' });
  assert.is((await bare.send('POST', '/api/v1/vms', { name: 'b2', ...plain, disks: [{ sizeBytes: 2 ** 20 }], nics: [{}] })).status, 201);
  assert.equal(await list(bare, '/storage-domains'), ['local']);
});

test('a role on a storage domain holds on the disks in it, also on those that come later', async ({ site, user }) => {
  await site.send('POST', '/api/v1/assignments', { user: 'una', role: 'storage-administrator', kind: 'storage-domain', object: 'local' });
  await site.carryOut('POST', '/api/v1/disks', { name: 'later', sizeBytes: 2 ** 20 });
  assert.equal(await list(user, '/disks'), ['later']);
  assert.is((await user.send('PATCH', '/api/v1/disks/later', { description: 'seen' })).status, 200);
  assert.is((await user.send('GET', '/api/v1/storage-domains/isos')).status, 404);
});

test('a group gives what it holds to its members, on everything and on single things, and takes it back', async ({ site, user }) => {
  const group = (await site.send<{ id: string }>('POST', '/api/v1/groups', { name: 'staff', roles: ['network-user'], members: ['una'] })).body;
  await site.send('POST', '/api/v1/assignments', { group: 'staff', role: 'vm-owner', kind: 'vm', object: 'theirs' });
  assert.equal(await list(user, '/vms'), ['mine', 'theirs']);
  assert.ok((await list(user, '/networks'))?.includes('default'));
  assert.equal((await site.send('GET', '/api/v1/users/una')).body['groups'], ['staff']);
  assert.is((await site.send('PATCH', `/api/v1/groups/${group.id}`, { members: [] })).status, 200);
  assert.equal(await list(user, '/vms'), ['mine']);
  assert.is((await user.send('GET', '/api/v1/networks')).status, 403);
  assert.is((await site.send('POST', '/api/v1/groups', { name: 'staff' })).status, 409);
  assert.is((await site.send('POST', '/api/v1/groups', { name: 'x', members: ['nobody-here'] })).status, 400);
  assert.is((await site.send('DELETE', '/api/v1/groups/staff')).status, 204);
  assert.is((await site.send('GET', '/api/v1/groups/staff')).status, 404);
  assert.equal((await site.send<{ items: unknown[] }>('GET', '/api/v1/groups')).body.items, []);
});

test('own roles: made, changed at once for all who hold them, and deleted when nobody does', async ({ site, user }) => {
  assert.is((await site.send('POST', '/api/v1/roles', { name: 'watcher', permissions: ['vm.read'] })).status, 201);
  assert.is((await site.send('POST', '/api/v1/roles', { name: 'watcher', permissions: ['vm.read'] })).status, 409);
  assert.is((await site.send('POST', '/api/v1/roles', { name: 'administrator', permissions: ['vm.read'] })).status, 409);
  assert.is((await site.send('POST', '/api/v1/roles', { name: 'root', permissions: ['local.root'] })).status, 400);
  await site.send('PATCH', '/api/v1/users/una', { roles: ['watcher'] });
  assert.equal(await list(user, '/vms'), ['mine', 'theirs']);
  assert.is((await user.send('POST', '/api/v1/vms/theirs/start')).status, 403);
  assert.is((await site.send('PATCH', '/api/v1/roles/watcher', { permissions: ['vm.read', 'vm.operate'] })).status, 200);
  assert.is((await user.send('POST', '/api/v1/vms/theirs/start')).status, 202);
  assert.is((await site.send('DELETE', '/api/v1/roles/watcher')).status, 409);
  assert.is((await site.send('PATCH', '/api/v1/roles/vm-user', { permissions: ['vm.read'] })).status, 409, 'the predefined ones stay');
  await site.send('PATCH', '/api/v1/users/una', { roles: [] });
  assert.is((await site.send('DELETE', '/api/v1/roles/watcher')).status, 204);
  assert.is((await site.send('PATCH', '/api/v1/users/una', { roles: ['watcher'] })).status, 400);
  assert.is((await site.send('GET', '/api/v1/roles/vm-user')).status, 200);
});

test('nobody gives what they do not have, nor takes over whom may do more', async ({ site }) => {
  await site.send('POST', '/api/v1/roles', { name: 'people', permissions: ['user.read', 'user.edit', 'vm.read'] });
  await site.send('POST', '/api/v1/users', { name: 'boss', roles: ['administrator'], password: 'the password of boss' });
  const clerk = await openPerson(site, 'cleo', ['people']);
  const may = async (method: string, path: string, body?: unknown) => (await clerk.send(method, `/api/v1${path}`, body)).status;
  assert.is(await may('POST', '/users', { name: 'a', roles: ['administrator'] }), 403);
  assert.is(await may('PATCH', '/users/cleo', { roles: ['administrator'] }), 403);
  assert.is(await may('PATCH', '/users/boss', { password: 'taken over by cleo' }), 403);
  assert.is(await may('DELETE', '/users/boss'), 403);
  assert.is(await may('POST', '/roles', { name: 'mighty', permissions: ['site.apply'] }), 403);
  assert.is(await may('PATCH', '/roles/people', { permissions: ['user.read', 'user.edit', 'site.apply'] }), 403);
  assert.is(await may('POST', '/groups', { name: 'g', roles: ['administrator'], members: ['cleo'] }), 403);
  await site.send('POST', '/api/v1/groups', { name: 'owners' });
  await site.send('POST', '/api/v1/assignments', { group: 'owners', role: 'vm-owner', kind: 'vm', object: 'theirs' });
  assert.is(await may('PATCH', '/groups/owners', { members: ['cleo'] }), 403);
  assert.is(await may('POST', '/users', { name: 'a', roles: ['people'] }), 201);
  assert.is(await may('DELETE', '/users/a'), 204);
});

test('assignments are refused where they mean nothing, are made once, and are taken back', async ({ site, user }) => {
  const give = (body: object) => site.send<{ id: string; object: string }>('POST', '/api/v1/assignments', body);
  assert.is((await give({ user: 'una', role: 'network-user', kind: 'vm', object: 'mine' })).status, 400);
  assert.is((await give({ user: 'una', role: 'no-such-role', kind: 'vm', object: 'mine' })).status, 400);
  assert.is((await give({ user: 'una', group: 'x', role: 'vm-user', kind: 'vm', object: 'mine' })).status, 400);
  assert.is((await give({ user: 'no-such-user', role: 'vm-user', kind: 'vm', object: 'mine' })).status, 400);
  assert.is((await give({ user: 'una', role: 'vm-user', kind: 'vm', object: 'none' })).status, 404);
  const [first, second] = [await give({ user: 'una', role: 'vm-user', kind: 'vm', object: 'mine' }), await give({ user: 'una', role: 'vm-user', kind: 'vm', object: 'mine' })];
  assert.is(first.body.id, second.body.id);
  assert.equal((await user.send<{ items: { role: string; object: string }[] }>('GET', '/api/v1/assignments')).status, 403);
  assert.is((await user.send('DELETE', `/api/v1/assignments/${first.body.id}`)).status, 403);
  assert.is((await site.send('DELETE', `/api/v1/assignments/${first.body.id}`)).status, 204);
  assert.is((await site.send('DELETE', `/api/v1/assignments/${first.body.id}`)).status, 404);
  assert.is((await user.send('GET', '/api/v1/vms')).status, 403, 'with the last role the list itself is gone');
});

test('who manages a thing is told in the change feed that it was given to somebody, and of nothing of others', async ({ site, power }) => {
  await power.send('POST', '/api/v1/vms', { name: 'web', ...plain });
  const id = async (name: string) => (await site.send<{ id: string }>('GET', `/api/v1/vms/${name}`)).body.id;
  const [web, theirs] = [await id('web'), await id('theirs')];
  const { body: { token } } = await power.send<{ token: string }>('POST', '/api/v1/tokens', { name: 'feed' });
  const since = site.app.core.journal.latest();
  await power.send('POST', '/api/v1/assignments', { user: 'una', role: 'vm-user', kind: 'vm', object: 'web' });
  await site.send('PATCH', '/api/v1/vms/theirs', { description: 'changed' });
  const abort = new AbortController();
  const answer = await site.door.request(`http://bothy/api/v1/changes?since=${since}`, { headers: { authorization: `Bearer ${token}` }, signal: abort.signal });
  const reader = answer.body?.getReader();
  await reader?.read();
  const text = Buffer.from((await reader?.read())?.value ?? []).toString();
  abort.abort();
  await reader?.cancel().catch(() => {});
  assert.match(text, web);
  assert.not.match(text, theirs);
});

test('a token of a limited user reaches what its owner reaches, and only with what it was given', async ({ site, power }) => {
  await power.send('POST', '/api/v1/vms', { name: 'web', ...plain });
  const { body: { token } } = await power.send<{ token: string }>('POST', '/api/v1/tokens', { name: 'looks', permissions: ['vm.read'] });
  const ask = async (method: string, path: string) => site.door.request(`http://bothy/api/v1${path}`, { method, headers: { authorization: `Bearer ${token}` } });
  assert.equal(await list({ send: (async (method: string, path: string) => ({ body: await (await ask(method, path.slice('/api/v1'.length))).json() })) as unknown as Person['send'] }, '/vms'), ['web']);
  assert.is((await ask('POST', '/vms/web/start')).status, 403);
  assert.is((await ask('GET', '/vms/theirs')).status, 404);
  assert.is((await power.send('POST', '/api/v1/tokens', { name: 'more', permissions: ['host.read'] })).status, 403);
  assert.equal((await power.send<{ items: { name: string }[] }>('GET', '/api/v1/tokens')).body.items.map(({ name }) => name), ['looks'], 'only own ones');
  assert.ok((await site.send<{ items: unknown[] }>('GET', '/api/v1/tokens')).body.items.length > 1);
});

test('own sessions are seen and ended, those of others are not there', async ({ site, user, power }) => {
  const sessions = async (who: Person) => (await who.send<{ items: { id: string; user: string }[] }>('GET', '/api/v1/sessions')).body.items;
  const [mine] = await sessions(user);
  assert.equal((await sessions(user)).map((session) => session.user), ['una@internal']);
  assert.is((await power.send('DELETE', `/api/v1/sessions/${mine?.id}`)).status, 404);
  assert.is((await user.send('DELETE', `/api/v1/sessions/${mine?.id}`)).status, 204);
  assert.is((await user.send('GET', '/api/v1/sessions/current')).status, 401);
  assert.ok((await site.send<{ items: unknown[] }>('GET', '/api/v1/sessions')).body.items.length > 0);
});

test.run();
