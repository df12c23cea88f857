/** How often libvirt is asked: a fixed number of calls a minute, however many VMs run. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createVirtualClock } from '../world/clock.ts';
import { openTestApp } from '../world/app.ts';
import type { HypervisorCall } from '../world/hypervisor.ts';

const watched: HypervisorCall[] = ['facts', 'domains', 'stats', 'domainXml', 'networks', 'diskErrors', 'ensureNetwork', 'screenshot', 'agentCommand', 'guestInfo'];

/** Calls by name in two quiet minutes with `count` running VMs. */
async function callsWith(count: number): Promise<Record<string, number>> {
  const clock = createVirtualClock();
  const site = await clock.during(openTestApp({ clock }));
  site.host.libvirt.behave({ agentMs: 100 });
  for (let n = 0; n < count; n += 1) {
    await site.send('POST', '/api/v1/vms', { name: `vm-${n}`, vcpus: 1, memoryBytes: 2 ** 26, disks: [], nics: [] });
    await clock.during(site.carryOut('POST', `/api/v1/vms/vm-${n}/start`));
  }
  await clock.advance(60_000);
  const counted = () => Object.fromEntries(watched.map((call) => [call, site.world.control.count(call)]));
  const before = counted();
  await clock.advance(120_000);
  const after = counted();
  await clock.during(site.close());
  return Object.fromEntries(watched.map((call) => [call, (after[call] ?? 0) - (before[call] ?? 0)] as const).filter(([, calls]) => calls > 0));
}

test('forty running VMs cost no more calls than two', async () => {
  const [few, many] = [await callsWith(2), await callsWith(40)];
  assert.equal(many, few);
  console.log(`calls in two minutes: ${JSON.stringify(many)}`);
  assert.ok((many['domains'] ?? 0) >= 3, 'facts are looked at');
  assert.ok((many['stats'] ?? 0) >= 10, 'use is sampled');
  assert.ok(Object.values(many).reduce((sum, calls) => sum + calls, 0) < 60);
});

test.run();
