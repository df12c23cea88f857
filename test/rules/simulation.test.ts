/** The tools of the simulation itself: virtual time in order, and XML that survives the way through a tree. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createVirtualClock } from '../world/clock.ts';
import { type Element, formatXml, parseXml } from '../world/xml.ts';

test('sleepers wake in order of time, also those that a sleeper starts', async () => {
  const clock = createVirtualClock();
  const start = clock.now();
  const woken: string[] = [];
  const sleeper = async (name: string, ...pauses: number[]) => {
    for (const ms of pauses) {
      await clock.sleep(ms);
      woken.push(`${name}${clock.now() - start}`);
    }
  };
  const all = [sleeper('a', 30, 30), sleeper('b', 10, 10, 25), sleeper('c', 1000)];
  await clock.advance(100);
  assert.equal(woken, ['b10', 'b20', 'a30', 'b45', 'a60']);
  assert.is(clock.now() - start, 100);
  await clock.advance(900);
  await Promise.all(all);
  assert.is(woken.at(-1), 'c1000');
});

test('a sleep ends with its signal, and leaves nothing behind', async () => {
  const clock = createVirtualClock();
  const stop = new AbortController();
  const slept = clock.sleep(1000, stop.signal).then(() => 'slept', (reason: unknown) => reason);
  stop.abort('enough');
  assert.is(await slept, 'enough');
  assert.is(await clock.sleep(1, stop.signal).catch((reason: unknown) => reason), 'enough');
  assert.is(clock.sleepers(), 0);
});

test('time is moved on until something holds, or fails by name', async () => {
  const clock = createVirtualClock();
  let isDone = false;
  clock.sleep(50_000).then(() => { isDone = true; });
  await clock.until(() => isDone, 'the end of a sleep');
  try {
    await clock.until(() => false, 'the impossible', 5_000);
    assert.unreachable('it came');
  } catch (error) {
    assert.match(String(error), /never came: the impossible/);
  }
});

const name = fc.stringMatching(/^[a-z][a-z0-9:_-]{0,8}$/);
const words = fc.string({ maxLength: 12 }).map((text) => text.replace(/[^\x21-\x7e]/g, ''));
const attributes = fc.dictionary(name, words, { noNullPrototype: true });
const { element } = fc.letrec<{ element: Element }>((tie) => ({
  element: fc.oneof(
    { depthSize: 'small' },
    fc.record({ name, attributes, children: fc.constant<Element[]>([]), text: words }, { noNullPrototype: true }),
    fc.record({ name, attributes, children: fc.array(tie('element'), { minLength: 1, maxLength: 3 }), text: fc.constant('') }, { noNullPrototype: true }),
  ),
}));

test('XML survives the way out and in', () => {
  fc.assert(fc.property(element, (tree) => assert.equal(parseXml(formatXml(tree).trimEnd()), tree)));
});

test('what is not well-formed is refused', () => {
  for (const bad of ['', 'text', '<a>', '</a>', '<a></b>', '<a/><b/>', '<a b=c/>', '<a>&nope;</a>', '<a', '<a><b></a></b>']) assert.throws(() => parseXml(bad), /XML/, bad);
  assert.equal(parseXml("<?xml version='1.0'?><!-- note --><a b='&lt;&#65;&#x42;'> x </a>"), { name: 'a', attributes: { b: '<AB' }, children: [], text: 'x' });
});

test.run();
