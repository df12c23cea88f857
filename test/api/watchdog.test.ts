/** The machine restarts itself when the service is not well, never when it is, and tells afterwards why it went down. */
import { sql } from 'drizzle-orm';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createActivity } from '../../appliance/activity/activity.ts';
import { createBoots } from '../../appliance/host/boots.ts';
import type { WriteVerdict } from '../../appliance/host/health.ts';
import { createWatchdogKeeper } from '../../appliance/host/watchdog.ts';
import { openTestApp, type TestApp } from '../world/app.ts';
import { createVirtualClock, type VirtualClock } from '../world/clock.ts';
import { openTestCore } from '../world/core.ts';
import { createSimulatedWorld } from '../world/world.ts';
import { loopbackOnly } from '../world/outgoing.ts';

interface Context {
  clock: VirtualClock;
  site: TestApp;
}

interface Watching { state: string; kind: string; model: string; reason: string; resetAfterSeconds: number | null }
interface LastEnd { end: string; at: number; message: string; isNews: boolean }

const test = suite<Context>('watchdog');
const isWanted = { isWanted: true, patienceMs: 60_000 };

/** Lets time pass second by second, with the device looking; returns after how many seconds the machine restarted. */
async function watch({ clock, site }: Context, seconds: number): Promise<number | undefined> {
  for (let second = 1; second <= seconds; second++) {
    await clock.advance(1_000);
    if (site.host.watchdog.look()) return second;
  }
  return undefined;
}

const host = async ({ site }: Context) => (await site.send<{ watchdog: Watching; lastEnd: LastEnd | null }>('GET', '/api/v1/hosts/this')).body;
const status = async ({ site }: Context) => (await site.send<{ watchdog: Watching; lastEnd: LastEnd | null; troubles: { code: string }[] }>('GET', '/api/v1/hosts/this/status')).body;
const events = async ({ site }: Context) => (await site.send<{ items: { code: string; message: string }[] }>('GET', '/api/v1/events')).body.items;
const restart = async (context: Context) => { context.site = await context.clock.during(context.site.killAndRestart()); };
async function armed(context: Context): Promise<void> {
  await watch(context, 12);
  assert.is((await host(context)).watchdog.state, 'armed');
}

/** Its writes fail from now on, also in a later life. */
const breakDatabase = ({ site }: Context) => site.app.core.database.sql.run(sql`create trigger stuck before update on host begin select raise(abort, 'disk I/O error'); end`);

test.before.each(async (context) => {
  context.clock = createVirtualClock();
  context.site = await context.clock.during(openTestApp({ clock: context.clock, watchdog: isWanted }));
});
test.after.each(({ clock, site }) => clock.during(site.close()));

test('a service that is well keeps the machine up, and page and command line say what watches it', async (context) => {
  await armed(context);
  assert.is(await watch(context, 1_800), undefined);
  const { watchdog, lastEnd } = await status(context);
  assert.equal(watchdog, { kind: 'hardware', model: 'i6300ESB timer', state: 'armed', reason: '', resetAfterSeconds: 120 });
  assert.is(lastEnd, null, 'nobody knows how it went down before it was first installed');
});

test('a service that hangs is the end of it within two minutes, and afterwards the reason is told', async (context) => {
  await armed(context);
  const { host: machine } = context.site;
  await context.site.world.watchdog.close(); // it promises nothing any more, as under SIGSTOP
  const after = await watch(context, 200);
  assert.ok(after !== undefined && after > 100 && after <= 125, `after ${after} s`);
  await restart(context);
  await watch(context, 12);
  assert.is(machine.watchdog.resets(), 1);
  const { lastEnd, watchdog } = await host(context);
  assert.is(lastEnd?.end, 'watchdog');
  assert.is(lastEnd?.isNews, true);
  assert.match(lastEnd?.message ?? '', /the service did not answer/);
  assert.is(watchdog.state, 'armed');
  const [told] = (await events(context)).filter(({ code }) => code === 'host.watchdog-reset');
  assert.match(told?.message ?? '', /the service did not answer/);
});

test('libvirt that does not answer is waited for twice as long, and named afterwards', async (context) => {
  await armed(context);
  context.site.world.control.disconnect('socket closed');
  const after = await watch(context, 400);
  assert.ok(after !== undefined && after > 160 && after <= 190, `after ${after} s`);
  await restart(context);
  await watch(context, 12);
  assert.match((await host(context)).lastEnd?.message ?? '', /libvirt did not answer/);
});

test('libvirt that comes back in time trips nothing, and is not blamed later', async (context) => {
  await armed(context);
  context.site.world.control.disconnect('socket closed');
  assert.is(await watch(context, 90), undefined);
  context.site.world.control.reconnect();
  assert.is(await watch(context, 600), undefined);
  await context.site.world.watchdog.close();
  assert.ok(await watch(context, 200));
  await restart(context);
  await watch(context, 12);
  assert.match((await host(context)).lastEnd?.message ?? '', /the service did not answer/);
});

test('a database that cannot be written is the end of it, too', async (context) => {
  await armed(context);
  breakDatabase(context);
  const after = await watch(context, 300);
  assert.ok(after !== undefined && after > 90 && after <= 155, `after ${after} s`);
});

test('a full disk resets nothing: that makes no room, and VMs run', async () => {
  const clock = createVirtualClock();
  const core = openTestCore({ clock });
  const world = createSimulatedWorld({ clock, statePath: core.statePath });
  const about = async () => ({ kind: 'host', id: 'h', name: 'shop-7' });
  const activity = createActivity({ ...core, world: { outgoing: loopbackOnly } });
  let verdict: WriteVerdict = 'well';
  const keeper = createWatchdogKeeper({ ...core, ...isWanted, world, activity, about, boots: createBoots({ ...core, world, activity, about }), tryWrite: () => verdict });
  const stopping = new AbortController();
  const running = core.reconcilers.start(stopping.signal);
  const isReset = async () => {
    for (let second = 0; second < 300; second++) {
      await clock.advance(1_000);
      if (world.host.watchdog.look()) return true;
    }
    return false;
  };
  assert.equal([await isReset(), keeper.watching().state], [false, 'armed']);
  verdict = 'full';
  assert.equal([await isReset(), keeper.watching().state], [false, 'armed']);
  verdict = 'failed';
  assert.is(await isReset(), true);
  stopping.abort();
  await running;
  await core.close();
});

test('a crash of the service that is back in time trips nothing', async (context) => {
  await armed(context);
  await restart(context);
  assert.ok((context.site.host.watchdog.remainingMs() ?? 0) > 60_000, 'what the dead one promised stands');
  assert.is(await watch(context, 600), undefined);
  await armed(context);
  assert.is((await host(context)).lastEnd, null, 'the machine was up all the time');
});

test('a machine on which nothing ever gets well is not reset', async (context) => {
  await armed(context);
  breakDatabase(context);
  context.site.host.power.cut();
  await restart(context);
  assert.is(await watch(context, 900), undefined);
  assert.is((await host(context)).watchdog.state, 'waiting');
});

test('after three resets within an hour it is left on, and says so', async (context) => {
  for (let round = 1; round <= 3; round++) {
    await armed(context);
    await context.site.world.watchdog.close();
    assert.ok(await watch(context, 200), `round ${round}`);
    await restart(context);
  }
  await watch(context, 12);
  const { watchdog, troubles } = await status(context);
  assert.is(watchdog.state, 'paused');
  assert.ok(troubles.some(({ code }) => code === 'host.watchdog-off'));
  assert.is(context.site.host.watchdog.remainingMs(), undefined);
});

test('power that was lost is told from a restart that somebody wanted', async (context) => {
  await armed(context);
  context.site.host.cutPower();
  await restart(context);
  await watch(context, 12);
  assert.equal([(await host(context)).lastEnd?.end, (await events(context)).some(({ code }) => code === 'host.power-lost')], ['power-lost', true]);
  context.site.host.power.goDown();
  const { statePath, host: machine } = context.site;
  await context.clock.during(context.site.end());
  assert.is(machine.watchdog.remainingMs(), undefined, 'a service that ends in order takes its promise back');
  machine.cutPower();
  context.site = await context.clock.during(openTestApp({ host: machine, statePath, watchdog: isWanted }));
  await watch(context, 12);
  assert.equal([(await host(context)).lastEnd?.end, (await host(context)).lastEnd?.isNews], ['planned', false]);
});

test('without a device, or where nobody wants it, the page says why', async (context) => {
  context.site.host.watchdog.change({ kind: 'none', model: '', lack: 'This machine has no watchdog.' });
  await watch(context, 12);
  const { watchdog, troubles } = await status(context);
  assert.equal([watchdog.state, watchdog.reason, watchdog.kind], ['off', 'This machine has no watchdog.', 'none']);
  assert.ok(troubles.some(({ code }) => code === 'host.watchdog-off'));
  context.site.host.watchdog.change({ kind: 'software', model: 'Software Watchdog', lack: '' });
  await armed(context);
  assert.equal((await status(context)).troubles, []);
});

test('where it is not wanted nothing is promised, and what an earlier life promised is taken back', async (context) => {
  await armed(context);
  const { clock, site: { host: machine, statePath } } = context;
  await clock.during(context.site.world.watchdog.close());
  await clock.during(context.site.end());
  context.site = await clock.during(openTestApp({ host: machine, statePath, clock }));
  await watch(context, 12);
  assert.equal([(await host(context)).watchdog.state, machine.watchdog.remainingMs()], ['off', undefined]);
  assert.is(await watch(context, 300), undefined);
});

test.run();
