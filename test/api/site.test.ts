/** The site file through the API: check, plan, apply, apply again, drift, export and the same appliance from it; secrets in no place. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { hashPassword } from '../../appliance/auth/password.ts';
import { newSealingKey, seal } from '../../appliance/provision/sealed.ts';
import { apiAnswers, differences, ownToEach } from '../api-answers.ts';
import { adminPassword, openTestApp, type TestApp } from '../world/app.ts';
import { makePair } from '../world/certificate.ts';
import { createVirtualClock } from '../world/clock.ts';
import { untilReady } from '../world/ready.ts';

interface Step {
  section: string;
  verb: string;
  name: string;
  details: string[];
}

const iso = Buffer.alloc(64 * 2048);
iso.write('\x01CD001\x01', 16 * 2048, 'latin1');
const sha256 = createHash('sha256').update(iso).digest('hex');
const raw = Buffer.alloc(1024 * 1024, 7);

const passwordHash = await hashPassword('four unrelated words');

const guestHash = `$6$salt$${'h'.repeat(86)}`;

const text = `bothy: 1
host: { hostname: shop-9, timeZone: Europe/Berlin }
users:
  - { name: admin, roles: [administrator], passwordHash: "${passwordHash}" }
  - { name: till, roles: [operator] }
storageDomains: [{ name: local, description: All disks }]
networks:
  - { name: default }
  - { name: lab, subnet: 192.168.150.0/24, description: Apart }
images:
  - { name: fetched.iso, url: "https://images.example.org/a.iso?key=topsecretkey", sha256: ${sha256} }
  - { name: carried.iso, file: isos/carried.iso }
disks: [{ name: spare, sizeBytes: 2 MiB }]
vms:
  - name: web
    memoryBytes: 64 MiB
    autostart: true
    tier: 1
    startAfter: [cold]
    healthProbe: "tcp:80"
    disks: [{ sizeBytes: 1 MiB, format: raw, content: { file: web.raw, format: raw } }, { name: web-data, sizeBytes: 2 MiB }]
    nics: [{ network: lab, mac: "52:54:00:00:00:07" }, { network: default }]
    cloudInit: { user: ada, passwordHash: "${guestHash}", sshKeys: ["ssh-ed25519 ${'A'.repeat(68)} me"], interfaces: [{ addresses: [192.168.150.7/24] }], userData: "#!/bin/sh" }
  - { name: cold, memoryBytes: 64 MiB, cdrom: carried.iso, bootOrder: [cdrom] }
cluster: { peers: [10.0.0.2], token: join-us-secretly }
`;

async function openSite(): Promise<TestApp> {
  const site = await openTestApp();
  await untilReady(site);
  site.host.downloads.offer('https://images.example.org/a.iso?key=topsecretkey', iso);
  site.host.siteSources.plugIn(undefined, { 'isos/carried.iso': iso, 'web.raw': raw });
  return site;
}

const plan = async (site: TestApp, body: object = { text }) => (await site.send<{ steps: Step[]; isConverged: boolean }>('POST', '/api/v1/site/plan', body)).body;
const told = ({ section, verb, name }: Step) => `${section} ${verb} ${name}`;
const exported = async (site: TestApp, query = '') => {
  const response = await site.door.request(`http://bothy/api/v1/site/export${query}`, { headers: { authorization: `Bearer ${await token(site)}` } });
  return { status: response.status, text: await response.text() };
};

const tokens = new WeakMap<TestApp, string>();
async function token(site: TestApp): Promise<string> {
  const known = tokens.get(site) ?? (await site.tokenFor(['administrator']));
  tokens.set(site, known);
  return known;
}

async function apply(site: TestApp, body: object = { text }): Promise<{ state: string; detail: string }> {
  const reply = await site.send<{ id: string }>('POST', '/api/v1/site/apply', body);
  assert.is(reply.status, 202, JSON.stringify(reply.body));
  const row = await site.app.core.tasks.ended(reply.body.id);
  return { state: row.state, detail: (row.problem as { detail: string } | null)?.detail ?? '' };
}

async function untilUp(site: TestApp, vm: string): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if ((await site.send('GET', `/api/v1/vms/${vm}`)).body['state'] === 'up') return;
    await site.app.core.clock.sleep(10);
  }
  assert.unreachable(`${vm} never came up`);
}

/** What a site is, ids, keys and times aside. */
async function answers(site: TestApp): Promise<unknown> {
  const paths = ['vms', 'networks', 'storage-domains', 'disks', 'users', 'storage-domains/isos/files', 'vms/web', 'vms/cold', 'hosts/this/settings'];
  const all = await Promise.all(paths.map(async (path) => (await site.send('GET', `/api/v1/${path}`)).body));
  const left = new Set(['id', 'createdAt', 'since', 'generation', 'startedAt', 'at', 'modifiedAt', 'freeBytes', 'totalBytes', 'reservedBytes', 'occupiedBytes', 'since', 'isPlugged', 'hasAgent', 'hasPassword']);
  return JSON.parse(JSON.stringify(all, (key, value) => (left.has(key) ? undefined : value)));
}

const allAnswers = (site: TestApp) => apiAnswers(async (path) => site.send<unknown>('GET', `/api/v1${path}`), ownToEach);

test('a file is planned, applied whole, and changes nothing the second time', async () => {
  const site = await openSite();
  const { steps } = await plan(site);
  assert.equal(steps.map(told), [
    'host change shop-7', 'users create admin@internal', 'users create till@internal', 'storageDomains change local', 'networks create lab',
    'images fetch fetched.iso', 'images fetch carried.iso', 'disks create spare', 'disks fill web-disk1', 'vms create web', 'vms create cold', 'vms change web', 'starts start web',
  ]);
  assert.equal(await apply(site), { state: 'done', detail: '' });
  await untilUp(site, 'web');
  const { body } = await site.send<{ disks: { name: string }[]; nics: { mac: string }[]; tier: number; startAfter: string[]; healthProbe: string }>('GET', '/api/v1/vms/web');
  assert.equal(body.disks.map(({ name }) => name), ['web-disk1', 'web-data']);
  assert.is(body.nics[0]?.mac, '52:54:00:00:00:07');
  assert.equal([body.tier, body.startAfter, body.healthProbe], [1, ['cold'], 'tcp:80']);
  assert.is((await site.send('GET', '/api/v1/vms/cold')).body['state'], 'down');
  const before = await answers(site);
  const generations = (await site.send('GET', '/api/v1/vms/web')).body['generation'];
  assert.equal(await plan(site), { steps: [], isConverged: true });
  assert.equal(await apply(site), { state: 'done', detail: '' });
  assert.equal(await answers(site), before);
  assert.is((await site.send('GET', '/api/v1/vms/web')).body['generation'], generations, 'nothing was written');
  assert.is(site.host.siteSources.openFiles(), 0);
  await site.close();
});

test('sections in which nothing is to be done do not look at the whole machine again', async () => {
  const site = await openTestApp();
  await untilReady(site);
  const { hostNetwork } = site.host;
  const settings = hostNetwork.settings.bind(hostNetwork);
  let looks = 0;
  hostNetwork.settings = () => {
    looks += 1;
    return settings();
  };
  assert.equal(await apply(site, { text: 'bothy: 1\nnetworks: [{ name: lab }]' }), { state: 'done', detail: '' });
  assert.ok(looks >= 2 && looks <= 4, `${looks} looks for one network: before and after it`);
  await site.close();
});

test('addresses of ports come first, are kept when the network answers, taken back when it does not, and exported', async () => {
  const clock = createVirtualClock();
  const passing = <T>(work: Promise<T>) => clock.during(work);
  const site = await passing(openTestApp({ clock }));
  const portFile = (address: string) => `bothy: 1\nports: [{ port: eno1, method: static, address: ${address}, gateway: 10.1.2.1, dns: [10.1.2.1] }]\n`;
  assert.equal((await passing(plan(site, { text: portFile('10.1.2.3/24') }))).steps.map((step) => `${told(step)} ${step.details}`),
    ['ports change eno1 method: - -> static,address: - -> 10.1.2.3/24,gateway: - -> 10.1.2.1,dns: - -> 10.1.2.1']);
  assert.equal(await passing(apply(site, { text: portFile('10.1.2.3/24') })), { state: 'done', detail: '' });
  assert.is((await passing(plan(site, {}))).isConverged, true);
  assert.match((await passing(exported(site))).text, /ports:\n {2}- port: eno1\n {4}method: static\n {4}address: 10\.1\.2\.3\/24\n {4}gateway: 10\.1\.2\.1\n {4}dns:\n {6}- 10\.1\.2\.1\n/);
  site.host.hostNetwork.isAnswering = false;
  const lost = await passing(apply(site, { text: portFile('10.1.2.9/24') }));
  assert.match(lost.detail, /port "eno1": Nothing answered at the gateway 10\.1\.2\.1/);
  assert.is((await site.host.hostNetwork.settings())['eno1']?.address, '10.1.2.3/24', 'as before');
  site.host.hostNetwork.isManaged = false;
  assert.equal((await passing(plan(site, { text: portFile('10.1.2.9/24') }))).steps.map(told), ['ports note eno1'], 'on a machine that is not ours');
  assert.equal((await passing(plan(site, { text: portFile('10.1.2.9/24').replace('eno1', 'eno9') }))).steps.map(told), ['ports conflict eno9']);
  await passing(site.close());
});

test('a certificate is installed once, and its key leaves only with the secrets', async () => {
  const site = await openTestApp();
  const pair = makePair('shop.example.org');
  const file = `bothy: 1\ncertificate: ${JSON.stringify(pair)}\n`;
  const planned = await plan(site, { text: file });
  assert.equal(planned.steps.map(told), ['certificate change CN=shop.example.org']);
  assert.equal(await apply(site, { text: file }), { state: 'done', detail: '' });
  assert.is((await plan(site, {})).isConverged, true);
  const line = pair.key.split('\n')[1] ?? '';
  assert.not.ok((await exported(site)).text.includes(line));
  assert.ok((await exported(site, '?secrets=true')).text.includes(line));
  for (const told of [planned, (await site.send('GET', '/api/v1/audit')).body, (await site.send('GET', '/api/v1/tasks')).body, (await site.send('GET', '/api/v1/site')).body]) assert.not.ok(JSON.stringify(told).includes(line));
  await site.close();
});

test('the disk has the content that the file names, and keeps what the guest wrote since', async () => {
  const site = await openSite();
  await apply(site);
  const content = async () => Buffer.from(await (await site.door.request('http://bothy/api/v1/disks/web-disk1/content?format=raw', { headers: { authorization: `Bearer ${await token(site)}` } })).arrayBuffer());
  await untilUp(site, 'web');
  await site.carryOut('POST', '/api/v1/vms/web/power-off');
  assert.equal((await content()).compare(raw), 0);
  site.host.siteSources.plugIn(undefined, { 'web.raw': Buffer.alloc(raw.length, 9) });
  await apply(site);
  assert.equal((await content()).compare(raw), 0, 'not filled again');
  await site.close();
});

test('drift is shown, brought back by an apply, and what the file does not name is left alone', async () => {
  const site = await openSite();
  await apply(site);
  await untilUp(site, 'web');
  await site.send('PATCH', '/api/v1/vms/cold', { memoryBytes: 128 * 2 ** 20, description: 'by hand', vcpus: 2 });
  await site.send('POST', '/api/v1/networks', { name: 'by-hand' });
  await site.carryOut('POST', '/api/v1/vms/web/power-off');
  await site.send('PATCH', '/api/v1/users/till', { roles: ['observer'] });
  const drift = await plan(site, {});
  assert.equal(drift.steps.map((step) => `${told(step)} ${step.details}`), ['users change till@internal roles: observer -> operator', 'vms change cold memoryBytes: 128 MiB -> 64 MiB']);
  assert.not.ok(drift.isConverged);
  await apply(site, {});
  const cold = (await site.send('GET', '/api/v1/vms/cold')).body;
  assert.equal([cold['memoryBytes'], cold['description'], cold['vcpus']], [64 * 2 ** 20, 'by hand', 2]);
  assert.is((await site.send('GET', '/api/v1/vms/web')).body['state'], 'down', 'somebody has stopped it');
  assert.is((await site.send('GET', '/api/v1/networks/by-hand')).status, 200);
  await site.close();
});

test('hardware that a file names is brought about and back; what it does not name is left alone; it is exported', async () => {
  const site = await openSite();
  const hardware = 'bothy: 1\nvms: [{ name: till, memoryBytes: 64 MiB, os: windows-xp, video: vga, disks: [{ sizeBytes: 1 MiB, serial: T-1, writesPerSecond: 50 }], nics: [{ network: default, model: e1000 }] }]\n';
  await apply(site, { text: hardware });
  const till = async () => (await site.send<Record<string, unknown> & { disks: Record<string, unknown>[]; nics: Record<string, unknown>[] }>('GET', '/api/v1/vms/till')).body;
  const vm = await till();
  assert.equal([vm['machine'], vm['video'], vm['usb'], vm.disks[0]?.['bus'], vm.disks[0]?.['writesPerSecond'], vm.nics[0]?.['model']], ['pc', 'vga', 'uhci', 'ide', 50, 'e1000']);
  assert.is((await plan(site, { text: hardware })).isConverged, true);
  await site.send('PATCH', '/api/v1/vms/till', { video: 'qxl', sound: 'es1370' });
  await site.carryOut('PATCH', `/api/v1/vms/till/disks/${vm.disks[0]?.['id']}`, { serial: null, discard: false });
  await site.carryOut('PATCH', `/api/v1/vms/till/nics/${vm.nics[0]?.['id']}`, { model: 'virtio' });
  assert.equal((await plan(site, { text: hardware })).steps.flatMap(({ details }) => details), ['video: qxl -> vga', 'disk till-disk1: serial: - -> T-1', `network interface ${vm.nics[0]?.['mac']}: model: virtio -> e1000`]);
  await site.send('POST', '/api/v1/networks', { name: 'guests', kind: 'nat' });
  const mac = String(vm.nics[0]?.['mac']);
  const moved = hardware.replace('{ network: default, model: e1000 }', `{ network: guests, model: e1000, mac: "${mac}" }`);
  assert.equal((await plan(site, { text: moved })).steps.flatMap(({ details }) => details).slice(-2), [`network interface ${mac}: network: default -> guests`, `network interface ${mac}: model: virtio -> e1000`]);
  await apply(site, { text: moved });
  assert.equal([(await till()).nics[0]?.['network'], (await till()).nics.length], ['guests', 1]);
  assert.is((await plan(site, { text: moved })).isConverged, true);
  await site.carryOut('PATCH', `/api/v1/vms/till/nics/${vm.nics[0]?.['id']}`, { network: 'default' });
  await apply(site, { text: hardware });
  const again = await till();
  assert.equal([again['video'], again['sound'], again.disks[0]?.['serial'], again.disks[0]?.['discard'], again.nics[0]?.['model']], ['vga', 'es1370', 'T-1', false, 'e1000']);
  const { text: file } = await exported(site);
  for (const line of [/os: windows-xp/, /sound: es1370/, /machine: pc/, /serial: T-1/, /discard: false/, /bus: ide/, /model: e1000/]) assert.match(file, line);
  await site.close();
});

test('an export makes an empty second appliance give the same answers', async () => {
  const first = await openSite();
  await apply(first);
  await untilUp(first, 'web');
  const { text: file, status } = await exported(first, '?secrets=true');
  assert.is(status, 200);
  const second = await openSite();
  second.host.siteSources.plugIn(undefined, { 'fetched.iso': iso, 'carried.iso': iso, 'web.raw': raw });
  assert.equal((await second.send('POST', '/api/v1/site/check', { text: file })).body, { isValid: true, faults: [] });
  assert.equal(await apply(second, { text: file }), { state: 'done', detail: '' });
  await untilUp(second, 'web');
  assert.equal(differences(await allAnswers(first), await allAnswers(second)), []);
  assert.is((await exported(second, '?secrets=true')).text, file, 'and exports the same');
  await first.close();
  await second.close();
});

test('what a guest is told is compared with the file, also the hash of its password; a plain one is set where there is none', async () => {
  const site = await openSite();
  const file = (cloudInit: string) => `bothy: 1\nvms: [{ name: a, memoryBytes: 64 MiB, cloudInit: ${cloudInit} }]`;
  await apply(site, { text: file('{ user: ada }') });
  const changes = async (cloudInit: string) => (await plan(site, { text: file(cloudInit) })).steps.flatMap(({ details }) => details);
  assert.equal(await changes('{ user: ada }'), []);
  assert.equal(await changes(`{ user: bob, passwordHash: "${guestHash}" }`), ['cloud-init: user, password']);
  await apply(site, { text: file(`{ user: bob, passwordHash: "${guestHash}" }`) });
  assert.equal(await changes(`{ user: bob, passwordHash: "${guestHash}" }`), []);
  assert.equal(await changes('{ password: another }'), [], 'one is set');
  assert.equal(await changes(`{ passwordHash: "${guestHash.replace('salt', 'other')}" }`), ['cloud-init: password']);
  await site.close();
});

test('what a Windows is told is compared with the file, its secrets too, and they are exported only where secrets are asked for', async () => {
  const site = await openSite();
  const file = (windows: string) => `bothy: 1\nvms: [{ name: a, os: windows-10, memoryBytes: 64 MiB, cloudInit: { windows: ${windows} } }]`;
  const wish = '{ computerName: TILL-1, user: Ada, password: "rather secret", organisation: Shop, productKey: AAAAA-BBBBB-CCCCC-DDDDD-EEEEE }';
  assert.equal(await apply(site, { text: file(wish) }), { state: 'done', detail: '' });
  const changes = async (windows: string) => (await plan(site, { text: file(windows) })).steps.flatMap(({ details }) => details);
  assert.equal(await changes(wish), []);
  assert.equal(await changes('{ computerName: TILL-2, password: "another secret", language: de-DE }'), ['cloud-init: windows.computerName, windows.language, windows.password']);
  assert.equal(await changes('null'), ['cloud-init: windows']);
  const [open, closed] = [(await exported(site, '?secrets=true')).text, (await exported(site)).text];
  assert.match(open, /computerName: TILL-1/);
  assert.match(open, /password: rather secret/);
  assert.not.match(closed, /rather secret|AAAAA/);
  assert.match(closed, /organisation: Shop/);
  const second = await openSite();
  assert.equal(await apply(second, { text: open }), { state: 'done', detail: '' });
  assert.is((await exported(second, '?secrets=true')).text, open, 'and is the same elsewhere');
  await site.close();
  await second.close();
});

test('a VM that could not be started is not all well: the plan asks for it again, the next apply starts it', async () => {
  const site = await openSite();
  site.world.control.fail('create');
  const { state, detail } = await apply(site);
  assert.is(state, 'failed');
  assert.match(detail, /start of VM "web": The VM could not be started/);
  assert.equal((await plan(site)).steps.map(told), ['starts start web']);
  assert.equal(await apply(site), { state: 'done', detail: '' });
  await untilUp(site, 'web');
  await site.close();
});

test('conflicts are told, and what does not depend on them is made', async () => {
  const site = await openSite();
  const odd = `bothy: 1
networks: [{ name: default, kind: bridge, bridge: br0 }]
storageDomains: [{ name: san }]
images: [{ name: gone.iso, file: nowhere.iso }]
vms: [{ name: a, memoryBytes: 64 MiB, cdrom: none.iso }, { name: b, memoryBytes: 64 MiB, nics: [{ network: nowhere }] }, { name: c, memoryBytes: 64 MiB }, { name: d, memoryBytes: 64 MiB, cdrom: gone.iso }]
`;
  assert.equal((await plan(site, { text: odd })).steps.map(told), ['storageDomains conflict san', 'networks conflict default', 'images fetch gone.iso', 'vms conflict a', 'vms conflict b', 'vms create c', 'vms create d']);
  const { state, detail } = await apply(site, { text: odd });
  assert.is(state, 'failed');
  for (const part of ['6 things', 'storage domain "san"', 'network "default"', 'image "gone.iso": No stick holds the file', 'VM "a": There is no installation image "none.iso"', 'VM "b": There is no network "nowhere"', 'VM "d"']) assert.match(detail, part);
  assert.is((await site.send('GET', '/api/v1/vms/c')).status, 200);
  const { items } = (await site.send<{ items: { code: string }[] }>('GET', '/api/v1/events?standing=true')).body;
  assert.ok(items.some(({ code }) => code === 'site-file.failed'));
  await apply(site, { text: 'bothy: 1\nvms: [{ name: c, memoryBytes: 64 MiB }]' });
  assert.not.ok((await site.send<{ items: { code: string }[] }>('GET', '/api/v1/events?standing=true')).body.items.some(({ code }) => code === 'site-file.failed'));
  await site.close();
});

test('what is not the announced file is not taken', async () => {
  const site = await openSite();
  site.host.downloads.offer('https://images.example.org/a.iso?key=topsecretkey', Buffer.concat([iso, Buffer.from('x'.repeat(2048))]));
  const { state, detail } = await apply(site);
  assert.is(state, 'failed');
  assert.match(detail, /SHA-256/);
  assert.is((await site.send<{ items: unknown[] }>('GET', '/api/v1/storage-domains/isos/files')).body.items.length, 1);
  site.host.downloads.offer('https://images.example.org/a.iso?key=topsecretkey', iso);
  assert.is((await apply(site, {})).state, 'done');
  await site.close();
});

test('a wrong file is refused with lines and changes nothing', async () => {
  const site = await openSite();
  const { status, body } = await site.send<{ errors: { message: string }[] }>('POST', '/api/v1/site/apply', { text: 'bothy: 1\nvms: [{ nmae: a }]' });
  assert.is(status, 400);
  assert.match(body.errors[0]?.message ?? '', /^Line 2/);
  assert.equal((await site.send('GET', '/api/v1/site')).body['current'], null);
  assert.is((await site.send('POST', '/api/v1/site/plan', {})).status, 404);
  await site.close();
});

test('no secret is in the database in the clear, in a file of the state, in a task, an event, an audit line or an export', async () => {
  const site = await openSite();
  const key = ((await site.send('GET', '/api/v1/site')).body['sealingKey'] as string);
  const secrets = ['join-us-secretly', 'a plain password indeed', 'a sealed password indeed'];
  const file = `${text.replace('{ name: till, roles: [operator] }', '{ name: till, roles: [operator], password: a plain password indeed }')
    .replace('users:', `users:\n  - { name: third, roles: [observer], password: "${seal(key, 'a sealed password indeed')}" }`)}`;
  assert.is((await apply(site, { text: file })).state, 'done');
  assert.equal(await plan(site, { text: file }), { steps: [], isConverged: true }, 'passwords compare well');
  const signIn = await site.door.request('http://bothy/api/v1/sessions', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ user: 'third', password: 'a sealed password indeed' }) });
  assert.is(signIn.status, 201);
  const plain = (await exported(site)).text;
  assert.not.match(plain, /scrypt|join-us|\$6\$/);
  const open = (await exported(site, '?secrets=true')).text;
  assert.match(open, /scrypt/);
  assert.ok(open.includes(guestHash));
  assert.match(open, /join-us-secretly/);
  for (const path of ['tasks', 'events', 'audit', 'site', 'users']) {
    const body = JSON.stringify((await site.send('GET', `/api/v1/${path}?limit=200`)).body);
    for (const secret of [...secrets, 'scrypt', 'topsecretkey', guestHash]) assert.not.ok(body.includes(secret), `${path} tells ${secret}`);
  }
  site.app.core.database.sql.run('pragma wal_checkpoint(full)');
  for (const name of readdirSync(site.statePath, { recursive: true, encoding: 'utf8' })) {
    const path = join(site.statePath, name);
    if (!statSync(path).isFile() || statSync(path).size > 64 * 2 ** 20) continue;
    const content = readFileSync(path, 'latin1');
    for (const secret of secrets) assert.not.ok(content.includes(secret), `${name} holds ${secret}`);
  }
  await site.close();
});

test('a secret that was sealed to another machine is refused', async () => {
  const site = await openSite();
  const { createPublicKey } = await import('node:crypto');
  const other = createPublicKey(newSealingKey()).export({ format: 'jwk' }).x ?? '';
  const { body } = await site.send<{ faults: { message: string }[] }>('POST', '/api/v1/site/check', { text: `bothy: 1\nusers: [{ name: a, roles: [observer], password: "${seal(other, 'whatever it is')}" }]` });
  assert.match(body.faults[0]?.message ?? '', /another machine/);
  await site.close();
});

test('who may only read may not export secrets or apply; the schema is there for editors', async () => {
  const site = await openTestApp();
  const { body } = await site.send<{ token: string }>('POST', '/api/v1/tokens', { name: 'reader', permissions: ['site.read'] });
  const ask = (method: string, path: string, content?: object) => site.door.request(`http://bothy/api/v1${path}`, { method, headers: { authorization: `Bearer ${body.token}`, 'content-type': 'application/json' }, ...(content && { body: JSON.stringify(content) }) });
  assert.is((await ask('GET', '/site/export')).status, 200);
  assert.is((await ask('GET', '/site/export?secrets=true')).status, 403);
  assert.is((await ask('POST', '/site/apply', { text })).status, 403);
  const schema = (await (await ask('GET', '/site/schema.json')).json()) as { properties: Record<string, unknown> };
  assert.ok(schema.properties['vms']);
  assert.is((await site.send('POST', '/api/v1/setup', { code: site.app.setupCode(), password: adminPassword })).status, 201);
  await site.close();
});

test.run();
