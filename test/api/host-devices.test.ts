/** The devices of the host as its API tells them: what can be given to virtual machines, what cannot and why. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { devicesOf } from '../../appliance/host/device-rules.ts';
import type { Device } from '../../appliance/host/device-schema.ts';
import { openTestApp } from '../world/app.ts';
import { createSimulatedDevices, pciCard } from '../world/host-devices.ts';

const site = await openTestApp();
test.after(() => site.close());

async function list(): Promise<Device[]> {
  const { status, body } = await site.send<{ items: Device[]; isKnown: boolean }>('GET', '/api/v1/hosts/this/devices');
  assert.equal([status, body.isKnown], [200, true]);
  return body.items;
}

test('tells what there is, without bridges and hubs', async () => {
  site.host.devices.plug({ port: '1-4.1', vendorId: '04b8', productId: '0202', vendor: 'Epson', product: 'Receipt printer', serial: 'J7' });
  const items = await list();
  assert.equal(items.map(({ id }) => id).sort(), ['pci:0000:00:02.0', 'pci:0000:00:14.0', 'pci:0000:00:17.0', 'pci:0000:01:00.0', 'pci:0000:01:00.1', 'pci:0000:02:00.0', 'pci:0000:02:00.1', 'scsi:0:0:0:0', 'scsi:2:0:3:0', 'usb-port:1-4.1']);
  const printer = items.find(({ kind }) => kind === 'usb');
  assert.equal([printer?.name, printer?.vendorId, printer?.productId, printer?.serial, printer?.obstacle, printer?.usedBy], ['Epson Receipt printer', '04b8', '0202', 'J7', null, null]);
  const tape = items.find(({ id }) => id === 'scsi:2:0:3:0');
  assert.equal([tape?.name, tape?.serial, tape?.sizeBytes, tape?.obstacle], ['HP EG0600', '6SL0ABCD', 600_127_266_816, null]);
  assert.equal(items.find(({ id }) => id === 'pci:0000:02:00.0')?.together, ['pci:0000:02:00.1']);
  site.host.devices.pull('1-4.1');
  assert.not((await list()).some(({ kind }) => kind === 'usb'));
});

test('what the host works with is not given away, and it says what that is', async () => {
  const obstacle = async (id: string) => (await list()).find((device) => device.id === id)?.obstacle?.message;
  assert.is(await obstacle('pci:0000:00:17.0'), 'The host works with its disk sda1.');
  assert.is(await obstacle('scsi:0:0:0:0'), 'The host works with its disk sda1.');
  assert.is(await obstacle('pci:0000:01:00.0'), 'The host works with its network port eno1.');
  assert.is(await obstacle('pci:0000:00:02.0'), 'The host shows its own screen on it.');
  assert.is(await obstacle('pci:0000:01:00.1'), undefined);
});

test('without an IOMMU no card can be given; with a group that the host needs none of it', () => {
  const devices = createSimulatedDevices([
    pciCard({ address: '0000:04:00.0', classCode: 0x020000, group: 9, groupMembers: ['0000:04:00.1', '0000:00:1d.0'], names: ['8086', '', '1521', ''] }),
    pciCard({ address: '0000:04:00.1', classCode: 0x010700, group: 9, groupMembers: ['0000:04:00.0', '0000:00:1d.0'], names: ['1000', '', '0097', ''] }),
    pciCard({ address: '0000:00:1d.0', classCode: 0x060400, group: 9, groupMembers: ['0000:04:00.0', '0000:04:00.1'], names: ['8086', '', 'a298', ''] }),
  ]);
  const held = [{ path: '/sys/devices/pci0000:00/0000:04:00.1/host0/target0:0:0/0:0:0:0/block/sda', by: 'disk' as const, name: 'sda' }];
  const [port] = devicesOf(devices.list(), { held, usbSerials: {} });
  assert.equal([port?.name, port?.obstacle?.code, port?.obstacle?.message, port?.together], ['8086:1521', 'group-in-use-by-host', 'It cannot be kept apart from 0000:04:00.1, which the host works with (IOMMU group 9).', ['pci:0000:04:00.1']]);
  const apart = devices.list().map((node) => (node.detail.kind === 'pci' ? { ...node, detail: { ...node.detail, iommuGroup: null, groupMembers: [] } } : node));
  assert.equal(devicesOf(apart, { held: [], usbSerials: {} }).map(({ obstacle }) => obstacle?.code), ['no-iommu', 'no-iommu']);
});

test('somebody who may not see the host does not see its devices', async () => {
  const token = await site.tokenFor([]);
  assert.is((await site.send('GET', '/api/v1/hosts/this/devices', undefined, { authorization: `Bearer ${token}` })).status, 403);
  assert.is((await site.send('GET', '/api/v1/hosts/another/devices')).status, 404);
});

test('a libvirt that knows nothing of devices is told apart from a host without any', async () => {
  site.world.control.fail('nodeDevices');
  assert.equal((await site.send('GET', '/api/v1/hosts/this/devices')).body, { items: [], next: null, isKnown: false });
});

test.run();
