/**
 * From `POST start` to running, beside `virsh create` of the very XML that the service gave libvirt, turn by turn in one run;
 * then the service's resident memory with 100 VMs. Real libvirt, QEMU under software emulation, guests without a system.
 *
 * usage: node build/test/bench/start.js [ROUNDS] [VMS] [RUNNING]
 */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { figuresOf, print, time } from './figures.ts';
import { benchInside, type Service, startService } from './inside.ts';

const rounds = Number(process.argv[2] ?? 12);
const vmCount = Number(process.argv[3] ?? 100);
const runningCount = Number(process.argv[4] ?? 20);
const virsh = async (...args: string[]) => (await promisify(execFile)('virsh', ['-q', '-c', 'qemu:///system', ...args])).stdout;

const vmOf = (name: string) => ({ name, vcpus: 1, memoryBytes: 64 * 2 ** 20, disks: [{ sizeBytes: 2 ** 30 }], nics: [{ network: 'default' }] });

/** Starts a task and asks until it is done. */
async function carryOut(service: Service, method: string, path: string): Promise<void> {
  const { id } = await service.api<{ id: string }>(method, path);
  for (;;) {
    const { state, problem } = await service.api<{ state: string; problem: unknown }>('GET', `/tasks/${id}`);
    if (state === 'done') return;
    if (state === 'failed' || state === 'cancelled') throw new Error(`${path} ended ${state}: ${JSON.stringify(problem)}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

async function untilUp(service: Service, name: string): Promise<void> {
  await service.api('POST', `/vms/${name}/start`);
  while ((await service.api<{ state: string }>('GET', `/vms/${name}`)).state !== 'up') await new Promise((resolve) => setTimeout(resolve, 2));
}

async function compareStart(service: Service): Promise<void> {
  await service.api('POST', '/vms', vmOf('one'));
  await carryOut(service, 'POST', '/vms/one/start');
  const xmlPath = join(service.statePath, 'one.xml');
  writeFileSync(xmlPath, await virsh('dumpxml', '--migratable', 'one'));
  await carryOut(service, 'POST', '/vms/one/power-off');
  const ours: number[] = [];
  const plain: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    ours.push(await time(() => untilUp(service, 'one')));
    await carryOut(service, 'POST', '/vms/one/power-off');
    plain.push(await time(() => virsh('create', xmlPath)));
    await virsh('destroy', 'one');
    await untilDown(service);
  }
  print('POST start until the VM is up', ours);
  print('virsh create of the same XML', plain);
  const ratios = ours.map((ms, round) => ms / (plain[round] ?? Number.NaN));
  console.log(`ratio pair by pair: median ${figuresOf(ratios).p50.toFixed(3)}`);
}

async function untilDown(service: Service): Promise<void> {
  while ((await service.api<{ state: string }>('GET', '/vms/one')).state !== 'down') await new Promise((resolve) => setTimeout(resolve, 5));
}

async function measureMemory(service: Service): Promise<void> {
  const mib = () => (service.residentBytes() / 2 ** 20).toFixed(0);
  console.log(`resident with 1 VM defined: ${mib()} MiB`);
  for (let n = 0; n < vmCount; n += 1) await service.api('POST', '/vms', vmOf(`vm-${n}`));
  console.log(`resident with ${vmCount} VMs defined: ${mib()} MiB`);
  for (let n = 0; n < runningCount; n += 1) await carryOut(service, 'POST', `/vms/vm-${n}/start`);
  for (let n = 0; n < 100; n += 1) await service.api('GET', '/vms');
  console.log(`resident with ${runningCount} of them running, after 100 lists: ${mib()} MiB`);
  await new Promise((resolve) => setTimeout(resolve, 30_000));
  console.log(`the same half a minute later: ${mib()} MiB`);
}

await benchInside(fileURLToPath(import.meta.url), async () => {
  const service = await startService();
  try {
    await compareStart(service);
    await measureMemory(service);
  } finally {
    await service.stop();
  }
});
process.exit(0);
