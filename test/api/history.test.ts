/** The history of use through the whole appliance: libvirt's counters in, steps of every size out, in hours of virtual time. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../appliance/core/clock.ts';
import { openTestApp, type TestApp } from '../world/app.ts';
import { parseHtml, textOf } from '../world/html.ts';
import { createVirtualClock, type VirtualClock } from '../world/clock.ts';

interface Context {
  clock: VirtualClock;
  site: TestApp;
}

interface History {
  stepSeconds: number;
  from: number;
  to: number;
  items: ({ at: number } & Record<string, number | null>)[];
}

const test = suite<Context>('history');
const api = '/api/v1';

test.before(async (context) => {
  context.clock = createVirtualClock();
  const opening = openTestApp({ clock: context.clock });
  await context.clock.advance(1_000);
  context.site = await opening;
});
test.after(async ({ site, clock }) => {
  const closing = site.close();
  await clock.advance(10_000);
  await closing;
});

const ask = async ({ site }: Context, path: string) => (await site.send<History>('GET', `${api}${path}`)).body;
const known = ({ items }: History, name: string) => items.map((item) => item[name]).filter((value) => typeof value === 'number');

test('a VM that runs has a history, its disk and its NIC too, with one call to libvirt every ten seconds', async (context) => {
  const { site, clock } = context;
  const { body: vm } = await site.send<{ id: string; disks: { id: string }[]; nics: { id: string }[] }>('POST', `${api}/vms`, { name: 'web', disks: [{ sizeBytes: 2 ** 30 }], nics: [{ network: 'default' }] });
  await clock.advance(60_000);
  const starting = site.carryOut('POST', `${api}/vms/web/start`);
  await clock.advance(5_000);
  await starting;
  const { hypervisor } = site.world;
  const stats = hypervisor.stats.bind(hypervisor);
  let calls = 0;
  hypervisor.stats = () => { calls += 1; return stats(); };
  await clock.advance(600_000);
  hypervisor.stats = stats;
  assert.ok(calls >= 55 && calls <= 61, `${calls} calls in ten minutes`);
  const whole = await ask(context, '/vms/web/history');
  assert.is(whole.stepSeconds, 20);
  assert.ok(known(whole, 'cpuFraction').length >= 28, `${known(whole, 'cpuFraction').length} steps`);
  assert.ok(known(whole, 'cpuFraction').every((value) => Number(value) >= 0 && Number(value) <= 1.01));
  for (const [id, name] of [[vm.disks[0]?.id, 'writtenBytesPerSecond'], [vm.nics[0]?.id, 'receivedBytesPerSecond']] as const) {
    assert.ok(known(await ask(context, `/vms/web/history?of=${id}`), name).length >= 28, name);
  }
  assert.is((await site.send('GET', `${api}/vms/web/history?of=00000000-0000-4000-8000-000000000000`)).status, 404);
});

/** Looking at a domain is work on real files, which virtual time does not wait for. */
async function untilKnown(context: Context, path: string, name: string): Promise<void> {
  for (let round = 0; known(await ask(context, path), name).length < 5; round++) {
    assert.ok(round < 300, `${name} never came`);
    await context.clock.advance(10_000);
    await systemClock.sleep(20);
  }
}

test('host and storage domain have one from the first minutes on; steps get longer with the time that is asked for', async (context) => {
  const now = context.clock.now();
  assert.ok(known(await ask(context, '/hosts/this/history'), 'cpuFraction').length >= 28);
  await untilKnown(context, '/storage-domains/local/history', 'usedBytes');
  const day = 86_400_000;
  for (const [span, step] of [[day, 240], [30 * day, 7_200], [1_000 * day, 3 * 86_400]] as const) {
    const { stepSeconds, items } = await ask(context, `/hosts/this/history?from=${now - span}&to=${now}`);
    assert.is(stepSeconds, step);
    assert.ok(items.length <= 362, `${items.length} steps`);
    assert.ok(items.length <= 362 && known({ items } as History, 'cpuFraction').length >= 1, `${items.length} steps of ${step} s`);
  }
  const turned = await ask(context, `/hosts/this/history?from=${now}&to=${now - day}`);
  assert.ok(turned.items.length <= 1, 'a time that ends before it begins holds nothing');
});

test('how long it is kept can be changed, within limits, by who may', async ({ site }) => {
  const { body: before, headers } = await site.send('GET', `${api}/history`);
  assert.equal([before['slotHours'], before['minuteDays'], before['hourDays'], before['dayYears'], before['eventDays']], [2, 2, 60, 5, 180]);
  assert.ok(Number(before['bytes']) > 0 && Number(before['series']) >= 3 && Number(before['since']) > 0);
  assert.is((await site.send('PATCH', `${api}/history`, { hourDays: 6 })).status, 400);
  const { body: after } = await site.send('PATCH', `${api}/history`, { hourDays: 90 }, { 'if-match': headers.get('etag') ?? '' });
  assert.equal([after['hourDays'], after['minuteDays']], [90, 2]);
  assert.is((await site.send('PATCH', `${api}/history`, { hourDays: 91 }, { 'if-match': headers.get('etag') ?? '' })).status, 412);
});

test('who changed what is told with what it was before, for each thing, and without secrets', async ({ site }) => {
  await site.send('PATCH', `${api}/vms/web`, { description: 'first' });
  await site.send('PATCH', `${api}/vms/web`, { description: 'second' });
  interface Page { items: { actor: string; operation: string; what: string; name: string; fields: { field: string; before: unknown; after: unknown; isSecret: boolean }[] }[]; next: string | null }
  const { body } = await site.send<Page>('GET', `${api}/config-changes?object=web`);
  assert.equal(body.items.map(({ operation, what }) => [operation, what]), [['vm.edit', 'updated'], ['vm.edit', 'updated'], ['vm.create', 'created']]);
  assert.equal(body.items[0]?.fields, [{ field: 'description', path: ['description'], before: 'first', after: 'second', isSecret: false }]);
  assert.is(body.items[0]?.name, 'web');
  assert.match(body.items[0]?.actor ?? '', /^token test/);
  const first = (await site.send<Page>('GET', `${api}/config-changes?object=web&limit=1`)).body;
  const second = (await site.send<Page>('GET', `${api}/config-changes?object=web&limit=1&after=${first.next}`)).body;
  assert.equal(second.items[0]?.fields[0]?.after, 'first');
  await site.send('POST', `${api}/users`, { name: 'ada', password: 'a long and secret phrase', roles: ['observer'] });
  const users = await site.send<Page>('GET', `${api}/config-changes?kind=user`);
  assert.ok(users.body.items.some(({ name }) => name === 'ada@internal'));
  assert.not.match(JSON.stringify(users.body), /scrypt/);
  await site.send('PATCH', `${api}/vms/web`, { watchdog: 'ib700', watchdogAction: 'pause' });
  const page = async (locale: string) => textOf(parseHtml(await (await site.door.request('http://bothy/events/configuration?object=web&actor=&kind=vm', { headers: { authorization: `Bearer ${await site.tokenFor(['administrator'])}`, cookie: `bothy_locale=${locale}` } })).text()));
  assert.match(await page('en'), /Watchdog\s*None → iB700\s*When it does not answer\s*Reset it → Pause it/);
  assert.match(await page('zh-CN'), /看门狗\s*无 → iB700\s*无应答时\s*重置 → 暂停/);
  const observer = await site.tokenFor(['observer']);
  assert.is((await site.door.request(`http://bothy${api}/config-changes`, { headers: { authorization: `Bearer ${observer}` } })).status, 403);
});

test('Prometheus gets what each VM, disk, NIC and storage domain counts, under names that stay', async ({ site, clock }) => {
  await clock.advance(30_000);
  const token = await site.tokenFor(['observer']);
  const text = await (await site.door.request('http://bothy/metrics', { headers: { authorization: `Bearer ${token}` } })).text();
  for (const name of ['cpu_seconds_total', 'vcpus', 'memory_bytes']) assert.match(text, new RegExp(`^bothy_vm_${name}\\{vm="web",id="[0-9a-f-]+"\\} [\\d.]+$`, 'm'), name);
  for (const name of ['read_bytes_total', 'written_bytes_total', 'reads_total', 'writes_total']) assert.match(text, new RegExp(`^bothy_vm_disk_${name}\\{vm="web",disk="web-disk1",id="[0-9a-f-]+"\\} \\d+$`, 'm'), name);
  for (const name of ['receive', 'transmit']) assert.match(text, new RegExp(`^bothy_vm_network_${name}_bytes_total\\{vm="web",nic="NIC 1",id="[0-9a-f-]+"\\} \\d+$`, 'm'), name);
  assert.match(text, /^bothy_storage_domain_size_bytes\{domain="local",id="[0-9a-f-]+"\} \d+$/m);
  assert.match(text, /^bothy_storage_domain_active\{domain="isos",id="[0-9a-f-]+"\} 1$/m);
});

test('a site file says how long history is kept, finds nothing left to do then, and an export holds it', async () => {
  const site = await openTestApp();
  const text = 'bothy: 1\nhistory: { hourDays: 120, eventDays: 30 }\n';
  const plan = async () => (await site.send<{ steps: { section: string; details: string[] }[] }>('POST', `${api}/site/plan`, { text })).body.steps;
  assert.equal((await plan()).map(({ section, details }) => [section, details]), [['history', ['hourDays: 60 -> 120', 'eventDays: 180 -> 30']]]);
  await site.carryOut('POST', `${api}/site/apply`, { text });
  assert.equal(await plan(), []);
  const { body } = await site.send('GET', `${api}/history`);
  assert.equal([body['hourDays'], body['eventDays'], body['minuteDays']], [120, 30, 2]);
  const exported = await (await site.door.request(`http://bothy${api}/site/export`, { headers: { authorization: `Bearer ${await site.tokenFor(['administrator'])}` } })).text();
  assert.match(exported, /history:\n {2}slotHours: 2\n {2}minuteDays: 2\n {2}hourDays: 120/);
  assert.equal((await site.send('POST', `${api}/site/check`, { text: 'bothy: 1\nhistory: { hourDays: 1 }\n' })).body['isValid'], false);
  await site.close();
});

test('a site file says where events are sent: made once, changed by what it names, exported without secrets unless asked', async () => {
  const site = await openTestApp();
  const hook = (key: string, severity: string) => `bothy: 1\ndestinations:\n  - { name: chat, kind: webhook, url: "https://chat.example/the-path-key", signingKey: "${key}", severity: ${severity} }\n  - { name: logs, kind: syslog, host: logs.example, transport: tls }\n`;
  const plan = async (text: string) => (await site.send<{ steps: { name: string; verb: string; details: string[] }[] }>('POST', `${api}/site/plan`, { text })).body.steps.map(({ name, verb, details }) => [name, verb, ...details]);
  const first = hook('a key of enough length', 'error');
  assert.equal(await plan(first), [['chat', 'create', 'webhook chat.example'], ['logs', 'create', 'syslog logs.example:6514 (TLS)']]);
  await site.carryOut('POST', `${api}/site/apply`, { text: first });
  assert.equal(await plan(first), []);
  const second = hook('another key of enough length', 'info');
  assert.equal(await plan(second), [['chat', 'change', 'severity: error -> info', 'signingKey']]);
  await site.carryOut('POST', `${api}/site/apply`, { text: second });
  assert.equal(await plan(second), []);
  const exported = async (query: string) => (await site.door.request(`http://bothy${api}/site/export${query}`, { headers: { authorization: `Bearer ${await site.tokenFor(['administrator'])}` } })).text();
  assert.not.match(await exported(''), /path-key|of enough length/);
  assert.match(await exported(''), /destinations:\n {2}- name: chat\n {4}kind: webhook\n {4}severity: info/);
  const whole = await exported('?secrets=true');
  assert.match(whole, /the-path-key[\s\S]*another key of enough length/);
  assert.equal(await plan(whole), [], 'what is exported is what is');
  const bare = await exported('');
  await site.send('DELETE', `${api}/destinations/chat`);
  assert.equal(await plan(bare), [['chat', 'create', 'webhook', 'Sends nothing until this is set: url, signingKey.']]);
  const wrong = (await site.send<{ faults: { path: string }[] }>('POST', `${api}/site/check`, { text: 'bothy: 1\ndestinations: [{ name: a, kind: email, host: b.example }]\n' })).body;
  assert.equal(wrong.faults.map(({ path }) => path), ['destinations.0.from', 'destinations.0.to']);
  await site.close();
});

test('reports tell who used how much, for how long, and how much room is left; also as CSV', async (context) => {
  const { site, clock } = context;
  for (let half = 0; half < 12; half++) {
    await clock.advance(300_000);
    await systemClock.sleep(20);
  }
  interface Made { from: number; to: number; columns: { key: string }[]; rows: Record<string, string | number | null>[] }
  const report = async (name: string) => (await site.send<Made>('GET', `${api}/reports/${name}`)).body;
  assert.equal((await report('consumers')).rows.map(({ name }) => name), ['web']);
  const up = (await report('uptime')).rows;
  assert.equal(up.map(({ kind }) => kind), ['host', 'vm']);
  assert.ok(up.every(({ up: seconds }) => Number(seconds) > 300 && Number(seconds) <= 7_200), JSON.stringify(up));
  assert.ok((await report('use')).rows.length >= 1);
  assert.equal((await report('capacity')).rows.map(({ name }) => name).sort(), ['isos', 'local']);
  const csv = await site.door.request(`http://bothy${api}/reports/uptime/csv`, { headers: { authorization: `Bearer ${await site.tokenFor(['observer'])}` } });
  assert.match(csv.headers.get('content-type') ?? '', /text\/csv/);
  assert.match(await csv.text(), /^kind,name,up,share\r\nhost,/);
  assert.is((await site.send('GET', `${api}/reports/weather`)).status, 400);
});

test.run();
