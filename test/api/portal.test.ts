/** One address, and who signs in decides what is seen: the page of own machines, what each role is offered on them, and no dead ends. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openTestApp, type TestApp } from '../world/app.ts';
import { elements, parseHtml, textOf } from '../world/html.ts';
import { openPerson, openTwoPeople, type Person } from '../world/person.ts';

interface Context {
  site: TestApp;
  user: Person;
  power: Person;
}

const test = suite<Context>('portal');
const plain = { vcpus: 1, memoryBytes: 2 ** 28 };

test.before.each(async (context) => {
  context.site = await openTestApp();
  Object.assign(context, await openTwoPeople(context.site));
});
test.after.each(({ site }) => site.close());

async function see(who: Person, path: string) {
  const { status, body } = await who.send<string>('GET', path);
  const html = parseHtml(body);
  const all = elements(html);
  return {
    status, text: textOf(html),
    links: new Set(all.filter(({ name }) => name === 'a').map(({ attributes }) => attributes['href'] ?? '')),
    verbs: new Set(all.flatMap(({ attributes }) => ['post', 'put', 'patch', 'delete'].flatMap((verb) => attributes[`hx-${verb}`] ?? []))),
  };
}

test('the first page of a limited user is their machines with start, and nothing of others', async ({ user }) => {
  const { status, text, links, verbs } = await see(user, '/');
  assert.is(status, 200);
  assert.match(text, 'My machines');
  assert.ok(links.has('/vms/mine'));
  assert.ok(verbs.has('/api/v1/vms/mine/start'));
  assert.not.match(text, 'theirs');
  for (const path of ['/host', '/networks', '/storage', '/update', '/site', '/people', '/vms/new', '/tasks']) assert.not.ok(links.has(path), path);
});

test('a power user makes machines from there, and gets disks, sharing and settings of their own', async ({ power }) => {
  const empty = await see(power, '/');
  assert.ok(empty.links.has('/vms/new'));
  assert.is((await see(power, '/vms/new')).status, 200);
  await power.send('POST', '/api/v1/vms', { name: 'own', ...plain, disks: [{ sizeBytes: 2 ** 20 }] });
  const { links } = await see(power, '/');
  assert.ok(links.has('/vms/own') && links.has('/storage/disks'));
  const page = await see(power, '/vms/own');
  assert.ok(page.links.has('/vms/own/people') && page.links.has('/vms/own/settings'));
  const people = await see(power, '/vms/own/people');
  assert.match(people.text, 'paul@internal');
  assert.ok(people.verbs.has('/api/v1/assignments'));
  assert.is((await see(power, '/storage/disks')).status, 200);
});

test('on one page each machine offers what one may do with it', async ({ site, user }) => {
  await site.send('POST', '/api/v1/assignments', { user: 'una', role: 'observer', kind: 'vm', object: 'theirs' });
  const { verbs, links } = await see(user, '/');
  assert.ok(links.has('/vms/theirs'), 'seen');
  assert.ok(verbs.has('/api/v1/vms/mine/start') && !verbs.has('/api/v1/vms/theirs/start'), 'but not to be started');
  const list = await see(user, '/vms');
  assert.ok(list.verbs.has('/api/v1/vms/mine/start') && !list.verbs.has('/api/v1/vms/theirs/start'));
});

test('the pages of a machine are all there for who may see it, without what they may not do', async ({ user }) => {
  for (const path of ['/vms/mine', '/vms/mine/disks', '/vms/mine/nics', '/vms/mine/events', '/account', '/tasks', '/events']) assert.is((await see(user, path)).status, 200, path);
  const page = await see(user, '/vms/mine');
  assert.not.ok(page.links.has('/vms/mine/settings') || page.links.has('/vms/mine/people'));
  assert.is((await see(user, '/vms/mine/settings')).status, 403);
  assert.is((await see(user, '/vms/theirs')).status, 404);
  assert.not.ok((await see(user, '/vms/mine/disks')).verbs.has('/api/v1/vms/mine/disks'));
});

test('disks, storage domains and networks are given to others on a page of their own, by who may, and their lists lead there', async ({ site, user, power }) => {
  await power.send('POST', '/api/v1/disks', { name: 'archive', sizeBytes: 2 ** 20 });
  const { id } = (await power.send<{ id: string }>('GET', '/api/v1/disks/archive')).body;
  assert.ok((await see(power, '/storage/disks')).links.has(`/people/on/disk/${id}`));
  const page = await see(power, '/people/on/disk/archive');
  assert.is(page.status, 200);
  assert.match(page.text, 'paul@internal');
  assert.ok(page.verbs.has('/api/v1/assignments'));
  assert.is((await see(user, '/people/on/disk/archive')).status, 403, 'who may see no disk');
  await power.send('POST', '/api/v1/assignments', { user: 'una', role: 'observer', kind: 'disk', object: 'archive' });
  const seen = await see(user, '/people/on/disk/archive');
  assert.ok(seen.status !== 200 || !seen.verbs.has('/api/v1/assignments'), 'who only sees it gives it to nobody');
  const chief = await openPerson(site, 'chief', ['administrator']);
  const network = (await chief.send<{ id: string }>('GET', '/api/v1/networks/default')).body.id;
  assert.ok((await see(chief, '/networks')).links.has(`/people/on/network/${network}`));
  for (const path of ['/people/on/network/default', '/people/on/storage-domain/local']) assert.ok((await see(chief, path)).verbs.has('/api/v1/assignments'), path);
  for (const path of ['/people/on/vm/mine', '/people/on/nothing/x', '/people/on/disk/none']) assert.is((await see(chief, path)).status, 404, path);
});

test('without any role there is a page that says so; the administrator finds the whole at the same address', async ({ site }) => {
  const nobody = await openPerson(site, 'nemo');
  assert.match((await see(nobody, '/')).text, 'No machine yet');
  const chief = await openPerson(site, 'chief', ['administrator']);
  const { links, text } = await see(chief, '/');
  assert.match(text, 'Overview');
  for (const path of ['/host', '/people', '/storage']) assert.ok(links.has(path), path);
});

test.run();
