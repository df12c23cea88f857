/**
 * Huge pages on the real service, libvirt and QEMU: refused while the machine has none, used when it has, given back. Reserves a few of this machine's
 * memory for a minute or two, and gives them back however the test ends.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { real } from './count.ts';
import { readReport } from './guest/linux-guest.ts';
import { bootMs, closeHardwareHost, type Context, details, make, MiB, openHardwareHost, serialOf } from './hardware-guests.ts';

const reserved = '/proc/sys/vm/nr_hugepages';
const wasReserved = readFileSync(reserved, 'utf8');
const memoryBytes = 160 * MiB;
const pages = memoryBytes / (2 * MiB);

const test = suite<Context>('huge pages');
test.before(async (context) => {
  await openHardwareHost(context);
  const { host } = context;
  // As systemd does at boot; libvirt looks for it when it starts.
  await host.must(['sh', '-c', 'mkdir -p /dev/hugepages && mount -t hugetlbfs -o pagesize=2M hugetlbfs /dev/hugepages']);
  await host.restart('libvirtd');
});
test.after(async (context) => {
  await closeHardwareHost(context);
  writeFileSync(reserved, wasReserved);
});

interface Nodes {
  memoryNodes: { id: number; pages: { sizeBytes: number; total: number; free: number }[] }[];
}

async function pagesOf({ service }: Context): Promise<{ total: number; free: number }> {
  const { memoryNodes } = await service.must<Nodes>('GET', '/hosts/this');
  const all = memoryNodes.flatMap((node) => node.pages).filter(({ sizeBytes }) => sizeBytes === 2 * MiB);
  return { total: all.reduce((sum, { total }) => sum + total, 0), free: all.reduce((sum, { free }) => sum + free, 0) };
}

test('a guest of huge pages starts only where they are, runs in them, and gives them back', async (context) => {
  const { service, host } = context;
  const free = async () => (await pagesOf(context)).free;
  const before = await free();
  await service.until('libvirt is there again', async () => (await service.must<{ state: string }>('GET', '/hosts/this')).state === 'up', 60_000);
  await make(service, 'large', { vcpus: 2, memoryBytes, hugePages: '2M', numaNodes: 2, numaBinding: 'preferred' });
  assert.is((await service.carryOut('POST', '/vms/large/start').then(() => '', (error: Error) => error.message)).match(/large needs 80 huge pages of 2 MiB; this host has \d+ free of \d+/)?.length, 1);

  writeFileSync(reserved, String(Number(wasReserved) + pages));
  assert.equal(await free(), before + pages);
  const seen = (await serialOf(service, 'large')).length;
  await service.carryOut('POST', '/vms/large/start');
  const report = await service.until('large tells what it sees', async () => readReport((await serialOf(service, 'large')).slice(seen)) ?? false, bootMs);
  assert.is(report.facts.get('nodes'), '2');
  assert.is(await free(), before, 'all of its memory lies in them');
  const maps = await host.must(['sh', '-c', 'grep -c "/dev/hugepages/libvirt" /proc/$(cat /run/libvirt/qemu/large.pid)/maps']);
  assert.is(Number(maps), 2, 'one piece for each node');
  assert.equal((await details(service, 'large')).pending, []);
  await service.carryOut('POST', '/vms/large/power-off');
  assert.is(await free(), before + pages);
  real('libvirt', 'qemu');
});

test.run();
