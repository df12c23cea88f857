/** Processors and memory of running VMs as programs see them: what grows at once, what waits, what is lent while the host is short. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GiB, MiB } from '../../appliance/core/units.ts';
import { openTestApp, type TestApp } from '../world/app.ts';
import { callsOf, type Json, settled } from '../world/calls.ts';
import { untilReady } from '../world/ready.ts';
import { find, findAll } from '../world/xml.ts';

let site: TestApp;
test.before.each(async () => {
  site = await openTestApp();
  await untilReady(site);
});
test.after.each(() => site.close());

const { send, carryOut } = callsOf(() => site);
const get = async (name = 'web') => (await send('GET', `/vms/${name}`)).body;
const create = (body: object) => send('POST', '/vms', { name: 'web', vcpus: 2, memoryBytes: GiB, ...body });
const domain = () => site.host.libvirt.domains()[0]?.tree ?? assert.unreachable('no domain runs');
async function edit(body: object) {
  const reply = await send('PATCH', '/vms/web', body);
  await settled(site);
  return reply;
}

test('up to its most, a running VM gets processors and memory at once; the rest waits, and both are undone', async () => {
  await create({ maxVcpus: 4, maxMemoryBytes: 2 * GiB });
  await carryOut('POST', '/vms/web/start');
  await edit({ vcpus: 4, memoryBytes: GiB + 512 * MiB });
  const grown = await get();
  assert.equal([grown.vcpus, grown.memoryBytes, grown.pending, grown.cores], [4, GiB + 512 * MiB, [], 4]);
  assert.equal([find(domain() as Json, 'vcpu')?.attributes['current'], findAll(domain() as Json, 'devices/memory').length], ['4', 1]);
  await edit({ vcpus: 1, memoryBytes: GiB });
  assert.equal((await get()).pending, ['vcpus', 'memoryBytes'], 'what a guest has it keeps until it ends');
  await send('POST', '/vms/web/discard-changes');
  assert.equal([(await get()).vcpus, (await get()).memoryBytes, (await get()).pending], [4, GiB + 512 * MiB, []]);
  await edit({ maxVcpus: 8, vcpus: 8 });
  assert.equal((await get()).pending, ['vcpus', 'maxVcpus'], 'it was started with room for four');
  await carryOut('POST', '/vms/web/power-off');
  await carryOut('POST', '/vms/web/start');
  assert.equal([(await get()).pending, find(domain() as Json, 'vcpu')?.text, findAll(domain() as Json, 'devices/memory').length], [[], '8', 0]);
});

test('without a most a new size waits; what libvirt refuses stays a wish, and is done when it is asked again', async () => {
  await create({});
  await carryOut('POST', '/vms/web/start');
  await edit({ vcpus: 3, memoryBytes: 2 * GiB });
  assert.equal([(await get()).pending, site.world.control.count('setVcpus')], [['vcpus', 'memoryBytes'], 0]);
  await carryOut('POST', '/vms/web/power-off');
  await send('PATCH', '/vms/web', { maxVcpus: 4 });
  await carryOut('POST', '/vms/web/start');
  site.world.control.fail('setVcpus');
  await edit({ vcpus: 4 });
  assert.equal((await get()).pending, ['vcpus']);
  const [task] = (await send('GET', '/tasks')).body.items;
  assert.equal([task.kind, task.state], ['vm.apply', 'failed']);
  await edit({ vcpus: 4 });
  assert.equal((await get()).pending, [], 'asked again, it is done');
});

test('what does not fit is refused at its field; a guarantee applies at once', async () => {
  const errorsOf = async (body: object) => ((await create(body)).body.errors ?? []).map(({ path }: Json) => path);
  assert.equal([await errorsOf({ maxVcpus: 1 }), await errorsOf({ maxMemoryBytes: 512 * MiB }), await errorsOf({ guaranteedBytes: 2 * GiB }), await errorsOf({ guaranteedBytes: 64 * MiB + 1 })],
    [['maxVcpus'], ['maxMemoryBytes'], ['guaranteedBytes'], ['guaranteedBytes']]);
  await create({});
  await carryOut('POST', '/vms/web/start');
  await edit({ guaranteedBytes: 256 * MiB });
  assert.equal([(await get()).guaranteedBytes, (await get()).pending], [256 * MiB, []]);
  await edit({ memoryBytes: 2 * GiB });
  await send('POST', '/vms/web/discard-changes');
  assert.is((await get()).guaranteedBytes, 256 * MiB, 'nothing that waits');
});

/** What the guest has, after the reconcilers have seen how it stands. */
async function memoryAfterRounds(rounds: number): Promise<number> {
  for (let round = 0; round < rounds; round++) for (const name of ['vm.sample', 'vm.balloon']) await runOnce(name);
  return (await site.world.hypervisor.stats())[0]?.memoryBytes ?? 0;
}

async function runOnce(name: string): Promise<void> {
  const { reconcilers } = site.app.core;
  const rounds = () => reconcilers.status().find((each) => each.name === name)?.rounds ?? 0;
  const before = rounds();
  reconcilers.wake(name);
  while (rounds() === before) await new Promise((resolve) => setTimeout(resolve, 5));
}

test('while the host is short of memory a guest lends what is not guaranteed, and gets it back', async () => {
  site.host.libvirt.behave({ agentMs: 0 });
  await create({ memoryBytes: 8 * GiB, guaranteedBytes: 2 * GiB });
  await carryOut('POST', '/vms/web/start');
  assert.is(await memoryAfterRounds(2), 8 * GiB);
  site.host.machine.change({ memoryBytes: 16 * GiB });
  site.host.machine.useMemory(0.99);
  const lent = await memoryAfterRounds(3);
  assert.ok(lent < 8 * GiB && lent >= 2 * GiB, String(lent));
  site.host.machine.useMemory(0.4);
  assert.is(await memoryAfterRounds(4), 8 * GiB);
});

test('a start that would break a guarantee is refused, and says what is missing', async () => {
  site.host.machine.change({ memoryBytes: 4 * GiB });
  await create({ memoryBytes: 3 * GiB, guaranteedBytes: 3 * GiB });
  await carryOut('POST', '/vms/web/start');
  await send('POST', '/vms', { name: 'second', memoryBytes: 2 * GiB, guaranteedBytes: 2 * GiB });
  const { body } = await send('POST', '/vms/second/start');
  const task = await site.app.core.tasks.ended(body.id);
  assert.equal([task.state, /too little memory: .* are missing to guarantee second its 2 GiB/.test((task.problem as Json).detail)], ['failed', true]);
  await send('PATCH', '/vms/second', { guaranteedBytes: 512 * MiB });
  await carryOut('POST', '/vms/second/start');
  assert.is((await get('second')).state, 'up');
  await send('POST', '/vms', { name: 'third', memoryBytes: 4 * GiB });
  await carryOut('POST', '/vms/third/start');
  assert.is((await get('third')).state, 'up', 'nothing was promised to it');
});

test.run();
