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

/** Seconds of processor time by kind of process; of short-lived ones (virsh, probes of QEMU, what starts daemons) as they are reaped. */
type Times = Map<string, number>;

function processorTimes(): Times {
  const seconds: Times = new Map();
  const add = (kind: string, ticks: number) => seconds.set(kind, (seconds.get(kind) ?? 0) + ticks / ticksPerSecond);
  for (const id of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const [, name = '', rest = ''] = /\((.*)\) (.*)/.exec(readStat(id)) ?? [];
    const [user = 0, system = 0, reapedUser = 0, reapedSystem = 0] = rest.split(' ').slice(11, 15).map(Number);
    const kind = id === String(process.pid) ? 'this bench' : /qemu/.test(name) ? 'QEMU' : /libvirtd/.test(name) ? 'libvirtd' : /node|MainThread/.test(name) ? 'the service' : 'others';
    add(kind, user + system);
    add(id === String(process.pid) ? 'virsh' : 'reaped', reapedUser + reapedSystem);
  }
  return seconds;
}

/** What has been used since, in all and of each kind. */
function used(since: Times): string {
  const kinds = [...processorTimes()].map(([kind, seconds]): [string, number] => [kind, seconds - (since.get(kind) ?? 0)]).filter(([, seconds]) => seconds > 0.05);
  const sum = kinds.reduce((all, [, seconds]) => all + seconds, 0);
  return `processor time ${sum.toFixed(1)} s, ${((1000 * sum) / count).toFixed(0)} ms for each VM: ${kinds.map(([kind, seconds]) => `${kind} ${seconds.toFixed(1)} s`).join(', ')}`;
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
    const before = processorTimes();
    const { service, ms } = await powerOn(statePath);
    ours.push(ms);
    console.log(`the service: ${used(before)}`);
    const files: string[] = [];
    for (const name of names) {
      files.push(join(statePath, `${name}.xml`));
      writeFileSync(files.at(-1) ?? '', await virsh('dumpxml', '--migratable', name));
    }
    await cut(service);
    const between = processorTimes();
    plain.push(await time(async () => {
      for (const file of files) await virsh('create', file);
    }));
    console.log(`one after another: ${used(between)}`);
    for (const name of names) await virsh('destroy', name);
    console.log(`round ${round + 1}: ${(ms / 1000).toFixed(1)} s, one after another ${((plain.at(-1) ?? 0) / 1000).toFixed(1)} s, load ${loadavg()[0]?.toFixed(1)}`);
  }
  print(`the service starts ${count} VMs`, ours);
  print(`virsh create of ${count}, one after another`, plain);
  console.log(`ratio of the medians ${(figuresOf(plain).p50 / figuresOf(ours).p50).toFixed(2)}, ${cpus().length} processors`);
});
process.exit(0);
