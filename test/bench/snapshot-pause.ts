/**
 * How long a guest stands still for a snapshot of it, and for the deletion of one, on real libvirt and QEMU under software emulation; the guest writes to
 * its disk without a break.
 *
 *   taking     QEMU is given one `transaction`: from the command to its answer is more than what the guest can notice. QEMU's events must tell of no stop.
 *   deleting   from QEMU's own STOP to its RESUME, by its own clock
 *
 * usage: node build/test/bench/snapshot-pause.js [ROUNDS]
 */
import { execFile } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { bootDisk, GREEDY } from '../real/guest/boot-guest.ts';
import { print } from './figures.ts';
import { benchInside, type Service, startService } from './inside.ts';

const rounds = Number(process.argv[2] ?? 20);
const guest = { ...GREEDY, sizeBytes: 64 * 2 ** 20 };
const admin = async (...args: string[]) => void await promisify(execFile)('virt-admin', ['-c', 'libvirtd:///system', ...args]);

async function carryOut(service: Service, method: string, path: string, body?: unknown): Promise<void> {
  const { id } = await service.api<{ id: string }>(method, path, body);
  for (;;) {
    const { state, problem } = await service.api<{ state: string; problem: unknown }>('GET', `/tasks/${id}`);
    if (state === 'done') return;
    if (state === 'failed' || state === 'cancelled') throw new Error(`${path} ended ${state}: ${JSON.stringify(problem)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The guest's disk, with the sectors that it boots from. */
async function makeWriter(service: Service): Promise<void> {
  await carryOut(service, 'POST', '/disks', { name: 'writer', sizeBytes: 64 * 2 ** 20, format: 'raw' });
  const { id } = await service.api<{ id: string }>('GET', '/disks/writer');
  const storage = join(service.statePath, 'storage');
  const volume = readdirSync(storage, { recursive: true, encoding: 'utf8' }).find((path) => path.includes(`${id}/`) && !path.includes('.'));
  const file = openSync(join(storage, volume ?? ''), 'r+');
  writeSync(file, readFileSync(await bootDisk(guest)).subarray(0, 2 ** 20), 0, undefined, 0);
  closeSync(file);
  await service.api('POST', '/vms', { name: 'writer', memoryBytes: 64 * 2 ** 20, disks: [{ disk: 'writer' }] });
  await carryOut(service, 'POST', '/vms/writer/start');
}

interface Line {
  at: number;
  text: string;
}

/** What libvirt and QEMU have said to each other since `from`. */
function spoken(path: string, from: number): Line[] {
  return readFileSync(path, 'utf8').slice(from).split('\n').flatMap((text) => {
    const at = Date.parse(text.slice(0, 28).replace(' ', 'T').replace('+0000', 'Z'));
    return Number.isNaN(at) ? [] : [{ at, text }];
  });
}

/** From the sending of a command to its answer, as libvirt's log has both. */
function roundTrips(lines: Line[], command: string): number[] {
  return lines.filter(({ text }) => text.includes('QEMU_MONITOR_IO_WRITE') && text.includes(`"execute":"${command}"`)).flatMap(({ at, text }) => {
    const id = /"id":"(libvirt-\d+)"/.exec(text)?.[1];
    const answer = lines.find((line) => line.text.includes('QEMU_MONITOR_RECV_REPLY') && line.text.includes(`"id": "${id}"`));
    return answer ? [answer.at - at] : [];
  });
}

/** Milliseconds of each stop, by QEMU's clock. */
function stops(lines: Line[]): number[] {
  const times = (event: string) => lines.flatMap(({ text }) => {
    const found = text.includes('QEMU_MONITOR_RECV_EVENT') && text.includes(`"event": "${event}"`) && /"seconds": (\d+), "microseconds": (\d+)/.exec(text);
    return found ? [Number(found[1]) * 1e3 + Number(found[2]) / 1e3] : [];
  });
  const resumed = times('RESUME');
  return times('STOP').map((stop) => (resumed.find((at) => at >= stop) ?? Number.NaN) - stop);
}

async function measure(service: Service): Promise<void> {
  const log = join(service.statePath, 'monitor.log');
  await makeWriter(service);
  await admin('daemon-log-filters', '1:qemu.qemu_monitor');
  await admin('daemon-log-outputs', `1:file:${log}`);
  const [taking, stopped, deleting]: [number[], number[], number[]] = [[], [], []];
  for (let round = 0; round < rounds; round++) {
    const begin = readFileSync(log, 'utf8').length;
    await carryOut(service, 'POST', '/vms/writer/snapshots', { name: 'one' });
    const taken = spoken(log, begin);
    taking.push(...roundTrips(taken, 'transaction'));
    stopped.push(...stops(taken));
    await new Promise((resolve) => setTimeout(resolve, 500));
    const middle = readFileSync(log, 'utf8').length;
    await carryOut(service, 'DELETE', '/vms/writer/snapshots/one');
    deleting.push(...stops(spoken(log, middle)));
  }
  print('a snapshot is taken: QEMU answers its transaction after', taking);
  console.log(`QEMU told of ${stopped.length} stops of the guest in ${rounds} snapshots`);
  print('one is deleted: the guest stands still', deleting);
}

await bootDisk(guest); // inside, nothing can be built
await benchInside(fileURLToPath(import.meta.url), async () => {
  const service = await startService();
  await measure(service).finally(service.stop);
});
