/** VMs as programs see them, on the whole appliance with a simulated host: wishes, verbs, refusals, and what the host does by itself. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { GiB, MiB } from '../../appliance/core/units.ts';
import { HypervisorError } from '../../appliance/world.ts';
import { openTestApp, type Reply, type TestApp } from '../world/app.ts';
import { createVirtualClock, type VirtualClock } from '../world/clock.ts';

interface Context {
  clock: VirtualClock;
  site: TestApp;
  stopTime(): Promise<void>;
}

// biome-ignore lint/suspicious/noExplicitAny: a test looks into answers of all operations
type Json = any;

const test = suite<Context>('vm');

/** Time runs: as fast as work allows, or slowly enough that a start, which waits for real files, is not over time. */
function letTimePass(clock: VirtualClock, isSlow = false): () => Promise<void> {
  let isOver = false;
  const passing = (async () => {
    while (!isOver) {
      await clock.advance(isSlow ? 2 : 100);
      if (isSlow) await sleep(1);
    }
  })();
  return async () => {
    isOver = true;
    await passing;
  };
}

async function openInTime(context: Context, open: () => Promise<TestApp>): Promise<void> {
  const stop = letTimePass(context.clock, true);
  context.site = await open();
  await stop();
  context.stopTime = letTimePass(context.clock);
}

test.before.each(async (context) => {
  context.clock = createVirtualClock();
  await openInTime(context, () => openTestApp({ clock: context.clock }));
});
test.after.each(async ({ site, stopTime }) => {
  await stopTime();
  await site.close();
});

const send = ({ site }: Context, method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Reply<Json>> => site.send<Json>(method, `/api/v1${path}`, body, headers);
const get = async (context: Context, path = '/vms/first') => (await send(context, 'GET', path)).body;
const carryOut = ({ site }: Context, method: string, path: string, body?: unknown) => site.carryOut(method, `/api/v1${path}`, body);
const eventCodes = async (context: Context) => (await get(context, '/events')).items.map(({ code }: Json) => code);

/** `value` has at least these fields. */
function assertHas(value: Json, fields: Record<string, unknown>): void {
  assert.equal(Object.fromEntries(Object.keys(fields).map((key) => [key, value[key]])), fields);
}

const first = { name: 'first', vcpus: 1, memoryBytes: 512 * MiB, disks: [{ sizeBytes: 2 * GiB }], nics: [{ network: 'default' }] };
async function create(context: Context, changes: Record<string, unknown> = {}): Promise<Json> {
  const reply = await send(context, 'POST', '/vms', { ...first, ...changes });
  assert.is(reply.status, 201, JSON.stringify(reply.body));
  return reply.body;
}
async function createRunning(context: Context, changes: Record<string, unknown> = {}): Promise<Json> {
  const vm = await create(context, changes);
  await carryOut(context, 'POST', `/vms/${vm.name}/start`);
  return get(context, `/vms/${vm.name}`);
}

async function until(context: Context, what: string, isTrue: () => Promise<boolean>, limitMs = 20_000): Promise<void> {
  for (const end = performance.now() + limitMs; !(await isTrue()); await sleep(10)) {
    if (performance.now() > end) throw new Error(`never came: ${what}, but ${JSON.stringify((await get(context)))}`);
  }
}
const isState = (context: Context, state: string, reason?: string) => async () => {
  const vm = await get(context);
  return vm.state === state && (reason === undefined || vm.reason === reason);
};

/** Puts an ISO image where an upload would, and waits until it is found. */
async function putIso(context: Context, name: string): Promise<void> {
  const { items } = await get(context, '/storage-domains');
  const { id } = items.find(({ kind }: Json) => kind === 'iso');
  writeFileSync(join(context.site.statePath, 'storage', id, 'images/11111111-1111-1111-1111-111111111111', name), 'CD');
  context.site.app.core.reconcilers.wake('storage-content');
  await until(context, `${name} is found`, async () => (await get(context, '/storage-domains/isos/files')).items.some((file: Json) => file.name === name));
}

/** `kill -9` of the service and a new start. */
async function restart(context: Context): Promise<void> {
  await context.stopTime();
  await context.site.world.hypervisor.close(); // a dead process hears nothing
  await openInTime(context, () => context.site.killAndRestart());
}

// ------------------------------------------------------------------------------------------------ wishes

test('a VM is made with good defaults and found by name and by id', async (context) => {
  const made = await create(context);
  assertHas(made, { name: 'first', state: 'down', reason: 'new', vcpus: 1, firmware: 'bios', bootOrder: ['disk', 'cdrom'], cdrom: null, autostart: false, pending: [], generation: 1 });
  assert.match(made.nics[0].mac, /^52:54:00:/);
  assert.equal([made.disks[0].target, made.disks[0].format, made.disks[0].allocation, made.disks[0].sizeBytes], ['vda', 'cow', 'sparse', 2 * GiB]);
  assert.equal((await get(context, `/vms/${made.id}`)).id, (await get(context, '/vms/first')).id);
});

test('what is wrong is told whole, by field', async (context) => {
  const reply = await send(context, 'POST', '/vms', { name: '-x', memoryBytes: 1, vcpus: 0, nics: [{ network: 'default', mac: '01:00:00:00:00:01' }], colour: 'red', disks: [{}] });
  assert.is(reply.status, 400);
  assert.equal([...new Set(reply.body.errors.map(({ path }: Json) => path))].sort(), ['colour', 'disks.0.sizeBytes', 'memoryBytes', 'name', 'nics.0.mac', 'vcpus']);
});

test('names, networks, images and addresses that are not there or taken are refused', async (context) => {
  await create(context, { nics: [{ network: 'default', mac: '52:54:00:aa:00:01' }] });
  const refused = async (changes: Record<string, unknown>) => {
    const { status, body } = await send(context, 'POST', '/vms', { ...first, name: 'second', ...changes });
    return [status, body.type];
  };
  assert.equal(await refused({ name: 'first' }), [409, 'name-taken']);
  assert.equal(await refused({ nics: [{ network: 'none' }] }), [404, 'not-found']);
  assert.equal(await refused({ cdrom: 'none.iso' }), [404, 'not-found']);
  assert.equal(await refused({ disks: [{ disk: 'first-disk1' }] }), [409, 'in-use']);
  assert.equal(await refused({ disks: [{ disk: 'none' }] }), [404, 'not-found']);
  assert.equal(await refused({ nics: [{ network: 'default', mac: '52:54:00:AA:00:01' }] }), [409, 'in-use']);
  assert.equal((await get(context, '/vms')).items.map(({ name }: Json) => name), ['first'], 'nothing of the refused is left');
  assert.is((await get(context, '/disks')).items.length, 1);
});

test('a dry run checks all and leaves nothing', async (context) => {
  const dry = await send(context, 'POST', '/vms?dryRun=true', first);
  assert.is(dry.status, 200);
  assert.is(dry.body.name, 'first');
  assert.equal([(await get(context, '/vms')).items, (await get(context, '/disks')).items], [[], []]);
});

test('lists come in pages by name, found by part of the name or by state', async (context) => {
  for (const name of ['c-web', 'a-web', 'b-db', 'd-Web']) await create(context, { name, disks: [], nics: [] });
  const names = async (query: string) => {
    const { items, next } = await get(context, `/vms?${query}`);
    return [items.map(({ name }: Json) => name).join(), next];
  };
  assert.equal(await names('limit=3'), ['a-web,b-db,c-web', 'c-web']);
  assert.equal(await names('limit=3&after=c-web'), ['d-Web', null]);
  assert.equal(await names('search=WEB'), ['a-web,c-web,d-Web', null]);
  await carryOut(context, 'POST', '/vms/b-db/start');
  assert.equal(await names('state=up'), ['b-db', null]);
  assert.is((await send(context, 'GET', '/vms?limit=0')).status, 400);
});

test('two people editing: the second is told, nothing is lost', async (context) => {
  await create(context);
  const change = (vcpus: number, generation: number) => send(context, 'PATCH', '/vms/first', { vcpus }, { 'if-match': `"${generation}"` });
  assert.is((await change(2, 1)).status, 200);
  const second = await change(3, 1);
  assert.equal([second.status, second.body.type], [412, 'precondition-failed']);
  assert.equal([(await get(context)).vcpus, (await get(context)).generation], [2, 2]);
});

test('what a running VM cannot take at once waits for its next start', async (context) => {
  await createRunning(context);
  const changed = await send(context, 'PATCH', '/vms/first', { vcpus: 4, memoryBytes: GiB, description: 'the shop', autostart: true });
  assert.equal(changed.body.pending, ['vcpus', 'memoryBytes']);
  const renamed = await send(context, 'PATCH', '/vms/first', { name: 'other' });
  assert.equal([renamed.status, renamed.body.name, renamed.body.pending], [200, 'other', ['name', 'vcpus', 'memoryBytes']]);
  const again = await send(context, 'POST', '/vms', { ...first, nics: [] });
  assert.equal([again.status, again.body.type], [409, 'name-taken']);
  assert.match(again.body.detail, /^other was "first" and still runs under that name\./);
  assert.is((await send(context, 'PATCH', '/vms/other', { name: 'first' })).status, 200, 'its own name is free to itself');
  await carryOut(context, 'POST', '/vms/first/power-off');
  assert.equal((await get(context)).pending, []);
  assert.is((await send(context, 'PATCH', '/vms/first', { name: 'other' })).body.name, 'other');
});

// ------------------------------------------------------------------------------------------------ power

test('start, pause, resume, reboot, shut down', async (context) => {
  const vm = await createRunning(context);
  assertHas(vm, { state: 'up', reason: 'running', pending: [] });
  assert.ok(vm.startedAt > 0 && vm.disks[0].isPlugged && vm.nics[0].isPlugged);
  await carryOut(context, 'POST', '/vms/first/pause');
  assertHas(await get(context), { state: 'paused', reason: 'user' });
  await carryOut(context, 'POST', '/vms/first/resume');
  await carryOut(context, 'POST', '/vms/first/reboot', {});
  await carryOut(context, 'POST', '/vms/first/shutdown');
  await until(context, 'the guest has shut down', isState(context, 'down', 'shutdown'));
  assert.equal([(await get(context)).startedAt, (await get(context)).disks[0].isPlugged], [null, false]);
  for (const code of ['vm.started', 'vm.paused', 'vm.resumed', 'vm.stopped']) assert.ok((await eventCodes(context)).includes(code), code);
});

test('reset presses the button, also of a VM that stands still', async (context) => {
  const { id } = await createRunning(context);
  const resets: string[] = [];
  context.site.host.libvirt.events.on((event) => { if (event.type === 'reboot') resets.push(event.uuid); });
  await carryOut(context, 'POST', '/vms/first/reset');
  await carryOut(context, 'POST', '/vms/first/pause');
  await carryOut(context, 'POST', '/vms/first/reset');
  assert.equal(resets, [id, id]);
  assert.is((await get(context)).state, 'paused');
  await carryOut(context, 'POST', '/vms/first/power-off');
  assert.is((await send(context, 'POST', '/vms/first/reset')).status, 409);
});

test('keys are pressed together and one after the other; what is no key is told', async (context) => {
  const { id } = await createRunning(context);
  await carryOut(context, 'POST', '/vms/first/keys', { keys: ['Ctrl+Alt+Delete', 'f2', 'shift + a'] });
  assert.equal(context.site.host.libvirt.require(id).keys, [[29, 56, 111], [60], [42, 30]]);
  const [pressed] = context.site.app.core.tasks.list({ limit: 1, about: id });
  assert.equal([pressed?.kind, (pressed?.input as Json).keys], ['vm.send-keys', []], 'nobody reads later what was typed');
  const wrong = await send(context, 'POST', '/vms/first/keys', { keys: ['enter', 'ctrl+any', 'a+b+c+d+e+f+g+h+i+j+k+l+m+n+o+p+q'] });
  assert.equal([wrong.status, wrong.body.errors.map(({ path }: Json) => path)], [400, ['keys.1', 'keys.2']]);
  assert.match(wrong.body.errors[1].message, /At most 16/);
  await carryOut(context, 'POST', '/vms/first/power-off');
  assert.is((await send(context, 'POST', '/vms/first/keys', { keys: ['a'] })).status, 409);
});

test('keys are never pressed twice: a service that was killed over them says so', async (context) => {
  const { id } = await createRunning(context);
  context.site.world.control.hold('sendKeys');
  const { body } = await send(context, 'POST', '/vms/first/keys', { keys: ['a', 'b'] });
  await until(context, 'the first key is pressed', async () => context.site.host.libvirt.require(id).keys.length === 1);
  await restart(context);
  await until(context, 'the task has failed', async () => (await get(context, `/tasks/${body.id}`)).state === 'failed');
  assert.match((await get(context, `/tasks/${body.id}`)).problem.detail, /some of the keys may have arrived/);
  assert.equal(context.site.host.libvirt.require(id).keys, [[30]]);
});

test('what the guest agent tells is shown, without what only the guest can reach; its verbs need it', async (context) => {
  const { libvirt } = context.site.host;
  const before = await createRunning(context);
  assert.equal([before.hasAgent, before.guest], [false, null]);
  const refused = await send(context, 'POST', '/vms/first/trim');
  assert.equal([refused.status, refused.body.type], [409, 'wrong-state']);
  await carryOut(context, 'POST', '/vms/first/power-off');
  libvirt.behave({ agentMs: 100 });
  await carryOut(context, 'POST', '/vms/first/start');
  await until(context, 'the agent has told', async () => (await get(context)).guest !== null);
  const { guest, id } = await get(context);
  assert.equal([guest.hostname, guest.os, guest.interfaces.map(({ name, addresses }: Json) => [name, ...addresses])], ['first', 'Debian GNU/Linux 13 (trixie)', [['eth0', '192.168.122.10', 'fe80::1']]]);
  await carryOut(context, 'POST', '/vms/first/trim');
  assert.is(libvirt.require(id).trims, 1);
  assert.equal(libvirt.require(id).setTimes, [], 'a guest that has just started has the right time');
  await carryOut(context, 'POST', '/vms/first/pause');
  await carryOut(context, 'POST', '/vms/first/resume');
  await until(context, 'its clock is set', async () => libvirt.require(id).setTimes.length === 1);
  await carryOut(context, 'POST', '/vms/first/pause');
  context.site.world.control.fail('setGuestTime', undefined, { times: 2 });
  await carryOut(context, 'POST', '/vms/first/resume');
  await until(context, 'its clock is set although its agent was silent at first', async () => libvirt.require(id).setTimes.length === 2);
});

test('of two starts at once one wins and the other is told', async (context) => {
  await create(context);
  const replies = await Promise.all([1, 2].map(() => send(context, 'POST', '/vms/first/start')));
  assert.equal(replies.map(({ status }) => status).sort(), [202, 409]);
  assert.match(replies.find(({ status }) => status === 409)?.body.detail, /first is starting/);
});

test('a guest that ignores the request to shut down is shown as running again, with what to do', async (context) => {
  context.site.host.libvirt.behave({ shutdownMs: 'never' });
  await createRunning(context);
  await carryOut(context, 'POST', '/vms/first/shutdown');
  const asked = await get(context);
  assert.equal([asked.state, asked.explanation.nextStep.includes('power it off')], ['powering-down', true]);
  await until(context, 'patience ends', isState(context, 'up', 'shutdown-ignored'));
});

test('power off ends a start that is under way, and deletion waits for it', async (context) => {
  const release = await holdDiskCreation(context);
  await create(context);
  const start = await send(context, 'POST', '/vms/first/start');
  const off = await send(context, 'POST', '/vms/first/power-off');
  const deletion = await send(context, 'DELETE', '/vms/first');
  assert.equal([start.status, off.status, deletion.status], [202, 202, 202]);
  assert.is((await send(context, 'POST', '/vms/first/start')).status, 409);
  release();
  assert.is((await context.site.app.core.tasks.ended(start.body.id)).state, 'cancelled');
  assert.is((await context.site.app.core.tasks.ended(deletion.body.id)).state, 'done');
  assert.is((await send(context, 'GET', '/vms/first')).status, 404);
});

/** Keeps the image tool busy until the returned function is called. */
async function holdDiskCreation({ site }: Context): Promise<() => void> {
  const { imageTool } = site.world;
  const real = imageTool.create.bind(imageTool);
  let release = () => {};
  const gate = new Promise<void>((resolve) => { release = resolve; });
  imageTool.create = async (...args) => {
    await gate;
    return real(...args);
  };
  return release;
}

test('a start that fails says why and leaves the VM down', async (context) => {
  await create(context);
  context.site.world.control.fail('create');
  const { body } = await send(context, 'POST', '/vms/first/start');
  const task = await context.site.app.core.tasks.ended(body.id);
  assert.is(task.state, 'failed');
  assert.match((task.problem as Json).detail, /could not be started: libvirt says "internal error/);
  const vm = await get(context);
  assert.equal([vm.state, vm.reason, vm.explanation.cause], ['down', 'start-failed', 'It could not be started.']);
  assert.match(vm.said, /libvirt says "internal error/);
});

test('a QEMU that is slow to die is ended all the same; one that cannot be ended is told of', async (context) => {
  await create(context);
  await carryOut(context, 'POST', '/vms/first/start');
  const { control } = context.site.world;
  const busy = new HypervisorError('Failed to terminate process 4242 with SIGKILL: Device or resource busy', 38, 'other');
  const powerOff = async () => context.site.app.core.tasks.ended((await send(context, 'POST', '/vms/first/power-off')).body.id);
  control.fail('destroy', busy, { times: 4 });
  const stuck = await powerOff();
  assert.is(stuck.state, 'failed');
  assert.match((stuck.problem as Json).detail, /could not be powered off: libvirt says "Failed to terminate/);
  await until(context, 'it is seen to run on', async () => (await get(context)).state === 'up');
  control.fail('destroy', busy, { times: 3 });
  assert.is((await powerOff()).state, 'done');
  const { state, reason } = await get(context);
  assert.equal([state, reason], ['down', 'power-off']);
});

test('a disk that cannot be made does not lock its VM up', async (context) => {
  const { imageTool } = context.site.world;
  const real = imageTool.create;
  imageTool.create = async () => { throw new Error('the disk is broken'); };
  const vm = await create(context);
  await until(context, 'making the disk has failed', async () => (await get(context)).disks[0].state === 'illegal');
  imageTool.create = real;
  const start = await send(context, 'POST', '/vms/first/start');
  const task = await context.site.app.core.tasks.ended(start.body.id);
  assert.match((task.problem as Json).detail, /"first-disk1" has no valid content. Delete it/);
  await carryOut(context, 'DELETE', `/vms/first/disks/${vm.disks[0].id}?delete=true`);
  await carryOut(context, 'POST', '/vms/first/disks', { sizeBytes: GiB });
  await carryOut(context, 'POST', '/vms/first/start');
});

test('deleting takes the disks along, or leaves them', async (context) => {
  await create(context);
  await create(context, { name: 'second' });
  await carryOut(context, 'DELETE', '/vms/first?keepDisks=true');
  await carryOut(context, 'DELETE', '/vms/second');
  await until(context, 'its disk is gone', async () => (await get(context, '/disks')).items.map(({ name }: Json) => name).join() === 'first-disk1');
  assert.equal((await get(context, '/vms')).items, []);
  assert.equal((await get(context, '/disks/first-disk1')).usedBy, []);
});

test('what runs is not deleted', async (context) => {
  await createRunning(context);
  const refused = await send(context, 'DELETE', '/vms/first');
  assert.equal([refused.status, refused.body.type], [409, 'wrong-state']);
  const disk = await send(context, 'DELETE', '/disks/first-disk1');
  assert.equal([disk.status, disk.body.type], [409, 'in-use']);
});

// ------------------------------------------------------------------------------------------------ devices

test('disks come and go while the VM runs', async (context) => {
  await createRunning(context);
  await carryOut(context, 'POST', '/disks', { name: 'data', sizeBytes: GiB });
  await carryOut(context, 'POST', '/vms/first/disks', { disk: 'data' });
  await carryOut(context, 'POST', '/vms/first/disks', { sizeBytes: GiB, format: 'raw' });
  let vm = await get(context);
  assert.equal(vm.disks.map(({ name, target, isPlugged }: Json) => [name, target, isPlugged]), [['first-disk1', 'vda', true], ['data', 'vdc', true], ['first-disk3', 'vdd', true]]);
  await carryOut(context, 'DELETE', '/vms/first/disks/data');
  await carryOut(context, 'DELETE', '/vms/first/disks/first-disk3?delete=true');
  vm = await get(context);
  assert.equal(vm.disks.map(({ name, target }: Json) => [name, target]), [['first-disk1', 'vda']]);
  await until(context, 'only what was to be deleted is gone', async () => (await get(context, '/disks')).items.map(({ name }: Json) => name).join() === 'data,first-disk1');
});

test('a disk that grows does so in the running guest', async (context) => {
  await createRunning(context);
  await carryOut(context, 'POST', '/disks/first-disk1/resize', { sizeBytes: 3 * GiB });
  assert.equal([(await get(context)).disks[0].sizeBytes, context.site.world.control.count('resizeBlock')], [3 * GiB, 1]);
});

test('a guest that does not let go keeps its disk, and the task says what to do', async (context) => {
  context.site.host.libvirt.behave({ unplugMs: 'never' });
  await createRunning(context);
  const { body } = await send(context, 'DELETE', '/vms/first/disks/first-disk1');
  const task = await context.site.app.core.tasks.ended(body.id);
  assert.is(task.state, 'failed');
  assert.match((task.problem as Json).detail, /has not let the device go/);
  assert.equal((await get(context)).disks.map(({ isPlugged }: Json) => isPlugged), [true]);
});

test('network interfaces come and go while the VM runs', async (context) => {
  await createRunning(context);
  await carryOut(context, 'POST', '/vms/first/nics', { network: 'br0' });
  const { nics } = await get(context);
  assert.equal(nics.map(({ network, isPlugged }: Json) => [network, isPlugged]), [['default', true], ['br0', true]]);
  await carryOut(context, 'DELETE', `/vms/first/nics/${nics[0].id}`);
  assert.equal((await get(context)).nics.map(({ network }: Json) => network), ['br0']);
  assert.is((await send(context, 'DELETE', `/vms/first/nics/${nics[0].id}`)).status, 404);
});

test('the medium is changed and ejected while the VM runs', async (context) => {
  await putIso(context, 'one.iso');
  await createRunning(context, { cdrom: 'one.iso' });
  await carryOut(context, 'PUT', '/vms/first/cdrom', { iso: null });
  assert.is((await get(context)).cdrom, null);
  await carryOut(context, 'PUT', '/vms/first/cdrom', { iso: 'one.iso' });
  assert.is((await get(context)).cdrom, 'one.iso');
  assert.is((await send(context, 'PUT', '/vms/first/cdrom', { iso: 'none.iso' })).status, 404);
});

// ------------------------------------------------------------------------------------------------ facts

test('a QEMU that dies is told, with its reason and what to do', async (context) => {
  await createRunning(context);
  context.site.host.libvirt.killQemu('first');
  await until(context, 'the VM is down', isState(context, 'down', 'failed'));
  await until(context, 'its last words are read', async () => (await get(context)).said === 'qemu-system-x86_64: terminating on signal 11');
  const { items } = await get(context, '/events');
  const event = items.find(({ code }: Json) => code === 'vm.down-failed');
  assertHas(event, { severity: 'error' });
  assert.match(event.message, /first: Its QEMU process ended unexpectedly/);
});

test('a full disk pauses the VM; it resumes by itself when there is room', async (context) => {
  await createRunning(context);
  context.site.host.fillDisk();
  await until(context, 'the VM is paused', isState(context, 'paused', 'no-space'));
  assert.match((await get(context)).explanation.nextStep, /resumes by itself/);
  assert.is((await get(context)).said, 'first-disk1: ENOSPC, no space left on device');
  context.site.host.freeDisk(50 * GiB);
  await until(context, 'the VM runs again', isState(context, 'up', 'running'));
  assert.is((await get(context)).said, '');
});

test('libvirt goes and comes: unknown meanwhile, then as before, and nothing is asked of it in between', async (context) => {
  await createRunning(context);
  await create(context, { name: 'still-down' });
  context.site.world.control.disconnect();
  await until(context, 'nothing is known', isState(context, 'unknown', 'hypervisor-away'));
  assert.is((await get(context, '/vms/still-down')).state, 'down');
  assert.is((await send(context, 'POST', '/vms/first/shutdown')).status, 409);
  context.site.world.control.reconnect();
  await until(context, 'it is seen again', isState(context, 'up', 'running'));
  assert.not.ok((await eventCodes(context)).some((code: string) => code.startsWith('vm.down') || code === 'vm.adopted'));
});

test('a start that meets a restart of libvirt waits for it', async (context) => {
  await create(context);
  context.site.world.control.disconnect();
  const { body } = await send(context, 'POST', '/vms/first/start');
  await context.clock.advance(2_000);
  context.site.world.control.reconnect();
  assert.is((await context.site.app.core.tasks.ended(body.id)).state, 'done');
});

test('guests outlive the service and are taken over with their devices', async (context) => {
  const before = await createRunning(context);
  await restart(context);
  const after = await get(context);
  assert.equal({ ...after, generation: 0 }, { ...before, generation: 0 });
});

test('a guest that died while the service was away is told as lost', async (context) => {
  await createRunning(context);
  await context.clock.advance(1_000);
  context.site.host.libvirt.cutPower();
  await restart(context);
  await until(context, 'the VM is down', isState(context, 'down', 'lost'));
  assert.ok((await eventCodes(context)).includes('vm.down-lost'));
});

test('why a guest ended while the service was away is found in libvirt\'s log', async (context) => {
  for (const name of ['first', 'killed', 'left']) await createRunning(context, { name });
  await context.stopTime();
  context.site.app.core.database.close();
  await context.site.world.hypervisor.close();
  const { libvirt } = context.site.host;
  libvirt.shutDownInside('left');
  libvirt.killQemu('killed');
  await openInTime(context, () => context.site.killAndRestart());
  await until(context, 'both are seen to be down', async () => (await get(context, '/vms?state=down')).items.length === 2);
  assert.equal((await get(context, '/vms')).items.map(({ name, reason }: Json) => [name, reason]), [['first', 'running'], ['killed', 'failed'], ['left', 'shutdown']]);
});

test('a device that went while the service was away is seen to be gone', async (context) => {
  await createRunning(context);
  const site = context.site;
  site.app.core.database.close();
  const domain = site.host.libvirt.domains()[0];
  const devices = domain?.tree.children.find(({ name }) => name === 'devices');
  if (!devices) throw new Error('the domain has no devices');
  devices.children = devices.children.filter(({ name }) => name !== 'interface');
  await restart(context);
  await until(context, 'the NIC is seen to be gone', async () => (await get(context)).nics[0].isPlugged === false);
});

test('VMs that start with the host do so, unless someone stopped them since', async (context) => {
  await createRunning(context, { autostart: true });
  await createRunning(context, { name: 'stopped', autostart: true });
  await create(context, { name: 'never' });
  await carryOut(context, 'POST', '/vms/stopped/power-off');
  context.site.host.libvirt.cutPower();
  await restart(context);
  await until(context, 'it is started', isState(context, 'up'));
  assert.equal([(await get(context, '/vms/stopped')).state, (await get(context, '/vms/never')).state], ['down', 'down']);
});

test('a VM that starts with the host is tried again when what it needs comes late', async (context) => {
  await createRunning(context, { autostart: true });
  context.site.host.cutPower();
  const { libvirt } = context.site.host;
  const { launch } = libvirt;
  let faults = 2;
  libvirt.launch = (xml) => {
    if (faults-- > 0) throw new HypervisorError('Cannot access storage file', 38, 'other');
    return launch(xml);
  };
  await restart(context);
  await until(context, 'it is started', isState(context, 'up'));
  const { items } = await get(context, '/tasks');
  assert.equal(items.filter(({ kind }: Json) => kind === 'vm.start').map(({ state }: Json) => state), ['done', 'failed', 'failed', 'done']);
});

test('domains of others are counted and left alone', async (context) => {
  const { libvirt } = context.site.host;
  libvirt.run(libvirt.launch(`<domain type='qemu'><name>theirs</name><devices/></domain>`), 'booted');
  context.site.app.core.reconcilers.wake('vm.observe');
  await until(context, 'it is counted', async () => (await get(context, '/vms')).foreignDomains === 1);
  assert.equal((await get(context, '/vms')).items, []);
  assert.ok(libvirt.domains().some(({ name }) => name === 'theirs'));
});

test('looking costs one call for all VMs', async (context) => {
  for (const name of ['a', 'b', 'c']) await createRunning(context, { name, disks: [] });
  const { control } = context.site.world;
  const rounds = () => context.site.app.core.reconcilers.status().find(({ name }) => name === 'vm.observe')?.rounds ?? 0;
  const [calls, xmls, seen] = [control.count('domains'), control.count('domainXml'), rounds()];
  await until(context, 'some rounds', async () => rounds() >= seen + 5);
  assert.ok(control.count('domains') - calls <= rounds() - seen + 1);
  assert.ok(control.count('domainXml') - xmls <= 1, 'devices are not read again and again');
});

// ------------------------------------------------------------------------------------------------ to look at

test('what a VM uses is kept for its charts', async (context) => {
  await createRunning(context);
  await until(context, 'there are readings', async () => (await get(context, '/vms/first/stats')).items.length >= 3);
  const { items } = await get(context, '/vms/first/stats');
  for (const { cpuFraction } of items.slice(1)) assert.ok(Math.abs(cpuFraction - 0.2) < 0.05, `${cpuFraction}`);
  assert.ok(items.every(({ at }: Json, index: number) => index === 0 || at > items[index - 1].at));
});

test('readings can be asked for from a time on, and tell when they begin', async (context) => {
  await create(context);
  assert.equal(await get(context, '/vms/first/stats'), { items: [], since: null });
  await carryOut(context, 'POST', '/vms/first/start');
  await until(context, 'there are readings', async () => (await get(context, '/vms/first/stats')).items.length >= 3);
  const all = await get(context, '/vms/first/stats');
  assert.is(all.since, all.items[0].at);
  const later = await get(context, `/vms/first/stats?since=${all.items[1].at}`);
  assert.equal([later.items[0], later.since], [all.items[2], all.since]);
  assert.is((await send(context, 'GET', '/vms/first/stats?since=yesterday')).status, 400);
  await carryOut(context, 'POST', '/vms/first/power-off');
  await carryOut(context, 'POST', '/vms/first/start');
  await until(context, 'the readings begin anew', async () => {
    const { items, since } = await get(context, `/vms/first/stats?since=${all.items.at(-1).at}`);
    return items.length > 0 && since > all.items.at(-1).at;
  });
});

test('metrics count the VMs in every state', async (context) => {
  await createRunning(context);
  for (const name of ['second', 'third']) await create(context, { name, disks: [] });
  const { body } = await context.site.send<{ token: string }>('POST', '/api/v1/tokens', { name: 'prometheus' });
  const counted = async () => {
    const text = await (await context.site.door.request('http://bothy/metrics', { headers: { authorization: `Bearer ${body.token}` } })).text();
    return Object.fromEntries([...text.matchAll(/^bothy_vms\{state="([a-z-]+)"\} (\d+)$/gm)].map(([, state, vms]) => [state, Number(vms)]));
  };
  const none = { down: 0, 'powering-up': 0, up: 0, paused: 0, migrating: 0, suspended: 0, 'powering-down': 0, saved: 0, unknown: 0 };
  assert.equal(await counted(), { ...none, up: 1, down: 2 });
  await carryOut(context, 'POST', '/vms/first/pause');
  await carryOut(context, 'DELETE', '/vms/third');
  assert.equal(await counted(), { ...none, paused: 1, down: 1 });
});

test('a ticket opens one console, once, for half a minute', async (context) => {
  await createRunning(context);
  const { openConsole } = context.site.app;
  const ticket = async (type: string) => (await send(context, 'POST', '/vms/first/console', { type })).body;
  const vnc = await ticket('vnc');
  assert.match(vnc.url, /^\/console\/[0-9a-f-]{36}\?ticket=/);
  assert.ok(openConsole(vnc.ticket));
  assert.is(openConsole(vnc.ticket), undefined, 'not twice');
  const late = await ticket('serial');
  await context.clock.advance(30_000);
  assert.is(openConsole(late.ticket), undefined, 'not late');
  assert.is(openConsole('guess'), undefined);
});

test('a VM that is down has no console, no screen and no viewer file', async (context) => {
  await create(context);
  assert.is((await send(context, 'POST', '/vms/first/console', {})).status, 409);
  assert.is((await send(context, 'GET', '/vms/first/screenshot')).status, 409);
  assert.is((await send(context, 'GET', '/vms/first/console.vv')).status, 409);
});

test('the screen comes as a picture', async (context) => {
  await createRunning(context);
  const { body } = await context.site.send<{ token: string }>('POST', '/api/v1/tokens', { name: 'picture' });
  const response = await context.site.door.request('http://bothy/api/v1/vms/first/screenshot', { headers: { authorization: `Bearer ${body.token}` } });
  assert.equal([response.status, response.headers.get('content-type')], [200, 'image/png']);
  assert.equal([...new Uint8Array(await response.arrayBuffer()).slice(0, 4)], [0x89, 0x50, 0x4e, 0x47]);
});

test.run();
