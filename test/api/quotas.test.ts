/** Quotas: what is refused and why, for users and for groups, at every verb that makes things larger; two at once; audit and grace; pages, site file. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openTestApp, type TestApp } from '../world/app.ts';
import { textOf, parseHtml } from '../world/html.ts';
import { openPerson, type Person } from '../world/person.ts';

interface Context {
  site: TestApp;
  paul: Person;
  petra: Person;
}

const MiB = 2 ** 20;
const GiB = 2 ** 30;
const small = { vcpus: 2, memoryBytes: 512 * MiB };

const test = suite<Context>('quotas');
test.before.each(async (context) => {
  context.site = await openTestApp();
  context.paul = await openPerson(context.site, 'paul', ['power-user']);
  context.petra = await openPerson(context.site, 'petra', ['power-user']);
});
test.after.each(({ site }) => site.close());

const limit = (site: TestApp, quota: object) => site.send<{ id: string; used: object; over: string[]; generation: number }>('POST', '/api/v1/quotas', quota);
/** Until no task runs. */
const idle = (site: TestApp) => Promise.all(site.app.core.tasks.list({ limit: 100, isActive: true }).map(({ id }) => site.app.core.tasks.ended(id, AbortSignal.timeout(10_000))));
const items = async (who: Pick<Person, 'send'>, path: string) => (await who.send<{ items: { used: object; over: string[] }[] }>('GET', path)).body.items;
const detail = ({ body }: { body: Record<string, unknown> }) => String(body['detail']);
const over = (site: TestApp) => site.send<{ items: { code: string; endedAt: number | null; message: string }[] }>('GET', '/api/v1/events').then(({ body }) => body.items.filter(({ code, endedAt }) => code === 'quota.exceeded' && endedAt === null));

test('what goes beyond is refused with the reason and what is left; nothing of it is made; others and the administrator are not limited', async ({ site, paul, petra }) => {
  assert.is((await limit(site, { user: 'paul', vcpus: 4, memoryBytes: GiB, diskBytes: 10 * GiB })).status, 201);
  assert.is((await paul.send('POST', '/api/v1/vms', { name: 'one', ...small, disks: [{ sizeBytes: 6 * GiB }] })).status, 201);
  const refused = await paul.send('POST', '/api/v1/vms', { name: 'two', vcpus: 3, memoryBytes: GiB, disks: [{ sizeBytes: GiB }] });
  assert.equal([refused.status, refused.body['type']], [409, 'over-quota']);
  assert.match(detail(refused), 'The quota of paul@internal allows 4 vCPUs (taken: 2 vCPUs, left: 2 vCPUs), and this needs 3 vCPUs.');
  assert.match(detail(refused), 'It allows 1 GiB of memory (taken: 512 MiB of memory, left: 512 MiB of memory), and this needs 1 GiB of memory.');
  assert.equal((refused.body['errors'] as { path: string }[]).map(({ path }) => path), ['vcpus', 'memoryBytes']);
  assert.is((await items(paul, '/api/v1/disks')).length, 1, 'its disk is not there either');
  assert.match(detail(await paul.send('POST', '/api/v1/disks', { name: 'more', sizeBytes: 5 * GiB })), /allows 10 GiB of disks \(taken: 6 GiB of disks, left: 4 GiB of disks\), and this needs 5 GiB/);
  assert.is((await petra.send('POST', '/api/v1/vms', { name: 'hers', vcpus: 8, memoryBytes: 2 * GiB })).status, 201);
  assert.is((await site.send('POST', '/api/v1/vms', { name: 'admins', vcpus: 8, memoryBytes: 2 * GiB })).status, 201);
});

test('a snapshot counts as its disks do, for who takes it, and so do the images of a template; what goes makes room, also with its VM', async ({ site, paul }) => {
  await limit(site, { user: 'paul', diskBytes: 20 * MiB });
  const used = async () => (await items(paul, '/api/v1/own-quotas')).map(({ used: taken }) => (taken as { diskBytes: number }).diskBytes / MiB);
  assert.is((await paul.send('POST', '/api/v1/vms', { name: 'one', ...small, disks: [{ sizeBytes: 4 * MiB, name: 'first' }, { sizeBytes: 2 * MiB }] })).status, 201);
  await idle(site);
  assert.is((await paul.send('POST', '/api/v1/vms/one/snapshots', { name: 'before' })).status, 202);
  await idle(site);
  assert.equal(await used(), [12]);
  await paul.send('POST', '/api/v1/disks/first/resize', { sizeBytes: 6 * MiB });
  await idle(site);
  await paul.send('PATCH', '/api/v1/vms/one/snapshots/before', { description: 'as it was sized then' });
  assert.equal(await used(), [14]);
  const refused = await paul.send('POST', '/api/v1/vms/one/snapshots', { name: 'after' });
  assert.equal([refused.status, refused.body['type']], [409, 'over-quota']);
  assert.equal((await items(paul, '/api/v1/vms/one/snapshots')).length, 1);
  await site.send('POST', '/api/v1/vms/one/snapshots', { name: 'of the administrator' });
  await idle(site);
  assert.equal(await used(), [14], 'counts for who takes it');
  await site.send('POST', '/api/v1/assignments', { user: 'paul', role: 'administrator', kind: 'vm', object: 'one' });
  assert.is((await paul.send('DELETE', '/api/v1/vms/one/snapshots/before')).status, 202);
  await idle(site);
  assert.equal(await used(), [8]);
  assert.is((await paul.send('POST', '/api/v1/templates', { name: 'mine', vm: 'one' })).status, 202);
  await idle(site);
  assert.equal(await used(), [16]);
  assert.is((await paul.send('DELETE', '/api/v1/templates/mine')).status, 202);
  await idle(site);
  assert.is((await paul.send('POST', '/api/v1/vms/one/snapshots', { name: 'last' })).status, 202);
  await idle(site);
  assert.equal(await used(), [16]);
  assert.is((await paul.send('DELETE', '/api/v1/vms/one', { keepDisks: false })).status, 202);
  for (let round = 0; round < 5; round++) await idle(site);
  assert.equal(await used(), [0]);
});

test('a larger VM, a new disk on it and a grown disk count, also at the hands of others; what shrinks or goes makes room', async ({ site, paul }) => {
  await limit(site, { user: 'paul', vcpus: 4, diskBytes: 10 * GiB });
  await paul.send('POST', '/api/v1/vms', { name: 'one', ...small, disks: [{ sizeBytes: 6 * GiB, name: 'data' }] });
  assert.is((await paul.send('PATCH', '/api/v1/vms/one', { vcpus: 5 })).status, 409);
  assert.match(detail(await site.send('PATCH', '/api/v1/vms/one', { vcpus: 5 })), 'paul@internal');
  assert.is((await paul.send('PATCH', '/api/v1/vms/one', { vcpus: 4 })).status, 200);
  await idle(site);
  assert.is((await paul.send('POST', '/api/v1/vms/one/disks', { sizeBytes: 5 * GiB })).status, 409);
  assert.is((await paul.send('POST', '/api/v1/disks/data/resize', { sizeBytes: 11 * GiB })).status, 409);
  assert.is((await paul.send('POST', '/api/v1/disks/data/resize', { sizeBytes: 9 * GiB })).status, 202);
  assert.is((await paul.send('POST', '/api/v1/disks', { name: 'more', sizeBytes: 2 * GiB })).status, 409, 'counted as soon as it was asked for');
  await idle(site);
  assert.is((await paul.send('PATCH', '/api/v1/vms/one', { vcpus: 1 })).status, 200);
  assert.is((await paul.send('POST', '/api/v1/vms', { name: 'two', ...small, vcpus: 3 })).status, 201);
  await site.carryOut('DELETE', '/api/v1/vms/one');
  await idle(site);
  assert.is((await paul.send('POST', '/api/v1/disks', { name: 'more', sizeBytes: 10 * GiB })).status, 202);
});

test('a group shares its quota, beside that of each; of two creations at once one passes', async ({ site, paul, petra }) => {
  await site.send('POST', '/api/v1/groups', { name: 'lab', members: ['paul', 'petra'] });
  await limit(site, { group: 'lab', vcpus: 4 });
  const both = await Promise.all([paul, petra].map((who, index) => who.send('POST', '/api/v1/vms', { name: `vm-${index}`, ...small, vcpus: 3 })));
  assert.equal(both.map(({ status }) => status).sort(), [201, 409]);
  assert.match(detail(both.find(({ status }) => status === 409) ?? { body: {} }), 'The quota of lab allows 4 vCPUs (taken: 3 vCPUs, left: 1 vCPU), and this needs 3 vCPUs');
  const twice = await Promise.all([0, 1, 2].map((index) => petra.send('POST', '/api/v1/vms', { name: `more-${index}`, ...small, vcpus: 1 })));
  assert.equal(twice.map(({ status }) => status).sort(), [201, 409, 409]);
  await site.send('PATCH', '/api/v1/groups/lab', { members: ['paul'] });
  assert.is((await petra.send('POST', '/api/v1/vms', { name: 'free', ...small })).status, 201, 'no member any more');
});

test('audit and grace: allowed and told, once, until it is kept again', async ({ site, paul }) => {
  const { body: { id } } = await limit(site, { user: 'paul', vcpus: 4, gracePercent: 50 });
  assert.is((await paul.send('POST', '/api/v1/vms', { name: 'one', ...small, vcpus: 6 })).status, 201, 'within the grace');
  assert.is((await over(site)).length, 1);
  assert.match(detail(await paul.send('POST', '/api/v1/vms', { name: 'two', ...small, vcpus: 1 })), 'allows 4 vCPUs and 50 % more for a while (taken: 6 vCPUs, left: 0 vCPUs)');
  assert.is((await site.send('PATCH', `/api/v1/quotas/${id}`, { mode: 'audit' })).status, 200);
  assert.is((await paul.send('POST', '/api/v1/vms', { name: 'two', ...small, vcpus: 9 })).status, 201);
  assert.equal((await items(site, '/api/v1/quotas')).map((quota) => [quota.used, quota.over]), [[{ vcpus: 15, memoryBytes: GiB, diskBytes: 0 }, ['vcpus']]]);
  await site.send('PATCH', `/api/v1/quotas/${id}`, { vcpus: 20 });
  assert.equal(await over(site), []);
  await site.send('PATCH', `/api/v1/quotas/${id}`, { vcpus: 2 });
  assert.is((await over(site)).length, 1, 'a lower limit takes nothing away and is told');
  assert.is((await site.send('DELETE', `/api/v1/quotas/${id}`)).status, 204);
  assert.equal(await over(site), []);
});

test('who is limited sees what is left and of nobody else; only who manages people sets quotas', async ({ site, paul, petra }) => {
  const { body: { id } } = await limit(site, { user: 'paul', vcpus: 4, memoryBytes: GiB });
  await paul.send('POST', '/api/v1/vms', { name: 'one', ...small });
  const page = textOf(parseHtml((await paul.send<string>('GET', '/')).body));
  assert.match(page, /What you may take[\s\S]*2 of 4[\s\S]*2 left[\s\S]*512 MiB of 1 GiB/);
  assert.is((await items(paul, '/api/v1/own-quotas')).length, 1);
  assert.equal(await items(petra, '/api/v1/own-quotas'), []);
  assert.is((await paul.send('GET', '/api/v1/quotas')).status, 403);
  for (const [method, path] of [['PATCH', `/api/v1/quotas/${id}`], ['DELETE', `/api/v1/quotas/${id}`], ['POST', '/api/v1/quotas']] as const) {
    assert.is((await paul.send(method, path, method === 'POST' ? { user: 'petra' } : method === 'PATCH' ? { vcpus: 99 } : undefined)).status, 403, method);
  }
  const admin = await openPerson(site, 'chief', ['administrator']);
  assert.match((await admin.send<string>('GET', '/people/quotas')).body, /paul@internal<[\s\S]*>2 of 4</);
  assert.is((await limit(site, { user: 'paul', vcpus: 1 })).status, 409, 'one each');
  for (const wrong of [{}, { user: 'paul', group: 'x' }, { user: 'nobody' }, { user: 'petra', vcpus: -1 }, { user: 'petra', gracePercent: 101 }]) assert.is((await limit(site, wrong)).status, 400, JSON.stringify(wrong));
});

test('a site file sets them, finds nothing left to do, changes and exports them', async ({ site }) => {
  const file = 'bothy: 1\nusers: [{ name: ada }]\ngroups: [{ name: lab, members: [ada] }]\nquotas:\n  - { user: ada, vcpus: 4, memoryBytes: 8 GiB }\n  - { group: lab, diskBytes: 1 TiB, mode: audit, gracePercent: 10 }\n';
  const plan = async (text: string, on = site) => (await on.send<{ steps: { section: string; verb: string }[] }>('POST', '/api/v1/site/plan', { text })).body.steps.map(({ section, verb }) => `${verb} ${section}`);
  assert.equal((await plan(file)).filter((step) => step.endsWith('quotas')), ['create quotas', 'create quotas']);
  await site.carryOut('POST', '/api/v1/site/apply', { text: file });
  assert.equal(await plan(file), []);
  assert.equal(await plan(file.replace('vcpus: 4', 'vcpus: 5')), ['change quotas']);
  assert.equal(await plan('bothy: 1\nquotas: [{ user: none, vcpus: 1 }]\n'), ['conflict quotas']);
  const text = await (await site.door.request('http://bothy/api/v1/site/export', { headers: { authorization: `Bearer ${await site.tokenFor(['administrator'])}` } })).text();
  assert.match(text, /quotas:\n {2}- user: ada@internal\n {4}vcpus: 4\n {4}memoryBytes: 8 GiB\n {2}- group: lab\n {4}diskBytes: 1 TiB\n {4}gracePercent: 10\n {4}mode: audit\n/);
  assert.match(await site.send('POST', '/api/v1/site/check', { text: file.replace('group: lab,', 'user: ada@internal,') }).then(({ body }) => JSON.stringify(body)), 'Its quota stands here twice.');
});

test.run();
