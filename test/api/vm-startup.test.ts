/** After a power cut the VMs come back in their order, on the whole appliance with a simulated host and a port that really takes connections. */
import { createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MiB } from '../../appliance/core/units.ts';
import { startsAtOnce } from '../../appliance/vm/power/autostart.ts';
import { openTestApp, type TestApp } from '../world/app.ts';
import { createVirtualClock, type VirtualClock } from '../world/clock.ts';

// biome-ignore lint/suspicious/noExplicitAny: a test looks into answers of all operations
type Json = any;
interface Context { clock: VirtualClock; site: TestApp }

const test = suite<Context>('order of starts');

/** Time goes on in small steps, so that a start, which waits for real files, is not over time. */
async function pass<T>({ clock }: Context, work: Promise<T>, stepMs = 20): Promise<T> {
  let isOver = false;
  work.finally(() => { isOver = true; }).catch(() => {});
  while (!isOver) {
    await clock.advance(stepMs);
    await sleep(1);
  }
  return work;
}

test.before.each(async (context) => {
  context.clock = createVirtualClock();
  context.site = await pass(context, openTestApp({ clock: context.clock }));
});
test.after.each(async (context) => { await pass(context, context.site.close()); });

const send = ({ site }: Context, method: string, path: string, body?: unknown) => site.send<Json>(method, `/api/v1${path}`, body);
const get = async (context: Context, path: string) => (await send(context, 'GET', path)).body;
const states = async (context: Context) => Object.fromEntries((await get(context, '/vms')).items.map(({ name, state }: Json) => [name, state]));

async function make(context: Context, name: string, changes: object): Promise<void> {
  const made = await send(context, 'POST', '/vms', { name, memoryBytes: 256 * MiB, autostart: true, ...changes });
  assert.is(made.status, 201, JSON.stringify(made.body));
  await pass(context, context.site.carryOut('POST', `/api/v1/vms/${name}/start`));
}

async function cutPower(context: Context): Promise<void> {
  context.site.host.cutPower();
  await context.site.world.hypervisor.close();
  context.site = await pass(context, context.site.killAndRestart());
}

async function until(context: Context, what: string, isTrue: () => Promise<boolean>): Promise<void> {
  await pass(context, (async () => {
    for (const end = performance.now() + 60_000; !(await isTrue()); await sleep(5)) if (performance.now() > end) throw new Error(`never came: ${what}, but ${JSON.stringify(await states(context))}`);
  })(), 100);
}

const listen = () => new Promise<Server>((resolve) => { const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1', () => resolve(server)); });

test('who comes later waits until the port of the one before takes connections, and says so', async (context) => {
  const server = await listen();
  const { port } = server.address() as { port: number }; // it listens on TCP
  await new Promise((resolve) => { server.close(resolve); });
  await make(context, 'web', { tier: 2 });
  await make(context, 'db', { tier: 1, healthProbe: `tcp:127.0.0.1:${port}`, startDelaySeconds: 30 });
  await cutPower(context);
  await until(context, 'the first is up', async () => (await states(context)).db === 'up');
  await pass(context, context.clock.sleep(20_000));
  const waits = await get(context, '/vms/web');
  assert.is(waits.state, 'down');
  assert.match(waits.explanation.cause, /when the machines of the tiers before it are up and healthy/);
  const healthyAt = context.clock.now();
  const healthy = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => { healthy.listen(port, '127.0.0.1', resolve); });
  await until(context, 'the second is up', async () => (await states(context)).web === 'up');
  assert.ok(context.clock.now() - healthyAt >= 30_000, 'its pause was kept');
  assert.is((await get(context, '/vms/web')).explanation, null);
  await new Promise((resolve) => { healthy.close(resolve); });
});

test('one that never becomes healthy is told, and holds the others up for five minutes only', async (context) => {
  await make(context, 'db', { healthProbe: 'agent' });
  await make(context, 'web', { startAfter: ['db'] });
  await cutPower(context);
  await until(context, 'the first is up', async () => (await states(context)).db === 'up');
  const { startedAt } = await get(context, '/vms/db');
  await until(context, 'the other is started all the same', async () => (await states(context)).web === 'up');
  assert.ok((await get(context, '/vms/web')).startedAt - startedAt >= 300_000);
  const told = (await get(context, '/events')).items.find(({ code }: Json) => code === 'vm.unhealthy');
  assert.match(told.message, /^db runs, but its health probe has not answered/);
});

test('settings are checked, shown by name, and follow a rename; a circle is refused', async (context) => {
  await make(context, 'a', {});
  await make(context, 'b', { startAfter: ['a'] });
  const { status, body } = await send(context, 'PATCH', '/vms/a', { startAfter: ['b'] });
  assert.equal([status, body.type, body.errors[0].path], [400, 'invalid-input', 'startAfter']);
  assert.match(body.detail, /wait for each other: a, b/);
  assert.is((await send(context, 'PATCH', '/vms/a', { name: 'first', tier: 1 })).status, 200);
  const shown = await get(context, '/vms/b');
  assert.equal([shown.startAfter, shown.tier, shown.startOrder, shown.startDelaySeconds, shown.healthProbe], [['first'], 2, 0, 0, '']);
  for (const wrong of [{ tier: 4 }, { healthProbe: 'udp:53' }, { healthProbe: 'tcp:70000' }, { startDelaySeconds: -1 }]) assert.is((await send(context, 'PATCH', '/vms/b', wrong)).status, 400, JSON.stringify(wrong));
  assert.is((await send(context, 'PATCH', '/vms/b', { startAfter: ['nobody'] })).status, 404);
});

test('a site file starts what is new in the same order: who comes later waits for the health of the one before, and for no longer than at a start of the host', async (context) => {
  const server = await listen();
  const { port } = server.address() as { port: number }; // it listens on TCP
  await new Promise((resolve) => { server.close(resolve); });
  const vm = (name: string, more: string) => `  - { name: ${name}, memoryBytes: 64 MiB, autostart: true, ${more} }`;
  const text = ['bothy: 1', 'vms:', vm('web', 'tier: 2, startAfter: [app]'), vm('app', `tier: 2, healthProbe: agent`), vm('db', `tier: 1, startDelaySeconds: 30, healthProbe: "tcp:127.0.0.1:${port}"`), ''].join('\n');
  const { body: { id: task } } = await send(context, 'POST', '/site/apply', { text });
  const applying = context.site.app.core.tasks.ended(task);
  await until(context, 'the first is up', async () => (await states(context)).db === 'up');
  await pass(context, context.clock.sleep(20_000));
  assert.equal(await states(context), { db: 'up', app: 'down', web: 'down' });
  assert.match((await get(context, '/vms/app')).explanation.cause, /when the machines of the tiers before it are up and healthy/);
  const healthyAt = context.clock.now();
  const healthy = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => { healthy.listen(port, '127.0.0.1', resolve); });
  await until(context, 'the second is up', async () => (await states(context)).app === 'up');
  assert.ok(context.clock.now() - healthyAt >= 30_000, 'its pause was kept');
  assert.is((await states(context)).web, 'down', 'the one that it depends on is not healthy');
  const { state } = await pass(context, applying, 100);
  assert.is(state, 'done');
  const [app, web] = [await get(context, '/vms/app'), await get(context, '/vms/web')];
  assert.ok(web.startedAt - app.startedAt >= 300_000, 'nothing waits for ever');
  assert.is((await get(context, '/audit')).items.filter(({ operation }: Json) => operation === 'vm.start').length, 3);
  await new Promise((resolve) => { healthy.close(resolve); });
});

test('one of a site file that cannot be started is tried once and told; those that depend on it are started all the same; cancelling starts none any more', async (context) => {
  const text = ['bothy: 1', 'vms:', '  - { name: db, memoryBytes: 64 MiB, autostart: true, tier: 1 }', '  - { name: web, memoryBytes: 64 MiB, autostart: true, startAfter: [db] }', ''].join('\n');
  context.site.world.control.fail('create');
  const { body: { id: task } } = await send(context, 'POST', '/site/apply', { text });
  const { state, problem } = await pass(context, context.site.app.core.tasks.ended(task));
  assert.is(state, 'failed');
  assert.match((problem as Json).detail, /start of VM "db": The VM could not be started/);
  assert.equal(await states(context), { db: 'down', web: 'up' });
  await send(context, 'PATCH', '/vms/db', { healthProbe: 'agent' });
  await pass(context, context.site.carryOut('POST', '/api/v1/vms/web/power-off'));
  const more = `${text}  - { name: late, memoryBytes: 64 MiB, autostart: true, startAfter: [db] }\n`.replace('tier: 1', 'tier: 1, healthProbe: agent');
  const second = (await send(context, 'POST', '/site/apply', { text: more })).body.id;
  await until(context, 'the first is up', async () => (await states(context)).db === 'up');
  await pass(context, send(context, 'POST', `/tasks/${second}/cancel`));
  assert.is((await pass(context, context.site.app.core.tasks.ended(second))).state, 'cancelled');
  await pass(context, context.clock.sleep(400_000), 200);
  assert.equal(await states(context), { db: 'up', web: 'down', late: 'down' });
});

test('a large site comes back by a number at a time, and whole', async (context) => {
  const names = Array.from({ length: 40 }, (_none, index) => `vm-${index}`);
  for (const name of names) await make(context, name, {});
  Object.assign(context.site.host.libvirt, { createMs: 10_000 });
  await cutPower(context);
  let most = 0;
  await until(context, 'all are up', async () => {
    const all = Object.values(await states(context));
    most = Math.max(most, all.filter((state) => state === 'powering-up').length);
    return all.every((state) => state === 'up');
  });
  assert.ok(most > 1 && most <= startsAtOnce, `${most} at once`);
});

test.run();
