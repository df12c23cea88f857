/**
 * A template whose system is generalised, on the real service with Debian's virt-sysprep: what made it that one is gone from the template, its
 * users are there, the VM's own disk is as it was to the last byte; a kill in the middle makes the image anew.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runProcess } from '../process.ts';
import { real } from './count.ts';
import { giveKernel } from './guest/kernel.ts';
import { makeVm, MiB } from './kill-subjects.ts';
import { type Problem, type Service, type Task, withService } from './service.ts';
import { checkNothingIsLeft, type Disk, hashFile, volumesOf } from './service-files.ts';

const machineId = '0123456789abcdef0123456789abcdef';
/** As much of a Debian as it takes to be known as one. */
const system: Record<string, string> = {
  'etc/os-release': 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\nID=debian\n', 'etc/debian_version': '12.11\n', 'etc/fstab': '/dev/vda / ext4 defaults 0 1\n',
  'etc/machine-id': `${machineId}\n`, 'etc/hostname': 'origin\n', 'etc/ssh/ssh_host_ed25519_key': 'secret\n', 'etc/ssh/ssh_host_rsa_key': 'secret\n', 'etc/ssh/sshd_config': 'PermitRootLogin no\n',
  'etc/udev/rules.d/70-persistent-net.rules': 'ATTR{address}=="52:54:00:00:00:01"\n', 'var/log/syslog': 'what happened\n', 'var/lib/dhcp/dhclient.eth0.leases': 'lease { }\n',
  'var/lib/cloud/instances/i-1/sem': 'done\n', 'var/lib/dpkg/status': 'Package: dpkg\n', 'home/ann/.ssh/authorized_keys': 'ssh-ed25519 AAAA ann\n', 'home/ann/letter': 'dear\n',
  'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n', 'etc/shadow': 'root:*:1::::::\nann:$6$x:1::::::\n', 'etc/group': 'root:x:0:\n', 'root/.bash_history': 'passwd\n',
};
const identity = ['etc/ssh/ssh_host_ed25519_key', 'etc/ssh/ssh_host_rsa_key', 'etc/udev/rules.d/70-persistent-net.rules', 'var/log/syslog', 'var/lib/dhcp/dhclient.eth0.leases', 'var/lib/cloud/instances/i-1/sem', 'root/.bash_history'];
const kept = ['etc/passwd', 'etc/shadow', 'etc/hostname', 'etc/ssh/sshd_config', 'etc/fstab', 'home/ann/.ssh/authorized_keys', 'home/ann/letter', 'var/lib/dpkg/status'];

async function tool(...argv: string[]): Promise<string> {
  const { code, stdout, stderr } = await runProcess(argv, { timeoutMs: 60_000 });
  assert.is(code, 0, `${argv.join(' ')}\n${stdout}${stderr}`);
  return stdout;
}

async function systemDisk(service: Service): Promise<string> {
  const tree = service.host.path('tree');
  for (const folder of ['bin', 'boot', 'dev', 'proc', 'run', 'sys', 'tmp', 'usr', 'var']) mkdirSync(join(tree, folder), { recursive: true });
  for (const [path, text] of Object.entries(system)) {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), text);
  }
  const image = service.host.path('system.raw');
  await tool('truncate', '-s', '32M', image);
  await tool('mkfs.ext4', '-q', '-d', tree, image);
  return image;
}

/** What a file on the disk holds; `undefined` where there is none. */
async function fileOn(image: string, path: string): Promise<string | undefined> {
  const { stdout, stderr } = await runProcess(['debugfs', '-R', `cat /${path}`, image]);
  return /File not found/.test(stderr) ? undefined : stdout;
}

async function flat(service: Service, path: string): Promise<string> {
  const to = service.host.path('flat.raw');
  await tool('qemu-img', 'convert', '-f', 'qcow2', '-O', 'raw', path, to);
  return to;
}

const workers = async (service: Service) => (await service.host.run(['pgrep', '-f', 'virt-sysprep|guestfs_recovery|libguestfs|supermin'])).stdout.trim();
const minutes = (count: number) => count * 60_000;

const test = suite('generalised templates');

test('identity is gone from the template and from nowhere else, after a kill in the middle too', () => withService({}, async (service) => {
  await giveKernel(service.host);
  const image = await systemDisk(service);
  await service.carryOut('POST', '/disks', { name: 'origin', sizeBytes: 32 * MiB });
  const upload = await service.api('PUT', '/disks/origin/content', readFileSync(image), { 'x-image-format': 'raw' });
  assert.ok(upload.status < 300, JSON.stringify(upload.body));
  await service.settle();
  await makeVm(service, 'origin', { disks: [{ disk: 'origin' }] });
  const { id } = await service.must<Disk>('GET', '/disks/origin');
  const [source = ''] = await volumesOf(service, id);
  const before = await hashFile(source);

  const { id: task } = await service.must<Task>('POST', '/templates', { vm: 'origin', name: 'debian', generalise: true });
  await service.until('virt-sysprep runs', async () => (await service.host.run(['pgrep', '-x', 'virt-sysprep'])).code === 0, minutes(1));
  await service.until('QEMU has the image open', async () => /guestfs/.test((await service.host.run(['ps', '-o', 'args=', '-C', 'qemu-system-x86_64,qemu-system-x86'])).stdout), minutes(5));
  await sleep(2_000);
  await service.kill9();
  await service.until('nothing of it works on', async () => (await workers(service)) === '', minutes(1));
  await service.start();
  const ended = await service.task(task, minutes(8));
  assert.is(ended.state, 'done', JSON.stringify(ended.problem));

  const made = await service.must<{ isGeneralised: boolean; disks: { id: string }[] }>('GET', '/templates/debian');
  assert.ok(made.isGeneralised);
  const [path = ''] = await volumesOf(service, made.disks[0]?.id ?? '');
  const template = await flat(service, path);
  for (const each of identity) assert.is(await fileOn(template, each), undefined, each);
  for (const each of kept) assert.is(await fileOn(template, each), system[each], each);
  assert.is(await fileOn(template, 'etc/machine-id'), '', 'systemd makes an id of its own at the next start');
  await tool('e2fsck', '-fn', template);
  assert.is((await tool('stat', '-c', '%a', path)).trim(), '440');
  assert.is(await hashFile(source), before, 'the disk of the VM is as it was');
  const own = await flat(service, source);
  assert.is(await fileOn(own, 'etc/machine-id'), `${machineId}\n`);
  real('libvirt', 'qemu-img');

  // A disk without a system: told, and nothing is left.
  await makeVm(service, 'empty', { disks: [{ sizeBytes: 4 * MiB, name: 'empty' }] });
  await service.settle();
  const { id: second } = await service.must<Task>('POST', '/templates', { vm: 'empty', name: 'empty', generalise: true });
  const failed = await service.task(second, minutes(8));
  assert.is(failed.state, 'failed');
  assert.match(failed.problem?.detail ?? '', /no system on its disks/);
  assert.is((await service.api('GET', '/templates/empty')).status, 404);
  await checkNothingIsLeft(service);

  // Without the package it is refused before anything begins.
  await service.host.must(['rm', '/usr/bin/virt-sysprep']);
  const refused = await service.api<Problem>('POST', '/templates', { vm: 'origin', name: 'other', generalise: true });
  assert.is(refused.status, 503);
  assert.match(refused.body.detail, /apt install guestfs-tools/);
}));

test.run();
