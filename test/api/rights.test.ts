/**
 * What lasts longer than a request does not outlive the right to it: the change feed tells who follows it that they were given something
 * or deprived of it, and ends with the session or token; a console ends with the right to it.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openTestApp, type TestApp } from '../world/app.ts';
import { listenAs, openPerson, openTwoPeople, type Listener, type Person, signIn } from '../world/person.ts';

interface Context {
  site: TestApp;
  user: Person;
  power: Person;
  open: Listener[];
}

const test = suite<Context>('rights');
const plain = { vcpus: 1, memoryBytes: 2 ** 28 };
const otherwise = /event: resync\nid: \d+\ndata: \{"rights":true\}/;
const over = /event: signed-out\ndata: \{\}\n\n$/;

test.before.each(async (context) => {
  context.site = await openTestApp();
  Object.assign(context, await openTwoPeople(context.site), { open: [] });
});
test.after.each(async ({ site, open }) => {
  for (const listener of open) await listener.close();
  await site.close();
});

const idOf = async (site: TestApp, name: string) => (await site.send<{ id: string }>('GET', `/api/v1/vms/${name}`)).body.id;
const seen = async (who: Person) => (await who.send<{ items?: { name: string }[] }>('GET', '/api/v1/vms')).body.items?.map(({ name }) => name) ?? [];

async function listen(context: Context, who: Person, since?: number): Promise<Listener> {
  const listener = await who.listen(since);
  context.open.push(listener);
  await listener.hears(/id: /); // it is open
  return listener;
}

async function takeBack(site: TestApp, whom: string): Promise<void> {
  const { items } = (await site.send<{ items: { id: string; user: string | null; group: string | null }[] }>('GET', '/api/v1/assignments')).body;
  const found = items.find(({ user, group }) => user === whom || group === whom);
  assert.is((await site.send('DELETE', `/api/v1/assignments/${found?.id}`)).status, 204);
}

test('who had nothing hears of what they are given and deprived of: by name, by group, by role; others hear nothing of that', async (context) => {
  const { site, power } = context;
  const nina = await openPerson(site, 'nina');
  await site.send('POST', '/api/v1/groups', { name: 'shop', members: [] });
  await site.send('POST', '/api/v1/assignments', { group: 'shop', role: 'vm-user', kind: 'vm', object: 'theirs' });
  await site.send('POST', '/api/v1/roles', { name: 'watcher', permissions: ['disk.read'] });
  await site.send('POST', '/api/v1/users', { name: 'other' });
  const [hers, others] = [await listen(context, nina), await listen(context, power)];
  const changes: [what: string, seen: string[], change: () => Promise<unknown>][] = [
    ['given', ['theirs'], () => site.send('POST', '/api/v1/assignments', { user: 'nina', role: 'vm-user', kind: 'vm', object: 'theirs' })],
    ['taken back', [], () => takeBack(site, 'nina@internal')],
    ['in a group', ['theirs'], () => site.send('PATCH', '/api/v1/groups/shop', { members: ['nina'] })],
    ['the group has lost it', [], () => takeBack(site, 'shop')],
    ['the group has a role', ['mine', 'theirs'], () => site.send('PATCH', '/api/v1/groups/shop', { roles: ['vm-user'] })],
    ['the group is gone', [], () => site.send('DELETE', '/api/v1/groups/shop')],
    ['a role of her own', [], () => site.send('PATCH', '/api/v1/users/nina', { roles: ['watcher'] })],
    ['that role allows more', ['mine', 'theirs'], () => site.send('PATCH', '/api/v1/roles/watcher', { permissions: ['vm.read'] })],
    ['and no more', [], () => site.send('PATCH', '/api/v1/users/nina', { roles: [] })],
  ];
  for (const [what, wanted, change] of changes) {
    const before = hers.text().length;
    const at = Date.now();
    await change();
    while (!otherwise.test(hers.text().slice(before))) {
      assert.ok(Date.now() - at < 1_000, `${what}: she has not heard of it: ${hers.text()}`);
      await site.app.core.clock.sleep(5);
    }
    assert.equal(await seen(nina), wanted, what);
  }
  await site.send('PATCH', '/api/v1/users/other', { roles: ['vm-user'] });
  await power.send('POST', '/api/v1/disks', { name: 'of paul', sizeBytes: 2 ** 20 });
  await others.hears(/"kind":"disk"|resync/);
  assert.is(others.text().match(/resync/g)?.length, 1, 'only of the disk that is his');
});

test('from the moment that something is taken back nothing of it is told', async (context) => {
  const { site, user } = context;
  const [mine, theirs] = [await idOf(site, 'mine'), await idOf(site, 'theirs')];
  const feed = await listen(context, user);
  await site.send('POST', '/api/v1/assignments', { user: 'una', role: 'vm-user', kind: 'vm', object: 'theirs' });
  await feed.hears(otherwise);
  await takeBack(site, 'una@internal'); // the first: on `mine`
  await site.send('PATCH', '/api/v1/vms/mine', { description: 'secret' });
  await site.send('PATCH', '/api/v1/vms/theirs', { description: 'seen' });
  await feed.hears(new RegExp(theirs));
  assert.not.match(feed.text(), mine);
});

test('a page that was read before a change of rights, and begins to listen after it, hears of it', async (context) => {
  const { site, user } = context;
  const since = site.app.core.journal.latest();
  await site.send('POST', '/api/v1/assignments', { user: 'una', role: 'vm-user', kind: 'vm', object: 'theirs' });
  const feed = await listen(context, user, since);
  await feed.hears(otherwise);
  const after = await listen(context, user, site.app.core.journal.latest());
  await site.send('PATCH', '/api/v1/vms/theirs', { description: 'seen' });
  await after.hears(/"kind":"vm"/);
  assert.not.match(after.text(), 'resync');
});

const ends: Record<string, (context: Context, user: Person) => Promise<unknown>> = {
  'signed out': (_context, user) => user.send('DELETE', '/api/v1/sessions/current'),
  'the session was ended by somebody else': async ({ site }) => {
    const { items } = (await site.send<{ items: { id: string; user: string }[] }>('GET', '/api/v1/sessions')).body;
    return site.send('DELETE', `/api/v1/sessions/${items.find((session) => session.user === 'una@internal')?.id}`);
  },
  'another password': ({ site }) => site.send('PATCH', '/api/v1/users/una', { password: 'a wholly different one' }),
  'the user was deleted': ({ site }) => site.send('DELETE', '/api/v1/users/una'),
};
for (const [what, end] of Object.entries(ends)) {
  test(`the feed ends at once: ${what}`, async (context) => {
    const { site, user } = context;
    const feed = await listen(context, user);
    assert.ok((await end(context, user) as { status: number }).status < 300);
    await site.send('PATCH', '/api/v1/vms/mine', { description: 'after' });
    await feed.ended;
    assert.match(feed.text(), over);
    assert.not.match(feed.text(), await idOf(site, 'mine'));
  });
}

test('a session that ends does not end the feed of another of the same user, and a token that is deleted ends its own', async (context) => {
  const { site, user, power } = context;
  const { body: { token, id } } = await power.send<{ token: string; id: string }>('POST', '/api/v1/tokens', { name: 'feed', permissions: ['storage.read'] });
  const byToken = await listenAs(site, { authorization: `Bearer ${token}` });
  const second = await signIn(site, 'una', 'the password of una');
  const kept = await listen(context, second);
  await user.send('DELETE', '/api/v1/sessions/current');
  await power.send('DELETE', `/api/v1/tokens/${id}`);
  await byToken.ended;
  assert.match(byToken.text(), over);
  await site.send('PATCH', '/api/v1/vms/mine', { description: 'after' });
  await kept.hears(/"kind":"vm"/);
});

test('to follow the changes one must be signed in', async ({ site }) => {
  assert.is((await site.door.request('http://bothy/api/v1/changes')).status, 401);
});

test('who makes a thing hears that it is theirs, and then of it', async (context) => {
  const { power } = context;
  const feed = await listen(context, power);
  await power.send('POST', '/api/v1/vms', { name: 'web', ...plain });
  await feed.hears(otherwise);
  await power.send('PATCH', '/api/v1/vms/web', { description: 'told' });
  await feed.hears(/"kind":"vm"/);
});

test.run();
