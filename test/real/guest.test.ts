/** The guests that other tests use really boot, on libvirt in a rack host. */
import { copyFileSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { real } from './count.ts';
import { bootDisk, bootIso, BOOT_GUEST_READY, GREEDY } from './guest/boot-guest.ts';
import { debianDisk } from './guest/debian-guest.ts';
import { grubRescueIso, ipxeIso, memtestIso } from './guest/iso.ts';
import { openRackHost, type RackHost } from './rack-host.ts';

interface Guest {
  /** A copy lies in the host's scratch folder. */
  disk?: { path: string; format: string };
  iso?: string;
  isEfi?: boolean;
  memoryMiB?: number;
}

async function start(host: RackHost, name: string, guest: Guest): Promise<void> {
  if (guest.disk) copyFileSync(guest.disk.path, host.path(`${name}.disk`));
  if (guest.iso) copyFileSync(guest.iso, host.path(`${name}.iso`));
  writeFileSync(host.path(`${name}.xml`), domainXml(host, name, guest));
  await host.must(['virsh', '-q', 'create', host.path(`${name}.xml`)]);
}

function domainXml(host: RackHost, name: string, { disk, iso, isEfi, memoryMiB = 64 }: Guest): string {
  const diskXml = disk ? `<disk type='file' device='disk'><driver name='qemu' type='${disk.format}'/>
    <source file='${host.path(`${name}.disk`)}'/><target dev='vda' bus='virtio'/></disk>` : '';
  const isoXml = iso ? `<disk type='file' device='cdrom'><driver name='qemu' type='raw'/>
    <source file='${host.path(`${name}.iso`)}'/><target dev='sda' bus='sata'/><readonly/></disk>` : '';
  return `<domain type='qemu'><name>${name}</name><memory unit='MiB'>${memoryMiB}</memory><vcpu>1</vcpu>
    <os${isEfi ? " firmware='efi'" : ''}><type arch='x86_64' machine='q35'>hvm</type>
      ${isEfi ? "<firmware><feature enabled='no' name='secure-boot'/></firmware>" : ''}
      <boot dev='hd'/><boot dev='cdrom'/></os>
    <features><acpi/></features><on_poweroff>destroy</on_poweroff>
    <devices>${diskXml}${isoXml}
      <interface type='network'><source network='default'/><model type='virtio'/></interface>
      <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
      <serial type='pty'><log file='/var/log/libvirt/qemu/${name}-serial.log'/></serial>
      <video><model type='vga'/></video><graphics type='vnc'><listen type='socket'/></graphics>
    </devices></domain>`;
}

async function waitForSerial(host: RackHost, name: string, text: string, timeoutMs: number): Promise<void> {
  const log = host.path(`logs/qemu/${name}-serial.log`);
  for (const until = Date.now() + timeoutMs; !existsSync(log) || !readFileSync(log, 'latin1').includes(text);) {
    assert.ok(Date.now() < until, `no "${text}" on the serial line of ${name}:\n${existsSync(log) ? readFileSync(log, 'latin1') : ''}`);
    await sleep(100);
  }
}

test('the boot-sector guest boots from raw, from qcow2 and from CD-ROM, and writes', async () => {
  const host = await openRackHost({ network: true });
  try {
    const raw = { path: await bootDisk(), format: 'raw' };
    const qcow2 = { path: await bootDisk({ ...GREEDY, format: 'qcow2' }), format: 'qcow2' };
    writeFileSync(host.path('empty'), Buffer.alloc(4 << 20));
    await start(host, 'raw', { disk: raw });
    await start(host, 'qcow2', { disk: qcow2 });
    await start(host, 'cd', { disk: { path: host.path('empty'), format: 'raw' }, iso: await bootIso() });
    for (const name of ['raw', 'qcow2', 'cd']) {
      await waitForSerial(host, name, BOOT_GUEST_READY, 60_000);
      await waitForSerial(host, name, 'tick 0', 60_000);
    }
    await waitForSerial(host, 'cd', 'tick 00000003', 60_000);
    assert.is(readFileSync(host.path('cd.disk')).readUInt32LE((2048 + 8 * 2) * 512), 2, 'the third write');
    assert.ok(statSync(host.path('qcow2.disk')).blocks * 512 > 2 << 20);
    real('libvirt', 'qemu');
  } finally {
    await host.close();
  }
});

test('the Debian guest boots by UEFI to a login, takes an address, and shuts down by ACPI', async () => {
  const host = await openRackHost({ network: true });
  try {
    await start(host, 'debian', { disk: { path: await debianDisk(), format: 'qcow2' }, isEfi: true, memoryMiB: 512 });
    await waitForSerial(host, 'debian', 'debian-guest login:', 240_000);
    for (const until = Date.now() + 60_000; ;) {
      if (/debian-guest/.test(await host.must(['virsh', 'net-dhcp-leases', 'default']))) break;
      assert.ok(Date.now() < until, 'no address was leased');
      await sleep(500);
    }
    assert.match(await host.must(['virsh', 'qemu-agent-command', 'debian', '{"execute":"guest-ping"}']), /return/);
    await host.must(['virsh', 'shutdown', 'debian', '--mode', 'acpi']);
    for (const until = Date.now() + 120_000; ;) {
      if (!/debian/.test(await host.must(['virsh', '-q', 'list', '--name']))) break;
      assert.ok(Date.now() < until, 'it did not shut down');
      await sleep(500);
    }
    real('libvirt', 'qemu');
  } finally {
    await host.close();
  }
});

test('Debian packages ship real ISO images', async () => {
  for (const path of [await memtestIso(), await grubRescueIso(), await ipxeIso()]) {
    assert.is(readFileSync(path).toString('latin1', 0x8001, 0x8006), 'CD001', path);
  }
});

test.run();
