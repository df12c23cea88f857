/** XML as a tree: what is printed reads back the same, whatever names and paths hold, and nothing can break out. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Element, element, find, findAll, parseXml, printXml, textOf } from '../../appliance/vm/definition/xml.ts';

/** Any text that XML 1.0 can hold, with the dangerous characters often. */
const text = fc.array(fc.oneof(
  { arbitrary: fc.constantFrom('<', '>', '&', '"', "'", ']]>', '<!--', '&lt;', '&#0;', '\n', '\r', '\t', ' ', '</name>'), weight: 3 },
  { arbitrary: fc.string({ unit: 'grapheme', maxLength: 6 }), weight: 2 },
), { maxLength: 8 }).map((parts) => parts.join('')).filter((joined) => !/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/u.test(joined));
const name = fc.stringMatching(/^[a-z][a-z0-9_.:-]{0,8}$/);

const { tree } = fc.letrec<{ tree: Element }>((tie) => ({
  tree: fc.record<Element>({
    name,
    attributes: fc.dictionary(name, text, { maxKeys: 3, noNullPrototype: true }),
    children: fc.oneof<fc.Arbitrary<Element['children']>[]>({ depthSize: 'small' }, fc.constant([]), fc.tuple(text.filter((words) => words.trim() !== '')), fc.array(tie('tree'), { maxLength: 3 })),
  }, { noNullPrototype: true }),
}));

test('what is printed reads back the same', () => {
  fc.assert(fc.property(tree, (wished) => assert.equal(parseXml(printXml(wished)), wished)), { numRuns: 500 });
});

test('a text cannot end its element or attribute', () => {
  const evil = `"/><disk type='file'><source file="/etc/shadow"/></disk><x y="`;
  const read = parseXml(printXml(element('a', { path: evil }, element('b', {}, evil))));
  assert.is(read.attributes['path'], evil);
  assert.is(textOf(find(read, 'b')), evil);
  assert.is(findAll(read, 'disk').length, 0);
});

test('characters that XML cannot hold are refused', () => {
  for (const wrong of ['\0', '\u{1}', '\u{b}', '\u{ffff}', '\ud800']) {
    assert.throws(() => printXml(element('a', { b: `x${wrong}` })), /cannot hold/);
    assert.throws(() => printXml(element('a', {}, wrong)), /cannot hold/);
  }
});

test('reads what libvirt prints: declarations, comments, both quotes, entities', () => {
  const read = parseXml(`<?xml version='1.0'?>\n<!-- made by > libvirt -->\n<domain type='kvm'>\n  <name>a &amp; b &#x263a;&#33;</name>\n  <empty/>\n</domain>\n`);
  assert.equal(read, element('domain', { type: 'kvm' }, element('name', {}, 'a & b ☺!'), element('empty')));
});

test('what is not XML is refused', () => {
  for (const wrong of ['', 'words', '<a>', '<a></b>', '</a>', '<a', '<a b=c/>', '<a/></a>']) assert.throws(() => parseXml(wrong), /XML/, wrong);
});

test.run();
