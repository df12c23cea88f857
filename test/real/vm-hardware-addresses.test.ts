/** Addresses of devices stay the same over restarts and changes of other devices: a small Linux tells where it finds them, on real libvirt and QEMU. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { real } from './count.ts';
import { type GuestReport, readReport } from './guest/linux-guest.ts';
import { answerTo, boot, closeHardwareHost, type Context, details, macOf, make, MiB, openHardwareHost, wishes } from './hardware-guests.ts';

const test = suite<Context>('addresses');
test.before(openHardwareHost);
test.after(closeHardwareHost);

/** Linux numbers what is virtio, and gives letters, in the order in which it finds them: what has an address of its own is the place before that. */
const addressOf = (at: string) => at.replace(/\/virtio\d+.*/, '');

/** Where the guest has what it had before: disks by serial number, NICs by address, all else by place and id. */
function placesOf({ pci, disks, nics }: GuestReport, isKept: (id: string) => boolean): string[] {
  return [
    ...[...pci].filter(([, id]) => isKept(id)).map(([place, id]) => `${id} at ${place}`),
    ...disks.map(({ serial, at }) => `${serial} at ${addressOf(at)}`),
    ...[...nics].map(([mac, { at }]) => `${mac} at ${addressOf(at)}`),
  ].sort();
}

test('addresses stay over three starts, while other devices come, go and change', async ({ host, service }) => {
  await make(service, 'modern', { ...wishes.modern, vcpus: 1, sockets: 1, numaNodes: 1 });
  const first = await boot(service, 'modern');
  const changes: (() => Promise<unknown>)[] = [
    () => service.carryOut('POST', '/vms/modern/disks', { sizeBytes: 8 * MiB, bus: 'virtio', serial: 'NEW' }),
    async () => {
      const { disks } = await details(service, 'modern');
      await service.carryOut('DELETE', `/vms/modern/disks/${disks.find(({ serial }) => serial === 'V-1')?.id}`);
      await service.must('PATCH', '/vms/modern', { sound: 'none', watchdog: 'none', usb: 'ehci' });
    },
    () => service.carryOut('POST', '/vms/modern/nics', { network: 'default', model: 'rtl8139', mac: macOf(9) }),
  ];
  const changing = new Set(['8086:293e', '8086:25ab', '1b36:000d', '8086:293a', '8086:2934', '8086:2935', '8086:2936']);
  let before = placesOf(first, (id) => !changing.has(id));
  for (const change of changes) {
    await service.carryOut('POST', '/vms/modern/power-off');
    await change();
    const report = await boot(service, 'modern');
    const now = placesOf(report, (id) => !changing.has(id));
    const moved = before.filter((place) => !now.includes(place) && !/V-1|1af4:1042|1af4:1001/.test(place));
    assert.equal(moved, []);
    before = now;
  }
  assert.ok(before.some((place) => place.startsWith('NEW')) && before.some((place) => place.startsWith(macOf(9))));
  assert.match(await host.must(['virsh', 'list', '--name']), /modern/);
  real('libvirt', 'qemu');
});

test('on i440FX, too, while other devices come and go in the guest as it runs, and over the start after', async (context) => {
  const { service } = context;
  await make(service, 'old', { machine: 'pc', sound: 'ac97', watchdog: 'i6300esb', disks: [{ bus: 'virtio', serial: 'V-1' }, { bus: 'virtio', serial: 'V-2' }, { bus: 'ide', serial: 'I-3' }], nics: [{ model: 'virtio', mac: macOf(11) }, { model: 'e1000', mac: macOf(12) }] });
  const before = placesOf(await boot(service, 'old'), (id) => !id.startsWith('1af4'));
  const { disks: [first] } = await details(service, 'old');
  await service.carryOut('DELETE', `/vms/old/disks/${first?.id}`);
  await service.carryOut('POST', '/vms/old/nics', { network: 'default', model: 'e1000', mac: macOf(13) });
  await service.carryOut('POST', '/vms/old/disks', { sizeBytes: 8 * MiB, bus: 'virtio', serial: 'NEW' });
  const running = await service.until('the guest has found both', async () => {
    const told = readReport(await answerTo(context, 'old', 'report'));
    const places = told ? placesOf(told, (id) => !id.startsWith('1af4')) : [];
    return ['NEW', macOf(13)].every((come) => places.some((place) => place.startsWith(come))) && places;
  }, 120_000);
  assert.equal(before.filter((place) => !running.includes(place) && !place.startsWith('V-1')), []);
  await service.carryOut('POST', '/vms/old/power-off');
  const again = placesOf(await boot(service, 'old'), (id) => !id.startsWith('1af4'));
  assert.equal(running.filter((place) => !again.includes(place)), []);
  real('libvirt', 'qemu');
});

test.run();
