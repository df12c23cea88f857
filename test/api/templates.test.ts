/** Templates as programs see them, on the whole appliance with a simulated host: made, listed, used, refused, and who may. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MiB } from '../../appliance/core/units.ts';
import { openTestApp, type TestApp } from '../world/app.ts';
import { type Json, settled } from '../world/calls.ts';
import { elements, type HtmlElement, parseHtml, textOf } from '../world/html.ts';
import { openPerson } from '../world/person.ts';

const test = suite<{ site: TestApp }>('templates');
test.before.each(async (context) => {
  context.site = await openTestApp();
  const { status, body } = await context.site.send('POST', '/api/v1/vms', {
    name: 'origin', description: 'the first', vcpus: 2, memoryBytes: 512 * MiB, os: 'linux', autostart: true, nics: [{ network: 'default', mac: '52:54:00:00:00:01' }],
    disks: [{ sizeBytes: MiB, serial: 'ABC' }, { sizeBytes: MiB, format: 'raw', bus: 'sata' }],
  });
  assert.is(status, 201, JSON.stringify(body));
  await settled(context.site);
  await carryOut(context.site, 'POST', '/templates', { vm: 'origin', name: 'debian', description: 'bare' });
});
test.after.each(({ site }) => site.close());

const ask = (site: Pick<TestApp, 'send'>, method: string, path: string, body?: unknown) => site.send<Json>(method, `/api/v1${path}`, body);

async function carryOut(site: TestApp, method: string, path: string, body?: unknown): Promise<void> {
  await site.carryOut(method, `/api/v1${path}`, body);
  await settled(site);
}

async function refused(site: Pick<TestApp, 'send'>, [method, path, body]: [string, string, unknown?], [status, words]: [number, RegExp]): Promise<void> {
  const reply = await ask(site, method, path, body);
  assert.is(reply.status, status, JSON.stringify(reply.body));
  assert.match(reply.body.detail, words);
}

test('a VM from a template has its hardware and none of its identity', async ({ site }) => {
  const { status, body: vm } = await ask(site, 'POST', '/templates/debian/vms', { name: 'web', memoryBytes: 1024 * MiB });
  assert.is(status, 201, JSON.stringify(vm));
  const origin = (await ask(site, 'GET', '/vms/origin')).body;
  assert.equal([vm.vcpus, vm.memoryBytes, vm.firmware, vm.os, vm.autostart, vm.description], [2, 1024 * MiB, origin.firmware, 'linux', false, '']);
  assert.equal(vm.disks.map(({ name, sizeBytes, format, bus, serial, target }: Json) => [name, sizeBytes, format, bus, serial, target]), [
    ['web-disk1', MiB, 'cow', 'virtio', null, origin.disks[0].target], ['web-disk2', MiB, 'cow', 'sata', null, origin.disks[1].target],
  ]);
  assert.equal(vm.nics.map(({ network }: Json) => network), ['default']);
  assert.is.not(vm.nics[0].mac, '52:54:00:00:00:01');
  await settled(site);
  const disks = (await ask(site, 'GET', '/disks')).body.items;
  assert.equal(disks.map(({ name, state, base, usedBy }: Json) => [name, state, base, usedBy.map((use: Json) => `${use.kind} ${use.name}`)]), [
    ['debian 1 image 1', 'template', null, ['template debian:1']], ['debian 1 image 2', 'template', null, ['template debian:1']],
    ['origin-disk1', 'ok', null, ['vm origin']], ['origin-disk2', 'ok', null, ['vm origin']],
    ['web-disk1', 'ok', 'debian 1 image 1', ['vm web']], ['web-disk2', 'ok', 'debian 1 image 2', ['vm web']],
  ]);
  await carryOut(site, 'POST', '/vms/web/start');
  assert.is((await ask(site, 'GET', '/vms/web')).body.state, 'up');
});

test('versions: the name is the latest, each is used and deleted by its own, and all are renamed together', async ({ site }) => {
  await carryOut(site, 'POST', '/vms/origin/snapshots', { name: 'clean' });
  await carryOut(site, 'POST', '/templates', { vm: 'origin', snapshot: 'clean', name: 'debian' });
  const { items } = (await ask(site, 'GET', '/templates')).body;
  assert.equal(items.map(({ name, version, isLatest, state, madeFrom }: Json) => [name, version, isLatest, state, madeFrom]), [['debian', 2, true, 'ok', 'origin'], ['debian', 1, false, 'ok', 'origin']]);
  assert.is((await ask(site, 'GET', '/templates/debian')).body.version, 2);
  assert.is((await ask(site, 'GET', '/templates/debian:1')).body.description, 'bare');
  assert.is((await ask(site, 'GET', '/templates/debian:3')).status, 404);
  const renamed = await ask(site, 'PATCH', '/templates/debian:1', { name: 'trixie', description: 'old' });
  assert.equal([renamed.status, renamed.body.name, renamed.body.description], [200, 'trixie', 'old']);
  assert.equal((await ask(site, 'GET', '/templates')).body.items.map(({ name, version, description }: Json) => [name, version, description]), [['trixie', 2, ''], ['trixie', 1, 'old']]);
  await carryOut(site, 'DELETE', '/templates/trixie');
  assert.is((await ask(site, 'GET', '/templates/trixie')).body.version, 1);
});

test('an image of a template is refused to every verb that would change it, and stays while something lies on it', async ({ site }) => {
  await ask(site, 'POST', '/templates/debian/vms', { name: 'web' });
  await ask(site, 'POST', '/templates/debian/vms', { name: 'own', mode: 'clone' });
  await settled(site);
  const image = encodeURIComponent('debian 1 image 1');
  const frozen: [number, RegExp] = [409, /image of a template/];
  await refused(site, ['POST', `/disks/${image}/resize`, { sizeBytes: 2 * MiB }], frozen);
  await refused(site, ['DELETE', `/disks/${image}`], frozen);
  await refused(site, ['PATCH', `/disks/${image}`, { name: 'other' }], frozen);
  await refused(site, ['POST', '/vms/own/disks', { disk: 'debian 1 image 1' }], [409, /template/]);
  await refused(site, ['POST', '/vms', { name: 'thief', vcpus: 1, memoryBytes: 64 * MiB, disks: [{ disk: 'debian 1 image 1' }] }], [409, /template/]);
  await refused(site, ['DELETE', '/templates/debian'], [409, /the VM "web"/]);
  const upload = await site.door.request(`http://bothy/api/v1/disks/${image}/content`, { method: 'PUT', body: 'x', headers: { authorization: `Bearer ${await site.tokenFor(['administrator'])}`, 'x-image-format': 'raw', 'content-length': '1' } });
  assert.is(upload.status, 409);
  await refused(site, ['POST', '/templates', { vm: 'web', name: 'x', snapshot: 'none' }], [404, /no snapshot/]);

  // A disk that outlives its VM still lies there.
  await carryOut(site, 'DELETE', '/vms/web?keepDisks=true');
  await refused(site, ['DELETE', '/templates/debian'], [409, /the disk "web-disk1"/]);
  for (const disk of ['web-disk1', 'web-disk2']) await carryOut(site, 'DELETE', `/disks/${disk}`);
  await carryOut(site, 'DELETE', '/templates/debian');
  assert.equal((await ask(site, 'GET', '/templates')).body.items, []);
  await carryOut(site, 'POST', '/vms/own/start');
});

test('a running VM is refused, and its snapshot is not', async ({ site }) => {
  await carryOut(site, 'POST', '/vms/origin/snapshots', { name: 'clean' });
  await carryOut(site, 'POST', '/vms/origin/start');
  await refused(site, ['POST', '/templates', { vm: 'origin', name: 'other' }], [409, /make a template of it/]);
  await carryOut(site, 'POST', '/templates', { vm: 'origin', snapshot: 'clean', name: 'other' });
  assert.is((await ask(site, 'GET', '/templates/other')).body.state, 'ok');
});

test('generalised, and refused where that cannot be', async ({ site }) => {
  await carryOut(site, 'POST', '/templates', { vm: 'origin', name: 'general', generalise: true });
  assert.equal([(await ask(site, 'GET', '/templates/general')).body.isGeneralised, (await ask(site, 'GET', '/templates/debian')).body.isGeneralised], [true, false]);
  const wish = { name: 'other', generalise: true };
  site.host.generaliser.setInstalled(false);
  await refused(site, ['POST', '/templates', { ...wish, vm: 'origin' }], [503, /apt install guestfs-tools/]);
  site.host.generaliser.setInstalled(true);
  for (const [name, os, disks, words] of [['win', 'windows-10', [{ sizeBytes: MiB }], /sysprep \/generalize/], ['bare', 'linux', [], /no disk/]] as const) {
    assert.is((await ask(site, 'POST', '/vms', { name, os, disks })).status, 201);
    await settled(site);
    await refused(site, ['POST', '/templates', { ...wish, vm: name }], [400, words]);
  }
});

test('who may: a role on a template, and what it does not give', async ({ site }) => {
  const user = await openPerson(site, 'una');
  await refused(user, ['GET', '/templates/debian'], [403, /template.read/]);
  assert.is((await ask(site, 'POST', '/assignments', { user: 'una', role: 'template-user', kind: 'template', object: 'debian' })).status, 201);
  assert.equal((await ask(user, 'GET', '/templates')).body.items.map(({ name }: Json) => name), ['debian']);
  await refused(user, ['POST', '/templates/debian/vms', { name: 'web' }], [403, /vm.create/]);
  await refused(user, ['DELETE', '/templates/debian'], [403, /template.delete/]);

  const power = await openPerson(site, 'pat', ['power-user']);
  const made = await ask(power, 'POST', '/templates/debian/vms', { name: 'own' });
  assert.is(made.status, 201, JSON.stringify(made.body));
  await settled(site);
  await refused(power, ['POST', '/templates', { vm: 'origin', name: 'stolen' }], [404, /no VM/]);
  await refused(power, ['POST', '/templates', { vm: 'own', name: 'debian' }], [409, /new versions/]);
  assert.is((await ask(power, 'POST', '/templates', { vm: 'own', name: 'mine' })).status, 202);
  await settled(site);
  assert.is((await ask(power, 'PATCH', '/templates/mine', { description: 'ours' })).status, 200, 'who makes one owns it');
  await refused(site, ['DELETE', '/templates/debian'], [409, /the VM "own"/]);
});

test('the page shows each version with what lies on it, and offers nothing to whom may do nothing', async ({ site }) => {
  await ask(site, 'POST', '/templates/debian/vms', { name: 'web' });
  await settled(site);
  const page = async (role: 'administrator' | 'observer') => (await site.door.request('http://bothy/templates', { headers: { authorization: `Bearer ${await site.tokenFor([role])}` } })).text();
  const whole = await page('administrator');
  for (const text of ['debian', 'made from origin', '/vms/web', '/templates/new', 'use-form-']) assert.ok(whole.includes(text) || whole.includes('bare'), text);
  const seen = await page('observer');
  assert.ok(seen.includes('/vms/web'));
  assert.not.ok(seen.includes('/templates/new') || seen.includes('use-form-'));
});

test('a template is begun from its list, a VM or a snapshot; what cannot be chosen is not offered, or says why', async ({ site }) => {
  const page = async (path: string, role: 'administrator' | 'observer' = 'administrator') => (await site.door.request(`http://bothy${path}`, { headers: { authorization: `Bearer ${await site.tokenFor([role])}` } })).text();
  const offered = (text: string) => elements(parseHtml(text)).filter(({ name, attributes }) => name === 'a' && attributes['href']?.startsWith('/templates/new?')).map(({ attributes }) => attributes['href']);
  const find = (text: string, name: string) => elements(parseHtml(text)).find((each) => each.attributes['name'] === name && each.attributes['type'] !== 'hidden');
  const optionsOf = (select: HtmlElement | undefined) => (select ? elements(select) : []).filter(({ name }) => name === 'option');
  assert.equal(offered(await page('/vms/origin')), ['/templates/new?vm=origin']);
  assert.not.ok(find(await page('/templates/new'), 'snapshot'), 'first the VM');
  const bare = find(await page('/templates/new?vm=origin'), 'snapshot');
  assert.equal(optionsOf(bare).map(textOf), ['As it is now']);
  await carryOut(site, 'POST', '/vms/origin/snapshots', { name: 'clean' });
  const { id } = (await ask(site, 'GET', '/vms/origin/snapshots')).body.items[0];
  assert.ok(offered(await page('/vms/origin/snapshots')).includes(`/templates/new?vm=origin&snapshot=${id}`));
  await carryOut(site, 'POST', '/vms/origin/start');
  const chosen = await page(`/templates/new?vm=origin&snapshot=${id}`);
  assert.equal(optionsOf(find(chosen, 'snapshot')).map((option) => [textOf(option), option.attributes['value'], option.attributes['selected'] !== undefined]), [['clean', id, true]], 'it runs, so not as it is');
  assert.is(find(chosen, 'generalise')?.attributes['disabled'], undefined);
  site.host.generaliser.setInstalled(false);
  const greyed = await page(`/templates/new?vm=origin&snapshot=${id}`);
  assert.is.not(find(greyed, 'generalise')?.attributes['disabled'], undefined);
  assert.match(textOf(parseHtml(greyed)), /virt-sysprep is not installed/);
  assert.match((await ask(site, 'GET', '/templates')).body.generaliseFault, /apt install guestfs-tools/);
  assert.equal(offered(await page('/vms/origin', 'observer')), []);
});

test.run();
