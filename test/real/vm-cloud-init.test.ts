/**
 * A guest reads what it is told by cloud-init: a small Linux on the real service, libvirt and QEMU finds the volume by its label, mounts it, cannot write it,
 * and tells over serial what it holds. On virtio, and on USB for systems without drivers for that;
 * there with the answer file for Windows in the root of a removable disk. No Windows is booted.
 */
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { run } from '../../appliance/core/run.ts';
import { real } from './count.ts';
import { answerTo, boot, closeHardwareHost, type Context, details, MiB, openHardwareHost } from './hardware-guests.ts';

const test = suite<Context>('cloud-init');
test.before(openHardwareHost);
test.after(closeHardwareHost);

const key = `ssh-ed25519 ${'A'.repeat(68)} me`;
const cloudInit = { user: 'ada', password: 'secret', sshKeys: [key], interfaces: [{ addresses: ['192.168.10.5/24'], gateways: ['192.168.10.1'] }], userData: '#cloud-config\npackages: [nginx]\n', windows: { computerName: 'TILL-1', password: 'a <secret>', organisation: 'Shop & Sons' } };

/** The file's text between marks of our own. */
async function fileIn(context: Context, name: string, file: string): Promise<string> {
  const text = await answerTo(context, name, `echo be''gin; cat /seed/${file}; echo en''d`);
  return (/begin\r?\n([^]*?)end\r?\n/.exec(text)?.[1] ?? `none in: ${text}`).replaceAll('\r', '');
}

for (const { name, hardware, device, mac, isWindows } of [
  { name: 'on-virtio', hardware: { os: 'linux', firmware: 'bios' }, device: /\/dev\/vdb\r?\n/, mac: '52:54:00:11:22:33', isWindows: false },
  { name: 'on-usb', hardware: { os: 'windows-7' }, device: /\/dev\/sd[a-z]\r?\n/, mac: '52:54:00:11:22:44', isWindows: true },
]) {
  test(`${name}: the guest mounts it and reads all of it`, async (context) => {
    const { service, host } = context;
    await service.must('POST', '/vms', { name, memoryBytes: 192 * MiB, cdrom: 'linux.iso', bootOrder: ['cdrom'], ...hardware, disks: [{ sizeBytes: 8 * MiB }], nics: [{ network: 'default', mac }], cloudInit });
    await boot(service, name);
    assert.match(await answerTo(context, name, 'mkdir -p /seed; sleep 3; findfs LABEL=CIDATA; mount -o ro $(findfs LABEL=CIDATA) /seed; ls /seed'), device);
    const { instanceId } = await service.must<{ instanceId: string }>('GET', `/vms/${name}/cloud-init`);
    assert.equal(parse(await fileIn(context, name, 'meta-data')), { 'instance-id': instanceId, 'local-hostname': name });
    // A busy serial line may lose or double a letter: the others by their sums.
    const files = await Promise.all(['network-config', 'user-data'].map(async (file) => (await run(['mtype', '-i', join(service.statePath, 'run/vms', (await details(service, name)).id, 'seed.img'), `::${file}`], { timeoutMs: 10_000 })).stdout));
    const sums = await answerTo(context, name, 'sha256sum /seed/network-config /seed/user-data');
    for (const text of files) assert.match(sums, createHash('sha256').update(text).digest('hex'));
    const [network, user] = files.map((text) => parse(text, { version: '1.1' }));
    assert.equal([network.ethernets.nic0.match.macaddress, network.ethernets.nic0.addresses], [mac, ['192.168.10.5/24']]);
    assert.equal([user.user.name, user.packages, user.ssh_authorized_keys, /^\$6\$/.test(user.user.hashed_passwd)], ['ada', ['nginx'], [key], true]);
    assert.match(await answerTo(context, name, 'umount /seed; dd if=/dev/zero of=$(findfs LABEL=CIDATA) bs=512 count=1; echo wrote=$?'), /Operation not permitted|Read-only|Permission denied/);
    const vm = await details(service, name);
    assert.equal(vm.pending, []);
    assert.match(await host.must(['virsh', 'domblklist', name]), /linux\.iso/, 'its CD-ROM drive is its own');
    assert.is(statSync(join(service.statePath, 'run/vms', vm.id, 'seed.img')).mode & 0o077, 0, 'nobody else on the host reads it');
    const answer = await run(['mtype', '-i', join(service.statePath, 'run/vms', vm.id, 'seed.img'), '::Unattend.xml'], { timeoutMs: 10_000 }).then(({ stdout }) => stdout, () => '');
    if (isWindows) {
      // As Windows asks: a removable disk with that file in its root.
      assert.match(await answerTo(context, name, 'D=$(findfs LABEL=CIDATA); cat /sys/block/$(basename $D)/removable; mount -o ro $D /seed; sha256sum /seed/Unattend.xml /seed/Autounattend.xml; umount /seed'), new RegExp(`^1\\r?$[^]*${createHash('sha256').update(answer).digest('hex')}`, 'm'));
      const { stdout } = await run(['xmllint', '--nonet', '--xpath', "string(//*[local-name()='ComputerName'][1])", '-'], { timeoutMs: 10_000, input: answer });
      assert.is(stdout.trim(), 'TILL-1');
    } else assert.is(answer, '');
    await service.carryOut('POST', `/vms/${name}/power-off`);
    real('libvirt', 'qemu', 'mtools');
  });
}

test.run();
