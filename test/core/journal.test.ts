/** Journal and change feed: one journal row a transaction, gapless numbers in order of commit, resuming, forgetting. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openTestCore } from '../world/core.ts';

const origin = { actor: 'ann', operation: 'thing.create' };
const created = (id: string) => ({ kind: 'thing', id, what: 'created' as const, after: { id } });

test('all site changes of one transaction are one journal row; observed ones are none', async () => {
  const { database, journal, close } = openTestCore();
  database.write(origin, (tx) => {
    journal.site(tx, created('1'));
    journal.site(tx, created('2'));
    journal.observed(tx, { kind: 'fact', id: '1', what: 'updated' });
  });
  const rows = journal.history({ limit: 10 });
  assert.is(rows.length, 1);
  assert.is(rows[0]?.actor, 'ann');
  assert.equal(rows[0]?.changes.map(({ id }) => id), ['1', '2']);
  assert.equal(journal.since(0)?.map(({ seq, id }) => [seq, id]), [[1, '1'], [2, '2'], [3, '1']]);
  await close();
});

test('subscribers are told after the commit, never of what was undone or rehearsed', async () => {
  const { database, journal, close } = openTestCore();
  const told: number[] = [];
  journal.subscribe(({ seq }) => {
    assert.is(journal.latest() >= seq, true, 'the row is there when the listener runs');
    told.push(seq);
  });
  database.rehearse(origin, (tx) => journal.site(tx, created('1')));
  try {
    database.write(origin, (tx) => { journal.site(tx, created('2')); throw new Error('no'); });
  } catch {}
  assert.equal(told, []);
  assert.equal(journal.history({ limit: 10 }), []);
  database.write(origin, (tx) => journal.site(tx, created('3')));
  assert.equal(told.length, 1);
  await close();
});

test('a listener that throws does not stop the others nor the writer', async () => {
  const { database, journal, close } = openTestCore();
  let isTold = false;
  journal.subscribe(() => { throw new Error('broken listener'); });
  journal.subscribe(() => { isTold = true; });
  database.write(origin, (tx) => journal.site(tx, created('1')));
  assert.ok(isTold);
  await close();
});

test('the feed is bounded: who is too late, or from another life, must read anew', async () => {
  const { database, journal, close } = openTestCore();
  for (let round = 0; round < 103; round += 1) {
    database.write(origin, (tx) => {
      for (let n = 0; n < 100; n += 1) journal.observed(tx, { kind: 'fact', id: String(n), what: 'updated' });
    });
  }
  assert.is(journal.latest(), 10_300);
  assert.is(journal.since(0), undefined);
  assert.is(journal.since(10_299)?.length, 1);
  assert.is(journal.since(10_300)?.length, 0);
  assert.is(journal.since(99_999), undefined, 'a number from the future is from another database');
  await close();
});

test.run();
