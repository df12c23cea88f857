/** Ordered locks: exclusion, sharing, order of arrival, no deadlock, abort while waiting. */
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createLocks, exclusive, type Lock, shared } from '../../appliance/core/locks.ts';

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

test('readers share, a writer is alone, and nobody overtakes', async () => {
  const { withLocks } = createLocks();
  const log: string[] = [];
  const job = (name: string, lock: Lock) => withLocks([lock], async () => { log.push(`+${name}`); await turn(); log.push(`-${name}`); });
  await Promise.all([job('r1', shared('d', 'x')), job('r2', shared('d', 'x')), job('w', exclusive('d', 'x')), job('r3', shared('d', 'x'))]);
  assert.equal(log, ['+r1', '+r2', '-r1', '-r2', '+w', '-w', '+r3', '-r3']);
});

test('the same lock twice counts once, exclusively if either asks so', async () => {
  const locks = createLocks();
  await locks.withLocks([shared('d', 'x'), exclusive('d', 'x')], async () => assert.equal(locks.held(), ['d/x']));
  assert.equal(locks.held(), []);
});

test('an aborted wait leaves the queue and lets the next one in', async () => {
  const { withLocks, held } = createLocks();
  const abort = new AbortController();
  const order: string[] = [];
  const first = withLocks([shared('d', 'x')], async () => { await turn(); await turn(); });
  const writer = withLocks([exclusive('d', 'x')], async () => order.push('writer'), abort.signal);
  const reader = withLocks([shared('d', 'x')], async () => order.push('reader'));
  abort.abort(new Error('enough'));
  await writer.then(() => assert.unreachable(), (error) => assert.is(error.message, 'enough'));
  await Promise.all([first, reader]);
  assert.equal(order, ['reader']);
  assert.equal(held(), []);
});

test('any mix of locks ends, and a writer is never beside another holder', async () => {
  const lock = fc.record({ key: fc.constantFrom('a/1', 'a/2', 'b/1', 'c/1'), mode: fc.constantFrom('shared' as const, 'exclusive' as const) });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(lock, { minLength: 1, maxLength: 4 }), { maxLength: 12 }), async (jobs) => {
      const { withLocks, held } = createLocks();
      const inside = new Map<string, { shared: number; exclusive: number }>();
      await Promise.all(jobs.map((locks) => withLocks(locks, async () => {
        const modes = new Map(locks.map(({ key, mode }) => [key, locks.some((other) => other.key === key && other.mode === 'exclusive') ? ('exclusive' as const) : mode]));
        for (const [key, mode] of modes) {
          const now = inside.get(key) ?? { shared: 0, exclusive: 0 };
          now[mode] += 1;
          inside.set(key, now);
          assert.ok(now.exclusive === 0 || (now.exclusive === 1 && now.shared === 0));
        }
        await turn();
        for (const [key, mode] of modes) {
          const now = inside.get(key);
          if (now) now[mode] -= 1;
        }
      })));
      assert.equal(held(), []);
    }),
    { numRuns: 100 },
  );
});

test.run();
