/** The task engine on a real database: order, memory, unwinding, cancelling, resuming after a cut at every instant. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as z from 'zod';
import { exclusive } from '../../appliance/core/locks.ts';
import { Problem } from '../../appliance/core/problem.ts';
import { defineTask, type TaskProbe } from '../../appliance/core/task.ts';
import { openTestCore, type TestCore } from '../world/core.ts';

const origin = { actor: 'test', operation: 'test.run' };

/** The outside world of these tasks: a set of marks that outlives the service. */
interface Site {
  marks: Set<string>;
  log: string[];
  ends: string[];
}

const newSite = (): Site => ({ marks: new Set(), log: [], ends: [] });

function markTask(site: Site, options: { failsAt?: string; waitsAt?: string } = {}) {
  const step = (name: string) => ({
    name,
    async do({ memory, signal }: { memory: { seen?: string }; signal: AbortSignal }) {
      site.log.push(`do ${name}`);
      site.marks.add(name);
      if (options.failsAt === name) throw new Problem('unavailable', `${name} is broken`);
      if (options.waitsAt === name) await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      return { seen: `${memory.seen ?? ''}${name}` };
    },
    async undo() {
      site.log.push(`undo ${name}`);
      site.marks.delete(name);
    },
  });
  return defineTask<{ target: string }, { seen: string }>({
    kind: 'mark', input: z.object({ target: z.string() }), canCancel: true,
    locks: ({ target }) => [exclusive('target', target)],
    steps: [step('a'), step('b'), step('c')],
    finished: (_tx, { state, memory, problem }) => site.ends.push(`${state} ${memory.seen ?? ''} ${problem?.detail ?? ''}`.trim()),
  });
}

const start = (core: TestCore) => core.database.write(origin, (tx) => core.tasks.start(tx, 'mark', { target: 'x' }, [{ kind: 'target', id: 'x', name: 'x' }]));

test('steps run in order, remember, and end in the same commit as the row', async () => {
  const site = newSite();
  const core = openTestCore();
  core.tasks.define([markTask(site)]);
  const row = await core.tasks.ended(start(core));
  assert.is(row.state, 'done');
  assert.is(row.progress, 1);
  assert.equal(site.log, ['do a', 'do b', 'do c']);
  assert.equal(site.ends, ['done abc']);
  await core.close();
});

for (const isBroken of [false, true]) {
  test(`what nobody is to read later is forgotten when a task ${isBroken ? 'has failed' : 'is done'}, and not before`, async () => {
    const core = openTestCore();
    const seen: string[] = [];
    core.tasks.define([defineTask<{ target: string; secret: string }>({
      kind: 'mark', input: z.object({ target: z.string(), secret: z.string() }), canCancel: true,
      locks: () => [],
      remains: (input) => ({ ...input, secret: '' }),
      steps: [{
        name: 'a',
        async do({ input }) {
          seen.push(input.secret);
          if (isBroken) throw new Problem('unavailable', 'broken');
        },
      }],
      finished: (_tx, { input }) => seen.push(input.secret),
    })]);
    const id = core.database.write(origin, (tx) => core.tasks.start(tx, 'mark', { target: 'x', secret: 'hush' }, []));
    assert.equal((await core.tasks.ended(id)).input, { target: 'x', secret: '' });
    assert.equal(seen, ['hush', 'hush']);
    await core.close();
  });
}

test('a failing step is undone with those before it, and the task tells why', async () => {
  const site = newSite();
  const core = openTestCore();
  core.tasks.define([markTask(site, { failsAt: 'b' })]);
  const row = await core.tasks.ended(start(core));
  assert.is(row.state, 'failed');
  assert.is((row.problem as { detail: string }).detail, 'b is broken');
  assert.equal([...site.marks], []);
  assert.equal(site.log, ['do a', 'do b', 'undo b', 'undo a']);
  await core.close();
});

test('cancelling a running step aborts and undoes it; a second cancel is refused', async () => {
  const site = newSite();
  const core = openTestCore();
  core.tasks.define([markTask(site, { waitsAt: 'b' })]);
  const id = start(core);
  while (!site.log.includes('do b')) await core.clock.sleep(5);
  core.database.write(origin, (tx) => core.tasks.cancel(tx, id));
  assert.is((await core.tasks.ended(id)).state, 'cancelled');
  assert.equal([...site.marks], []);
  assert.throws(() => core.database.write(origin, (tx) => core.tasks.cancel(tx, id)), /already ended/);
  await core.close();
});

test('two tasks on one thing run one after the other; a waiting one can be cancelled', async () => {
  const site = newSite();
  const core = openTestCore();
  core.tasks.define([markTask(site, { waitsAt: 'c' })]);
  const first = start(core);
  const second = start(core);
  while (!site.log.includes('do c')) await core.clock.sleep(5);
  assert.is(core.tasks.get(second)?.state, 'pending');
  core.database.write(origin, (tx) => core.tasks.cancel(tx, second));
  assert.is((await core.tasks.ended(second)).state, 'cancelled');
  core.database.write(origin, (tx) => core.tasks.cancel(tx, first));
  assert.is((await core.tasks.ended(first)).state, 'cancelled');
  assert.equal(site.log.filter((line) => line === 'do a').length, 1);
  await core.close();
});

test('stopping the service leaves the task for the next start', async () => {
  const site = newSite();
  const core = openTestCore();
  core.tasks.define([markTask(site, { waitsAt: 'b' })]);
  const id = start(core);
  while (!site.log.includes('do b')) await core.clock.sleep(5);
  await core.tasks.stop();
  assert.is(core.tasks.get(id)?.state, 'running');
  core.database.close();
  const next = core.reopen();
  next.tasks.define([markTask(site)]);
  next.tasks.resume();
  assert.is((await next.tasks.ended(id)).state, 'done');
  assert.equal([...site.marks], ['a', 'b', 'c']);
  await next.close();
});

/** A probe that stops for ever at its n-th point: the power cut. */
function cutAt(n: number): { probe: TaskProbe; isCut: Promise<boolean> } {
  let seen = 0;
  let tell: (isCut: boolean) => void = () => {};
  const isCut = new Promise<boolean>((resolve) => { tell = resolve; });
  return {
    isCut,
    probe: {
      at: () => {
        seen += 1;
        if (seen !== n) return Promise.resolve();
        tell(true);
        return new Promise(() => {});
      },
    },
  };
}

for (const failsAt of [undefined, 'c'] as const) {
  test(`a power cut at any instant ends as if there had been none (${failsAt ? 'failing' : 'good'} task)`, async () => {
    for (let n = 1; ; n += 1) {
      const site = newSite();
      const options = failsAt ? { failsAt } : {};
      const cut = cutAt(n);
      const core = openTestCore({ probe: cut.probe });
      core.tasks.define([markTask(site, options)]);
      const id = start(core);
      const wasCut = await Promise.race([cut.isCut, core.tasks.ended(id).then(() => false)]);
      core.database.close();
      const next = core.reopen();
      next.tasks.define([markTask(site, options)]);
      next.tasks.resume();
      const row = await next.tasks.ended(id);
      assert.is(row.state, failsAt ? 'failed' : 'done', `cut ${n}`);
      assert.equal([...site.marks].sort(), failsAt ? [] : ['a', 'b', 'c'], `cut ${n}`);
      assert.is(site.ends.length, 1, `cut ${n}`);
      await next.close();
      if (!wasCut) {
        assert.ok(n > 9, `only ${n} instants were cut`);
        return;
      }
    }
  });
}

test.run();
