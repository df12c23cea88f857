/**
 * The watchdog of the World: the same cases on the simulated one and on the real one, which speaks by libwdmd with a real wdmd. Only the
 * device under that is pretended; that a real one resets a machine is shown in the lab.
 */
import { mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../appliance/core/clock.ts';
import { missedIn } from '../../appliance/host/boot-rules.ts';
import { createWatchdogDevice } from '../../appliance/host/watchdog-device.ts';
import { nativeLibraryPath } from '../../appliance/paths.ts';
import type { Watchdog } from '../../appliance/world.ts';
import { openWatchdogDaemon } from '../../native/watchdog.ts';
import { real } from '../real/count.ts';
import { inOwnRun, Wdmd } from '../real/wdmd/wdmd.ts';
import { createVirtualClock } from '../world/clock.ts';
import { createSimulatedWatchdog } from '../world/watchdog.ts';

interface Subject {
  watchdog: Watchdog;
  /** Ends this life of the service without a word and begins another in the same boot. */
  nextLife(): Promise<void>;
  /** What the device's keeper holds of us: until when, on the watchdog's clock; undefined when nothing. */
  standing(): Promise<number | undefined>;
  /** The keeper has found our time to be up. */
  hasMissed(): Promise<boolean>;
  pass(ms: number): Promise<void>;
  end(): Promise<void>;
}

function defineCases(name: 'simulated' | 'real', open: () => Promise<Subject>): void {
  const isReal = name === 'real';
  const test = suite<{ subject: Subject }>(`watchdog, ${name}`);
  test.before.each(async (context) => { context.subject = await open(); });
  test.after.each(async ({ subject }) => {
    await subject.end();
    if (isReal) real('wdmd');
  });

  test('tells what there is', async ({ subject: { watchdog } }) => {
    assert.equal(await watchdog.facts(), { kind: 'hardware', model: 'i6300ESB timer', lack: '', hasFired: false });
  });

  test('nothing stands until something is promised; a promise stands until it is taken back', async ({ subject }) => {
    const { watchdog } = subject;
    assert.equal([watchdog.isPromised(), await subject.standing()], [false, undefined]);
    await watchdog.release();
    const now = watchdog.now();
    assert.equal(await watchdog.promise(now, now + 90_000), { resetAfterMs: 60_000 });
    assert.is(watchdog.isPromised(), true);
    assert.ok(Math.abs(((await subject.standing()) ?? 0) - (now + 90_000)) <= 1_000);
    await watchdog.promise(now + 5_000, now + 95_000);
    assert.ok(Math.abs(((await subject.standing()) ?? 0) - (now + 95_000)) <= 1_000);
    await watchdog.release();
    assert.equal([watchdog.isPromised(), await subject.standing()], [false, undefined]);
    await watchdog.promise(now, now + 90_000);
    assert.ok(await subject.standing(), 'it can be promised again');
  });

  test('a promise outlives the life that made it, and the next one goes on with it', async ({ subject }) => {
    const now = subject.watchdog.now();
    await subject.watchdog.promise(now, now + 90_000);
    await subject.nextLife();
    assert.equal([subject.watchdog.isPromised(), Boolean(await subject.standing())], [true, true]);
    await subject.watchdog.promise(now, now + 120_000);
    assert.ok(Math.abs(((await subject.standing()) ?? 0) - (now + 120_000)) <= 1_000);
    await subject.nextLife();
    await subject.watchdog.release();
    assert.is(await subject.standing(), undefined, 'taken back by a life that has promised nothing itself');
  });

  test('a promise that nobody renews is missed', async ({ subject }) => {
    const now = subject.watchdog.now();
    await subject.watchdog.promise(now, now + 15_000);
    assert.is(await subject.hasMissed(), false);
    for (let second = 0; second < 90 && !(await subject.hasMissed()); second++) await subject.pass(1_000);
    assert.is(await subject.hasMissed(), true);
  });

  test.run();
}

async function openSimulated(): Promise<Subject> {
  const clock = createVirtualClock();
  const host = createSimulatedWatchdog(clock, { cut: () => {} });
  let life = host.newLife();
  return {
    get watchdog() { return life.port; },
    async nextLife() {
      await life.port.close();
      life = host.newLife();
    },
    async standing() {
      const remaining = host.remainingMs();
      return remaining === undefined ? undefined : clock.now() + remaining - 60_000;
    },
    hasMissed: async () => host.look() || host.resets() > 0,
    pass: (ms) => clock.advance(ms),
    end: async () => {},
  };
}

/** /sys and /run of a machine with such a device, as a box of the lab has it. */
function makeRoot(identity = 'i6300ESB timer', bootStatus = '0'): string {
  const root = mkdtempSync(join(tmpdir(), 'bothy-watchdog-'));
  const device = join(root, 'sys/devices/virtual/watchdog/watchdog0');
  mkdirSync(device, { recursive: true });
  mkdirSync(join(root, 'sys/class/watchdog'), { recursive: true });
  symlinkSync('../../devices/virtual/watchdog/watchdog0', join(root, 'sys/class/watchdog/watchdog0'));
  writeFileSync(join(device, 'identity'), `${identity}\n`);
  writeFileSync(join(device, 'bootstatus'), `${bootStatus}\n`);
  symlinkSync('/run', join(root, 'run'));
  return root;
}

/** Sockets of this process: the connection of a life that has ended is still there, as systemd keeps it. */
function sockets(): Set<number> {
  const link = (name: string) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`);
    } catch {
      return '';
    }
  };
  return new Set(readdirSync('/proc/self/fd').filter((name) => link(name).startsWith('socket:')).map(Number));
}

async function openReal(): Promise<Subject> {
  const wdmd = await Wdmd.start();
  const root = makeRoot();
  const before = sockets();
  const live = (keptDescriptor?: number) => createWatchdogDevice({ daemon: openWatchdogDaemon({ library: nativeLibraryPath, clock: systemClock }), keptDescriptor, root });
  let watchdog = live();
  return {
    get watchdog() { return watchdog; },
    async nextLife() {
      await watchdog.close();
      const kept = [...sockets()].filter((descriptor) => !before.has(descriptor));
      assert.is(kept.length, 1);
      watchdog = live(kept[0]);
    },
    async standing() {
      const expire = /name bothy .*expire (\d+)/.exec(await wdmd.dump())?.[1];
      return expire === undefined || expire === '0' ? undefined : Number(expire) * 1_000;
    },
    hasMissed: async () => missedIn(wdmd.said().map((MESSAGE) => ({ MESSAGE, __REALTIME_TIMESTAMP: '0' })))?.client === 'bothy',
    pass: (ms) => sleep(ms),
    async end() {
      await watchdog.close();
      await wdmd.end();
      rmSync(root, { recursive: true });
    },
  };
}

const reading = suite('watchdog, what the kernel tells of it');

const factsIn = async (root: string) => {
  const daemon = openWatchdogDaemon({ library: nativeLibraryPath, clock: systemClock });
  const facts = await createWatchdogDevice({ daemon, root }).facts();
  rmSync(root, { recursive: true });
  return facts;
};

reading('the timer of the kernel is told from hardware; a device that has fired says so', async () => {
  const [soft, fired] = [await factsIn(makeRoot('Software Watchdog')), await factsIn(makeRoot('i6300ESB timer', '32'))];
  assert.equal([soft.kind, soft.hasFired, fired.kind, fired.hasFired], ['software', false, 'hardware', true]);
});

reading('a machine without one, and one without the daemon, say what is missing', async () => {
  const none = await factsIn(mkdtempSync(join(tmpdir(), 'bothy-watchdog-')));
  assert.equal([none.kind, /softdog/.test(none.lack)], ['none', true]);
  const root = makeRoot();
  rmSync(join(root, 'run'));
  assert.match((await factsIn(root)).lack, /wdmd does not run/);
});

if (await inOwnRun(import.meta.filename)) {
  defineCases('simulated', openSimulated);
  defineCases('real', openReal);
  reading.run();
}
