/** What may be done with disks, how full is full, what things take, and the two range headers. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GiB, MiB } from '../../appliance/core/units.ts';
import { checkIso, checkIsoLength } from '../../appliance/storage/iso-header.ts';
import { pageOf } from '../../appliance/storage/page.ts';
import { defaultCriticalBytes, diskAllows, diskFault, needsConversion, parseContentRange, parseRange, spaceState, volumeBytes } from '../../appliance/storage/rules.ts';
import { isoNameSchema } from '../../appliance/storage/schema.ts';
import { qcow2Header } from '../world/image-bytes.ts';
import { isoImage } from '../world/iso-bytes.ts';

test('a verb may begin exactly in its states, and a refusal says what to do', () => {
  for (const verb of ['edit', 'attach', 'start', 'resize', 'upload', 'download', 'delete'] as const) {
    for (const state of ['creating', 'ok', 'locked', 'illegal'] as const) {
      const allowed: readonly string[] = diskAllows[verb];
      const fault = diskFault(verb, { name: 'root', state });
      assert.is(fault === undefined, allowed.includes(state), `${verb} ${state}`);
      if (fault) assert.match(fault, /^The disk "root" .+\. [A-Z].+\.$/);
    }
  }
});

test('space is low or critical below its limits, and does not waver around them', () => {
  const limits = { lowSpacePercent: 10, criticalSpaceBytes: 5 * GiB };
  const at = (freeBytes: number, before?: 'ok' | 'low' | 'critical') => spaceState({ totalBytes: 100 * GiB, freeBytes }, limits, before);
  assert.equal([at(10 * GiB), at(10 * GiB - 1), at(5 * GiB - 1)], ['ok', 'low', 'critical']);
  assert.equal([at(10.5 * GiB, 'low'), at(11 * GiB, 'low')], ['low', 'ok']);
  assert.equal([at(5.5 * GiB, 'critical'), at(6 * GiB, 'critical'), at(50 * GiB, 'critical')], ['critical', 'low', 'ok']);
  assert.is(spaceState({ totalBytes: 0, freeBytes: 0 }, { lowSpacePercent: 0, criticalSpaceBytes: 0 }), 'ok');
});

test('a small file system keeps less for its guests', () => {
  assert.is(defaultCriticalBytes(500 * GiB), GiB);
  assert.is(defaultCriticalBytes(400 * MiB), 20 * MiB);
});

test('a preallocated volume takes its size, a cow one its tables too', () => {
  fc.assert(fc.property(fc.integer({ min: MiB, max: 2 ** 45 }), (sizeBytes) => {
    assert.is(volumeBytes({ sizeBytes, format: 'raw', allocation: 'preallocated' }), sizeBytes);
    // One 8 byte entry and one 2 byte count for each 64 KiB, and the header's clusters: measured with qemu-img measure.
    const tables = volumeBytes({ sizeBytes, format: 'cow', allocation: 'preallocated' }) - sizeBytes;
    assert.ok(tables >= (sizeBytes / 65536) * 10 + 5 * 65536, `${tables}`);
    assert.ok(volumeBytes({ sizeBytes, format: 'cow', allocation: 'sparse' }) <= MiB);
  }));
});

test('only what is already as the disk wants it stays as it is', () => {
  assert.is(needsConversion({ format: 'raw', allocation: 'sparse' }, 'raw'), false);
  assert.is(needsConversion({ format: 'raw', allocation: 'preallocated' }, 'raw'), false);
  assert.is(needsConversion({ format: 'cow', allocation: 'sparse' }, 'qcow2'), false);
  for (const declared of ['raw', 'vmdk', 'vhdx', 'vdi']) assert.is(needsConversion({ format: 'cow', allocation: 'sparse' }, declared), true);
  assert.is(needsConversion({ format: 'cow', allocation: 'preallocated' }, 'qcow2'), true, 'a received file is sparse');
});

test('Content-Range: a part, a part of an unknown whole, a question; nothing else', () => {
  assert.equal(parseContentRange('bytes 0-99/200'), { startBytes: 0, endBytes: 100, totalBytes: 200 });
  assert.equal(parseContentRange('bytes 5-5/*'), { startBytes: 5, endBytes: 6 });
  assert.equal(parseContentRange('bytes */200'), { totalBytes: 200 });
  for (const wrong of ['', 'bytes', 'bytes */*', 'bytes 9-5/10', 'bytes 0-10/10', 'bytes=0-9', 'items 0-9/10', 'bytes -5/10', 'bytes 0-99999999999999999/*']) {
    assert.is(parseContentRange(wrong), undefined, wrong);
  }
});

test('Range: from, from to, the last bytes; several ranges and other units mean the whole', () => {
  assert.equal(parseRange('bytes=0-0', 10), { startBytes: 0, endBytes: 1 });
  assert.equal(parseRange('bytes=4-', 10), { startBytes: 4, endBytes: 10 });
  assert.equal(parseRange('bytes=-3', 10), { startBytes: 7, endBytes: 10 });
  assert.equal(parseRange('bytes=5-99', 10), { startBytes: 5, endBytes: 10 });
  for (const unsatisfiable of ['bytes=10-', 'bytes=-0']) assert.is(parseRange(unsatisfiable, 10), 'unsatisfiable', unsatisfiable);
  for (const whole of [null, '', 'bytes=-', 'bytes=0-1,4-5', 'items=0-1', 'bytes=5-4']) assert.is(parseRange(whole, 10), undefined, String(whole));
});

test('a range is always within the file', () => {
  fc.assert(fc.property(fc.string(), fc.nat(), fc.nat(), fc.nat(1000), (noise, first, last, sizeBytes) => {
    for (const header of [noise, `bytes=${first}-${last}`, `bytes=${first}-`, `bytes=-${last}`]) {
      const range = parseRange(header, sizeBytes);
      if (range === undefined || range === 'unsatisfiable') continue;
      assert.ok(range.startBytes >= 0 && range.startBytes < range.endBytes && range.endBytes <= sizeBytes);
    }
  }));
});

test('an installation image is known by its descriptor, a cut one by its length', () => {
  assert.equal(checkIso(isoImage()), { isOk: true });
  assert.is(checkIso(new Uint8Array(10)).isOk, false);
  assert.is(checkIso(qcow2Header()).isOk, false);
  assert.equal(checkIsoLength(isoImage(), 256 * 1024), { isOk: true });
  assert.is(checkIsoLength(isoImage(256 * 1024, { volumeBytes: 10 * MiB }), 256 * 1024).isOk, false);
  assert.equal(checkIsoLength(new Uint8Array(100), 100), { isOk: true }, 'no descriptor, no claim');
});

test('ISO names are file names that are safe everywhere', () => {
  for (const name of ['debian-12.5.0-amd64-netinst.iso', 'memtest86+x64.iso', 'Größe (1).ISO', 'a.iso', 'en_windows_11~x.iso']) assert.ok(isoNameSchema.safeParse(name).success, name);
  for (const name of ['.iso', '.a.iso', '-a.iso', 'a/b.iso', 'a\\b.iso', 'a\0.iso', 'a\n.iso', 'a', 'a.iso/', '../a.iso', 'a;b.iso', 'a$b.iso', `${'x'.repeat(125)}.iso`]) assert.not.ok(isoNameSchema.safeParse(name).success, name);
});

test('a page ends where the next begins', () => {
  const rows = ['a', 'b', 'c'].map((name) => ({ name }));
  assert.equal(pageOf(rows, 2), { rows: rows.slice(0, 2), next: 'b' });
  assert.equal(pageOf(rows, 3), { rows, next: null });
  assert.equal(pageOf([], 3), { rows: [], next: null });
});

test.run();
