/**
 * Every device model boots a guest that sees it, on the real service, libvirt and QEMU: a small Linux tells over serial what it finds. The
 * models are spread over as few boots as hold them all.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { diskBuses, nicModels, soundModels, tpmModels, usbControllers, videoModels, watchdogModels } from '../../appliance/vm/definition/hardware.ts';
import { real } from './count.ts';
import type { GuestReport } from './guest/linux-guest.ts';
import { diskPlaces, nicDrivers, seen } from './hardware.ts';
import { boot, closeHardwareHost, type Context, type Details, details, floppyText, make, openHardwareHost, type Wish, wishes } from './hardware-guests.ts';

const test = suite<Context>('hardware');
test.before(openHardwareHost);
test.after(closeHardwareHost);

function assertSees(name: string, vm: Details, report: GuestReport): void {
  for (const kind of ['machine', 'video', 'sound', 'usb', 'watchdog', 'tpm'] as const) {
    const isSeen = (seen[kind] as Record<string, (report: GuestReport) => boolean>)[vm[kind]]; // a row for each model
    assert.ok(isSeen?.(report), `${name} sees ${kind} ${vm[kind]}: ${[...report.pci].join(' ')} ${[...report.facts].join(' ')}`);
  }
  for (const { model, mac } of vm.nics) assert.match(report.nics.get(mac)?.driver ?? `none of ${[...report.nics].join(' ')}`, nicDrivers[model], mac);
  for (const { bus, serial } of vm.disks) {
    const disk = report.disks.find((each) => each.serial === serial);
    assert.ok(disk, `${name} has a disk with the serial number ${serial}: ${JSON.stringify(report.disks)}`);
    assert.match(disk?.name ?? '', diskPlaces[bus].name);
    assert.match(disk?.at ?? '', diskPlaces[bus].at);
  }
  assert.equal(report.channels.filter((channel) => channel.startsWith('org.example')), vm.channels);
  assert.is(report.facts.get('nodes'), String(vm.numaNodes));
  assert.is(report.facts.get('floppy'), vm.floppyDrive ? floppyText : undefined);
  assert.is(report.facts.get('uarts'), String(vm.serialPorts));
  assert.is(report.facts.has('rng') && /virtio/.test(report.facts.get('rng') ?? ''), vm.rng);
}

test('the wishes below hold every model', () => {
  const all = Object.values<Wish>(wishes);
  const chosen = (of: (wish: Wish) => (string | undefined)[]) => [...new Set(all.flatMap(of))].filter((model) => model !== undefined).sort();
  const rest = (table: object, usual: string) => Object.keys(table).filter((model) => model !== usual).sort();
  assert.equal(chosen(({ video }) => [video]), rest(videoModels, 'vga'));
  assert.equal(chosen(({ sound }) => [sound]), rest(soundModels, 'none'));
  assert.equal(chosen(({ usb }) => [usb]), rest(usbControllers, 'xhci'));
  assert.equal(chosen(({ watchdog }) => [watchdog]), rest(watchdogModels, 'none'));
  assert.equal(chosen(({ tpm }) => [tpm]), rest(tpmModels, 'none'));
  assert.equal(chosen(({ disks = [] }) => disks.map(({ bus }) => bus)), Object.keys(diskBuses).sort());
  assert.equal(chosen(({ nics = [] }) => nics.map(({ model }) => model)), Object.keys(nicModels).sort());
});

for (const [name, wish] of Object.entries<Wish>(wishes)) {
  test(`${name}: the guest sees each model`, async ({ host, service }) => {
    // One that has chosen no processor gets that of all VMs.
    if (name === 'plain') await service.must('PATCH', '/vm-defaults', { cpu: 'Penryn' });
    await make(service, name, wish);
    const report = await boot(service, name);
    const vm = await details(service, name);
    assert.equal(vm.pending, []);
    assertSees(name, vm, report);
    if (name === 'modern') {
      assert.equal([report.facts.get('sockets'), report.facts.get('cores')], ['2', '2']);
      assert.equal([report.facts.get('node0'), report.facts.get('node1')], ['0-1', '2-3']);
      // A guest is offered discards in any case: QEMU passes them on, or does not.
      assert.equal([...(await host.must(['virsh', 'dumpxml', name])).matchAll(/discard='(\w+)'/g)].map(([, discard]) => discard).sort(), ['ignore', 'unmap', 'unmap', 'unmap']);
    }
    if (name === 'plain') assert.match(report.facts.get('cpu') ?? '', /Core 2 Duo P9xxx|Penryn/);
    if (wish.cpu) assert.match(report.facts.get('cpu') ?? '', new RegExp(wish.cpu, 'i'));
    await service.carryOut('POST', `/vms/${name}/power-off`);
    real('libvirt', 'qemu');
  });
}

test.run();
