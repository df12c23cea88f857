/**
 * Fifty VMs that start with the host, by the service after power-on, beside `virsh create` of the very same XML one after another, turn by turn in
 * one run. Real libvirt, QEMU under software emulation, guests of 64 MiB without a system.
 *
 * The service's time is taken from the start of its process until libvirt runs the last of them, so what it does before is in it. The machine
 * seems to have booted just now: /proc/uptime is covered by a file.
 *
 * usage: node build/test/bench/power-on.js [VMS] [ROUNDS] [nics]      with NICs their firmware asks the network for something to boot, and keeps its processor busy
 */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { figuresOf, print, time } from './figures.ts';
import { benchInside, type Service, startService } from './inside.ts';

const count = Number(process.argv[2] ?? 50);
const rounds = Number(process.argv[3] ?? 3);
const withNics = process.argv[4] === 'nics';
const tool = promisify(execFile);
const virsh = async (...args: string[]) => (await tool('virsh', ['-q', '-c', 'qemu:///system', ...args])).stdout;
const ticksPerSecond = 100;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const names = Array.from({ length: count }, (_none, index) => `vm-${index}`);
const running = async () => (await virsh('list', '--name')).split('\n').filter(Boolean).length;

async function makeVms(): Promise<string> {
  const service = await startService();
  for (const name of names) await service.api('POST', '/vms', { name, vcpus: 1, memoryBytes: 64 * 2 ** 20, firmware: 'bios', autostart: true, disks: [{ sizeBytes: 2 ** 20 }], nics: withNics ? [{ network: 'default' }] : [] });
  while ((await service.api<{ items: unknown[] }>('GET', '/tasks?state=active')).items.length > 0) await pause(100);
  await service.stop();
  return service.statePath;
}

async function powerOn(statePath: string): Promise<{ service: Service; ms: number }> {
  const began = performance.now();
  const service = await startService(statePath);
  while ((await running()) < count) await pause(300); // virsh takes a processor, too
  return { service, ms: performance.now() - began };
}

/** Processor time so far, by kind of process. */
function processorTime(): string {
  const seconds = new Map<string, number>();
  for (const id of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const [, name = '', rest = ''] = /\((.*)\) (.*)/.exec(readStat(id)) ?? [];
    const [user = 0, system = 0] = rest.split(' ').slice(11, 13).map(Number);
    const kind = /qemu/.test(name) ? 'QEMU' : /libvirtd/.test(name) ? 'libvirtd' : /node|MainThread/.test(name) ? 'Node' : 'others';
    seconds.set(kind, (seconds.get(kind) ?? 0) + (user + system) / ticksPerSecond);
  }
  return [...seconds].map(([kind, sum]) => `${kind} ${sum.toFixed(1)} s`).join(', ');
}

function readStat(id: string): string {
  try {
    return readFileSync(`/proc/${id}/stat`, 'utf8');
  } catch {
    return ''; // it has just ended
  }
}

/** As a power cut would: nobody is told. */
async function cut(service: Service): Promise<void> {
  await service.stop();
  for (const name of names) await virsh('destroy', name);
}

await benchInside(fileURLToPath(import.meta.url), async () => {
  const statePath = await makeVms();
  await pause(1_000);
  const uptime = join(statePath, 'uptime');
  writeFileSync(uptime, '0.10 0.10\n');
  await tool('mount', ['--bind', uptime, '/proc/uptime']);
  const [ours, plain]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round += 1) {
    const { service, ms } = await powerOn(statePath);
    ours.push(ms);
    console.log(`processor time when all run: ${processorTime()}`);
    const files: string[] = [];
    for (const name of names) {
      files.push(join(statePath, `${name}.xml`));
      writeFileSync(files.at(-1) ?? '', await virsh('dumpxml', '--migratable', name));
    }
    await cut(service);
    plain.push(await time(async () => {
      for (const file of files) await virsh('create', file);
    }));
    for (const name of names) await virsh('destroy', name);
    console.log(`round ${round + 1}: ${(ms / 1000).toFixed(1)} s, one after another ${((plain.at(-1) ?? 0) / 1000).toFixed(1)} s, load ${loadavg()[0]?.toFixed(1)}`);
  }
  print(`the service starts ${count} VMs`, ours);
  print(`virsh create of ${count}, one after another`, plain);
  console.log(`ratio of the medians ${(figuresOf(plain).p50 / figuresOf(ours).p50).toFixed(2)}, ${cpus().length} processors`);
});
process.exit(0);
