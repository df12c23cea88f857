/** Until when the machine is said to be well, how an earlier boot ended, and which connection a new life takes over. */
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isTooOften, judgeEnd, missedIn, panicIn } from '../../appliance/host/boot-rules.ts';
import { keptDescriptorIn } from '../../appliance/host/watchdog-device.ts';
import { judgeVitals, patienceOf, type Seen } from '../../appliance/host/watchdog-rules.ts';

const patience = patienceOf(60_000);
const now = 1_000_000;
const well = (ago = 0): Seen => ({ isWell: true, lastWellAt: now - ago });
const unwell = (ago: number): Seen => ({ isWell: false, lastWellAt: now - ago });

test('while all is well it is promised for a minute; a fault counts from when it was last well, libvirt twice as long', () => {
  assert.equal(judgeVitals({ database: well(25_000), hypervisor: well() }, now, patience), { isKnownWell: true, untilMs: now + 60_000, fault: undefined, mustNote: false });
  assert.equal(judgeVitals({ database: unwell(5_000), hypervisor: well() }, now, patience), { isKnownWell: true, untilMs: now + 55_000, fault: 'database', mustNote: false });
  assert.equal(judgeVitals({ database: well(), hypervisor: unwell(20_000) }, now, patience), { isKnownWell: true, untilMs: now + 60_000, fault: 'hypervisor', mustNote: false });
  assert.equal(judgeVitals({ database: well(), hypervisor: unwell(80_000) }, now, patience), { isKnownWell: true, untilMs: now + 40_000, fault: 'hypervisor', mustNote: true });
  assert.equal(judgeVitals({ database: unwell(30_000), hypervisor: unwell(80_000) }, now, patience).fault, 'database');
});

test('what was never well is not known to be well', () => {
  const never: Seen = { isWell: false, lastWellAt: undefined };
  assert.is(judgeVitals({ database: well(), hypervisor: never }, now, patience).isKnownWell, false);
  assert.is(judgeVitals({ database: never, hypervisor: well() }, now, patience).isKnownWell, false);
});

test('no promise is ever longer than the patience with what is unwell, and a fault is on disk before wdmd counts down', () => {
  fc.assert(fc.property(fc.integer({ min: 20_000, max: 3_600_000 }), fc.nat(10_000_000), fc.nat(10_000_000), fc.boolean(), fc.boolean(), (ms, databaseAgo, hypervisorAgo, databaseIsWell, hypervisorIsWell) => {
    const chosen = patienceOf(ms);
    const { untilMs, mustNote } = judgeVitals({ database: { isWell: databaseIsWell, lastWellAt: now - databaseAgo }, hypervisor: { isWell: hypervisorIsWell, lastWellAt: now - hypervisorAgo } }, now, chosen);
    assert.ok(untilMs <= now + ms);
    if (!databaseIsWell) assert.ok(untilMs <= now - databaseAgo + ms);
    if (!hypervisorIsWell) assert.ok(untilMs <= now - hypervisorAgo + 2 * ms);
    if (untilMs <= now + ms - 10_000) assert.ok(mustNote);
  }));
});

const boot = { seenAt: 1_000, leftAt: null, isPlanned: false };
const nothing = { fault: undefined, hasFired: false };
const missed = { client: 'bothy', at: 5_000 };

test('each way to go down is told from the others', () => {
  const end = (...parts: Parameters<typeof judgeEnd>) => judgeEnd(...parts).end;
  assert.is(end({ ...boot, leftAt: 2_000, isPlanned: true }, { wasShutDown: false }, nothing), 'planned');
  assert.is(end(boot, { wasShutDown: true }, nothing), 'planned', 'the service was killed while the system went down');
  assert.is(end({ ...boot, leftAt: 2_000, isPlanned: true }, { wasShutDown: true }, { ...nothing, hasFired: true }), 'planned', 'a device that never forgets');
  assert.is(end(boot, { wasShutDown: false }, nothing), 'power-lost');
  assert.is(end({ ...boot, leftAt: 2_000 }, { wasShutDown: false }, nothing), 'unknown', 'the service had been stopped by hand');
  assert.is(end(boot, { wasShutDown: false, missed }, nothing), 'watchdog');
  assert.is(end(boot, { wasShutDown: false }, { ...nothing, hasFired: true }), 'watchdog');
  assert.is(end(boot, { wasShutDown: false, panic: 'Kernel panic - not syncing: Oops' }, nothing), 'panic');
});

test('a reset by the watchdog says why, and about when', () => {
  const fault = { bootId: 'b', at: 4_000, vital: 'database' as const };
  const told = (...parts: Parameters<typeof judgeEnd>) => judgeEnd(...parts).message;
  assert.match(told(boot, { wasShutDown: false, missed }, nothing), /the service did not answer/);
  assert.match(told(boot, { wasShutDown: false, missed }, { ...nothing, fault }), /could not write its database/);
  assert.match(told(boot, { wasShutDown: false, missed: { client: 'sanlock_s1', at: 5_000 } }, { ...nothing, fault }), /leases/);
  assert.match(told(boot, { wasShutDown: false }, { fault: { ...fault, vital: 'hypervisor' }, hasFired: true }), /libvirt/);
  assert.is(judgeEnd(boot, { wasShutDown: false, missed }, nothing).at, 5_000);
  assert.is(judgeEnd(boot, { wasShutDown: false, lastAt: 9_000 }, nothing).at, 9_000);
  assert.is(judgeEnd(boot, { wasShutDown: false }, { ...nothing, fault }).end, 'power-lost', 'a fault alone resets nothing');
});

const line = (MESSAGE: string, second: number) => ({ MESSAGE, __REALTIME_TIMESTAMP: String(second * 1_000_000) });
const failed = 'test failed rem 49 now 410 ping 361 close 400 renewal 340 expire 400 client 812 bothy';

test('the journal of wdmd tells a sign of life that was missed for good from one that was made up for', () => {
  const begun = [line('wdmd started S0 H1 G108', 1), line('/dev/watchdog0 open with timeout 60', 2)];
  assert.is(missedIn(begun), undefined);
  assert.equal(missedIn([...begun, line(failed, 400), line(failed, 401)]), { client: 'bothy', at: 400_000 });
  assert.is(missedIn([...begun, line(failed, 400), line('/dev/watchdog0 reopen', 402)]), undefined);
  assert.is(missedIn([...begun, line(failed, 400), line('/dev/watchdog0 disarmed', 402)]), undefined);
  assert.equal(missedIn([...begun, line(failed, 400), line('/dev/watchdog0 reopen', 402), line(failed, 600)]), { client: 'bothy', at: 600_000 });
  assert.is(missedIn([{ MESSAGE: [1, 2], __REALTIME_TIMESTAMP: '1' }]), undefined, 'bytes that are no text');
});

test('a panic is found in what the kernel said', () => {
  assert.is(panicIn('<6>[   1.0] usb\n<0>[  12.3] Kernel panic - not syncing: Fatal exception\n<0>[ 12.4] more'), 'Kernel panic - not syncing: Fatal exception');
  assert.is(panicIn('Oops: general protection fault'), undefined);
});

test('three resets within an hour are too many; those of yesterday and other ends do not count', () => {
  const reset = (at: number) => ({ end: 'watchdog' as const, at });
  assert.is(isTooOften([reset(now), reset(now - 1), reset(now - 2)], now), true);
  assert.is(isTooOften([reset(now), reset(now - 1), reset(now - 3_600_000)], now), false);
  assert.is(isTooOften([reset(now), reset(now - 1), { end: 'power-lost', at: now }, { end: null, at: now }], now), false);
});

test('only a connection that systemd hands to this very process under our name is taken over', () => {
  const handed = { LISTEN_PID: '77', LISTEN_FDS: '2', LISTEN_FDNAMES: 'other:bothy-watchdog' };
  assert.is(keptDescriptorIn(handed, 77), 4);
  assert.is(keptDescriptorIn(handed, 78), undefined, 'meant for the parent');
  assert.is(keptDescriptorIn({ ...handed, LISTEN_FDS: '1' }, 77), undefined);
  assert.is(keptDescriptorIn({ ...handed, LISTEN_FDNAMES: 'stored' }, 77), undefined);
  assert.is(keptDescriptorIn({}, 77), undefined);
});

test.run();
