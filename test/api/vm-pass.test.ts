/** USB devices of the host in machines: given while they run, again after everything that comes between, and to nobody who may not. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../appliance/core/clock.ts';
import { HypervisorError } from '../../appliance/world.ts';
import type { Passed } from '../../appliance/vm/pass/schema.ts';
import { openTestApp, type TestApp } from '../world/app.ts';
import { find, findAll } from '../world/xml.ts';

let site = await openTestApp({ guests: { shutdownMs: 20, unplugMs: 20 } });
test.after(() => site.close());

const printer = { port: '1-4.1', vendorId: '04b8', productId: '0202', vendor: 'Epson', product: 'Receipt printer', serial: 'J7' };
const at = (vm: string) => `/api/v1/vms/${vm}/host-devices`;

async function passed(vm: string): Promise<Passed[]> {
  return (await site.send<{ items: Passed[] }>('GET', at(vm))).body.items;
}

async function until(vm: string, ...states: string[]): Promise<Passed[]> {
  for (let tries = 0; tries < 200; tries++) {
    const items = await passed(vm);
    if (items.map(({ state }) => state).join() === states.join()) return items;
    await systemClock.sleep(25);
  }
  throw new Error(`${vm}: ${JSON.stringify(await passed(vm))}, not ${states}`);
}

/** What libvirt says that it has. */
const had = (vm: string, of: TestApp = site) => findAll(of.host.libvirt.domains().find(({ name }) => name === vm)?.tree ?? { name: '', attributes: {}, children: [], text: '' }, 'devices/hostdev').map((device) => find(device, 'source/address')?.attributes['device']);

async function make(name: string, hostDevices: string[]): Promise<void> {
  const { status, body } = await site.send('POST', '/api/v1/vms', { name, memoryBytes: 2 ** 28, hostDevices: hostDevices.map((device) => ({ device })) });
  assert.is(status, 201, JSON.stringify(body));
}

test('a machine that runs gets it when it is plugged in, loses it when it is pulled out, and gets it again', async () => {
  await make('till-1', ['usb:04B8:0202:J7']);
  assert.equal((await until('till-1', 'off')).map(({ device, place }) => [device, place]), [['usb:04b8:0202:J7', null]]);
  await site.carryOut('POST', '/api/v1/vms/till-1/start');
  const [waiting] = await until('till-1', 'waiting');
  assert.equal([waiting?.message, waiting?.nextStep], ['It is not plugged in.', 'Plug it in: the machine gets it at once.']);
  site.host.devices.plug(printer);
  const [item] = await until('till-1', 'in-use');
  assert.equal([item?.name, item?.place, item?.message], ['Epson Receipt printer', 'usb-port:1-4.1', '']);
  const first = had('till-1');
  assert.is(first.length, 1);
  const { items } = (await site.send<{ items: { id: string; usedBy: { name: string } | null }[] }>('GET', '/api/v1/hosts/this/devices')).body;
  assert.is(items.find(({ id }) => id === 'usb-port:1-4.1')?.usedBy?.name, 'till-1');
  site.host.devices.pull('1-4.1');
  await until('till-1', 'waiting');
  assert.equal(had('till-1'), []);
  site.host.devices.plug({ ...printer, port: '1-2' });
  assert.is((await until('till-1', 'in-use'))[0]?.place, 'usb-port:1-2');
  assert.ok(had('till-1').length === 1 && had('till-1')[0] !== first[0]);
});

test('who has it keeps it, the other is told by whom it is taken, and gets it when that one ends', async () => {
  await make('till-2', ['usb:04b8:0202']);
  await site.carryOut('POST', '/api/v1/vms/till-2/start');
  const [item] = await until('till-2', 'taken');
  assert.equal([item?.takenBy?.name, item?.message], ['till-1', 'till-1 has it.']);
  await site.carryOut('POST', '/api/v1/vms/till-1/power-off');
  await until('till-2', 'in-use');
  assert.equal((await passed('till-1'))[0]?.state, 'off');
  await site.carryOut('POST', '/api/v1/vms/till-1/start');
  assert.is((await until('till-1', 'taken'))[0]?.takenBy?.name, 'till-2');
  const everywhere = (await site.send<{ items: Passed[] }>('GET', '/api/v1/passed-devices')).body.items;
  assert.equal(everywhere.map(({ vm, state }) => `${vm.name} ${state}`).sort(), ['till-1 taken', 'till-2 in-use']);
});

test('a service that was killed finds it where it is, and goes on', async () => {
  site = await site.killAndRestart();
  await until('till-2', 'in-use');
  assert.is(had('till-2').length, 1);
  await until('till-1', 'taken');
  site.host.devices.pull('1-2');
  await until('till-2', 'waiting');
  site.host.devices.plug(printer);
  // Both wait: who was started first gets it.
  await until('till-2', 'in-use');
});

test('a wish that is taken back takes the device off the machine that runs', async () => {
  const [item] = await passed('till-2');
  assert.is((await site.send('DELETE', `/api/v1/vms/till-2/host-devices/${item?.id}`)).status, 200);
  assert.is((await site.send('DELETE', `${at('till-2')}/${item?.id}`)).status, 404);
  await until('till-1', 'in-use');
  assert.equal(had('till-2'), []);
});

test('a machine is suspended without it, and gets it again when it goes on', async () => {
  await site.carryOut('POST', '/api/v1/vms/till-1/suspend');
  assert.is((await passed('till-1'))[0]?.state, 'off');
  await site.carryOut('POST', '/api/v1/vms/till-1/start');
  await until('till-1', 'in-use');
});

test('what libvirt refuses is told with its words and a next step, and tried again when something changes', async () => {
  await make('till-3', ['usb-port:1-3']);
  await site.carryOut('POST', '/api/v1/vms/till-3/start');
  await until('till-3', 'waiting');
  site.world.control.fail('attachDevice', new HypervisorError('internal error: No free USB ports', 1, 'other'));
  site.host.devices.plug({ ...printer, port: '1-3', serial: 'K1' });
  const [item] = await until('till-3', 'failed');
  assert.is(item?.message, 'No port of the USB controller of the machine is free.');
  assert.match(item?.nextStep ?? '', /USB 3/);
  site.host.devices.plug({ ...printer, port: '1-5', serial: 'K2' });
  await until('till-3', 'in-use');
});

test('nothing is asked of libvirt while nothing happens', async () => {
  const before = site.world.control.count('nodeDevices');
  site.app.core.reconcilers.wake('vm.host-devices');
  site.app.core.reconcilers.wake('vm.observe');
  await systemClock.sleep(300);
  assert.is(site.world.control.count('nodeDevices'), before);
});

test('who may change a machine may not give it what is the host\'s; nor may a name be written twice, or wrong', async () => {
  const warden = { authorization: `Bearer ${await site.tokenFor(['host-administrator'])}` };
  assert.is((await site.send('POST', at('till-2'), { device: 'usb-port:1-9' }, warden)).status, 404);
  const both = { authorization: `Bearer ${await site.tokenFor(['host-administrator', 'observer'])}` };
  assert.is((await site.send('POST', at('till-2'), { device: 'usb-port:1-9' }, both)).status, 403);
  const owner = { authorization: `Bearer ${await site.tokenFor(['vm-administrator'])}` };
  const refused = await site.send('POST', at('till-2'), { device: 'usb-port:1-9' }, owner);
  assert.is(refused.status, 403);
  assert.match(String(refused.body['detail']), /host\.pass-device/);
  assert.is((await site.send('POST', '/api/v1/vms', { name: 'till-9', hostDevices: [{ device: 'usb-port:1-9' }] }, owner)).status, 403);
  assert.is((await site.send('GET', at('till-2'), undefined, owner)).status, 200);
  assert.is((await site.send('POST', at('till-2'), { device: 'usb-port:1-9' })).status, 201);
  assert.is((await site.send('POST', at('till-2'), { device: 'usb-port:1-9' })).status, 409);
  for (const device of ['usb:1', 'pci:0000:00:02.0', '']) assert.is((await site.send('POST', at('till-2'), { device })).status, 400, device);
  assert.is((await site.send('POST', '/api/v1/vms', { name: 'till-9', hostDevices: [{ device: 'usb-port:1-9' }, { device: 'USB-PORT:1-9' }] })).status, 400);
});

test('a clone has none of them; a site file gives them, and an export names them', async () => {
  await site.carryOut('POST', '/api/v1/vms/till-2/power-off');
  assert.is((await site.send('POST', '/api/v1/vms/till-2/clone', { name: 'till-copy' })).status, 201);
  assert.equal(await passed('till-copy'), []);
  const text = 'bothy: 1\nvms:\n  - name: till-copy\n    hostDevices:\n      - device: usb:0951:1666:E0D55E\n';
  await site.carryOut('POST', '/api/v1/site/apply', { text });
  assert.equal((await passed('till-copy')).map(({ device }) => device), ['usb:0951:1666:E0D55E']);
  const { steps } = (await site.send<{ steps: unknown[] }>('POST', '/api/v1/site/plan', { text })).body;
  assert.equal(steps, []);
  assert.match(await exported(), /usb:0951:1666:E0D55E/);
});

async function exported(): Promise<string> {
  const token = await site.tokenFor(['administrator']);
  return (await site.door.request('http://bothy/api/v1/site/export', { headers: { authorization: `Bearer ${token}` } })).text();
}

test.run();
