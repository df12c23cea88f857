/** Pools as people use them, on the whole appliance with a simulated host: filled, taken, given back, waited for, forgotten at shutdown. */
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../appliance/core/clock.ts';
import { MiB } from '../../appliance/core/units.ts';
import { foldersOf } from '../../appliance/vm/definition/guest.ts';
import { openTestApp, type TestApp } from '../world/app.ts';
import { openPerson, type Person } from '../world/person.ts';

// biome-ignore lint/suspicious/noExplicitAny: a test looks into answers of all operations
type Json = any;
type Asker = Pick<Person, 'send'>;

interface Context {
  site: TestApp;
  anna: Person;
  ben: Person;
}

const test = suite<Context>('pools');
const ask = (who: Asker, method: string, path: string, body?: unknown) => who.send<Json>(method, `/api/v1${path}`, body);

/** Looks again and again: what is due is done by reconcilers. */
async function until(site: TestApp, what: string, isTrue: () => Promise<boolean>): Promise<void> {
  for (const startedAt = Date.now(); !(await isTrue()); await systemClock.sleep(100)) {
    if (Date.now() - startedAt > 60_000) throw new Error(`never came: ${what}: ${JSON.stringify([await poolOf(site), (await ask(site, 'GET', '/vms')).body.items, (await ask(site, 'GET', '/events')).body.items.slice(0, 3), site.app.core.reconcilers.status().find(({ name }) => name === 'vm.pools')])}`);
    for (const name of ['vm.pools', 'vm.observe']) site.app.core.reconcilers.wake(name);
  }
}

const poolOf = async (who: Asker) => (await ask(who, 'GET', '/pools/desk')).body;
const isFree = (site: TestApp, count: number) => until(site, `${count} free VMs`, async () => (await poolOf(site)).free === count);
const diskOf = async (site: TestApp, vm: string) => (await ask(site, 'GET', `/vms/${vm}`)).body.disks[0];

async function carryOut(site: TestApp, method: string, path: string, body?: unknown): Promise<void> {
  await site.carryOut(method, `/api/v1${path}`, body);
}

async function makePool(site: TestApp, wish: object): Promise<void> {
  const { status, body } = await ask(site, 'POST', '/pools', { name: 'desk', template: 'base', ...wish });
  assert.is(status, 201, JSON.stringify(body));
  for (const user of ['anna', 'ben']) await ask(site, 'POST', '/assignments', { user, role: 'pool-user', kind: 'pool', object: 'desk' });
}

test.before.each(async (context) => {
  context.site = await openTestApp();
  await ask(context.site, 'POST', '/vms', { name: 'origin', vcpus: 1, memoryBytes: 256 * MiB, disks: [{ sizeBytes: MiB }], nics: [{ network: 'default' }] });
  for (let rows = context.site.app.core.tasks.list({ limit: 10, isActive: true }); rows[0]; rows = context.site.app.core.tasks.list({ limit: 10, isActive: true })) await context.site.app.core.tasks.ended(rows[0].id);
  await carryOut(context.site, 'POST', '/templates', { vm: 'origin', name: 'base' });
  context.anna = await openPerson(context.site, 'anna');
  context.ben = await openPerson(context.site, 'ben');
});
test.after.each(({ site }) => site.close());

test('two who ask for the last VM at the same time: one gets it, the other waits and gets it when it is given back, as it was at first', async ({ site, anna, ben }) => {
  await makePool(site, { size: 1 });
  await isFree(site, 1);
  const answers = await Promise.all([anna, ben].map((who) => ask(who, 'POST', '/pools/desk/take')));
  assert.equal(answers.map(({ status }) => status), [200, 200]);
  assert.is(answers.filter(({ body }) => body.own?.name === 'desk-1' && body.place === null).length, 1, 'one has it');
  assert.is(answers.filter(({ body }) => body.own === null && body.place === 1).length, 1, 'the other waits');
  const [winner, loser] = answers[0]?.body.own ? [anna, ben] : [ben, anna];
  assert.equal((await ask(winner, 'GET', '/vms')).body.items.map(({ name }: Json) => name), ['desk-1']);
  assert.is((await ask(loser, 'GET', '/vms/desk-1')).status, 403, 'nothing is seen of what another has');
  await until(site, 'it runs', async () => (await ask(winner, 'GET', '/vms/desk-1')).body.state === 'up');
  assert.is((await ask(winner, 'POST', '/vms/desk-1/console', {})).status, 201);
  assert.is((await ask(winner, 'PATCH', '/vms/desk-1', { vcpus: 2 })).status, 403);
  assert.is((await ask(winner, 'POST', '/pools/desk/take')).body.own.name, 'desk-1', 'who asks again has it already');

  const layerOf = () => readdirSync(site.statePath, { recursive: true, encoding: 'utf8' }).filter((path) => path.includes(disk.id) && path.endsWith('.meta')).sort();
  const disk = await diskOf(site, 'desk-1');
  const before = layerOf();
  assert.equal((await ask(winner, 'POST', '/pools/desk/give-back')).body.own, null);
  await until(site, 'the other has it', async () => (await poolOf(loser)).own?.name === 'desk-1');
  assert.is((await ask(winner, 'GET', '/vms/desk-1')).status, 403, 'what was given back is gone');
  await until(site, 'the old layer is gone', async () => layerOf().length === before.length);
  assert.not.equal(layerOf(), before, 'what was written is not there any more');
});

test('what shuts down is given back and made as it was; a snapshot of it is refused, and so is a start meanwhile', async ({ site, anna }) => {
  await makePool(site, { size: 1 });
  await isFree(site, 1);
  await ask(anna, 'POST', '/pools/desk/take');
  await until(site, 'it runs', async () => (await ask(anna, 'GET', '/vms/desk-1')).body.state === 'up');
  const first = (await ask(site, 'GET', '/disks/desk-1-disk1')).body;
  await carryOut(site, 'POST', '/vms/desk-1/power-off');
  const { status, body } = await ask(site, 'POST', '/vms/desk-1/start');
  if (status !== 202) assert.match(body.detail, /being made as it was|no pool/);
  await until(site, 'it is free', async () => (await poolOf(site)).free === 1);
  assert.is((await poolOf(anna)).own, null);
  assert.is((await ask(site, 'GET', '/disks/desk-1-disk1')).body.id, first.id);
  const refusal = await ask(site, 'POST', '/vms/desk-1/snapshots', { name: 'one' });
  assert.is(refusal.status, 409);
  assert.match(refusal.body.detail, /one of a pool/);
});

test('it is as large as it is wished, some run ahead, a new template replaces what nobody has, and it goes whole', async ({ site, anna }) => {
  await makePool(site, { size: 2, prestarted: 1 });
  await until(site, 'one runs ahead', async () => (await ask(site, 'GET', '/vms/desk-1')).body.state === 'up');
  assert.is((await ask(site, 'GET', '/vms/desk-2')).body.state, 'down');
  assert.is((await ask(anna, 'POST', '/pools/desk/take')).body.own.name, 'desk-1', 'the one that runs');
  await until(site, 'another runs ahead', async () => (await ask(site, 'GET', '/vms/desk-2')).body.state === 'up');
  const held = await ask(site, 'DELETE', '/pools/desk');
  assert.equal([held.status, /desk-1/.test(held.body.detail)], [409, true]);
  assert.is((await ask(site, 'DELETE', '/templates/base')).status, 409);

  await carryOut(site, 'POST', '/templates', { vm: 'origin', name: 'base' });
  const edited = await ask(site, 'PATCH', '/pools/desk', { template: 'base', size: 3, prestarted: 0 });
  assert.equal([edited.status, edited.body.template], [200, 'base:2']);
  await until(site, 'the others are of the new template', async () => {
    const { vms, free } = await poolOf(site);
    const { items } = (await ask(site, 'GET', '/templates')).body;
    return vms === 3 && free === 2 && items.find(({ version }: Json) => version === 2).vms.length === 2;
  });
  await ask(anna, 'POST', '/pools/desk/give-back');
  await until(site, 'the last one is, too', async () => (await poolOf(site)).free === 3);
  await carryOut(site, 'DELETE', '/templates/base:1');
  await ask(site, 'PATCH', '/pools/desk', { size: 1 });
  await until(site, 'it has shrunk', async () => (await poolOf(site)).vms === 1);
  assert.is((await ask(site, 'DELETE', '/pools/desk')).body.isDeleting, true);
  await until(site, 'it is gone', async () => (await ask(site, 'GET', '/pools/desk')).status === 404);
  assert.equal((await ask(site, 'GET', '/vms')).body.items.map(({ name }: Json) => name), ['origin']);
});

test('after a power cut what ran is as it was at first, and nobody has it', async (context) => {
  const { site, anna } = context;
  await makePool(site, { size: 1 });
  await isFree(site, 1);
  await ask(anna, 'POST', '/pools/desk/take');
  await until(site, 'it runs', async () => (await ask(site, 'GET', '/vms/desk-1')).body.state === 'up');
  site.host.libvirt.killQemu('desk-1');
  const next = await site.killAndRestart();
  context.site = next;
  await until(next, 'it is free', async () => (await poolOf(next)).free === 1);
  assert.equal([(await poolOf(next)).taken, next.app.core.tasks.list({ limit: 20 }).filter(({ kind }) => kind === 'disk.reset').map(({ state }) => state)], [0, ['done']]);
});

test('a disk of one\'s own is refused, and one VM that cannot be made clean does not hold up the others', async ({ site, anna }) => {
  await makePool(site, { size: 2 });
  await isFree(site, 2);
  for (const [method, path, body] of [['POST', '/vms/desk-1/disks', { sizeBytes: MiB }], ['DELETE', '/vms/desk-1/disks/desk-1-disk1', undefined]] as const) {
    const refusal = await ask(site, method, path, body);
    assert.is(refusal.status, 409);
    assert.match(refusal.body.detail, /one of the pool "desk".*new version of the template/);
  }
  await ask(anna, 'POST', '/pools/desk/take');
  await until(site, 'it runs', async () => (await ask(anna, 'GET', '/vms/desk-1')).body.state === 'up');
  const shown = (await ask(anna, 'GET', '/vms/desk-1')).body;
  assert.equal([shown.pool, shown.template, (await ask(anna, 'GET', '/vms')).body.items[0].pool, (await ask(site, 'GET', '/vms/origin')).body.pool], ['desk', 'base:1', 'desk', null]);
  // What its firmware has kept lies where it cannot be taken away: a folder in place of a file.
  const nvram = foldersOf(site.statePath, shown.id).nvram;
  mkdirSync(join(nvram, 'in the way'), { recursive: true });
  await ask(site, 'PATCH', '/pools/desk', { size: 3 });
  await ask(anna, 'POST', '/pools/desk/give-back');
  await until(site, 'the pool has grown', async () => (await poolOf(site)).free === 2);
  assert.is((await ask(anna, 'POST', '/pools/desk/take')).body.own.name, 'desk-2', 'who asks is served');
  assert.match((await ask(site, 'GET', '/events')).body.items.map(({ message }: Json) => message).join(), /The pool "desk" cannot be kept/);
  rmSync(nvram, { recursive: true });
  await until(site, 'the VM is free again', async () => (await poolOf(site)).free === 2);
});

test('a role on a pool holds on its machines: who keeps it sees them all, who uses it sees none but their own', async ({ site, anna, ben }) => {
  await makePool(site, { size: 2 });
  await isFree(site, 2);
  await ask(site, 'POST', '/assignments', { user: 'ben', role: 'pool-owner', kind: 'pool', object: 'desk' });
  await ask(anna, 'POST', '/pools/desk/take');
  await until(site, 'it runs', async () => (await ask(anna, 'GET', '/vms/desk-1')).body.state === 'up');
  assert.equal((await ask(ben, 'GET', '/vms')).body.items.map(({ name }: Json) => name), ['desk-1', 'desk-2']);
  assert.equal((await ask(ben, 'GET', '/disks')).body.items.length, 2);
  assert.equal((await ask(anna, 'GET', '/vms')).body.items.map(({ name }: Json) => name), ['desk-1']);
  assert.is((await ask(ben, 'PATCH', '/vms/desk-1', { vcpus: 2 })).status, 403, 'they change the pool, not one of its machines');
  assert.is((await ask(ben, 'POST', '/vms/desk-1/power-off')).status, 202);
  await until(site, 'it was given back', async () => (await poolOf(anna)).own === null);
  assert.is((await ask(ben, 'POST', '/pools', { name: 'mine', template: 'base' })).status, 403);
});

test('who may not use a pool gets nothing of it', async ({ site, anna }) => {
  await ask(site, 'POST', '/pools', { name: 'desk', template: 'base', size: 0 });
  assert.is((await ask(anna, 'POST', '/pools/desk/take')).status, 403);
  assert.equal((await ask(anna, 'GET', '/pools')).status, 403);
  const power = await openPerson(site, 'paul', ['power-user']);
  assert.is((await ask(power, 'POST', '/pools', { name: 'mine', template: 'base' })).status, 403);
  assert.is((await ask(site, 'POST', '/pools/desk/take')).status, 403, 'root is no user who could have one');
});

test.run();
