/** Activity's decisions: when a trouble is new, what a late reader needs to know, and where a page goes on. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { coalesce, forgetTroubleMs, formatCursor, judgeNotice, parseCursor, permissionToSee, renoticeMs, subjectOf } from '../../appliance/activity/rules.ts';
import type { Change } from '../../appliance/core/journal.ts';

const known = { lastAt: 1_000_000, message: 'full', isStanding: false, endedAt: null };

test('the same trouble is told once, counted seldom, and anew when it is over or forgotten', () => {
  const at = (ms: number) => ({ at: known.lastAt + ms, message: 'full' });
  assert.is(judgeNotice(undefined, at(0)), 'insert');
  assert.is(judgeNotice(known, at(renoticeMs - 1)), 'skip');
  assert.is(judgeNotice(known, at(renoticeMs)), 'update');
  assert.is(judgeNotice(known, { ...at(1), message: 'fuller' }), 'update');
  assert.is(judgeNotice(known, at(forgetTroubleMs + 1)), 'insert');
  assert.is(judgeNotice({ ...known, endedAt: 5 }, at(1)), 'insert');
});

test('a standing trouble stays one event for days, and is written again seldom', () => {
  const standing = { ...known, isStanding: true };
  const at = (ms: number) => ({ at: known.lastAt + ms, message: 'full' });
  assert.is(judgeNotice(standing, at(renoticeMs)), 'skip');
  assert.is(judgeNotice(standing, { ...at(1), message: 'fuller' }), 'update');
  assert.is(judgeNotice(standing, at(100 * forgetTroubleMs)), 'update');
  assert.is(judgeNotice({ ...standing, endedAt: 5 }, at(1)), 'insert');
});

test('the subject of a trouble does not depend on the order of things', () => {
  assert.is(subjectOf([{ id: 'b' }, { id: 'a' }]), subjectOf([{ id: 'a' }, { id: 'b' }]));
  assert.is.not(subjectOf([{ id: 'a' }]), subjectOf([]));
});

const changes = fc.array(fc.record({ kind: fc.constantFrom('vm', 'disk'), id: fc.constantFrom('1', '2'), what: fc.constantFrom('created', 'updated', 'deleted') }))
  .map((list): Change[] => list.map((change, index) => ({ ...change, what: change.what as Change['what'], seq: index + 1, at: 0 }))); // one of the three above

test('coalescing keeps each thing once, in order, with its last number', () => {
  fc.assert(fc.property(changes, (list) => {
    const short = coalesce(list);
    assert.equal(short.map(({ seq }) => seq), short.map(({ seq }) => seq).sort((a, b) => a - b));
    assert.is(new Set(short.map(({ kind, id }) => `${kind}${id}`)).size, short.length);
    for (const change of list) {
      const last = list.filter(({ kind, id }) => kind === change.kind && id === change.id).at(-1);
      const told = short.find(({ kind, id }) => kind === change.kind && id === change.id);
      assert.is(told?.seq, last?.seq);
      if (last?.what !== 'updated') assert.is(told?.what, last?.what);
    }
  }));
});

test('what was made and changed is told as made', () => {
  const step = (seq: number, what: Change['what']): Change => ({ seq, at: 0, kind: 'vm', id: '1', what });
  assert.equal(coalesce([step(1, 'created'), step(2, 'updated'), step(3, 'updated')]), [step(3, 'created')]);
});

test('cursors survive the way out and in, and nothing else is one', () => {
  assert.equal(parseCursor(formatCursor({ at: 17, id: 4 })), { at: 17, id: '4' });
  for (const bad of ['', '17', '~', '17~', '17~a b', "17~'", '-1~2', `${'9'.repeat(16)}~1`]) assert.is(parseCursor(bad), undefined, bad);
});

test('who may see a kind of thing is told of its changes', () => {
  assert.is(permissionToSee('vm'), 'vm.read');
  assert.is(permissionToSee('storage-domain'), 'storage.read');
  assert.is(permissionToSee('token'), 'user.read');
});

test.run();
