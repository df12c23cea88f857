/**
 * What is closed on the host image, and who is confined, on a booted box with all its security modules: nothing comes in that is not
 * named, SSH waits for keys, each QEMU is under a profile of its own, and KVM is there before libvirt looks for it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Box, openBox } from './box.ts';
import { partsOf } from './part.ts';

const test = suite('host image');
/** The image's own: the lab leaves AppArmor out otherwise, to save time. The last one of the command line counts. */
const securityModules = readFileSync(join(import.meta.dirname, '../../../image/cmdline.txt'), 'utf8').split('\n').filter((line) => line.startsWith('lsm='));
let box: Box;

test.before(async () => {
  box = await openBox({ screen: true, watchdog: true, kernelOptions: securityModules });
  await box.switchOn();
  await box.answers();
  await box.setUp();
});

const part = partsOf(test, () => box);

const services = () => box.inside('nft list chain inet bothy services');

part('nothing comes in but what is named, and nothing listens but what must', async () => {
  const input = await box.inside('nft list chain inet bothy input');
  assert.match(input, /hook input priority filter; policy drop;/);
  assert.equal([...input.matchAll(/tcp dport (\S+)/g)].map(([, port]) => port), ['443', '53'], input);
  assert.not.match(await services(), /dport/);
  const open = (await box.inside("ss -Hltn | awk '{ print $4 }'")).trim().split('\n').filter((address) => !/^(127\.|\[::1\]|192\.168\.122\.)/.test(address));
  assert.equal(open.filter((address) => !/:443$/.test(address)), []);
});

part('SSH is off without keys; a site file with a key switches it on, for that key alone', async () => {
  assert.is((await box.inside('systemctl is-active ssh.service ssh.socket || true')).trim(), 'inactive\ninactive');
  await box.inside("ssh-keygen -q -t ed25519 -N '' -C '' -f /run/lab-key; ssh-keygen -q -t ed25519 -N '' -C '' -f /run/other-key");
  await box.inside('printf \'bothy: 1\\nhost:\\n  sshKeys:\\n    - %s\\n\' "$(cat /run/lab-key.pub)" >/run/site.yaml; bothy site apply /run/site.yaml');
  await box.until('SSH runs', async () => (await box.inside('systemctl is-active ssh.service || true')).trim() === 'active');
  assert.match(await services(), /tcp dport 22/);
  const connect = (options: string) => box.inside(`ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes -o IdentitiesOnly=yes ${options} root@127.0.0.1 id -un 2>&1 || true`);
  assert.match(await connect('-i /run/lab-key'), /^root$/m);
  assert.match(await connect('-i /run/other-key'), /Permission denied \(publickey\)/);
});

part('each QEMU is confined by a profile of its own, in the mount namespace that storage is mounted in', async () => {
  await box.must('POST', '/vms', { name: 'till', vcpus: 1, memoryBytes: 64 << 20, disks: [{ sizeBytes: 16 << 20 }], nics: [] });
  await box.carryOut('POST', '/vms/till/start');
  const uuid = (await box.inside('virsh -q domuuid till')).trim();
  const pid = (await box.inside("pgrep -f '^/usr/bin/qemu-system-x86_64 -name guest=till,'")).trim();
  assert.is((await box.inside(`cat /proc/${pid}/attr/current`)).trim(), `libvirt-${uuid} (enforce)`);
  assert.match(await box.inside('aa-status --json'), new RegExp(`"libvirt-${uuid}": ?"enforce"`));
  // What is mounted on the host is seen by the service, which lives in a view of its own, and by QEMU's daemon.
  await box.inside('mount -t tmpfs lab /mnt');
  for (const unit of ['bothyd', 'libvirtd']) assert.match(await box.inside(`nsenter -m -t "$(systemctl show -P MainPID ${unit})" findmnt -no SOURCE /mnt`), /^lab$/m, unit);
});

part('a guest gets a TPM and what it is told about itself, also under that profile', async () => {
  await box.must('POST', '/vms', { name: 'office', vcpus: 1, memoryBytes: 128 << 20, firmware: 'bios', tpm: 'tis', cloudInit: { hostname: 'office', user: 'clerk' }, disks: [{ sizeBytes: 16 << 20 }], nics: [] });
  await box.carryOut('POST', '/vms/office/start');
  const uuid = (await box.inside('virsh -q domuuid office')).trim();
  const pid = (await box.inside("pgrep -f '^/usr/bin/qemu-system-x86_64 -name guest=office,'")).trim();
  assert.is((await box.inside(`cat /proc/${pid}/attr/current`)).trim(), `libvirt-${uuid} (enforce)`);
  assert.match(await box.inside('pgrep -a swtpm'), /tpm2/);
  assert.match(await box.inside('virsh dumpxml office'), /seed\.img/);
  assert.is((await box.must<{ state: string }>('GET', '/vms/office')).state, 'up');
  await box.carryOut('POST', '/vms/office/power-off');
});

part('libvirt knows KVM from its first look', async () => {
  assert.match(await box.inside('virsh domcapabilities --virttype kvm | head -5'), /<domain>kvm<\/domain>/);
  assert.match(await box.inside('journalctl -b -u libvirtd -o cat | grep -c "Started libvirtd" || true'), /\d/);
});

part('what VMs do not use of their memory has somewhere to go', async () => {
  assert.match(await box.inside('swapon --show=NAME,SIZE --noheadings --bytes'), /^\/dev\/zram0\s+[1-9]\d{8,}$/m);
});

part('the versions are told: command line and page', async () => {
  const kernel = (await box.inside('uname -r')).trim();
  const status = await box.inside('bothy status || true');
  assert.ok(status.includes(kernel), status);
  assert.match(status, /libvirt\s+\d+\.\d+\.\d+[\s\S]*QEMU\s+\d+\.\d+\.\d+/);
});

part('a restart that is asked for: the state was unmounted, the watchdog kept still, and the box knows that it was planned', async () => {
  const fired = () => box.machine.monitor.events.filter(({ name }) => name === 'WATCHDOG').length;
  const before = fired();
  await box.must('POST', '/hosts/this/reboot', {});
  await box.machine.monitor.until(({ name }) => name === 'RESET', 900_000);
  await box.answers();
  const log = await box.inside('cat /run/bothy-fsck.log; journalctl -b -k -o cat --grep "EXT4-fs|recover" || true');
  assert.not.match(log, /recover/i);
  await box.until('it is known how it went down', async () => (await box.must<{ lastEnd: { end: string } | null }>('GET', '/hosts/this')).lastEnd?.end === 'planned');
  assert.is(fired(), before);
});

test.after(async () => {
  await box.close();
});

test.run();
