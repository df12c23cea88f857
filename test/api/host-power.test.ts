/** The host's power by the API: VMs go first and in order, a deadline holds, nothing starts meanwhile, a refusal brings them back. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openTestApp, type TestApp } from '../world/app.ts';
import { createVirtualClock, type VirtualClock } from '../world/clock.ts';
import { untilReady } from '../world/ready.ts';

interface Context {
  site: TestApp;
  clock: VirtualClock;
}

const test = suite<Context>('host power');
const MiB = 2 ** 20;

test.before.each(async (context) => {
  context.clock = createVirtualClock();
  context.site = await context.clock.during(openTestApp({ clock: context.clock }));
  await context.clock.during(untilReady(context.site));
});
test.after.each(({ clock, site }) => clock.during(site.close()));

async function run({ clock, site }: Context, name: string, changes: object = {}): Promise<void> {
  await site.send('POST', '/api/v1/vms', { name, vcpus: 1, memoryBytes: 64 * MiB, disks: [], nics: [], ...changes });
  await clock.during(site.carryOut('POST', `/api/v1/vms/${name}/start`));
  await clock.advance(1_000);
}

const ask = async ({ site }: Context, verb: 'shutdown' | 'reboot', body: object = {}) => (await site.send<{ id: string }>('POST', `/api/v1/hosts/this/${verb}`, body)).body.id;
const task = async ({ site }: Context, id: string) => (await site.send<{ state: string; message: string; problem: { detail: string } | null }>('GET', `/api/v1/tasks/${id}`)).body;
const ended = (context: Context, id: string) => context.clock.during(context.site.app.core.tasks.ended(id));
const stateOf = async ({ site }: Context, name: string) => (await site.send<{ state: string }>('GET', `/api/v1/vms/${name}`)).body.state;
/** Files are made in real time, which the virtual clock outruns on a busy machine. */
async function becomes(context: Context, name: string, state: string): Promise<void> {
  for (let tries = 0; tries < 1_000 && (await stateOf(context, name)) !== state; tries++) {
    await context.clock.advance(100);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.is(await stateOf(context, name), state);
}
/** Order in which guests ended. */
const endings = (site: TestApp) => {
  const names: string[] = [];
  site.host.libvirt.events.on((event) => { if (event.type === 'lifecycle' && event.event === 'stopped') names.push(`${event.name} ${event.detail}`); });
  return names;
};

test('the VM that was started last goes first, then the machine', async (context) => {
  for (const name of ['directory', 'files', 'tills']) await run(context, name);
  const order = endings(context.site);
  const id = await ask(context, 'shutdown');
  await context.clock.advance(1_000);
  assert.match((await task(context, id)).message, /^Shutting down tills: 1 of 3$/);
  await ended(context, id);
  assert.equal(order, ['tills shutdown', 'files shutdown', 'directory shutdown']);
  assert.equal(context.site.host.power.asked, ['poweroff']);
});

test('a VM that starts with the host is running again after the restart, another one is not', async (context) => {
  await run(context, 'tills', { autostart: true });
  await run(context, 'test');
  const { power } = context.site.host;
  power.linger(true);
  const id = await ask(context, 'reboot');
  await context.clock.advance(20_000);
  assert.equal([power.asked, (await task(context, id)).state], [['reboot'], 'running'], 'until the machine has gone');
  power.cut();
  context.site = await context.clock.during(context.site.killAndRestart());
  await context.clock.advance(60_000);
  assert.equal([await stateOf(context, 'tills'), await stateOf(context, 'test'), (await task(context, id)).state], ['up', 'down', 'done']);
  assert.equal(context.site.host.power.asked, ['reboot']);
});

test('a guest that does not listen is ended at the deadline, and people are told which', async (context) => {
  await run(context, 'stubborn');
  await run(context, 'polite');
  context.site.host.libvirt.behave({ shutdownMs: 'never' }, 'stubborn');
  const order = endings(context.site);
  const startedAt = context.clock.now();
  const id = await ask(context, 'shutdown', { deadlineSeconds: 60 });
  await context.clock.until(() => context.site.host.power.asked.length > 0, 'the machine is switched off');
  assert.ok(context.clock.now() - startedAt >= 60_000 && context.clock.now() - startedAt < 70_000, String(context.clock.now() - startedAt));
  await ended(context, id);
  assert.equal(order, ['polite shutdown', 'stubborn destroyed']);
  const { items } = (await context.site.send<{ items: { code: string; message: string }[] }>('GET', '/api/v1/events?severity=warning')).body;
  assert.match(items.find(({ code }) => code === 'host.guests-ended')?.message ?? '', /: stubborn\.$/);
});

test('one that hangs does not keep the others from being asked', async (context) => {
  await run(context, 'polite');
  await run(context, 'stubborn');
  context.site.host.libvirt.behave({ shutdownMs: 'never' }, 'stubborn');
  const order = endings(context.site);
  await ask(context, 'shutdown', { deadlineSeconds: 120 });
  await context.clock.advance(70_000);
  assert.equal(order, ['polite shutdown']);
});

test('a paused guest runs to hear that it should shut down', async (context) => {
  await run(context, 'held');
  await context.clock.during(context.site.carryOut('POST', '/api/v1/vms/held/pause'));
  const order = endings(context.site);
  await ended(context, await ask(context, 'shutdown'));
  assert.equal(order, ['held shutdown']);
});

test('cancelled, it starts what it has shut down; meanwhile nothing else starts and nobody asks twice', async (context) => {
  await run(context, 'first');
  await run(context, 'second');
  await context.site.send('POST', '/api/v1/vms', { name: 'third', vcpus: 1, memoryBytes: 64 * MiB, disks: [], nics: [] });
  context.site.host.libvirt.behave({ shutdownMs: 50_000 }, 'first');
  const id = await ask(context, 'shutdown');
  await context.clock.advance(10_000);
  assert.equal([await stateOf(context, 'first'), await stateOf(context, 'second')], ['powering-down', 'down']);
  const refused = await context.site.send<{ detail: string }>('POST', '/api/v1/vms/third/start');
  assert.is(refused.status, 409);
  assert.match(refused.body.detail, /being shut down/);
  assert.is((await context.site.send('POST', '/api/v1/hosts/this/reboot', {})).status, 409);
  await context.site.send('POST', `/api/v1/tasks/${id}/cancel`);
  await ended(context, id);
  for (const name of ['first', 'second']) await becomes(context, name, 'up');
  assert.equal(context.site.host.power.asked, []);
  assert.is((await context.site.send('POST', '/api/v1/vms/third/start')).status, 202);
});

test('where the system refuses, the VMs run again and people learn why', async (context) => {
  await run(context, 'tills');
  context.site.host.power.refuse(new Error('systemctl failed with exit code 1: System has not been booted with systemd'));
  const id = await ask(context, 'shutdown');
  await ended(context, id);
  assert.match((await task(context, id)).problem?.detail ?? '', /has not been booted with systemd\. The VMs are started again\.$/);
  await becomes(context, 'tills', 'up');
});

test('a power cut in the middle does not switch the machine off again at the next start', async (context) => {
  await run(context, 'tills', { autostart: true });
  context.site.host.libvirt.behave({ shutdownMs: 'never' });
  const id = await ask(context, 'shutdown');
  await context.clock.advance(5_000);
  context.site.host.cutPower();
  context.site = await context.clock.during(context.site.killAndRestart());
  await context.clock.advance(120_000);
  assert.is((await task(context, id)).state, 'done');
  assert.equal(context.site.host.power.asked, []);
  await becomes(context, 'tills', 'up');
});

test('only this host, and only with the permission', async ({ site }) => {
  assert.is((await site.send('POST', '/api/v1/hosts/another/shutdown', {})).status, 404);
  const operator = await site.tokenFor(['operator']);
  for (const verb of ['shutdown', 'reboot']) {
    assert.is((await site.send('POST', `/api/v1/hosts/this/${verb}`, {}, { authorization: `Bearer ${operator}` })).status, 403);
  }
});

test.run();
