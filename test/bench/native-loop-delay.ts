/**
 * How long Node's event loop stands still while the native binding works: a list of 100 domains, bulk statistics, screenshots
 * and power calls at once. The goal is a longest delay under 20 ms. An idle spell before and after shows what the
 * machine itself adds.
 *
 * usage: node build/test/bench/native-loop-delay.js [DOMAINS] [SECONDS]
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { guestXml, openNativeHost, uuidOf } from '../real/native-host.ts';

const domainCount = Number(process.argv[2] ?? 100);
const seconds = Number(process.argv[3] ?? 20);
const { libvirt, close } = await openNativeHost();
const devices = `<interface type='user'><model type='virtio'/></interface><video><model type='vga'/></video><graphics type='vnc'><listen type='socket'/></graphics>`;

async function measure(what: string, work: () => Promise<void>): Promise<void> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await work();
  delay.disable();
  const ms = (nanoseconds: number) => (nanoseconds / 1e6).toFixed(1);
  console.log(`${what}: event loop delay p50 ${ms(delay.percentile(50))} p99 ${ms(delay.percentile(99))} p99.9 ${ms(delay.percentile(99.9))} max ${ms(delay.max)} ms`);
}

/** Repeats a call until the time is up and counts how often. */
async function repeat(counts: Record<string, number>, name: string, call: (i: number) => Promise<unknown>): Promise<void> {
  const end = performance.now() + seconds * 1000;
  for (let i = 0; performance.now() < end; i++) {
    await call(i);
    counts[name] = i + 1;
  }
}

const startedAt = performance.now();
for (let number = 1; number <= domainCount; number++) await libvirt.create(guestXml(number, { devices }), { paused: true });
console.log(`${domainCount} paused domains in ${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
const counts: Record<string, number> = {};
await measure('idle ', () => sleep(seconds * 250));
await measure('mixed', async () => {
  await Promise.all([
    repeat(counts, 'domains', () => libvirt.domains()),
    repeat(counts, 'domains', () => libvirt.domains()),
    repeat(counts, 'stats', () => libvirt.stats()),
    repeat(counts, 'screenshot', (i) => libvirt.screenshot(uuidOf(1 + (i % domainCount)))),
    repeat(counts, 'domainXml', (i) => libvirt.domainXml(uuidOf(1 + (i % domainCount)))),
    repeat(counts, 'suspend', (i) => libvirt.suspend(uuidOf(1 + (i % domainCount)))),
    repeat(counts, 'facts', () => libvirt.facts().then(() => sleep(500))),
  ]);
});
await measure('idle ', () => sleep(seconds * 250));
console.log(`calls in the mixed spell: ${JSON.stringify(counts)}`);
await close();
