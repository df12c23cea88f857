/** The host as programs see it, on the simulated World: facts, load, warnings, health, metrics. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Activity, createActivity } from '../../appliance/activity/activity.ts';
import { createHost, type Host } from '../../appliance/host/host.ts';
import { createVirtualClock, type VirtualClock } from '../world/clock.ts';
import { openTestCore, type TestCore } from '../world/core.ts';
import { type Door, openDoor } from '../world/door.ts';
import { createSimulatedHost, createSimulatedWorld, type SimulatedHost, type SimulatedWorld } from '../world/world.ts';
import { loopbackOnly } from '../world/outgoing.ts';

interface Life {
  core: TestCore;
  world: SimulatedWorld;
  activity: Activity;
  host: Host;
  door: Door;
  stop(): Promise<void>;
}

interface Context extends Life {
  clock: VirtualClock;
  machine: SimulatedHost;
}

const test = suite<Context>('host');

/** One life of the service on that machine. */
function live(core: TestCore, machine: SimulatedHost, accel: 'auto' | 'kvm' | 'tcg' = 'auto'): Life {
  const world = createSimulatedWorld(machine);
  const activity = createActivity({ ...core, world: { outgoing: loopbackOnly } });
  const host = createHost({ ...core, world, activity, accel, version: '1.2.3' });
  const door = openDoor(core, { operations: [...activity.operations, ...host.operations], audit: activity.audit, health: host.health, metrics: host.metrics });
  const end = new AbortController();
  const running = core.reconcilers.start(end.signal);
  return { core, world, activity, host, door, stop: async () => { end.abort(); await running; } };
}

test.before.each((context) => {
  context.clock = createVirtualClock();
  const core = openTestCore({ clock: context.clock });
  context.machine = createSimulatedHost({ clock: context.clock, statePath: core.statePath });
  Object.assign(context, live(core, context.machine));
});
test.after.each(async ({ core, stop }) => {
  await stop();
  await core.close();
});

const warnings = async ({ door }: Context) => (await door.ask('GET', '/hosts/this')).body.warnings.map((warning: { code: string }) => warning.code);

test('tells what the host is made of, by id, name or "this"', async ({ door, clock, host }) => {
  await clock.advance(0);
  const { items: [only] } = (await door.ask('GET', '/hosts')).body;
  assert.equal([only.id, only.name, only.state, only.version, only.os], [host.id, 'shop-7', 'up', '1.2.3', 'Debian GNU/Linux 12']);
  assert.equal([only.cpu.model, only.cpu.vendor, only.cpu.threads, only.hypervisor.libvirtVersion, only.hypervisor.qemuVersion], ['EPYC-Rome', 'AMD', 16, '9.0.0', '7.2.22']);
  assert.equal([only.acceleration.accelerator, only.acceleration.reason], ['kvm', 'The CPU has AMD-V (svm) and KVM is loaded.']);
  assert.ok(only.reconcilers.some((reconciler: { name: string; rounds: number }) => reconciler.name === 'host-facts' && reconciler.rounds === 1));
  for (const name of [only.id, 'shop-7', 'this']) assert.is((await door.ask('GET', `/hosts/${name}`)).body.id, only.id);
  assert.is((await door.ask('GET', '/hosts/other')).status, 404);
});

test('keeps its identity over lives', async (context) => {
  await context.stop();
  const again = live(context.core.reopen({ clock: context.clock }), context.machine);
  assert.is(again.host.id, context.host.id);
  await again.stop();
  again.core.database.close();
});

test('warns while there is no virtualization hardware, and no longer', async (context) => {
  const { machine, clock, door, host } = context;
  machine.machine.change({ isKvmLoaded: false });
  await clock.advance(600_000);
  const { body } = await door.ask('GET', '/hosts/this');
  assert.is(body.warnings[0].message, 'Virtualization hardware is unavailable. (No virtualization hardware was detected on this system)');
  assert.is(body.acceleration.accelerator, 'tcg');
  assert.is(await host.accelerator(), 'tcg');
  machine.machine.change({ isKvmLoaded: true });
  await clock.advance(600_000);
  assert.equal(await warnings(context), []);
  assert.is((await door.ask('GET', '/events')).body.items.length, 1);
});

test('refuses to start VMs when KVM was asked for and cannot be had', async (context) => {
  await context.stop();
  context.machine.machine.change({ isKvmLoaded: false });
  const forced = live(context.core.reopen({ clock: context.clock }), context.machine, 'kvm');
  await context.clock.advance(0);
  try {
    await forced.host.accelerator();
    assert.unreachable('it gave an accelerator');
  } catch (error) {
    assert.match(String(error), /Problem: VMs cannot start: BOTHY_ACCEL asks for KVM, but the kernel module kvm_amd is not loaded\. Load it/);
  }
  await forced.stop();
  forced.core.database.close();
});

test('a lost libvirt is told after a grace, and settled when it is back', async (context) => {
  const { clock, world, door } = context;
  await clock.advance(1_000);
  world.control.disconnect('socket closed');
  await clock.advance(2_000);
  world.control.reconnect();
  await clock.advance(10_000);
  assert.is((await door.ask('GET', '/events')).body.items.length, 0, 'a restart is no trouble');
  world.control.disconnect('socket closed');
  await clock.advance(10_000);
  assert.equal(await warnings(context), ['host.libvirt-lost']);
  const lost = (await door.ask('GET', '/hosts/this')).body;
  assert.equal([lost.state, lost.reason], ['non-operational', 'libvirt does not answer: socket closed']);
  world.control.reconnect();
  await clock.advance(10);
  assert.equal(await warnings(context), []);
  assert.is((await door.ask('GET', '/hosts/this')).body.state, 'up');
});

test('a trouble that a killed life left behind is settled by the next', async (context) => {
  context.world.control.disconnect();
  await context.clock.advance(10_000);
  assert.equal(await warnings(context), ['host.libvirt-lost']);
  await context.stop();
  const again = live(context.core.reopen({ clock: context.clock }), context.machine);
  await context.clock.advance(10);
  assert.equal((await again.door.ask('GET', '/hosts/this')).body.warnings, []);
  await again.stop();
  again.core.database.close();
});

test('keeps samples of the load', async ({ clock, door }) => {
  const startedAt = clock.now();
  await clock.advance(60_000);
  const { items } = (await door.ask('GET', '/hosts/this/load')).body;
  assert.is(items.length, 13);
  assert.ok(items.every((sample: { cpuFraction: number }) => sample.cpuFraction >= 0 && sample.cpuFraction <= 1));
  assert.is(items[5].receivedBytesPerSecond, 40_000);
  assert.is((await door.ask('GET', `/hosts/this/load?since=${startedAt + 55_000}`)).body.items.length, 1);
});

test('is healthy while libvirt answers and the database takes writes', async (context) => {
  const { clock, world, door, core } = context;
  await clock.advance(10_000);
  const health = async () => {
    const response = await door.fetch('/healthz');
    return { status: response.status, ...(await response.json()) as { isHypervisorConnected: boolean; isDatabaseWritable: boolean } }; // as `Health` says
  };
  assert.is((await health()).status, 200);
  world.control.disconnect();
  assert.equal((({ status, isHypervisorConnected }) => ({ status, isHypervisorConnected }))(await health()), { status: 503, isHypervisorConnected: false });
  world.control.reconnect();
  assert.is((await health()).status, 200);
  core.database.close();
  await clock.advance(6_000);
  assert.equal((({ status, isDatabaseWritable }) => ({ status, isDatabaseWritable }))(await health()), { status: 503, isDatabaseWritable: false });
});

test('tells metrics under stable names, also those of others', async ({ clock, door, host }) => {
  await clock.advance(10_000);
  host.registerMetrics(() => [{ name: 'bothy_vms', help: 'VMs.', type: 'gauge', samples: [{ labels: { state: 'up' }, value: 2 }] }]);
  const text = await (await door.fetch('/metrics')).text();
  assert.match(text, /^bothy_build_info\{version="1\.2\.3"\} 1$/m);
  assert.match(text, /^bothy_vms\{state="up"\} 2$/m);
  assert.match(text, /^bothy_hypervisor_connected 1$/m);
  assert.match(text, /^bothy_host_memory_total_bytes 68719476736$/m);
  assert.match(text, /^bothy_reconciler_rounds_total\{reconciler="host-load"\} 3$/m);
  const names = [...text.matchAll(/^# TYPE (\S+) (gauge|counter)$/gm)].map((match) => match[1]);
  assert.is(new Set(names).size, names.length, 'each name once');
  for (const line of text.trim().split('\n')) assert.match(line, /^(# (HELP|TYPE) \S+ .+|\w+(\{.*\})? \S+)$/);
});

test('each verb is closed to those who lack its permission', async ({ door }) => {
  for (const path of ['/hosts', '/hosts/this', '/hosts/this/load']) {
    assert.is((await door.askAs(undefined, 'GET', path)).status, 401, path);
    assert.is((await door.askAs(['vm.read'], 'GET', path)).status, 403, path);
  }
});

test.run();
