/**
 * How long Node's event loop stands still while the native binding works: a list of 100 domains, bulk statistics, screenshots
 * and power calls at once. The goal is that no call keeps it from its next tick for 20 ms.
 *
 * The kernel tells how long the main thread ran and how long it was ready but had no core (/proc/.../schedstat), so each
 * late tick can be parted into what we did and what the machine's load did. An idle spell is the yardstick.
 *
 * V8's parallel garbage collection waits for helper threads, which on a busy machine wait for a core; the flag leaves that out.
 *
 * usage: node --single-threaded-gc build/test/bench/native-loop-delay.js [DOMAINS] [SECONDS]
 */
import { openSync, readSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { guestXml, openNativeHost, uuidOf } from '../real/native-host.ts';

const domainCount = Number(process.argv[2] ?? 100);
const seconds = Number(process.argv[3] ?? 20);
const { libvirt, close } = await openNativeHost();
const devices = `<interface type='user'><model type='virtio'/></interface><video><model type='vga'/></video><graphics type='vnc'><listen type='socket'/></graphics>`;

const schedstat = openSync(`/proc/self/task/${process.pid}/schedstat`, 'r');
const buffer = Buffer.alloc(64);

/** Milliseconds that the main thread has run, and waited for a core, since it began. */
function readSchedule(): { ranMs: number; waitedMs: number } {
  const [ran = 0, waited = 0] = buffer.toString('latin1', 0, readSync(schedstat, buffer, 0, 64, 0)).split(' ').map(Number);
  return { ranMs: ran / 1e6, waitedMs: waited / 1e6 };
}

/** Ticks every millisecond until `work` is done; prints the longest gaps between two ticks and what they consist of. */
async function measure(what: string, work: () => Promise<void>): Promise<void> {
  const gaps: { ms: number; ranMs: number; waitedMs: number }[] = [];
  let isDone = false;
  const tick = async () => {
    while (!isDone) {
      const startedAt = performance.now();
      const before = readSchedule();
      await sleep(1);
      const after = readSchedule();
      gaps.push({ ms: performance.now() - startedAt, ranMs: after.ranMs - before.ranMs, waitedMs: after.waitedMs - before.waitedMs });
    }
  };
  const ticking = tick();
  await work();
  isDone = true;
  await ticking;
  const longest = (value: (gap: (typeof gaps)[number]) => number) => Math.max(...gaps.map(value)).toFixed(1);
  const p99 = gaps.map((gap) => gap.ms).sort((a, b) => a - b)[Math.floor(gaps.length * 0.99)]?.toFixed(1);
  console.log(`${what}: ${gaps.length} ticks, gap p99 ${p99} max ${longest((gap) => gap.ms)} ms; ` +
    `without waiting for a core max ${longest((gap) => gap.ms - gap.waitedMs)} ms; work between two ticks max ${longest((gap) => gap.ranMs)} ms`);
}

/** Repeats a call until the time is up and counts how often. */
async function repeat(counts: Record<string, number>, name: string, call: (i: number) => Promise<unknown>): Promise<void> {
  const end = performance.now() + seconds * 1000;
  for (let i = 0; performance.now() < end; i++) {
    await call(i);
    counts[name] = (counts[name] ?? 0) + 1;
  }
}

async function mix(counts: Record<string, number>): Promise<void> {
  await Promise.all([
    repeat(counts, 'domains', () => libvirt.domains()),
    repeat(counts, 'domains', () => libvirt.domains()),
    repeat(counts, 'stats', () => libvirt.stats()),
    repeat(counts, 'screenshot', (i) => libvirt.screenshot(uuidOf(1 + (i % domainCount)))),
    repeat(counts, 'domainXml', (i) => libvirt.domainXml(uuidOf(1 + (i % domainCount)))),
    repeat(counts, 'suspend', (i) => libvirt.suspend(uuidOf(1 + (i % domainCount)))),
    repeat(counts, 'facts', () => libvirt.facts().then(() => sleep(500))),
  ]);
}

const startedAt = performance.now();
for (let number = 1; number <= domainCount; number++) await libvirt.create(guestXml(number, { devices }), { paused: true });
console.log(`${domainCount} paused domains in ${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
const counts: Record<string, number> = {};
await measure('idle ', () => sleep(seconds * 1000));
await measure('mixed', () => mix(counts));
console.log(`calls while mixed: ${JSON.stringify(counts)}`);
await close();
