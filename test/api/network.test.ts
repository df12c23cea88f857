/** Networks as programs see them, on the simulated World: default, bridges, NAT, use, deletion, addresses. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createNetwork, type Network } from '../../appliance/network/network.ts';
import type { About } from '../../appliance/core/task.ts';
import { HypervisorError } from '../../appliance/world.ts';
import { createVirtualClock, type VirtualClock } from '../world/clock.ts';
import { openTestCore, type TestCore } from '../world/core.ts';
import { type Door, openDoor } from '../world/door.ts';
import { createSimulatedHost, createSimulatedWorld, type SimulatedHost, type SimulatedWorld } from '../world/world.ts';

interface Life {
  core: TestCore;
  world: SimulatedWorld;
  network: Network;
  door: Door;
  stop(): Promise<void>;
}

interface Context extends Life {
  clock: VirtualClock;
  machine: SimulatedHost;
  /** What uses networks, and addresses in use. */
  users: Map<string, About[]>;
  macs: Set<string>;
}

const test = suite<Context>('network');
const origin = { actor: 'admin@internal', operation: 'test' };

function live(core: TestCore, machine: SimulatedHost): Life {
  const world = createSimulatedWorld(machine);
  const network = createNetwork({ ...core, world });
  const end = new AbortController();
  const running = core.reconcilers.start(end.signal);
  return { core, world, network, door: openDoor(core, network), stop: async () => { end.abort(); await running; } };
}

test.before.each(async (context) => {
  context.clock = createVirtualClock();
  const core = openTestCore({ clock: context.clock });
  context.machine = createSimulatedHost({ clock: context.clock, statePath: core.statePath });
  Object.assign(context, live(core, context.machine));
  context.users = new Map();
  context.macs = new Set();
  context.network.registerUsage({ findUsers: (name) => context.users.get(name) ?? [], isMacUsed: (mac) => context.macs.has(mac) });
  await context.clock.advance(0);
});
test.after.each(async ({ core, stop }) => {
  await stop();
  await core.close();
});

const names = async ({ door }: Pick<Context, 'door'>) => (await door.ask('GET', '/networks')).body.items.map(({ name }: { name: string }) => name);
const create = ({ door }: Pick<Context, 'door'>, body: unknown) => door.ask('POST', '/networks', { body });
const get = async ({ door }: Pick<Context, 'door'>, name: string) => (await door.ask('GET', `/networks/${name}`)).body;

test('there is a default network and one for each bridge that people made', async (context) => {
  assert.equal(await names(context), ['br0', 'default']);
  const [bridge, nat] = [await get(context, 'br0'), await get(context, 'default')];
  assert.equal([bridge.kind, bridge.state, bridge.bridge, bridge.subnet], ['bridge', 'active', 'br0', '192.168.10.0/24']);
  assert.equal([nat.kind, nat.state, nat.bridge], ['nat', 'active', 'virbr0']);
  assert.is((await get(context, nat.id)).name, 'default');
});

test('a bridge that is deleted does not come back; the default network stays', async (context) => {
  assert.is((await context.door.ask('DELETE', '/networks/br0')).status, 204);
  await context.clock.advance(120_000);
  assert.equal(await names(context), ['default']);
  assert.equal((await context.door.ask('GET', '/bridges')).body.items.map(({ name, network }: { name: string; network: null }) => [name, network]), [['br0', null]]);
  assert.is((await create(context, { name: 'office', kind: 'bridge', bridge: 'br0' })).status, 201);
  assert.is((await context.door.ask('DELETE', '/networks/default')).body.type, 'in-use');
});

test('a NAT network gets a free subnet, runs with the first VM, and leaves nothing behind', async (context) => {
  const { door, machine, network, clock } = context;
  const made = await create(context, { name: 'lab', description: 'For tests' });
  assert.equal([made.status, made.body.kind, made.body.subnet, made.body.state, made.body.generation], [201, 'nat', '192.168.123.0/24', 'inactive', 1]);
  assert.not.ok(machine.libvirt.networks.has('lab'));
  await network.ensureNetwork('lab');
  await clock.advance(0);
  assert.ok(machine.libvirt.networks.get('lab')?.active);
  assert.equal([(await get(context, 'lab')).state, network.requireNetwork('lab').bridge], ['active', 'virbr1']);
  assert.is((await create(context, { name: 'second' })).body.subnet, '192.168.124.0/24');
  await door.ask('DELETE', '/networks/lab');
  await clock.advance(0);
  assert.not.ok(machine.libvirt.networks.has('lab'));
});

test('what libvirt had before is used as it is and stays when it is deleted here', async (context) => {
  const { machine, network, core, clock } = context;
  machine.libvirt.networks.delete('default');
  await network.ensureNetwork('default');
  assert.ok(machine.libvirt.networks.get('default')?.active);
  machine.libvirt.networks.set('lab', { name: 'lab', bridge: 'virbr9', active: false });
  assert.is((await create(context, { name: 'lab' })).body.type, 'name-taken');
  machine.libvirt.networks.delete('lab');
  await create(context, { name: 'lab' });
  machine.libvirt.networks.set('lab', { name: 'lab', bridge: 'virbr9', active: false }); // someone was quicker
  await network.ensureNetwork('lab');
  await context.door.ask('DELETE', '/networks/lab');
  await clock.advance(0);
  assert.ok(machine.libvirt.networks.has('lab'));
  assert.ok(core.journal.latest() > 0);
});

test('a network whose row went while the service was dead is removed from libvirt by the next life', async (context) => {
  const { machine, network, clock, core } = context;
  await create(context, { name: 'lab' });
  context.world.control.fail('ensureNetwork', undefined, { isLate: true });
  await network.ensureNetwork('lab').catch(() => {});
  assert.ok(machine.libvirt.networks.has('lab'), 'libvirt did it, the answer was lost');
  await context.stop();
  await context.door.ask('DELETE', '/networks/lab');
  const again = live(core.reopen({ clock }), machine);
  await clock.advance(0);
  assert.not.ok(machine.libvirt.networks.has('lab'));
  await again.stop();
  again.core.database.close();
});

test('wrong wishes are refused at the field that is wrong', async (context) => {
  const path = async (body: object) => {
    const answer = await create(context, { name: 'lab', ...body });
    assert.is(answer.status, 400, JSON.stringify(body));
    return answer.body.errors[0].path;
  };
  assert.is(await path({ subnet: '192.168.10.0/25' }), 'subnet', 'the host reaches it');
  assert.is(await path({ subnet: '192.168.122.0/24' }), 'subnet', 'of the network default');
  assert.is(await path({ subnet: '8.8.8.0/24' }), 'subnet');
  assert.is(await path({ bridge: 'br0' }), 'bridge');
  assert.is(await path({ kind: 'bridge' }), 'bridge');
  assert.is(await path({ kind: 'bridge', bridge: 'br9' }), 'bridge');
  assert.is(await path({ kind: 'bridge', bridge: 'br0' }), 'bridge', 'has a network already');
  assert.is(await path({ kind: 'bridge', bridge: 'eno1' }), 'bridge', 'is no bridge');
  assert.is(await path({ kind: 'bridge', bridge: 'br0', subnet: '192.168.150.0/24' }), 'subnet');
  assert.is(await path({ name: '../x' }), 'name');
  assert.is((await create(context, { name: 'default' })).body.type, 'name-taken');
});

test('of two at once with one subnet, the second is refused', async (context) => {
  const answers = await Promise.all(['a', 'b'].map((name) => create(context, { name, subnet: '10.9.0.0/24' })));
  assert.equal(answers.map(({ status }) => status).sort(), [201, 400]);
});

test('what is used is not deleted, and says who uses it', async (context) => {
  context.users.set('br0', [1, 2, 3, 4].map((number) => ({ kind: 'vm', id: `${number}`, name: `vm-${number}` })));
  const refused = await context.door.ask('DELETE', '/networks/br0');
  assert.equal([refused.status, refused.body.type], [409, 'in-use']);
  assert.match(refused.body.detail, /used by vm-1, vm-2, vm-3 and 1 more/);
  assert.is((await get(context, 'br0')).usedBy.length, 4);
});

test('changes keep generations apart', async (context) => {
  const { door } = context;
  const change = (body: object, generation: number) => door.ask('PATCH', '/networks/br0', { body, headers: { 'if-match': `"${generation}"` } });
  assert.equal((({ description, generation }) => ({ description, generation }))((await change({ description: 'Office' }, 1)).body), { description: 'Office', generation: 2 });
  assert.is((await change({ description: 'Shop' }, 1)).status, 412);
  assert.is((await change({ bridge: 'br9' }, 2)).status, 400);
  assert.is((await change({ bridge: 'br0' }, 2)).status, 200, 'its own bridge is no conflict');
  assert.is((await door.ask('PATCH', '/networks/default', { body: { bridge: 'br0' } })).status, 400);
  assert.is((await door.ask('PATCH', '/networks/none', { body: {} })).status, 404);
});

test('a bridge that goes is told, and VMs are told why they cannot use it', async (context) => {
  const { machine, clock, network } = context;
  machine.machine.change({ nics: [] });
  await clock.advance(60_000);
  const gone = await get(context, 'br0');
  assert.equal([gone.state, gone.reason], ['missing', 'This host has no bridge "br0".']);
  await rejects(network.ensureNetwork('br0'), /The network "br0" cannot be used: This host has no bridge "br0"\. Make the bridge/);
  await network.ensureNetwork('default');
});

test('libvirt that fails or is away is told as such', async (context) => {
  const { world, network, machine } = context;
  await create(context, { name: 'lab' });
  world.control.fail('ensureNetwork', new HypervisorError('internal error: Network is already in use by interface eno1', 1, 'other'));
  await rejects(network.ensureNetwork('lab'), /"lab" could not be started: internal error: Network is already in use by interface eno1\. Look at/);
  world.control.fail('ensureNetwork', new HypervisorError('internal error: Child process (VIR_BRIDGE_NAME=virbr1 /usr/sbin/dnsmasq --conf-file=/var/lib/lab.conf) unexpected exit status 5: \ndnsmasq: directory /etc/resolv.conf for resolv-file is missing, cannot poll\n', 1, 'other'));
  await rejects(network.ensureNetwork('lab'), /: The network "lab" could not be started: dnsmasq: directory \/etc\/resolv\.conf for resolv-file is missing, cannot poll\. Look at/);
  world.control.disconnect();
  await rejects(network.ensureNetwork('lab'), /libvirt does not answer/);
  assert.is((await create(context, { name: 'other' })).status, 503);
  assert.equal(await names(context), ['br0', 'default', 'lab']);
  machine.libvirt.networks.delete('default');
  world.control.reconnect();
  await context.clock.advance(0);
  assert.is((await get(context, 'default')).state, 'inactive');
});

test('a trial creates nothing', async (context) => {
  const answer = await context.door.ask('POST', '/networks?dryRun=true', { body: { name: 'lab' } });
  assert.equal([answer.status, answer.body.name], [200, 'lab']);
  assert.equal(await names(context), ['br0', 'default']);
});

test('addresses are never given twice, not even before they are written', async (context) => {
  const { core, network, macs } = context;
  const given = core.database.write(origin, (tx) => Array.from({ length: 200 }, () => network.allocateMac(tx)));
  assert.is(new Set(given).size, 200);
  for (const mac of given) assert.match(mac, /^52:54:00(:[0-9a-f]{2}){3}$/);
  macs.add('52:54:00:aa:bb:cc');
  assert.is(network.isMacFree('52:54:00:AA:BB:CC'), false);
  assert.is(network.isMacFree('52:54:00:aa:bb:cd'), true);
});

test('each verb is closed to those who lack its permission', async ({ door }) => {
  const verbs = [['GET', '/networks'], ['GET', '/networks/default'], ['GET', '/bridges'], ['POST', '/networks'], ['PATCH', '/networks/br0'], ['DELETE', '/networks/br0']] as const;
  for (const [method, path] of verbs) {
    const body = method === 'POST' ? { name: 'lab' } : method === 'PATCH' ? {} : undefined;
    assert.is((await door.askAs(undefined, method, path, body)).status, 401, path);
    assert.is((await door.askAs(method === 'GET' ? ['vm.read'] : ['network.read'], method, path, body)).status, 403, `${method} ${path}`);
  }
});

async function rejects(promise: Promise<unknown>, pattern: RegExp): Promise<void> {
  const error = await promise.then(() => undefined, (thrown: unknown) => thrown);
  assert.match(String(error), pattern);
}

test.run();
