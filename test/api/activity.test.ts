/** Tasks, events, audit trail and change feed as programs see them, on a real database. */
import { count } from 'drizzle-orm';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as z from 'zod';
import { type Activity, createActivity } from '../../appliance/activity/activity.ts';
import { pruneHistory } from '../../appliance/activity/history.ts';
import { eventTable } from '../../appliance/activity/table.ts';
import { defineTask } from '../../appliance/core/task.ts';
import { createVirtualClock, type VirtualClock } from '../world/clock.ts';
import { openTestCore, type TestCore } from '../world/core.ts';
import { type Door, openDoor } from '../world/door.ts';
import { loopbackOnly } from '../world/outgoing.ts';

interface Context {
  core: TestCore;
  clock: VirtualClock;
  activity: Activity;
  door: Door;
  /** Lets the task of kind `test.wait` go on. */
  go(): void;
}

const test = suite<Context>('activity');
const origin = { actor: 'admin@internal', operation: 'test' };
const web = { kind: 'vm', id: '11111111-1111-4111-8111-111111111111', name: 'web' };
const shop = { kind: 'vm', id: '22222222-2222-4222-8222-222222222222', name: 'sh"op%' };

test.before.each((context) => {
  context.clock = createVirtualClock();
  context.core = openTestCore({ clock: context.clock });
  context.activity = createActivity({ ...context.core, world: { outgoing: loopbackOnly } });
  context.door = openDoor(context.core, context.activity);
  const gate = new Promise<void>((resolve) => { context.go = resolve; });
  const untilAborted = (signal: AbortSignal) => new Promise<never>((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  context.core.tasks.define([
    defineTask({ kind: 'test.wait', input: z.object({}), canCancel: true, locks: () => [], steps: [{ name: 'Wait', do: ({ signal }) => Promise.race([gate, untilAborted(signal)]) }] }),
    defineTask({ kind: 'test.fail', input: z.object({}), canCancel: false, locks: () => [], steps: [{ name: 'Fail', do: async () => { throw new Error('secret detail'); } }] }),
  ]);
});
test.after.each(({ core }) => core.close());

const startTask = ({ core }: Context, kind: string, about = [web]) => core.database.write(origin, (tx) => core.tasks.start(tx, kind, {}, about));
const warn = ({ core, activity }: Context, message = 'The disk is full.') => core.database.write(origin, (tx) =>
  activity.event(tx, { severity: 'warning', code: 'disk.full', message, nextStep: 'Delete something.', about: [web], isStanding: true }));

test('a running task shows its step, is cancelled, and then shows that', async (context) => {
  const id = startTask(context, 'test.wait');
  await context.clock.advance(0);
  const { body } = await context.door.ask('GET', `/tasks/${id}`);
  assert.equal([body.state, body.step, body.steps, body.canCancel, body.about, body.actor], ['running', 'Wait', ['Wait'], true, [web], 'admin@internal']);
  assert.is((await context.door.ask('POST', `/tasks/${id}/cancel`)).body.canCancel, false);
  await context.core.tasks.ended(id);
  const ended = (await context.door.ask('GET', `/tasks/${id}`)).body;
  assert.equal([ended.state, ended.step, ended.canCancel], ['cancelled', null, false]);
  assert.is((await context.door.ask('POST', `/tasks/${id}/cancel`)).body.type, 'wrong-state');
});

test('a task that ends well says so; one that fails tells no secrets', async (context) => {
  const [good, bad] = [startTask(context, 'test.wait'), startTask(context, 'test.fail', [shop])];
  context.go();
  await Promise.all([context.core.tasks.ended(good), context.core.tasks.ended(bad)]);
  assert.equal((({ state, progress, problem }) => ({ state, progress, problem }))((await context.door.ask('GET', `/tasks/${good}`)).body), { state: 'done', progress: 1, problem: null });
  const failed = await context.door.ask('GET', `/tasks/${bad}`);
  assert.is(failed.body.problem.type, 'internal');
  assert.not.match(JSON.stringify(failed.body), /secret/);
  const kinds = async (query: string) => (await context.door.ask('GET', `/tasks?${query}`)).body.items.map((task: { kind: string }) => task.kind);
  assert.equal(await kinds('state=failed'), ['test.fail']);
  assert.equal(await kinds('state=active'), []);
  assert.equal(await kinds(`about=${encodeURIComponent(shop.name)}`), ['test.fail']);
  assert.equal(await kinds(`about=${web.id}`), ['test.wait']);
  assert.equal(await kinds('about=%25'), [], 'a wildcard finds nothing');
});

test('an unknown task and a wrong cursor are refused', async ({ door }) => {
  assert.is((await door.ask('GET', `/tasks/${web.id}`)).status, 404);
  assert.is((await door.ask('POST', `/tasks/${web.id}/cancel`)).status, 404);
  assert.is((await door.ask('GET', '/tasks?after=x')).body.errors[0].path, 'after');
  assert.is((await door.ask('GET', '/tasks?limit=0')).status, 400);
});

test('pages hold every task once, also those of one instant', async (context) => {
  const started = Array.from({ length: 7 }, () => startTask(context, 'test.wait'));
  const seen: string[] = [];
  let after = '';
  do {
    const { body } = await context.door.ask('GET', `/tasks?limit=3${after && `&after=${after}`}`);
    seen.push(...body.items.map(({ id }: { id: string }) => id));
    after = body.next ?? '';
  } while (after);
  assert.equal(seen.toSorted(), started.toSorted());
});

test('a trouble is one event while it lasts, and a new one when it comes back', async (context) => {
  const { clock, core, activity, door } = context;
  const list = async (query = '') => (await door.ask('GET', `/events${query}`)).body.items;
  warn(context);
  warn(context);
  await clock.advance(3_600_000);
  warn(context);
  const [event, ...others] = await list();
  assert.equal(others, []);
  assert.equal([event.count, event.severity, event.code, event.nextStep, event.isStanding], [2, 'warning', 'disk.full', 'Delete something.', true]);
  assert.is(event.lastAt - event.at, 3_600_000);
  assert.equal(activity.troubles().map(({ code }) => code), ['disk.full']);
  core.database.write(origin, (tx) => activity.settle(tx, 'disk.full', [web.id]));
  assert.equal(await list('?standing=true'), []);
  warn(context);
  assert.is((await list()).length, 2);
  assert.is((await list('?standing=true')).length, 1);
});

test('what only happens is never folded, and can be found by severity and subject', async (context) => {
  const { core, activity, door } = context;
  for (const about of [web, web, shop]) core.database.write(origin, (tx) => activity.event(tx, { severity: 'info', code: 'vm.started', message: 'It started.', about: [about] }));
  warn(context);
  const found = async (query: string) => (await door.ask('GET', `/events?${query}`)).body.items.length;
  assert.is(await found('severity=info'), 3);
  assert.is(await found(`severity=info&about=${web.id}`), 2);
  assert.is(await found(`about=${encodeURIComponent(shop.name)}`), 1);
  assert.is(await found('search=STARTED%20sh'), 1, 'all the words, in the message or a name, whatever the case');
  assert.is(await found('search=delete'), 1, 'in the next step');
  assert.is(await found('search=%25'), 1, 'a wildcard is a letter like others: one name has it');
  assert.is(await found(`since=${context.clock.now() + 1}`), 0);
  assert.is(await found(`until=${context.clock.now() + 1}`), 4);
  const first = (await door.ask('GET', '/events?limit=3')).body;
  assert.is((await door.ask('GET', `/events?limit=3&after=${first.next}`)).body.items.length, 1);
});

test('the audit trail names who, what, from where and the outcome, and counts a flood of refusals', async (context) => {
  const { clock, core, door } = context;
  const id = startTask(context, 'test.wait');
  await clock.advance(0);
  await door.ask('POST', `/tasks/${id}/cancel`);
  const [entry] = (await door.ask('GET', '/audit?operation=task.cancel')).body.items;
  assert.equal([entry.actor, entry.from, entry.outcome, entry.subject], ['root@local', 'local socket', 'ok', { task: id }]);
  const token = (await door.ask('POST', '/tokens', { body: { name: 'reader', permissions: ['task.read'] } })).body.token;
  assert.type(token, 'string');
  for (let times = 0; times < 50; times++) await door.askAs(undefined, 'POST', `/tasks/${id}/cancel`);
  const refused = async () => (await door.ask('GET', '/audit?outcome=refused')).body.items.map((row: { outcome: string; count: number }) => [row.outcome, row.count]);
  assert.equal(await refused(), [['unauthenticated', 1]]);
  await clock.advance(60_000);
  const stop = new AbortController();
  const running = core.reconcilers.start(stop.signal);
  await clock.advance(0);
  stop.abort();
  await running;
  assert.equal(await refused(), [['unauthenticated', 49], ['unauthenticated', 1]]);
});

test('each verb is closed to those who lack its permission', async ({ door }) => {
  for (const [method, path] of [['GET', '/tasks'], ['GET', `/tasks/${web.id}`], ['POST', `/tasks/${web.id}/cancel`], ['GET', '/events'], ['GET', '/audit']] as const) {
    assert.is((await door.askAs(undefined, method, path)).status, 401, path);
    assert.is((await door.askAs(['vm.read'], method, path)).status, 403, path);
  }
  assert.is((await door.askAs(undefined, 'GET', '/changes')).status, 401);
});

/** Reads the stream until `isEnough`, then leaves. */
async function follow(door: Door, path: string, isEnough: (text: string) => boolean, headers: Record<string, string> = {}): Promise<string> {
  const response = await door.fetch(`/api/v1${path}`, { headers });
  assert.is(response.headers.get('content-type'), 'text/event-stream');
  const reader = response.body?.getReader();
  let text = '';
  while (reader && !isEnough(text)) {
    const { value, done } = await reader.read();
    if (done) break;
    text += Buffer.from(value).toString();
  }
  await reader?.cancel();
  return text;
}

const numbersIn = (text: string) => [...text.matchAll(/"seq":(\d+)/g)].map((match) => Number(match[1]));

test('the feed tells a change at once and resumes after the last number seen', async (context) => {
  const { core, door, clock } = context;
  const start = core.journal.latest();
  const following = follow(door, '/changes', (text) => text.includes('event: change'));
  await clock.advance(1);
  warn(context);
  const text = await following;
  assert.match(text, new RegExp(`^retry: 500\nid: ${start}\n\nevent: change\nid: ${start + 1}\n`));
  assert.match(text, /"kind":"event","id":"1","what":"created"/);
  for (let times = 0; times < 3; times++) warn(context, `Full ${times}.`);
  const again = await follow(door, '/changes', (more) => more.includes('event: change'), { 'last-event-id': String(start + 1) });
  assert.equal(numbersIn(again), [start + 4], 'three changes of one thing are one');
  assert.equal(numbersIn(await follow(door, `/changes?since=${start}`, (more) => more.includes('event: change'))), [start + 4]);
});

test('a reader that comes too late, or from another database, is told to read everything anew', async (context) => {
  warn(context);
  const text = await follow(context.door, '/changes?since=999', (more) => more.includes('event: resync'));
  assert.match(text, /event: resync\nid: 1\ndata: \{\}/);
});

test('a quiet feed beats every 15 seconds and ends after a quarter of an hour', async ({ door, clock }) => {
  const following = follow(door, '/changes', () => false);
  await clock.advance(900_000);
  const beats = (await following).match(/: beat/g)?.length ?? 0;
  assert.ok(beats >= 58 && beats <= 60, `${beats} beats`);
  assert.is(clock.sleepers(), 0);
});

test('a reader that leaves is forgotten, and sees only what it may see', async (context) => {
  const { core, clock } = context;
  const { streamChanges } = await import('../../appliance/activity/changes.ts');
  const leave = new AbortController();
  const stream = streamChanges(core, { since: 0, look: () => 'same', isSeen: ({ kind }) => kind === 'task', signal: leave.signal });
  warn(context);
  startTask(context, 'test.wait');
  await clock.advance(0);
  const reader = stream.getReader();
  await reader.read();
  const { value } = await reader.read();
  const text = Buffer.from(value ?? []).toString();
  assert.match(text, /"kind":"task"/);
  assert.not.match(text, /"kind":"event"/);
  const last = reader.read();
  await clock.advance(50);
  leave.abort();
  assert.is((await last).done, true);
  assert.is(clock.sleepers(), 0);
});

test('a feed that nobody reads listens to nothing', async ({ core }) => {
  const { streamChanges } = await import('../../appliance/activity/changes.ts');
  const listeners = new Set<unknown>();
  const journal = { ...core.journal, subscribe: (listener: unknown) => { listeners.add(listener); return () => listeners.delete(listener); } };
  const stream = streamChanges({ journal, clock: core.clock }, { since: 0, look: () => 'same', isSeen: ({ kind }) => kind === 'task', signal: new AbortController().signal });
  await new Promise((resolve) => setImmediate(resolve));
  assert.is(listeners.size, 0);
  const reader = stream.getReader();
  await reader.read();
  assert.is(listeners.size, 1);
  await reader.cancel();
  assert.is(listeners.size, 0);
});

const kept = { eventDays: 180, mostEvents: 2_000, auditDays: 365, configDays: 730, mostConfigChanges: 20_000 };

test('history is bounded: old and surplus entries go, active tasks and lasting troubles stay', async (context) => {
  const { core, activity, clock, door } = context;
  warn(context);
  const active = startTask(context, 'test.wait');
  const failed = startTask(context, 'test.fail');
  await core.tasks.ended(failed);
  core.database.write(origin, (tx) => {
    for (let made = 0; made < kept.mostEvents + 5; made++) activity.event(tx, { severity: 'info', code: 'vm.started', message: 'It started.', about: [] });
  });
  const prune = async () => {
    const pruning = pruneHistory(core, kept, new AbortController().signal);
    await clock.advance(1_000);
    await pruning;
  };
  await prune();
  const total = () => core.database.sql.select({ rows: count() }).from(eventTable).get()?.rows;
  assert.is(total(), kept.mostEvents + 1, 'the newest, and the trouble that lasts');
  await clock.advance(kept.eventDays * 86_400_000 + 1);
  await prune();
  assert.is(total(), 1);
  assert.equal((await door.ask('GET', '/tasks')).body.items.map(({ id }: { id: string }) => id), [active]);
});

test.run();
