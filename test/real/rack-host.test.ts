/** The fixture itself: a rack host is a real host, is apart from the machine and from its neighbours, and ends cleanly. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { real } from './count.ts';
import { checkout, openRackHost, runInside } from './rack-host.ts';
import { startProcess } from '../process.ts';

test('has a name, processes, a network and a libvirt of its own', async () => {
  const host = await openRackHost();
  const neighbour = await openRackHost({ daemons: [] });
  try {
    assert.is((await host.must(['hostname'])).trim(), host.name);
    assert.is.not(host.name, hostname());
    assert.match(await host.must(['ip', '-br', 'address']), /^lo .*127\.0\.0\.1/);
    assert.not.match(await host.must(['ip', '-br', 'link']), /eth|ens|enp/);
    assert.match(await host.must(['virsh', '-q', 'uri']), /qemu:\/\/\/system/);
    assert.is((await host.must(['virsh', '-q', 'list', '--all'])).trim(), '');
    assert.is.not((await neighbour.run(['virsh', '-q', 'uri'])).code, 0, 'the neighbour has no libvirt');
    await host.must(['touch', '/etc/only-here']);
    assert.not.ok(existsSync('/etc/only-here'));
    assert.is.not((await neighbour.run(['test', '-e', '/etc/only-here'])).code, 0);
    real('libvirt');
  } finally {
    await neighbour.close();
    await host.close();
  }
  assert.not.ok(existsSync(host.scratch));
});

test('shares the scratch folder, and the checkout read-only', async () => {
  const host = await openRackHost({ daemons: [] });
  try {
    writeFileSync(host.path('out'), 'from outside');
    assert.is(await host.must(['cat', host.path('out')]), 'from outside');
    await host.must(['tee', host.path('in')], { input: 'from inside' });
    assert.is(readFileSync(host.path('in'), 'utf8'), 'from inside');
    assert.match(await host.must(['cat', 'package.json']), /"bothy"/);
    assert.is.not((await host.run(['touch', `${checkout}/never`])).code, 0);
  } finally {
    await host.close();
  }
});

test('commands give their status, take their environment, and end at their deadline', async () => {
  const host = await openRackHost({ daemons: [] });
  try {
    const result = await host.run(['sh', '-c', 'echo $WORD; echo err >&2; exit 7'], { env: { WORD: 'yes' }, cwd: '/' });
    assert.equal(result, { stdout: 'yes\n', stderr: 'err\n', code: 7 });
    const late = await host.run(['sh', '-c', 'sleep 61.5 & sleep 61.5'], { timeoutMs: 300 });
    assert.is(late.code, -1);
    assert.is((await host.run(['pgrep', '-f', 'sleep 61.5'])).code, 1, 'its children ended too');
    const kept = host.spawn(['sh', '-c', 'trap "echo asked" TERM; echo up; while :; do sleep 0.1; done']);
    await kept.line(/^up$/);
    kept.signal('SIGTERM');
    await kept.line(/^asked$/);
    kept.signal('SIGKILL');
    await kept.ended;
  } finally {
    await host.close();
  }
});

test('starts a guest as QEMU\'s own user on the NAT network, with VNC and a logged serial console', async () => {
  const host = await openRackHost({ network: true });
  try {
    writeFileSync(host.path('disk.raw'), Buffer.alloc(1 << 20));
    writeFileSync(host.path('guest.xml'), guestXml(host.path('disk.raw')));
    await host.must(['virsh', '-q', 'create', host.path('guest.xml')]);
    assert.match(await host.must(['ps', '-o', 'user:20=', '-C', 'qemu-system-x86_64']), /^(libvirt-qemu|qemu)/);
    assert.match(await host.must(['ip', '-br', 'link', 'show', 'master', 'virbr0']), /vnet0/);
    assert.match(await host.must(['virsh', 'dumpxml', 'guest']), /vnc\.sock/);
    for (let tries = 0; !readFileSync(host.path('logs/qemu/guest-serial.log'), 'latin1').includes('No bootable'); tries++) {
      assert.ok(tries < 600, 'the firmware did not speak on the serial console');
      await sleep(100);
    }
    assert.match(await host.must(['virsh', 'domstats', '--cpu-total', 'guest']), /cpu\.time=[1-9]/);
    real('libvirt', 'qemu');
  } finally {
    await host.close();
  }
});

test('libvirtd can be killed, started and restarted', async () => {
  const host = await openRackHost();
  try {
    const first = await host.must(['pgrep', '-x', 'libvirtd']);
    await host.kill('libvirtd');
    assert.is.not((await host.run(['virsh', '-q', 'uri'])).code, 0);
    await host.start('libvirtd');
    await host.must(['virsh', '-q', 'uri']);
    await host.restart('libvirtd');
    assert.is.not(await host.must(['pgrep', '-x', 'libvirtd']), first);
    real('libvirt');
  } finally {
    await host.close();
  }
});

test('forwards a loopback port, over a power cut too', async () => {
  const host = await openRackHost({ daemons: [] });
  const server = ['node', '-e', `require('http').createServer((q, s) => s.end('from ' + require('os').hostname() + q.url)).listen(8080, '127.0.0.1', () => console.log('up'))`];
  try {
    await host.spawn(server).line(/up/);
    assert.is(await (await host.fetch('/one')).text(), `from ${host.name}/one`);
    writeFileSync(host.path('kept'), 'yes');
    await host.powerCut();
    assert.is(host.pid, 0);
    await host.boot();
    assert.is.not((await host.run(['pgrep', '-x', 'node'])).code, 0, 'nothing survives a power cut');
    assert.is(await host.must(['cat', host.path('kept')]), 'yes');
    await host.spawn(server).line(/up/);
    assert.is(await (await host.fetch('/two')).text(), `from ${host.name}/two`);
  } finally {
    await host.close();
  }
});

test('a small disk fills up', async () => {
  const host = await openRackHost({ daemons: [] });
  try {
    const disk = await host.smallDisk(4 << 20);
    const full = await host.run(['dd', 'if=/dev/zero', `of=${disk}/file`, 'bs=1M', 'count=8', 'oflag=direct']);
    assert.match(full.stderr, /No space left on device/);
    await host.must(['mount', '-o', 'remount,size=16m', disk]);
    await host.must(['dd', 'if=/dev/zero', `of=${disk}/file`, 'bs=1M', 'count=8']);
  } finally {
    await host.close();
  }
});

test('a command can run in a host made for it', async () => {
  const result = await runInside(['hostname'], { daemons: [] });
  assert.match(result.stdout, /^bothy-rack-/);
});

test('ends with the process that opened it, and the next host sweeps what it left', async () => {
  const code = `import { openRackHost } from ${JSON.stringify(`${checkout}/build/test/real/rack-host.js`)};
    const host = await openRackHost(); console.log('host', host.pid, host.scratch); setInterval(() => {}, 1000);`;
  const owner = startProcess(['node', '--input-type=module', '-e', code]);
  const [, pid, scratch] = (await owner.line(/^host/)).split(' ');
  process.kill(owner.pid, 'SIGKILL');
  await owner.ended;
  for (let tries = 0; isRunning(Number(pid)); tries++) {
    assert.ok(tries < 300, 'PID 1 of the host outlived its owner');
    await sleep(20);
  }
  assert.ok(existsSync(String(scratch)));
  await (await openRackHost({ daemons: [] })).close();
  assert.not.ok(existsSync(String(scratch)));
  real('libvirt');
});

function isRunning(pid: number): boolean {
  return existsSync(`/proc/${pid}/stat`) && !/\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
}

function guestXml(disk: string): string {
  return `<domain type='qemu'><name>guest</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
    <os><type arch='x86_64' machine='q35'>hvm</type><bios useserial='yes'/></os><features><acpi/></features>
    <devices>
      <disk type='file' device='disk'><driver name='qemu' type='raw' cache='none'/><source file='${disk}'/><target dev='vda' bus='virtio'/></disk>
      <interface type='network'><source network='default'/><model type='virtio'/></interface>
      <serial type='unix'><source mode='bind' path='/run/libvirt/qemu/serial.sock'/><log file='/var/log/libvirt/qemu/guest-serial.log'/></serial>
      <graphics type='vnc'><listen type='socket'/></graphics>
    </devices></domain>`;
}

test.run();
