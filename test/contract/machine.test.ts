/** The machine of the World: the same cases on the simulated one and on the real one; below, what only a made-up /proc and /sys can show. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../appliance/core/clock.ts';
import { createMachine } from '../../appliance/host/machine.ts';
import type { Machine } from '../../appliance/world.ts';
import { createVirtualClock } from '../world/clock.ts';
import { createSimulatedMachine } from '../world/machine.ts';

function defineCases(name: string, machine: Machine, pass: (ms: number) => Promise<void>): void {
  const test = suite(`machine, ${name}`);

  test('tells what it is made of', async () => {
    const { hostname: called, os, kernel, cpu, memoryBytes, nics, disks, isKvmLoaded } = await machine.facts();
    assert.ok(called && os && kernel && cpu.brand);
    assert.ok(cpu.sockets >= 1 && cpu.cores >= cpu.sockets && cpu.threads >= cpu.cores, JSON.stringify(cpu));
    assert.ok(['', 'vmx', 'svm'].includes(cpu.virtualization));
    assert.type(isKvmLoaded, 'boolean');
    assert.ok(memoryBytes > 2 ** 28);
    assert.not.ok(nics.some((nic) => nic.name === 'lo'));
    for (const nic of nics) assert.ok(nic.name && nic.speedMbps >= 0 && nic.addresses.every((address) => address.includes('/')), JSON.stringify(nic));
    for (const disk of disks) assert.ok(disk.name && !disk.name.includes('/') && disk.sizeBytes >= 0, JSON.stringify(disk));
  });

  test('tells its load between two looks', async () => {
    const first = await machine.load();
    await pass(200);
    const second = await machine.load();
    for (const load of [first, second]) {
      assert.ok(load.cpuFraction >= 0 && load.cpuFraction <= 1, String(load.cpuFraction));
      assert.ok(load.memoryUsedBytes > 0 && load.memoryUsedBytes < load.memoryTotalBytes);
    }
    assert.ok(second.uptimeSeconds > first.uptimeSeconds);
    assert.ok(second.receivedBytes >= first.receivedBytes && second.sentBytes >= first.sentBytes);
  });

  test('tells its memory nodes, and what huge pages each has', async () => {
    const nodes = await machine.memoryNodes();
    const { memoryBytes } = await machine.facts();
    assert.ok(nodes.length > 0);
    const sum = nodes.reduce((total, node) => total + node.memoryBytes, 0);
    assert.ok(Math.abs(sum - memoryBytes) < memoryBytes / 10, `${sum} of ${memoryBytes}`);
    for (const { pages } of nodes) for (const { sizeBytes, total, free } of pages) assert.ok(sizeBytes >= 2 ** 16 && free >= 0 && free <= total, JSON.stringify(pages));
  });

  test.run();
}

const clock = createVirtualClock();
defineCases('simulated', createSimulatedMachine(clock), (ms) => clock.advance(ms));
defineCases('real', createMachine(), (ms) => systemClock.sleep(ms));

const test = suite('machine, real, special cases', { folder: '' });
test.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'bothy-machine-'));
});
test.after.each(({ folder }) => rmSync(folder, { recursive: true }));

function lay(root: string, files: Record<string, string>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}

test('memory nodes are those with memory; a machine without any is one', async ({ folder }) => {
  const pages = (node: string, nr: number, free: number) => ({ [`${node}/hugepages/hugepages-2048kB/nr_hugepages`]: `${nr}\n`, [`${node}/hugepages/hugepages-2048kB/free_hugepages`]: `${free}\n` });
  const at = (id: number) => `sys/devices/system/node/node${id}`;
  lay(folder, {
    [`${at(0)}/meminfo`]: 'Node 0 MemTotal:       1024 kB\n', [`${at(0)}/cpulist`]: '0-3,8-11\n', ...pages(at(0), 7, 5),
    [`${at(10)}/meminfo`]: 'Node 10 MemTotal:       2048 kB\n', [`${at(10)}/cpulist`]: '\n', ...pages(at(10), 0, 0),
    [`${at(2)}/meminfo`]: 'Node 2 MemTotal:       0 kB\n', [`${at(2)}/cpulist`]: '4-7\n',
  });
  assert.equal(await createMachine({ root: folder }).memoryNodes(), [
    { id: 0, cpus: '0-3,8-11', memoryBytes: 2 ** 20, pages: [{ sizeBytes: 2 ** 21, total: 7, free: 5 }] },
    { id: 10, cpus: '', memoryBytes: 2 ** 21, pages: [{ sizeBytes: 2 ** 21, total: 0, free: 0 }] },
  ]);
  const plain = join(folder, 'plain');
  lay(plain, { 'proc/meminfo': 'MemTotal:       4096 kB\n', ...pages('sys/kernel/mm', 3, 2) });
  assert.equal(await createMachine({ root: plain }).memoryNodes(), [{ id: 0, cpus: '', memoryBytes: 2 ** 22, pages: [{ sizeBytes: 2 ** 21, total: 3, free: 2 }] }]);
});

test('agrees with the operating system', async () => {
  const { hostname: called, memoryBytes } = await createMachine().facts();
  assert.is(called, hostname());
  assert.is(memoryBytes, totalmem());
});

test('sees a loaded module, a bridge and a cable; not the taps of guests', async ({ folder }) => {
  lay(folder, {
    'proc/cpuinfo': 'model name\t: Some CPU\nflags\t\t: fpu vmx\n', 'proc/meminfo': 'MemTotal: 1000 kB\nMemAvailable: 1 kB\n', 'etc/os-release': 'PRETTY_NAME="Test 1"\n',
    'sys/module/kvm_intel/refcnt': '0', 'sys/class/net/eno1/address': '02:00:00:00:00:01\n', 'sys/class/net/eno1/operstate': 'up\n', 'sys/class/net/eno1/speed': '2500\n',
    'sys/class/net/br0/bridge/stp_state': '0', 'sys/class/net/br0/speed': '-1\n', 'sys/class/net/vnet3/address': 'x', 'sys/class/net/lo/address': 'x',
  });
  const facts = await createMachine({ root: folder }).facts();
  assert.is(facts.isKvmLoaded, true);
  assert.equal([facts.os, facts.cpu.brand, facts.cpu.virtualization], ['Test 1', 'Some CPU', 'vmx']);
  assert.equal(facts.nics, [
    { name: 'br0', mac: '', speedMbps: 0, isUp: false, isBridge: true, addresses: [] },
    { name: 'eno1', mac: '02:00:00:00:00:01', speedMbps: 2500, isUp: true, isBridge: false, addresses: [] },
  ]);
});

test('asks for hardware once in a while, and for cables each time', async ({ folder }) => {
  lay(folder, { 'proc/cpuinfo': 'flags\t\t: fpu\n', 'proc/meminfo': 'MemTotal: 1000 kB\n' });
  const time = createVirtualClock();
  const machine = createMachine({ root: folder, clock: time });
  assert.is((await machine.facts()).cpu.virtualization, '');
  lay(folder, { 'proc/cpuinfo': 'flags\t\t: fpu svm\n', 'sys/class/net/eno1/operstate': 'up\n' });
  const soon = await machine.facts();
  assert.equal([soon.cpu.virtualization, soon.nics.length], ['', 1]);
  await time.advance(600_001);
  assert.is((await machine.facts()).cpu.virtualization, 'svm');
});

test('asks for hardware anew when a disk or a stick comes or goes', async ({ folder }) => {
  lay(folder, { 'proc/meminfo': 'MemTotal: 1000 kB\n', 'sys/block/vda/size': '1' });
  const machine = createMachine({ root: folder, clock: createVirtualClock() });
  const looks = async (kilobytes: number) => {
    lay(folder, { 'proc/meminfo': `MemTotal: ${kilobytes} kB\n` });
    return (await machine.facts()).memoryBytes === kilobytes * 1024;
  };
  assert.equal([await looks(1), await looks(2)], [true, false]);
  lay(folder, { 'sys/block/loop0/size': '1', 'sys/block/dm-0/size': '1' });
  assert.is(await looks(3), false, 'what programs make is no disk');
  lay(folder, { 'sys/block/sda/size': '1' });
  assert.equal([await looks(4), await looks(5)], [true, false]);
  rmSync(join(folder, 'sys/block/sda'), { recursive: true });
  assert.is(await looks(6), true);
});

test('tells of a machine that shows nothing', async ({ folder }) => {
  const machine = createMachine({ root: folder });
  assert.equal(await machine.load(), { cpuFraction: 0, memoryUsedBytes: 0, memoryTotalBytes: 0, receivedBytes: 0, sentBytes: 0, uptimeSeconds: 0 });
  assert.equal((await machine.facts()).nics, []);
});

test.run();
