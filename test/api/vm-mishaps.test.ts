/** What goes wrong inside a guest, as programs and people see it: each action of its watchdog, and a crash of its system. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../appliance/core/clock.ts';
import { MiB } from '../../appliance/core/units.ts';
import type { watchdogActions } from '../../appliance/vm/definition/hardware.ts';
import { shutdownPatienceMs } from '../../appliance/vm/rules.ts';
import { openTestApp, type TestApp } from '../world/app.ts';

// biome-ignore lint/suspicious/noExplicitAny: a test looks into answers of all operations
type Json = any;

let aheadMs = 0;
const clock = { ...systemClock, now: () => Date.now() + aheadMs };

async function withGuest(settings: object, work: (site: TestApp) => Promise<void>): Promise<void> {
  const site = await openTestApp({ clock });
  try {
    await site.send('POST', '/api/v1/vms', { name: 'till', memoryBytes: 256 * MiB, ...settings });
    await site.carryOut('POST', '/api/v1/vms/till/start');
    await work(site);
  } finally {
    await site.close();
  }
}

const vmOf = async (site: TestApp) => (await site.send<Json>('GET', '/api/v1/vms/till')).body;
const warnings = async (site: TestApp): Promise<Json[]> => (await site.send<Json>('GET', '/api/v1/events')).body.items.filter(({ severity }: Json) => severity !== 'info').reverse();
const fire = (site: TestApp) => site.host.libvirt.fireWatchdog('till');

async function vmIs(site: TestApp, state: string, reason: string): Promise<Json> {
  for (const end = performance.now() + 10_000; ; await systemClock.sleep(20)) {
    const vm = await vmOf(site);
    if (vm.state === state && vm.reason === reason) return vm;
    assert.ok(performance.now() < end, `${vm.state}/${vm.reason} instead of ${state}/${reason}`);
  }
}

const ends: Record<keyof typeof watchdogActions, [state: string, reason: string, severity: string]> = {
  reset: ['up', 'watchdog-reset', 'warning'], poweroff: ['down', 'watchdog', 'error'], shutdown: ['down', 'watchdog', 'error'],
  pause: ['paused', 'watchdog', 'warning'], 'inject-nmi': ['up', 'watchdog-inject-nmi', 'warning'], none: ['up', 'watchdog-fired', 'warning'],
};

for (const [action, [state, reason, severity]] of Object.entries(ends)) {
  test(`a watchdog that fires and does "${action}" leaves its trace: ${state}, ${reason}`, () => withGuest({ watchdog: 'i6300esb', watchdogAction: action }, async (site) => {
    fire(site);
    const { explanation, since } = await vmIs(site, state, reason);
    assert.match(explanation.cause, /^Its watchdog device fired/);
    assert.match(explanation.nextStep, /\.$/);
    const [told, ...more] = await warnings(site);
    assert.equal([told.code, told.severity, more.length], [`vm.${state}-${reason}`, severity, 0]);
    assert.match(told.message, /^till: Its watchdog device fired/);
    const page = await (await site.door.request('http://bothy/vms/till', { headers: { authorization: `Bearer ${await site.tokenFor(['administrator'])}` } })).text();
    assert.match(page, /Its watchdog device fired/);
    // A look at the domain finds nothing newer than what was told.
    site.app.core.reconcilers.wake('vm.observe');
    await systemClock.sleep(100);
    assert.equal([(await vmOf(site)).reason, (await vmOf(site)).since], [reason, since]);
    assert.is((await site.send<Json>('GET', '/api/v1/events')).body.items.some(({ message }: Json) => /has shut down|QEMU process/.test(message)), false);
  }));
}

test('a guest that its watchdog has asked in vain to shut down is told to run on', () => withGuest({ watchdog: 'ib700', watchdogAction: 'shutdown' }, async (site) => {
  site.host.libvirt.behave({ shutdownMs: 'never' });
  fire(site);
  assert.match((await vmIs(site, 'powering-down', 'watchdog')).explanation.effect, /made to end/);
  assert.equal(await warnings(site), []);
  aheadMs += shutdownPatienceMs;
  site.app.core.reconcilers.wake('vm.observe');
  assert.match((await vmIs(site, 'up', 'watchdog-ignored')).explanation.nextStep, /power it off/);
  assert.equal((await warnings(site)).map(({ code }) => code), ['vm.up-watchdog-ignored']);
  await site.carryOut('POST', '/api/v1/vms/till/power-off');
  assert.equal([(await vmOf(site)).state, (await vmOf(site)).reason], ['down', 'power-off']);
}));

test('the same again is told once in a minute, and goes from the page with the next start', () => withGuest({ watchdog: 'i6300esb' }, async (site) => {
  for (let times = 0; times < 50; times++) fire(site);
  await vmIs(site, 'up', 'watchdog-reset');
  assert.is((await warnings(site)).length, 1);
  aheadMs += 61_000;
  fire(site);
  assert.equal((await warnings(site)).map(({ code, count }) => [code, count]), [['vm.up-watchdog-reset', 2]]);
  await site.carryOut('POST', '/api/v1/vms/till/power-off');
  await site.carryOut('POST', '/api/v1/vms/till/start');
  await vmIs(site, 'up', 'running');
}));

test('a system that crashes is started anew, and that is told and stands on the page, also over a restart of the service', () => withGuest({}, async (site) => {
  site.host.libvirt.panic('till');
  const { explanation, startedAt } = await vmIs(site, 'up', 'crash-restarted');
  assert.equal([explanation.cause, /starts anew/.test(explanation.effect)], ['The system inside the guest crashed.', true]);
  site.host.libvirt.panic('till');
  assert.equal((await warnings(site)).map(({ code, severity }) => [code, severity]), [['vm.up-crash-restarted', 'warning']]);
  assert.is(site.host.libvirt.domains().length, 1, 'it was not ended');
  const again = await site.killAndRestart();
  assert.equal([(await vmOf(again)).reason, (await vmOf(again)).startedAt], ['crash-restarted', startedAt]);
  aheadMs += 61_000;
  again.host.libvirt.panic('till');
  assert.equal((await warnings(again)).map(({ count }) => count), [2]);
  await again.end();
}));

test('a crash that nobody saw is found by the next life of the service', () => withGuest({}, async (site) => {
  site.world.control.disconnect();
  await vmIs(site, 'unknown', 'hypervisor-away');
  site.host.libvirt.panic('till');
  site.world.control.reconnect();
  await vmIs(site, 'up', 'crash-restarted');
}));

test('a guest that writes down its memory of a crash goes on by itself', () => withGuest({}, async (site) => {
  for (const { uuid, name } of site.host.libvirt.domains()) site.host.libvirt.emit({ type: 'lifecycle', uuid, name, event: 'crashed', detail: 'crashloaded' });
  await systemClock.sleep(50);
  assert.equal([(await vmOf(site)).state, (await vmOf(site)).reason], ['up', 'running']);
}));

test.run();
