/** Keys, text in columns, and the QR code: what the screen of the box is made of. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import qrcode from 'qrcode-generator';
import { readAnswer, readChanges, Refused } from '../../appliance/console-screen/api.ts';
import { createKeyReader, type Key } from '../../appliance/console-screen/keys.ts';
import { cut, fit, lineWidth, say, widthOf, wrap } from '../../appliance/console-screen/lines.ts';
import { drawQr } from '../../appliance/console-screen/qr.ts';
import { spellingFor } from '../../appliance/console-screen/spelling.ts';
import { lastLines } from '../../appliance/console-screen/why-away.ts';

const names = (keys: Key[]) => keys.map((key) => (key.name === 'text' ? key.text : key.name));

test('keys of the Linux console, VT100 and VT220, also in pieces', () => {
  const { feed, flush, isWaiting } = createKeyReader();
  assert.equal(names(feed('\x1b[A\x1bOB\x1b[5~\x1b[1;5Cq\r')), ['up', 'down', 'page-up', 'q', 'enter']);
  assert.equal([names(feed('\x1b')), names(feed('[')), names(feed('B'))], [[], [], ['down']]);
  assert.equal(names(feed('\x1b[[A\x1b[15~x')), ['x'], 'function keys mean nothing');
  assert.equal(names(feed('\x1b')), []);
  assert.ok(isWaiting());
  assert.equal([names(flush()), isWaiting()], [['escape'], false]);
  assert.equal(names(feed('\x1bq')), ['escape', 'q']);
  assert.equal(names(feed('\x03\x1a\x00é中')), ['é', '中'], 'no key ends the program');
  assert.equal(feed('\x1b[24;80R'), [{ name: 'report', row: 24, column: 80 }]);
});

test('text is cut, filled and wrapped by columns; Chinese letters take two', () => {
  assert.equal([widthOf('一切正常'), cut('一切正常', 5), widthOf('é█')], [8, '一切', 2]);
  assert.equal(wrap('one two three', 7), ['one two', 'three']);
  assert.equal(wrap('aaaaaaaaaa b', 4), ['aaaa', 'aaaa', 'aa b']);
  for (const columns of [1, 2, 5, 9, 40]) assert.is(lineWidth(fit([...say('一切'), ...say('正常', 'bad')], columns)), columns);
});

/** Reads the modules back from what is drawn; `true` is dark. */
function modulesIn(lines: string[]): boolean[][] {
  return lines.flatMap((line) => [[...line].map((letter) => letter === ' ' || letter === '▄'), [...line].map((letter) => letter === ' ' || letter === '▀')]);
}

test('the QR code has every module in its place, in blocks and in reversed spaces', () => {
  const url = 'https://192.168.10.5';
  const expected = qrcode(0, 'L');
  expected.addData(url.toUpperCase(), 'Alphanumeric');
  expected.make();
  const size = expected.getModuleCount();
  assert.is(size, 21, 'the smallest there is');
  const wanted = Array.from({ length: size }, (_row, row) => Array.from({ length: size }, (_column, column) => expected.isDark(row, column)));
  const inner = (modules: boolean[][], border: number) => modules.slice(border, border + size).map((row) => row.slice(border, border + size));

  const blocks = drawQr(url, { hasBlocks: true, border: 2 });
  assert.equal([blocks.columns, blocks.lines.length], [25, 13]);
  assert.equal(inner(modulesIn(blocks.lines.map((line) => line.map(({ text }) => text).join(''))), 2), wanted);

  const spaces = drawQr(url, { hasBlocks: false, border: 1 });
  assert.equal([spaces.columns, spaces.lines.length], [46, 23]);
  const read = spaces.lines.map((line) => line.flatMap(({ text, style }) => Array.from({ length: text.length / 2 }, () => style === 'plain')));
  assert.equal(inner(read, 1), wanted);
});

test('an address that capitals would change keeps its letters', () => {
  assert.ok(drawQr('https://[2001:db8::5]', { hasBlocks: true, border: 0 }).columns > 21);
});

test('a refusal of the appliance is told in its own words', () => {
  try {
    readAnswer(409, JSON.stringify({ type: 'wrong-state', title: 'Wrong state', status: 409, detail: 'It is down.', errors: [{ path: 'vm', message: 'Start it first.' }] }));
    assert.unreachable();
  } catch (error) {
    assert.instance(error, Refused);
    assert.is((error as Refused).message, 'It is down. Start it first.');
  }
});

test('letters that a terminal has not are spelled with those that it has, and no column moves', () => {
  const text = '“Café” … é █ ▲ × 中';
  const spelled = (hasBlocks: boolean, hasChinese: boolean) => spellingFor({ hasBlocks, hasChinese })(text);
  assert.equal([spelled(true, true), spelled(true, false), spelled(false, false)], [text, '"Café" . é █ ▲ x ?', '"Caf?" . ? ? ? x ?']);
});

test('the change feed is read in whatever pieces it comes', async () => {
  const text = 'retry: 500\nid: 4\n\nevent: change\nid: 5\ndata: {"seq":5,"kind":"vm","id":"x","what":"updated"}\n\n: beat\n\nevent: resync\nid: 9\ndata: {}\n\n';
  for (const size of [1, 7, 1000]) {
    const kinds: string[] = [];
    const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_none, index) => text.slice(index * size, (index + 1) * size));
    await readChanges((async function* () { yield* pieces; })(), (kind) => kinds.push(kind));
    assert.equal(kinds, ['vm', 'host']);
  }
});

test('of a log the last lines that say something', () => {
  assert.equal(lastLines('a\nb\nError: full\n    at x (y.js:1)\n    at z\n\n'), ['a', 'b', 'Error: full']);
});

test.run();
