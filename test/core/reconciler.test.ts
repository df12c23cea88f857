/** The reconciler driver: wakes count once, rounds never overlap, a failing one backs off alone, everything ends on abort. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { silentLog } from '../../appliance/core/log.ts';
import { createReconcilers } from '../../appliance/core/reconciler.ts';
import { createVirtualClock } from '../world/clock.ts';

function driver() {
  const clock = createVirtualClock();
  return { clock, stop: new AbortController(), reconcilers: createReconcilers({ clock, log: silentLog }) };
}

const settle = async () => { for (let n = 0; n < 20; n += 1) await new Promise<void>((resolve) => setImmediate(resolve)); };

test('it runs at the start, every period, and at once when woken', async () => {
  const { clock, stop, reconcilers } = driver();
  let rounds = 0;
  reconcilers.add({ name: 'r', periodMs: 1000, run: async () => { rounds += 1; } });
  const done = reconcilers.start(stop.signal);
  await settle();
  assert.is(rounds, 1);
  await clock.advance(1000);
  await settle();
  assert.is(rounds, 2);
  reconcilers.wake('r');
  await settle();
  assert.is(rounds, 3);
  stop.abort();
  await done;
});

test('rounds never overlap, and many wakes during one round are one more round', async () => {
  const { stop, reconcilers } = driver();
  let inside = 0;
  let rounds = 0;
  let release: () => void = () => {};
  reconcilers.add({
    name: 'r', periodMs: 60_000,
    async run() {
      inside += 1;
      assert.is(inside, 1);
      rounds += 1;
      await new Promise<void>((resolve) => { release = resolve; });
      inside -= 1;
    },
  });
  const done = reconcilers.start(stop.signal);
  await settle();
  for (let n = 0; n < 5; n += 1) reconcilers.wake('r');
  release();
  await settle();
  assert.is(rounds, 2);
  release();
  await settle();
  assert.is(rounds, 2);
  stop.abort();
  await done;
});

test('a failing one waits longer each time and shows why; the others go on', async () => {
  const { clock, stop, reconcilers } = driver();
  let failing = 0;
  let good = 0;
  reconcilers.add({ name: 'bad', periodMs: 60_000, run: async () => { failing += 1; throw new Error('no NAS'); } });
  reconcilers.add({ name: 'good', periodMs: 1000, run: async () => { good += 1; } });
  const done = reconcilers.start(stop.signal);
  for (let second = 0; second < 8; second += 1) {
    await settle();
    await clock.advance(1000);
  }
  await settle();
  assert.is(failing, 4, 'at 0, 1, 3 and 7 seconds');
  assert.is(good, 9);
  const status = reconcilers.status().find(({ name }) => name === 'bad');
  assert.is(status?.lastError, 'no NAS');
  assert.is(status?.failuresInARow, 4);
  stop.abort();
  await done;
});

test.run();
