/** The order in which VMs start with the host. */
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { circleOf, healthProbePattern, readProbe, type Starter, usualStartup, whoStarts } from '../../appliance/vm/power/startup-rules.ts';

const starter = (name: string, changes: Partial<Starter> = {}): Starter => ({ ...usualStartup, id: name, name, stage: 'due', ...changes });

test('tier by tier, within one by number, equal ones together', () => {
  const all = [starter('c', { tier: 3 }), starter('a1', { tier: 1 }), starter('a2', { tier: 1 }), starter('b', { startOrder: 1 }), starter('b0')];
  const settle = (...names: string[]) => all.map((one) => (names.includes(one.name) ? { ...one, stage: 'settled' as const } : one));
  assert.equal(whoStarts(all).start, ['a1', 'a2']);
  assert.equal(whoStarts(settle('a1')).start, ['a2']);
  assert.equal(whoStarts(settle('a1', 'a2')), { start: ['b0'], waiting: new Map([['c', 'tier'], ['b', 'order']]) });
  assert.equal(whoStarts(settle('a1', 'a2', 'b0')).start, ['b']);
  assert.equal(whoStarts(settle('a1', 'a2', 'b0', 'b')).start, ['c']);
});

test('one that comes is waited for; one that is needed and does not start with the host is not', () => {
  const web = starter('web', { startAfter: ['db', 'never'] });
  assert.equal(whoStarts([web, starter('db', { stage: 'coming' })]), { start: [], waiting: new Map([['web', 'dependency']]) });
  assert.equal(whoStarts([web, starter('db', { stage: 'settled' })]).start, ['web']);
});

test('where all wait for each other the first goes', () => {
  const all = [starter('early', { tier: 1, startAfter: ['late'] }), starter('late', { tier: 3 })];
  assert.equal(whoStarts(all).start, ['early']);
});

test('whatever was wished, everything is started once, and nothing before what it can wait for', () => {
  const wishes = fc.array(fc.record({ tier: fc.integer({ min: 1, max: 3 }), startOrder: fc.integer({ min: 0, max: 2 }), after: fc.array(fc.integer({ min: 0, max: 7 }), { maxLength: 3 }) }), { maxLength: 8 });
  fc.assert(fc.property(wishes, (all) => {
    let starters = all.map(({ tier, startOrder, after }, index) => starter(String(index), { tier, startOrder, startAfter: after.map(String) }));
    const started: string[] = [];
    for (let rounds = 0; rounds <= all.length; rounds++) {
      const { start } = whoStarts(starters);
      started.push(...start);
      starters = starters.map((one) => (start.includes(one.id) ? { ...one, stage: 'settled' } : one));
    }
    assert.equal([...started].sort(), starters.map(({ id }) => id).sort());
    if (all.some(({ after }) => after.length > 0)) return;
    const place = (id: string) => { const one = all[Number(id)]; return (one?.tier ?? 0) * 10 + (one?.startOrder ?? 0); };
    assert.equal(started.map(place), started.map(place).sort((left, right) => left - right));
  }));
});

test('a circle is found before it is made', () => {
  const after: Record<string, string[]> = { a: ['b'], b: ['c'], c: [], d: [] };
  const of = (id: string) => after[id] ?? [];
  assert.equal(circleOf('c', ['d'], of), []);
  assert.equal(circleOf('c', ['d', 'a'], of), ['c', 'a', 'b']);
  assert.equal(circleOf('c', ['c'], of), ['c']);
});

test('probes are read as they are written', () => {
  assert.equal(readProbe(''), { kind: 'none', host: '', port: 0 });
  assert.equal(readProbe('agent'), { kind: 'agent', host: '', port: 0 });
  assert.equal(readProbe('tcp:5432'), { kind: 'tcp', host: '', port: 5432 });
  assert.equal(readProbe('tcp:db.lan:5432'), { kind: 'tcp', host: 'db.lan', port: 5432 });
  assert.equal(readProbe('tcp:[2001:db8::1]:22'), { kind: 'tcp', host: '2001:db8::1', port: 22 });
  for (const wrong of ['udp:1', 'tcp:', 'tcp:a', 'tcp:a b:1', 'agent:1', 'tcp:2001:db8::1:22']) assert.not.ok(healthProbePattern.test(wrong), wrong);
});

test.run();
