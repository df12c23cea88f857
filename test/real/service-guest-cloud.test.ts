/**
 * A whole Debian as its cloud images are, on the real service: what cloud-init is told arrives, its clock is right again after its memory lay on disk,
 * and of a generalised template of it comes another machine.
 *
 * One guest for the whole file, because it boots by software emulation; the cases go from its first boot to the VM made from it. Looked at from the
 * host over SSH, with the key that cloud-init was told.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { real } from './count.ts';
import { cloudDisk } from './guest/debian-guest.ts';
import { giveKernel } from './guest/kernel.ts';
import { MiB } from './kill-subjects.ts';
import { openRackHost, type RackHost } from './rack-host.ts';
import { openService, type Service, type Task, type Vm } from './service.ts';

interface Context {
  host: RackHost;
  service: Service;
  /** Its private half lies on the host. */
  key: string;
  identity: Identity;
}

/** What no two machines may share. */
interface Identity {
  machineId: string;
  hostKey: string;
  hostname: string;
}

interface Told extends Vm {
  hasAgent: boolean;
  guest: null | { hostname: string; os: string; kernel: string; users: { name: string }[]; filesystems: { mountPoint: string; totalBytes: number }[]; interfaces: { mac: string; addresses: string[] }[] };
}

const test = suite<Context>('a Debian told by cloud-init');
const minutes = (count: number) => count * 60_000;
const bootMs = minutes(12);
/** Asking takes processor time from the guest. */
const unhurriedMs = 2_000;
const address = '192.168.122.50';
const marker = 'own user data arrived';

test.before(async (context) => {
  const host = await openRackHost({ network: true });
  Object.assign(context, { host, service: await openService(host) });
  await host.must(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', 'ada', '-f', host.path('key')]);
  context.key = readFileSync(host.path('key.pub'), 'utf8').trim();
});
test.after(async ({ host, service }) => {
  if (process.exitCode) console.log(service.logs());
  await host.close();
});

/** One connection for all commands: signing in takes a starved guest half a minute, and a clock is read in less. It outlasts a while on disk. */
const ssh = ({ host }: Context, user: string, at: string, ...rest: string[]) => {
  const options = ['BatchMode=yes', 'StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR', 'ConnectTimeout=60', 'ServerAliveInterval=60', 'ServerAliveCountMax=5', 'ControlMaster=auto', 'ControlPersist=yes', `ControlPath=${host.path('ssh-%C')}`];
  return ['ssh', '-i', host.path('key'), ...options.flatMap((option) => ['-o', option]), `${user}@${at}`, ...rest];
};

/** A command inside the guest; `undefined` as long as it lets nobody in. */
async function inGuest(context: Context, user: string, at: string, command: string): Promise<string | undefined> {
  const { code, stdout, stderr } = await context.host.run(ssh(context, user, at, command), { timeoutMs: 180_000 });
  if (code !== 255 && code !== 0) throw new Error(`${command}: exit ${code}\n${stdout}${stderr}`);
  return code === 0 ? stdout.trim() : undefined;
}

async function must(context: Context, user: string, at: string, command: string): Promise<string> {
  const answer = await inGuest(context, user, at, command);
  assert.is.not(answer, undefined, `${at} lets ${user} in`);
  return answer ?? '';
}

/** When it has come so far that its agent speaks, its first boot is done and its key opens it. */
async function booted(context: Context, name: string, user: string, at?: string): Promise<{ vm: Told; at: string }> {
  const { service } = context;
  const vm = await service.until(`the agent of ${name} tells its address`, async () => {
    await sleep(unhurriedMs);
    const told = await service.must<Told>('GET', `/vms/${name}`);
    if (told.state !== 'up') throw new Error(`${name} is ${told.state}`);
    return addressOf(told) !== undefined && told;
  }, bootMs);
  const found = at ?? addressOf(vm) ?? '';
  const result = await service.until(`${name} lets ${user} in, and cloud-init is done`, async () => {
    await sleep(unhurriedMs);
    return (await inGuest(context, user, found, 'cat /run/cloud-init/result.json 2>/dev/null || true')) || false;
  }, bootMs);
  const { v1: { datasource, errors } } = JSON.parse(result) as { v1: { datasource: string; errors: string[] } }; // as cloud-init documents it
  assert.equal(errors, []);
  assert.match(datasource, /^DataSourceNoCloud \[seed=\/dev\/vdb\]/, 'it is not a partition, and comes after the disks');
  return { vm, at: found };
}

const addressOf = ({ guest }: Told) => guest?.interfaces.flatMap(({ addresses }) => addresses).find((each) => /^\d+\./.test(each));

async function identityOf(context: Context, user: string, at: string): Promise<Identity> {
  const [machineId = '', hostKey = '', hostname = ''] = (await must(context, user, at, 'cat /etc/machine-id; cut -d" " -f2 /etc/ssh/ssh_host_ed25519_key.pub; hostname')).split('\n');
  assert.match(machineId, /^[0-9a-f]{32}$/);
  assert.match(hostKey, /^AAAA/);
  return { machineId, hostKey, hostname };
}

test('its first boot: name, user, key, password, address and own user data are what it was told', async (context) => {
  const { service, key } = context;
  await service.must('POST', '/disks', { name: 'root', sizeBytes: 2048 * MiB });
  const upload = await service.must<Task>('PUT', '/disks/root/content', new Uint8Array(readFileSync(await cloudDisk())), { 'x-image-format': 'qcow2' });
  assert.is((await service.task(upload.id)).state, 'done');
  await service.carryOut('POST', '/disks/root/resize', { sizeBytes: 3072 * MiB });
  await service.must('POST', '/vms', {
    name: 'Origin One', memoryBytes: 512 * MiB, firmware: 'efi', disks: [{ disk: 'root' }], nics: [{ network: 'default' }],
    cloudInit: {
      user: 'ada', password: 'a secret of ada', sshKeys: [key], hostname: 'origin', interfaces: [{ addresses: [`${address}/24`], gateways: ['192.168.122.1'] }],
      userData: `#cloud-config\nwrite_files:\n  - path: /etc/own\n    content: ${marker}\nruncmd:\n  - [sh, -c, 'echo ran >>/etc/own-ran']\n`,
    },
  });
  await service.carryOut('POST', '/vms/Origin%20One/start');
  const { vm } = await booted(context, 'Origin One', 'ada', address);

  context.identity = await identityOf(context, 'ada', address);
  assert.is(context.identity.hostname, 'origin');
  assert.is(await must(context, 'ada', address, 'cat /etc/own; echo; cat /etc/own-ran'), `${marker}\nran`);
  assert.match(await must(context, 'ada', address, 'sudo -n id -u; ip -4 route'), /^0\ndefault via 192\.168\.122\.1 /);
  assert.is(await must(context, 'ada', address, 'findmnt -no SOURCE /'), '/dev/vda2');
  assert.match(await must(context, 'ada', address, 'sudo getent shadow ada'), /^ada:\$6\$/);
  assert.is(await inGuest(context, 'root', address, 'true').catch(() => undefined), undefined, 'nobody else may sign in with that key');
  assert.equal(addressOf(vm), address);
  real('libvirt', 'qemu', 'qemu-img', 'mtools');
});

test('the agent tells of it: system, users, file systems that fill the disk', async (context) => {
  const { service, host } = context;
  const session = host.spawn(ssh(context, 'ada', address, '-tt'));
  const { guest } = await service.until('who has signed in is told', async () => {
    const told = await service.must<Told>('GET', '/vms/Origin%20One');
    return (told.guest?.users.some(({ name }) => name === 'ada') ?? false) && told;
  }, minutes(3));
  session.signal('SIGTERM');
  assert.is(guest?.hostname, 'origin');
  assert.match(guest?.os ?? '', /^Debian/);
  assert.is(guest?.kernel, await must(context, 'ada', address, 'uname -r'));
  const root = guest?.filesystems.find(({ mountPoint }) => mountPoint === '/');
  assert.ok((root?.totalBytes ?? 0) > 2500 * MiB, `cloud-init has grown the root file system with its disk: ${root?.totalBytes}`);
  real('libvirt', 'qemu');
});

/** Seconds by which the guest's clock is certainly behind ours; less than nothing where it is ahead. */
async function behind(context: Context): Promise<number> {
  const asked = Date.now() / 1000;
  const seconds = Number(await must(context, 'ada', address, 'date +%s.%N'));
  return seconds < asked ? asked - seconds : Math.min(0, Date.now() / 1000 - seconds);
}

/** Shut down from inside; nobody speaks to what is no longer there. */
async function isDown(context: Context, name: string): Promise<void> {
  await context.service.vmIs(name, 'down', 'shutdown', minutes(8));
  await context.host.run(ssh(context, 'ada', address, '-O', 'exit'));
}

async function throughDisk(context: Context, forMs: number): Promise<void> {
  const { service } = context;
  await service.carryOut('POST', '/vms/Origin%20One/suspend');
  await service.vmIs('Origin One', 'saved');
  await sleep(forMs);
  await service.carryOut('POST', '/vms/Origin%20One/start');
  await service.vmIs('Origin One', 'up');
}

test('a clock that stood still on disk is right again: by its agent, and as soon as that speaks', async (context) => {
  const { service } = context;
  const boot = await must(context, 'ada', address, 'cat /proc/sys/kernel/random/boot_id');
  assert.ok(Math.abs(await behind(context)) < 5, 'before');
  await throughDisk(context, minutes(1));
  await service.until('its clock is right', async () => Math.abs(await behind(context)) < 5, minutes(2));
  assert.is(await must(context, 'ada', address, 'cat /proc/sys/kernel/random/boot_id'), boot, 'it went on, it did not boot');

  await must(context, 'ada', address, 'sudo systemctl stop qemu-guest-agent');
  await service.until('its agent is missed', async () => !(await service.must<Told>('GET', '/vms/Origin%20One')).hasAgent);
  await throughDisk(context, 30_000);
  assert.ok((await behind(context)) > 25, 'nobody else sets it');
  await must(context, 'ada', address, 'sudo systemctl start qemu-guest-agent');
  await service.until('its clock is right', async () => Math.abs(await behind(context)) < 5, minutes(2));
  real('libvirt', 'qemu');
});

test('its agent shuts it down, where the power button does nothing; its next boot is not a first one', async (context) => {
  const { service } = context;
  await must(context, 'ada', address, 'sudo mkdir -p /etc/systemd/logind.conf.d; printf "[Login]\\nHandlePowerKey=ignore\\n" | sudo tee /etc/systemd/logind.conf.d/power.conf; sudo systemctl restart systemd-logind');
  await service.carryOut('POST', '/vms/Origin%20One/shutdown');
  await isDown(context, 'Origin One');
  await service.carryOut('POST', '/vms/Origin%20One/start');
  await booted(context, 'Origin One', 'ada', address);
  assert.equal(await identityOf(context, 'ada', address), context.identity);
  assert.is(await must(context, 'ada', address, 'cat /etc/own-ran'), 'ran', 'once');
  await service.carryOut('POST', '/vms/Origin%20One/shutdown');
  await isDown(context, 'Origin One');
  real('libvirt', 'qemu');
});

test('a VM of its generalised template is another machine', async (context) => {
  const { service, host, key, identity } = context;
  await giveKernel(host);
  const { id } = await service.must<Task>('POST', '/templates', { vm: 'Origin One', name: 'debian', generalise: true });
  const ended = await service.task(id, minutes(15));
  assert.is(ended.state, 'done', JSON.stringify(ended.problem));
  const { disks } = await service.must<{ disks: { id: string }[] }>('GET', '/templates/debian');
  assert.is(disks.length, 1);

  await service.must('POST', '/templates/debian/vms', { name: 'Heir', cloudInit: { sshKeys: [key] } });
  await service.carryOut('POST', '/vms/Heir/start');
  const { vm, at } = await booted(context, 'Heir', 'debian');
  const heir = await identityOf(context, 'debian', at);
  assert.is(heir.hostname, 'heir', 'the name of the VM, where none was told');
  assert.is(vm.guest?.hostname, 'heir');
  assert.is.not(heir.machineId, identity.machineId);
  assert.is.not(heir.hostKey, identity.hostKey);
  assert.is.not(at, address, 'its addresses come from DHCP');
  assert.match(await must(context, 'debian', at, 'cat /etc/own-ran; systemctl is-system-running || true'), /^ran\n(running|starting|degraded)/);
  await service.carryOut('POST', '/vms/Heir/shutdown');
  await isDown(context, 'Heir');
  real('libvirt', 'qemu', 'qemu-img');
});

test.run();
