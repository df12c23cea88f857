/** Sizes as people read and type them. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { formatBytes, GiB, KiB, MiB, parseBytes, TiB } from '../../appliance/core/units.ts';

test('formats with the largest unit that fits', () => {
  assert.is(formatBytes(0), '0 bytes');
  assert.is(formatBytes(1), '1 byte');
  assert.is(formatBytes(1023), '1023 bytes');
  assert.is(formatBytes(1.5 * GiB), '1.5 GiB');
  assert.is(formatBytes(2 * GiB - 1), '1.9 GiB', 'a size is never rounded up');
  assert.is(formatBytes(5000 * TiB), '5000 TiB');
});

test('parses what people type', () => {
  assert.is(parseBytes('20 GiB'), 20 * GiB);
  assert.is(parseBytes('20g'), 20 * GiB);
  assert.is(parseBytes(' 1.5 TB '), 1.5 * TiB);
  assert.is(parseBytes('4096'), 4096);
  assert.is(parseBytes('64 kib'), 64 * KiB);
  assert.is(parseBytes('10 bytes'), 10);
});

test('refuses what it cannot read', () => {
  for (const text of ['', 'G', '-1G', '1 XB', '1e9', '12 GiBs', '9999999999T', '1,5 G']) assert.is(parseBytes(text), undefined, text);
});

test('reads whole units back as it wrote them', () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 1023 }), fc.constantFrom(1, KiB, MiB, GiB, TiB), (count, unit) => {
    assert.is(parseBytes(formatBytes(count * unit)), count * unit);
  }));
});

test.run();
