/**
 * One QEMU that no longer answers (SIGSTOP, as when it waits for dead storage) holds up nobody else: neither calls on other
 * domains, nor the bulk read-outs, nor Node's event loop; and `destroy` still ends it.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../appliance/core/clock.ts';
import { openChannel } from '../../native/channel.ts';
import { loadShim } from '../../native/ffi.ts';
import type { HypervisorError } from '../../native/hypervisor-error.ts';
import { real } from './count.ts';
import { guestXml, type NativeHost, openNativeHost, refusal, shimPath, signalQemu, timed, uriOf, uuidOf, waitForEvent } from './native-host.ts';

const test = suite<NativeHost>('a hung QEMU');
const hung = uuidOf(1);
const healthy = uuidOf(2);

test.before(async (context) => {
  Object.assign(context, await openNativeHost());
  for (const number of [1, 2]) await context.libvirt.create(guestXml(number));
  await signalQemu(context.host, 'guest-1', 'STOP');
});
test.after(async (context) => {
  await context.close();
});

test('is left out of the statistics; only the first read-out waits for it', async ({ libvirt }) => {
  const first = await timed(libvirt.stats());
  assert.equal(first.result.map((stats) => stats.uuid), [healthy]);
  assert.ok(first.ms < 8000, `the first read-out took ${first.ms} ms`);
  const second = await timed(libvirt.stats());
  assert.equal(second.result.map((stats) => stats.uuid), [healthy]);
  assert.ok(second.ms < 2000, `the second read-out took ${second.ms} ms`);
  real('libvirt', 'qemu');
});

test('a call that could not begin before its deadline is never made', async ({ host, libvirt, events }) => {
  const channel = openChannel({ shim: loadShim(shimPath), uri: uriOf(host), clock: systemClock, onEvent: () => {} });
  try {
    await libvirt.create(guestXml(4), { paused: true });
    await signalQemu(host, 'guest-4', 'STOP');
    const waiting = refusal(channel.call('resume', [uuidOf(4)], 1000));
    const { result: late, ms } = await timed(refusal(channel.call('reset', [uuidOf(4)], 300)));
    assert.equal([late.kind, late.message], ['timeout', 'libvirt did not answer "reset" within 0.3 s.']);
    assert.ok(ms < 1500, `it took ${ms} ms`);
    assert.is((await waiting).kind, 'timeout');
    await signalQemu(host, 'guest-4', 'CONT');
    await waitForEvent(events, 'lifecycle', (event) => event.uuid === uuidOf(4) && event.event === 'resumed'); // it had begun
    await channel.call('suspend', [uuidOf(4)], 30_000); // comes after where the reset would have been
    assert.not.ok(events.some((event) => event.type === 'reboot' && event.uuid === uuidOf(4)));
  } finally {
    await channel.close();
  }
  await libvirt.destroy(uuidOf(4));
  real('libvirt', 'qemu');
});

test('does not delay others, however many calls wait for it', async ({ libvirt }) => {
  const waiting = Array.from({ length: 20 }, () => refusal(libvirt.suspend(hung)));
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  for (let round = 0; round < 10; round++) {
    const { ms } = await timed(Promise.all([
      libvirt.suspend(healthy).then(() => libvirt.resume(healthy)),
      libvirt.domains().then((domains) => assert.is(domains.length, 2)),
      libvirt.domainXml(hung).then((xml) => assert.match(xml, /guest-1/)),
    ]));
    assert.ok(ms < 2000, `round ${round} took ${ms} ms`);
  }
  delay.disable();
  assert.ok(delay.max / 1e6 < 100, `Node's event loop stood still for ${delay.max / 1e6} ms`);
  await libvirt.create(guestXml(3));
  await libvirt.destroy(uuidOf(3));

  const { ms } = await timed(libvirt.destroy(hung));
  assert.ok(ms < 60_000, `ending it took ${ms} ms`);
  const errors: HypervisorError[] = await Promise.all(waiting);
  assert.ok(errors.every((error) => /domain|Domain|monitor/.test(error.message)), errors.map((error) => error.message).join('\n'));
  assert.equal((await libvirt.domains()).map((domain) => domain.uuid), [healthy]);
  assert.equal(await readOut(libvirt), [healthy]);
  real('libvirt', 'qemu');
});

/** Who is in the statistics; asked again while a domain that is busy for a moment is passed over. */
async function readOut(libvirt: NativeHost['libvirt']): Promise<string[]> {
  for (let tries = 0; tries < 20; tries += 1) {
    const uuids = (await libvirt.stats()).map((stats) => stats.uuid);
    if (uuids.length > 0) return uuids;
    await systemClock.sleep(100);
  }
  return [];
}

test.run();
