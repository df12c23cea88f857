/** cloud-init as programs see it, on the whole appliance with a simulated host: set, given to the guest at its start, for whom, and what nobody sees again. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { MiB } from '../../appliance/core/units.ts';
import { formToInput } from '../../appliance/http/form.ts';
import { cloudInitEdit } from '../../appliance/vm/cloud-init/operations.ts';
import { foldersOf } from '../../appliance/vm/definition/guest.ts';
import { vmCreate } from '../../appliance/vm/operations.ts';
import { openTestApp, type TestApp } from '../world/app.ts';
import { readSimulatedSeed } from '../world/seeds.ts';
import { find, findAll } from '../world/xml.ts';

// biome-ignore lint/suspicious/noExplicitAny: a test looks into answers of all operations
type Json = any;

const test = suite<{ site: TestApp }>('cloud-init');
const password = 'wholly secret 4711';
const key = `ssh-ed25519 ${'A'.repeat(68)} me`;
const nics = [{ network: 'default', mac: '52:54:00:00:00:01' }, { network: 'default', mac: '52:54:00:00:00:02' }];
const told = { user: 'ada', password, sshKeys: [key], interfaces: [{ addresses: ['192.168.10.5/24'], gateways: ['192.168.10.1'], dns: ['192.168.10.1'] }] };

test.before.each(async (context) => {
  context.site = await openTestApp();
});
test.after.each(({ site }) => site.close());

const ask = (site: Pick<TestApp, 'send'>, method: string, path: string, body?: unknown) => site.send<Json>(method, `/api/v1${path}`, body);

async function done(site: TestApp, method: string, path: string, body?: unknown): Promise<Json> {
  const reply = await ask(site, method, path, body);
  assert.ok(reply.status < 300, `${method} ${path}: ${JSON.stringify(reply.body)}`);
  for (let rows = site.app.core.tasks.list({ limit: 100, isActive: true }); rows.length > 0; rows = site.app.core.tasks.list({ limit: 100, isActive: true })) {
    for (const { id } of rows) await site.app.core.tasks.ended(id);
  }
  return reply.body;
}

const makeVm = (site: TestApp, more: object = {}) => done(site, 'POST', '/vms', { name: 'web-1', os: 'linux', memoryBytes: 128 * MiB, nics, disks: [{ sizeBytes: MiB }], ...more });
const seedPath = (site: TestApp, vm: Json) => foldersOf(site.statePath, vm.id).seed;

/** What the guest finds, from the domain that runs. */
async function seedOf(site: TestApp, vm: Json): Promise<Json> {
  const domain = site.host.libvirt.domains().find(({ uuid }) => uuid === vm.id);
  assert.ok(domain);
  const disks = findAll(domain.tree, 'devices/disk').filter((disk) => find(disk, 'serial')?.text === 'bothy-seed');
  if (disks.length === 0) return undefined;
  assert.ok(disks[0] && find(disks[0], 'readonly'), 'read-only');
  const { label, files } = await readSimulatedSeed(find(disks[0], 'source')?.attributes['file'] ?? '');
  assert.is(label, 'CIDATA');
  return { bus: find(disks[0], 'target')?.attributes['bus'], ...Object.fromEntries(Object.entries(files).map(([name, text]) => [name, name.endsWith('.xml') ? text : parse(text, { version: '1.1' })])) };
}

test('a guest finds what was set when it was made; its CD-ROM drive stays its own', async ({ site }) => {
  const vm = await makeVm(site, { cloudInit: told });
  assert.is(vm.hasCloudInit, true);
  await done(site, 'POST', '/vms/web-1/start');
  const seed = await seedOf(site, vm);
  const { instanceId } = await done(site, 'GET', '/vms/web-1/cloud-init');
  assert.equal(seed['meta-data'], { 'instance-id': instanceId, 'local-hostname': 'web-1' });
  assert.match(seed['user-data'].user.hashed_passwd, /^\$6\$/);
  assert.equal([seed.bus, seed['user-data'].user.name, seed['user-data'].ssh_authorized_keys], ['virtio', 'ada', [key]]);
  assert.equal(Object.values(seed['network-config'].ethernets).map(({ match, addresses }: Json) => [match.macaddress, addresses]), [[nics[0]?.mac, ['192.168.10.5/24']], [nics[1]?.mac, undefined]]);
  const now = await done(site, 'GET', '/vms/web-1');
  assert.equal([now.disks.length, now.cdrom, now.pending], [1, null, []]);
});

test('the guest is the same one at each start, and a new one after a change', async ({ site }) => {
  const vm = await makeVm(site, { cloudInit: { user: 'ada' } });
  const ids: string[] = [];
  const restart = async () => {
    await done(site, 'POST', '/vms/web-1/start');
    ids.push((await seedOf(site, vm))['meta-data']['instance-id']);
    await done(site, 'POST', '/vms/web-1/power-off');
  };
  await restart();
  await done(site, 'PATCH', '/vms/web-1', { description: 'other' });
  await done(site, 'PATCH', '/vms/web-1/cloud-init', { user: 'ada' });
  await restart();
  await done(site, 'PATCH', '/vms/web-1/cloud-init', { hostname: 'other' });
  await restart();
  await done(site, 'PATCH', '/vms/web-1/cloud-init', { runAgain: true });
  await restart();
  assert.is(ids[0], ids[1]);
  assert.is(new Set(ids).size, 3);
  await done(site, 'DELETE', '/vms/web-1/cloud-init');
  await done(site, 'POST', '/vms/web-1/start');
  assert.is(await seedOf(site, vm), undefined);
  assert.throws(() => readFileSync(seedPath(site, vm)), /ENOENT/);
});

test('what is not given stays, null takes away', async ({ site }) => {
  await makeVm(site, { cloudInit: { ...told, userData: '#!/bin/sh\n' } });
  const changed = await done(site, 'PATCH', '/vms/web-1/cloud-init', { user: null, interfaces: [] });
  assert.equal([changed.user, changed.hasPassword, changed.sshKeys, changed.interfaces, changed.userData], [null, true, [key], [], '#!/bin/sh\n']);
});

test('nobody sees a password again, nor its hash: answers, journal, audit, database', async ({ site }) => {
  await makeVm(site, { cloudInit: told });
  await done(site, 'PATCH', '/vms/web-1/cloud-init', { password: `${password} too` });
  await done(site, 'POST', '/vms/web-1/start');
  const rows = site.app.core.database.sql;
  const { settings } = rows.get<{ settings: string }>('select settings from vm_cloud_init') ?? { settings: '' };
  const hash = JSON.parse(settings).passwordHash;
  assert.match(hash, /^\$6\$/);
  const journal = JSON.stringify(rows.all('select * from journal'));
  const answers = await Promise.all(['/vms/web-1', '/vms/web-1/cloud-init', '/audit', '/config-changes', '/events', '/tasks', '/site/export'].map(async (path) => (await site.door.request(`http://bothy/api/v1${path}`, { headers: { authorization: `Bearer ${await site.tokenFor(['administrator'])}` } })).text()));
  for (const text of [journal, ...answers]) assert.not.ok(text.includes(password) || text.includes(hash));
  assert.not.ok(settings.includes(password));
  for (const file of ['bothy.db', 'bothy.db-wal']) {
    try {
      assert.not.ok(readFileSync(join(site.statePath, file)).includes(password), file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error; // its name is not of this test
    }
  }
});

test('own user data is for who may change the VM', async ({ site }) => {
  const vm = await makeVm(site, { cloudInit: { userData: '#cloud-config\npackages: [nginx]\n' } });
  const token = await site.tokenFor(['operator']);
  const response = await site.door.request(`http://bothy/api/v1/vms/${vm.id}/cloud-init`, { headers: { authorization: `Bearer ${token}` } });
  const seen: Json = await response.json();
  const mayEdit = (await site.door.request(`http://bothy/api/v1/vms/${vm.id}/cloud-init`, { method: 'PATCH', body: '{}', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' } })).status === 200;
  assert.equal([response.status, seen.userData === null, seen.hasOwnText], [200, !mayEdit, true]);
});

test('a VM from a template, one from a snapshot, and those of a pool are each their own', async ({ site }) => {
  await makeVm(site, { name: 'origin', nics: [nics[0]], cloudInit: { ...told, hostname: 'mother' } });
  await done(site, 'POST', '/templates', { vm: 'origin', name: 'debian' });
  const plain = await done(site, 'POST', '/templates/debian/vms', { name: 'plain' });
  assert.is(plain.hasCloudInit, false, 'a template has no identity');
  await done(site, 'POST', '/templates/debian/vms', { name: 'web-2', cloudInit: { user: 'bob', password } });
  await done(site, 'POST', '/vms/origin/snapshots', { name: 'one' });
  await done(site, 'POST', '/vms/origin/snapshots/one/clone', { name: 'twin' });
  const all = await Promise.all(['origin', 'web-2', 'twin'].map((name) => done(site, 'GET', `/vms/${name}/cloud-init`)));
  assert.is(new Set(all.map(({ instanceId }) => instanceId)).size, 3);
  assert.equal(all.map(({ user, hostname, interfaces, hasPassword }) => [user, hostname, interfaces.length, hasPassword]), [['ada', 'mother', 1, true], ['bob', null, 0, true], ['ada', null, 0, true]]);
  await done(site, 'POST', '/pools', { name: 'desk', template: 'debian', size: 2, cloudInit: { user: 'guest', password } });
  for (let tries = 0; (await done(site, 'GET', '/pools/desk')).vms < 2 && tries < 100; tries++) await new Promise((resolve) => setTimeout(resolve, 50));
  const pool = await done(site, 'GET', '/pools/desk');
  assert.equal(pool.cloudInit, { user: 'guest', hasPassword: true, sshKeys: [], userData: null, windows: null });
  const member = await done(site, 'POST', '/vms/desk-2/start').then(() => done(site, 'GET', '/vms/desk-2'));
  assert.is((await seedOf(site, member))['meta-data']['local-hostname'], 'desk-2');
  await done(site, 'PATCH', '/pools/desk', { cloudInit: { user: 'other' } });
  assert.is((await done(site, 'GET', '/vms/desk-1/cloud-init')).user, 'other');
  await done(site, 'PATCH', '/pools/desk', { cloudInit: null });
  assert.is((await done(site, 'GET', '/vms/desk-1/cloud-init')).isOn, false);
});

test('a system without drivers for virtio finds its seed on USB', async ({ site }) => {
  const vm = await makeVm(site, { name: 'old', os: 'windows-10', cloudInit: { user: 'ada' } });
  await done(site, 'POST', '/vms/old/start');
  assert.is((await seedOf(site, vm)).bus, 'usb');
});

const windows = { computerName: 'KASSE-1', user: 'Ada', password, organisation: 'Shop & Sons', timeZone: 'W. Europe Standard Time', language: 'de-DE', productKey: 'AAAAA-BBBBB-CCCCC-DDDDD-EEEEE' };
const nameIn = (seed: Json) => /<ComputerName>([^<]*)</.exec(seed['Unattend.xml'])?.[1];

test('a Windows finds an answer file beside, another system does not; nobody sees its secrets again', async ({ site }) => {
  const [till, web] = [await makeVm(site, { name: 'till', os: 'windows-11', nics: [], cloudInit: { windows } }), await makeVm(site, { cloudInit: { windows } })];
  assert.is(till.hasCloudInit, true);
  for (const name of ['till', 'web-1']) await done(site, 'POST', `/vms/${name}/start`);
  const seed = await seedOf(site, till);
  assert.equal([seed.bus, nameIn(seed), seed['Autounattend.xml'] === seed['Unattend.xml']], ['usb', 'KASSE-1', true]);
  assert.match(seed['Unattend.xml'], Buffer.from(`${password}AdministratorPassword`, 'utf16le').toString('base64'));
  assert.is((await seedOf(site, web))['Unattend.xml'], undefined);
  const told = (await done(site, 'GET', '/vms/till/cloud-init')).windows;
  assert.equal(told, { computerName: 'KASSE-1', user: 'Ada', hasPassword: true, owner: null, organisation: 'Shop & Sons', timeZone: windows.timeZone, language: 'de-DE', hasProductKey: true, answerFile: null });
  const rows = site.app.core.database.sql;
  const texts = await Promise.all(['/vms/till', '/vms/till/cloud-init', '/audit', '/config-changes', '/events', '/tasks', '/site/export'].map(async (path) => (await site.door.request(`http://bothy/api/v1${path}`, { headers: { authorization: `Bearer ${await site.tokenFor(['administrator'])}` } })).text()));
  for (const text of [...texts, JSON.stringify(rows.all('select * from journal')), JSON.stringify(rows.all('select * from task'))]) assert.not.ok(text.includes(password) || text.includes(windows.productKey));
});

test('of Windows, too, what is not given stays, null takes away; templates, clones and pools make computers of their own', async ({ site }) => {
  await makeVm(site, { name: 'origin', os: 'windows-10', nics: [], cloudInit: { windows } });
  const changed = (await done(site, 'PATCH', '/vms/origin/cloud-init', { windows: { user: null } })).windows;
  assert.equal([changed.user, changed.hasPassword, changed.language], [null, true, 'de-DE']);
  await done(site, 'POST', '/vms/origin/clone', { name: 'twin' });
  assert.equal([(await done(site, 'GET', '/vms/twin/cloud-init')).windows.computerName, (await done(site, 'GET', '/vms/twin/cloud-init')).windows.hasPassword], [null, true]);
  await done(site, 'POST', '/templates', { vm: 'origin', name: 'win' });
  const made = await done(site, 'POST', '/templates/win/vms', { name: 'an accounting machine', cloudInit: { windows: { password } } });
  await done(site, 'POST', '/vms/an accounting machine/start');
  assert.match(nameIn(await seedOf(site, made)) ?? '', /^an-account-[0-9a-f]{4}$/);
  await done(site, 'POST', '/pools', { name: 'desk', template: 'win', size: 1, cloudInit: { windows: { password } } });
  for (let tries = 0; (await done(site, 'GET', '/pools/desk')).vms < 1 && tries < 100; tries++) await new Promise((resolve) => setTimeout(resolve, 50));
  assert.is((await done(site, 'GET', '/pools/desk')).cloudInit.windows.hasPassword, true);
  const member = await done(site, 'POST', '/vms/desk-1/start').then(() => done(site, 'GET', '/vms/desk-1'));
  assert.is(nameIn(await seedOf(site, member)), 'desk-1');
  assert.is((await ask(site, 'POST', '/pools', { name: 'other', template: 'win', cloudInit: { windows: { computerName: 'SAME' } } })).status, 400, 'all would be called the same');
  assert.is((await done(site, 'PATCH', '/vms/origin/cloud-init', { windows: null })).windows, null);
  await done(site, 'POST', '/vms/origin/start');
  assert.is(nameIn(await seedOf(site, await done(site, 'GET', '/vms/origin'))), 'origin', 'its name it is told whatever else is said');
});

test('what is wrong is told at its field', async ({ site }) => {
  await makeVm(site);
  const refused: [object, string][] = [[{ userData: 'hello' }, 'userData'], [{ password: 'a', passwordHash: `$6$a$${'x'.repeat(86)}` }, 'passwordHash'], [{ passwordHash: `$y$j9T$a$${'x'.repeat(43)}` }, 'user'], [{ interfaces: [{ addresses: ['1.2.3.4'] }] }, 'interfaces.0.addresses.0'],
    [{ windows: { computerName: 'a-name-of-more-than-15' } }, 'windows.computerName'], [{ windows: { user: 'Ada' } }, 'windows.password'], [{ windows: { answerFile: '<x>' } }, 'windows.answerFile'], [{ windows: { timeZone: 'Europe/Berlin' } }, 'windows.timeZone']];
  for (const [body, path] of refused) {
    const reply = await ask(site, 'PATCH', '/vms/web-1/cloud-init', body);
    assert.is(reply.status, 400);
    assert.equal(reply.body.errors.map((error: Json) => error.path), [path]);
  }
});

test('a form whose fields were left empty asks for no seed; of keys each has its line', () => {
  const names = ['user', 'password', 'passwordHash', 'sshKeys', 'hostname', 'interfaces', 'userData', 'networkConfig', 'windows.computerName', 'windows.password', 'windows.answerFile'];
  const empty = new URLSearchParams([['name', 'web-1'], ...names.map((name) => [`cloudInit.${name}`, ''])]);
  assert.is(vmCreate.input.parse(formToInput(empty, vmCreate.input)).cloudInit, undefined);
  const filled = new URLSearchParams(empty);
  filled.set('cloudInit.sshKeys', `${key}\r\n${key} too\r\n`);
  filled.append('cloudInit.interfaces.0.addresses', '192.168.10.5/24, 2001:db8::5/64');
  const { cloudInit } = vmCreate.input.parse(formToInput(filled, vmCreate.input));
  assert.equal([cloudInit?.sshKeys, cloudInit?.interfaces?.[0]?.addresses, cloudInit?.user], [[key, `${key} too`], ['192.168.10.5/24', '2001:db8::5/64'], null]);
  const cleared = formToInput(new URLSearchParams([['sshKeys', ''], ['interfaces', ''], ['user', '']]), cloudInitEdit.input);
  assert.equal(cleared, { sshKeys: [], interfaces: [], user: null });
});

test.run();
