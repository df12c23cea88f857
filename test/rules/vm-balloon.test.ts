/** Who lends memory to the host when it is short, who gets it back, and what a start needs. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Borrower, balloonTargets, missingMemory } from '../../appliance/vm/power/balloon-rules.ts';
import { GiB, MiB } from '../../appliance/core/units.ts';

const guest = (id: string, changes: Partial<Borrower> = {}): Borrower => ({ id, memoryBytes: 2 * GiB, guaranteedBytes: GiB, currentBytes: 2 * GiB, unusedBytes: GiB, ...changes });
const host = (freeBytes: number) => ({ memoryTotalBytes: 16 * GiB, memoryUsedBytes: 16 * GiB - freeBytes });

test('who has memory idle gives it first, and nobody gives what is guaranteed', () => {
  // Low is 8 % of 16 GiB, about 1.28 GiB; enough is half as much again.
  const short = host(GiB);
  const [idle, ...others] = balloonTargets(short, [guest('idle', { unusedBytes: 2 * GiB }), guest('busy', { unusedBytes: 0 })]);
  assert.equal([idle?.id, (idle?.bytes ?? 0) > GiB && (idle?.bytes ?? 0) < 1.2 * GiB, others], ['idle', true, []]);
  const all = balloonTargets(host(0), [guest('one'), guest('two', { guaranteedBytes: 2 * GiB }), guest('silent', { unusedBytes: undefined })]);
  assert.equal(all, [{ id: 'one', bytes: GiB }], 'two has all guaranteed, and a guest without a driver would not follow');
});

test('between low and enough nothing moves; with room it is given back, half of the room at a time, to the last byte', () => {
  const lent = guest('one', { currentBytes: GiB });
  assert.equal(balloonTargets(host(1.5 * GiB), [lent]), []);
  const [more] = balloonTargets(host(2.5 * GiB), [lent]);
  assert.ok((more?.bytes ?? 0) > GiB && (more?.bytes ?? 0) < 1.4 * GiB, String(more?.bytes));
  assert.equal(balloonTargets(host(8 * GiB), [lent]), [{ id: 'one', bytes: 2 * GiB }]);
  assert.equal(balloonTargets(host(8 * GiB), [guest('one', { currentBytes: 2 * GiB - MiB })]), [{ id: 'one', bytes: 2 * GiB }]);
  assert.equal(balloonTargets(host(8 * GiB), [guest('one')]), []);
});

test('whatever the figures: between what is guaranteed and what it was given, in whole MiB, and never more taken than is short', () => {
  const size = fc.integer({ min: 64, max: 8192 }).map((count) => count * MiB);
  const any = fc.record({ memoryBytes: size, guaranteed: fc.double({ min: 0, max: 1, noNaN: true }), current: fc.double({ min: 0, max: 1, noNaN: true }), unusedBytes: fc.option(size, { nil: undefined }) })
    .map(({ memoryBytes, guaranteed, current, unusedBytes }, ): Omit<Borrower, 'id'> => {
      const guaranteedBytes = Math.ceil((guaranteed * memoryBytes) / MiB) * MiB;
      return { memoryBytes, guaranteedBytes, currentBytes: Math.ceil((guaranteedBytes + current * (memoryBytes - guaranteedBytes)) / MiB) * MiB, unusedBytes };
    });
  fc.assert(fc.property(fc.array(any, { maxLength: 6 }), fc.integer({ min: 0, max: 16_384 }), (made, free) => {
    const guests = made.map((each, index) => ({ ...each, id: String(index) }));
    const targets = balloonTargets(host(free * MiB), guests);
    let taken = 0;
    for (const { id, bytes } of targets) {
      const before = guests[Number(id)];
      assert.ok(before && bytes % MiB === 0 && bytes >= before.guaranteedBytes && bytes <= before.memoryBytes, `${id}: ${bytes} of ${JSON.stringify(before)}`);
      taken += Math.max(0, before.currentBytes - bytes);
    }
    assert.ok(taken <= Math.max(0, 1.5 * 0.08 * 16 * GiB - free * MiB) + guests.length * MiB);
  }));
});

test('a start needs what is guaranteed, beside the others and the host itself', () => {
  assert.is(missingMemory(host(0), 10 * GiB, 5 * GiB), 0);
  assert.ok(missingMemory(host(0), 10 * GiB, 6 * GiB) > 0);
  assert.ok(missingMemory(host(16 * GiB), 0, 16 * GiB) > 0, 'the host needs some itself');
});

test.run();
