/** The history of the configuration: bounded, found by what it is about, and not slower the longer it is. */
import { suite } from 'uvu';
import { count } from 'drizzle-orm';
import * as assert from 'uvu/assert';
import { listConfigChanges } from '../../appliance/activity/config-history.ts';
import { lastForgotten } from '../../appliance/activity/config-prune.ts';
import { pruneHistory } from '../../appliance/activity/history.ts';
import { historyDefaults } from '../../appliance/activity/schema.ts';
import { journalObjectTable, journalTable, type SiteChange } from '../../appliance/core/table.ts';
import { createVirtualClock, type VirtualClock } from '../world/clock.ts';
import { openTestCore, type TestCore } from '../world/core.ts';

interface Context {
  core: TestCore;
  clock: VirtualClock;
}

const test = suite<Context>('configuration history');
const day = 86_400_000;

test.before.each((context) => {
  context.clock = createVirtualClock();
  context.core = openTestCore({ clock: context.clock });
});
test.after.each(({ core }) => core.close());

function note({ core }: Context, changes: SiteChange[], actor = 'ann'): void {
  core.database.write({ actor, operation: 'thing.edit' }, (tx) => { for (const change of changes) core.journal.site(tx, change); });
}
const thing = (id: string, size: number, what: SiteChange['what'] = 'updated', kind = 'thing'): SiteChange => ({ kind, id, what, after: what === 'deleted' ? null : { id, name: `the ${id}`, size } });
const rows = ({ core }: Context) => core.database.sql.select({ rows: count() }).from(journalTable).get()?.rows;
const list = ({ core, clock }: Context, query: Partial<Parameters<typeof listConfigChanges>[1]> = {}, kept: Partial<typeof historyDefaults> = {}) =>
  listConfigChanges(core.database.sql, { limit: 50, ...query }, lastForgotten(core.database.sql, clock.now(), { ...historyDefaults, ...kept }));
const told = (page: ReturnType<typeof list>) => page.items.map(({ id, what, fields }) => [id, what, ...fields.map(({ field, before, after }) => `${field}: ${before} -> ${after}`)]);

async function prune({ core, clock }: Context, kept: Partial<typeof historyDefaults> = {}): Promise<void> {
  const pruning = pruneHistory(core, { ...historyDefaults, ...kept }, new AbortController().signal);
  await clock.advance(1_000);
  await pruning;
}

test('what is too old goes; the last state of what lives stays for its next change, and is not told', async (context) => {
  for (let size = 1; size <= 5; size++) note(context, [thing('a', size, size === 1 ? 'created' : 'updated')]);
  note(context, [thing('b', 1, 'created')]);
  note(context, [thing('b', 0, 'deleted')]);
  note(context, [thing('c', 1, 'created'), thing('d', 1, 'created')]);
  await context.clock.advance(31 * day);
  note(context, [thing('d', 2)]);
  await prune(context, { configDays: 30 });
  assert.is(rows(context), 3, 'the last of a, the one with c and d, and the new one');
  assert.equal(told(list(context, {}, { configDays: 30 })), [['d', 'updated', 'size: 1 -> 2']]);
  note(context, [thing('a', 6)]);
  note(context, [thing('c', 0, 'deleted')]);
  assert.equal(told(list(context, {}, { configDays: 30 })), [['c', 'deleted', 'name: the c -> null', 'size: 1 -> null'], ['a', 'updated', 'size: 5 -> 6'], ['d', 'updated', 'size: 1 -> 2']]);
  await context.clock.advance(31 * day);
  await prune(context, { configDays: 30 });
  assert.is(rows(context), 2, 'the last of a and of d');
  assert.is(context.core.database.sql.select({ rows: count() }).from(journalObjectTable).get()?.rows, 2);
});

test('beyond so many the oldest go, in bites, also when none is old', async (context) => {
  for (let round = 0; round < 14; round++) note(context, Array.from({ length: 120 }, (_, index) => thing(`t${index}`, round)));
  await prune(context, { mostConfigChanges: 3 });
  assert.is(rows(context), 4, 'three, and the states before them');
  const page = list(context, { limit: 10 }, { mostConfigChanges: 3 });
  assert.is(page.items.length, 3 * 120);
  assert.ok(page.items.every(({ fields }) => fields.length === 1 && Number(fields[0]?.before) === Number(fields[0]?.after) - 1));
});

test('asked for by kind, by who, by id and by name, also of what is gone; and told what can be asked for', (context) => {
  note(context, [thing('a', 1, 'created'), thing('x', 1, 'created', 'other')]);
  note(context, [thing('a', 2)], 'bob');
  note(context, [thing('a', 2, 'deleted')], 'bob');
  assert.equal(told(list(context, { kind: 'other' })).map(([id]) => id), ['x']);
  assert.equal(list(context, { actor: 'bob' }).items.map(({ what }) => what), ['deleted', 'updated']);
  assert.equal(list(context, { object: 'the a' }).items.map(({ what }) => what), ['deleted', 'updated', 'created']);
  assert.is(list(context, { object: 'a' }).items[0]?.name, 'the a');
  assert.equal([list(context).kinds, list(context).actors], [['other', 'thing'], ['ann', 'bob']]);
});

test('two changes of one thing in one commit are told one after the other', (context) => {
  note(context, [thing('a', 1, 'created'), thing('a', 2)]);
  assert.equal(told(list(context)), [['a', 'created', 'name: null -> the a', 'size: null -> 1'], ['a', 'updated', 'size: 1 -> 2']]);
});

/** The least of some rounds: what others do on this machine only adds. */
function quickest(work: () => void): number {
  return Math.min(...Array.from({ length: 12 }, () => { const startedAt = performance.now(); work(); return performance.now() - startedAt; }));
}

test('fifty entries take about as long after 20,000 as after 400, whatever they are', (context) => {
  const { sql } = context.core.database;
  const fill = (from: number, to: number) => context.core.database.write({ actor: 'system', operation: 'test' }, (tx) => {
    for (let seq = from; seq <= to; seq++) {
      tx.sql.insert(journalTable).values({ seq, epoch: 0, at: context.clock.now(), actor: `user${seq % 7}`, operation: 'thing.create', requestId: null, changes: [{ kind: 'thing', id: `id-${seq}`, what: 'created', after: { name: `n${seq}`, text: 'x'.repeat(500) } }] }).run();
      tx.sql.insert(journalObjectTable).values({ objectId: `id-${seq}`, kind: 'thing', seq, name: `n${seq}`, isGone: false }).run();
    }
  });
  const page = () => assert.is(listConfigChanges(sql, { limit: 50 }, 0).items.length, 50);
  fill(1, 400);
  const few = quickest(page);
  fill(401, 20_000);
  const many = quickest(page);
  assert.ok(many < few * 6, `${few.toFixed(1)} ms after 400, ${many.toFixed(1)} ms after 20,000`);
});

test.run();
