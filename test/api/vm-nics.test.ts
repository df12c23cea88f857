/** The network and the address of a network interface as programs see them: changed, waiting, undone, refused. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MiB } from '../../appliance/core/units.ts';
import { hashPassword } from '../../appliance/auth/password.ts';
import { openTestApp, type TestApp } from '../world/app.ts';
import { callsOf, type Json } from '../world/calls.ts';
import { signIn } from '../world/person.ts';
import { untilReady } from '../world/ready.ts';
import { find } from '../world/xml.ts';

let site: TestApp;
test.before.each(async () => {
  site = await openTestApp();
  await untilReady(site);
  await send('POST', '/networks', { name: 'guests', kind: 'nat' });
  await send('POST', '/vms', { name: 'web', memoryBytes: 256 * MiB, nics: [{ network: 'default', mac: '52:54:00:00:00:01' }] });
});
test.after.each(() => site.close());

const { send, carryOut } = callsOf(() => site);
const nicOf = async () => (await send('GET', '/vms/web')).body.nics[0];
const edit = async (changes: object) => carryOut('PATCH', `/vms/web/nics/${(await nicOf()).id}`, changes);
const attempt = async (changes: object) => send('PATCH', `/vms/web/nics/${(await nicOf()).id}`, changes);
const runs = () => {
  const [domain] = site.host.libvirt.domains();
  const nic = domain && find(domain.tree, 'devices/interface');
  return nic && [find(nic, 'source')?.attributes['network'], find(nic, 'mac')?.attributes['address'], find(nic, 'link')?.attributes['state'] ?? 'up'];
};

test('of a VM that is down both change at once', async () => {
  const port = (await nicOf()).id;
  await edit({ network: 'guests', mac: '52:54:00:00:00:02' });
  await carryOut('POST', '/vms/web/start');
  const { id, network, mac, pending } = await nicOf();
  assert.equal([id, network, mac, pending, runs()], [port, 'guests', '52:54:00:00:00:02', [], ['guests', '52:54:00:00:00:02', 'up']]);
});

test('of a VM that runs the network changes at once, and the address waits until it starts anew', async () => {
  await carryOut('POST', '/vms/web/start');
  await edit({ network: 'guests', mac: '52:54:00:00:00:02', isLinked: false });
  assert.equal([runs(), (await nicOf()).pending], [['guests', '52:54:00:00:00:01', 'down'], ['mac']]);
  const page = await (await site.door.request('http://bothy/vms/web/nics', { headers: { authorization: `Bearer ${await site.tokenFor(['administrator'])}` } })).text();
  assert.match(page, /52:54:00:00:00:02: MAC address/);
  // Nobody else gets an address that a guest still has.
  const taken = await send('POST', '/vms', { name: 'other', memoryBytes: 256 * MiB, nics: [{ network: 'default', mac: '52:54:00:00:00:01' }] });
  assert.equal([taken.status, taken.body.errors[0].path], [409, 'nics.0.mac']);
  await carryOut('POST', '/vms/web/power-off');
  await carryOut('POST', '/vms/web/start');
  assert.equal([runs(), (await nicOf()).pending], [['guests', '52:54:00:00:00:02', 'down'], []]);
  assert.is((await send('POST', '/vms', { name: 'other', memoryBytes: 256 * MiB, nics: [{ network: 'default', mac: '52:54:00:00:00:01' }] })).status, 201);
});

test('what waits is undone; a network interface whose address waits can be removed', async () => {
  await carryOut('POST', '/vms/web/start');
  await edit({ mac: '52:54:00:00:00:02', model: 'e1000' });
  assert.equal((await nicOf()).pending.sort(), ['mac', 'model']);
  await send('POST', '/vms/web/discard-changes');
  const { network, mac, model, pending } = await nicOf();
  assert.equal([network, mac, model, pending], ['default', '52:54:00:00:00:01', 'virtio', []]);
  await edit({ mac: '52:54:00:00:00:03' });
  await carryOut('DELETE', `/vms/web/nics/${(await nicOf()).id}`);
  assert.is(runs(), undefined);
});

test('a network that cannot be used stays a wish that is shown, and is undone', async () => {
  await carryOut('POST', '/vms/web/start');
  site.world.control.fail('updateDevice');
  const { body } = await attempt({ network: 'guests' });
  assert.is((await site.app.core.tasks.ended(body.id)).state, 'failed');
  assert.equal([(await nicOf()).pending, runs()], [['network'], ['default', '52:54:00:00:00:01', 'up']]);
  await send('POST', '/vms/web/discard-changes');
  assert.equal([(await nicOf()).network, (await nicOf()).pending], ['default', []]);
});

test('refused: a network that is not there or that one may not use, an address that is taken', async () => {
  assert.is((await attempt({ network: 'none' })).status, 404);
  await send('POST', '/vms', { name: 'other', memoryBytes: 256 * MiB, nics: [{ network: 'default', mac: '52:54:00:00:00:09' }] });
  const taken = await attempt({ mac: '52:54:00:00:00:09' });
  assert.equal([taken.status, taken.body.errors], [409, [{ path: 'mac', message: 'This address is taken.' }]]);
  assert.is((await attempt({ mac: '52:54:00:00:00:01' })).status, 202, 'its own');
  await send('POST', '/users', { name: 'ada', passwordHash: await hashPassword('the password of ada') });
  await send('POST', '/assignments', { user: 'ada', role: 'vm-owner', kind: 'vm', object: 'web' });
  const ada = await signIn(site, 'ada', 'the password of ada');
  const { status, body } = await ada.send<Json>('PATCH', `/api/v1/vms/web/nics/${(await nicOf()).id}`, { network: 'guests' });
  assert.equal([status, /network\.use/.test(body.detail)], [403, true]);
  assert.is((await ada.send<Json>('PATCH', `/api/v1/vms/web/nics/${(await nicOf()).id}`, { network: 'default', isLinked: false })).status, 202, 'where it is plugged in already');
});

test.run();
