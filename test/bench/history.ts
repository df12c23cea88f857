/**
 * What the history of use costs: for a site of so many VMs (a disk and a NIC each), days at the real pace of one reading in ten seconds. Tells
 * the time of a reading, of the minute's write and of the hour's; the size of the file; how long answers take; bytes given to the disk (write_bytes of /proc/self/io).
 *
 * usage: node build/test/bench/history.js [VMs, 100] [days, 2]
 */
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Reading } from '../../appliance/activity/recorder.ts';
import { day, hour } from '../../appliance/activity/sample-rules.ts';
import { createSamples } from '../../appliance/activity/samples.ts';
import { systemClock } from '../../appliance/core/clock.ts';
import { silentLog } from '../../appliance/core/log.ts';
import { print } from './figures.ts';

const [vms = 100, days = 2] = process.argv.slice(2).map(Number);
const begins = Date.UTC(2025, 0, 1);
const statePath = mkdtempSync(join(process.env['BENCH_PATH'] ?? tmpdir(), 'bothy-history-'));
const clock = { now: () => now, sleep: systemClock.sleep };
let now = begins;

function site(at: number): Reading[] {
  return Array.from({ length: vms }, (_, number): Reading[] => {
    const bytes = at * (50 + number) + Math.abs(Math.sin(at / 7e6 + number)) * 1e6;
    return [
      { kind: 'vm', id: `v${number}`, name: `vm-${number}`, values: { cpuFraction: at / 5_000, memoryUsedBytes: bytes, readBytesPerSecond: bytes, writtenBytesPerSecond: bytes, receivedBytesPerSecond: bytes, sentBytesPerSecond: bytes } } as Reading,
      { kind: 'disk', id: `d${number}`, name: 'disk', parent: `v${number}`, values: { readBytesPerSecond: bytes, writtenBytesPerSecond: bytes, readsPerSecond: at / 10, writesPerSecond: at / 10 } } as Reading,
      { kind: 'nic', id: `n${number}`, name: 'NIC 1', parent: `v${number}`, values: { receivedBytesPerSecond: bytes, sentBytesPerSecond: bytes } } as Reading,
    ];
  }).flat();
}

const samples = createSamples({ clock, log: silentLog, statePath, kept: () => ({ slots: 2 * hour, minutes: 2 * day, hours: 60 * day, days: 1_830 * day }), onLost: () => {} });
const took = { reading: [] as number[], minute: [] as number[], hour: [] as number[] };
const timed = (into: number[], work: () => void) => {
  const startedAt = performance.now();
  work();
  into.push(performance.now() - startedAt);
};
const written = () => Number(/^write_bytes: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1] ?? 0);
const writtenBefore = written();

for (let slot = 0; now < begins + days * day * 1_000; slot++, now += 10_000) {
  const readings = site(now);
  timed(took.reading, () => samples.record(readings));
  if (slot % 6 !== 5) continue;
  const startedAt = performance.now();
  await samples.keepUp(AbortSignal.timeout(60_000));
  took[slot % 360 === 17 ? 'hour' : 'minute'].push(performance.now() - startedAt);
}
for (const [name, list] of Object.entries(took)) if (list.length > 0) print(name, list);
for (const [name, span] of [['two hours', 2 * hour], ['two days', 2 * day], ['two months', 60 * day], ['five years', 1_830 * day]] as const) {
  const list: number[] = [];
  for (let round = 0; round < 20; round++) timed(list, () => samples.read({ kind: 'vm', id: `v${round % vms}`, from: now - span * 1_000, to: now, points: 360 }));
  print(`answer of ${name}`, list);
}
samples.close();
const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
process.stdout.write(`file after ${days} days with ${vms} VMs: ${mib(statSync(join(statePath, 'history.db')).size)}; given to the disk: ${mib((written() - writtenBefore) / days)} a day\n`);
rmSync(statePath, { recursive: true });
