/**
 * One QEMU that no longer answers (SIGSTOP, as when it waits for dead storage) holds up nobody else: neither calls on other
 * domains, nor the bulk read-outs, nor Node's event loop; and `destroy` still ends it.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { HypervisorError } from '../../native/hypervisor-error.ts';
import { real } from './count.ts';
import { guestXml, type NativeHost, openNativeHost, refusal, signalQemu, timed, uuidOf } from './native-host.ts';

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
  assert.equal((await libvirt.stats()).map((stats) => stats.uuid), [healthy]);
  real('libvirt', 'qemu');
});

test.run();
