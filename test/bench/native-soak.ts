/**
 * 100,000 calls through the native binding on a real libvirt, 16 at a time, a third of them failing: does memory grow?
 *
 * usage: node build/test/bench/native-soak.js [CALLS]
 * Prints resident memory and calls per second after every tenth. The first two tenths warm up and do not count.
 */
import { guestXml, openNativeHost, refusal, uuidOf } from '../real/native-host.ts';

const toMiB = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
console.log(`before: resident ${toMiB(process.memoryUsage().rss)} MiB`);
const callCount = Number(process.argv[2] ?? 100_000);
const { host, libvirt, events, close } = await openNativeHost({ network: true });

/** One of nine calls: reads, changes with their events, and refusals. */
async function call(i: number): Promise<unknown> {
  const uuid = uuidOf(1 + (i % 2));
  switch (i % 9) {
    case 0: return libvirt.domains();
    case 1: return libvirt.domainXml(uuid);
    case 2: return libvirt.networks();
    case 3: return libvirt.stats();
    case 4: return libvirt.reset(uuid);
    case 5: return libvirt.diskErrors(uuid);
    case 6: return refusal(libvirt.create(`<domain type='none-${i}'><name>x</name></domain>`));
    case 7: return refusal(libvirt.attachDevice(uuid, `<nothing-${i}/>`));
    default: return refusal(libvirt.domainXml(uuidOf(1000 + i)));
  }
}

for (const number of [1, 2]) await libvirt.create(guestXml(number), { paused: true });
console.log(`connected: resident ${toMiB(process.memoryUsage().rss)} MiB`);
let eventCount = 0;
let next = 0;
let startRss = 0;
for (let tenth = 1; tenth <= 10; tenth++) {
  const startedAt = performance.now();
  const end = (callCount / 10) * tenth;
  const work = async () => {
    while (next < end) await call(next++);
  };
  await Promise.all(Array.from({ length: 16 }, work));
  eventCount += events.splice(0).length;
  const { rss, heapUsed } = process.memoryUsage();
  if (tenth === 2) startRss = rss;
  const perSecond = Math.round((callCount / 10 / (performance.now() - startedAt)) * 1000);
  console.log(`${next} calls: resident ${toMiB(rss)} MiB, JavaScript heap ${toMiB(heapUsed)} MiB, ${perSecond} calls/s, ${eventCount} events`);
}
console.log(`growth after the first two tenths: ${toMiB(process.memoryUsage().rss - startRss)} MiB over ${callCount * 0.8} calls on ${host.name}`);
await close();
