/** Bundles that a box must not take: damaged, cut off, of another machine, older. Each is refused with its reason, and nothing is written. */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { real } from '../real/count.ts';
import { openUpdateBox, type UpdateBox } from './update-box.ts';

/** Small ones: what they are refused for does not depend on their size. */
const bundles = { good: { version: '0.1.1', isStub: true }, older: { version: '0.0.9', isStub: true }, foreign: { version: '0.1.4', isStub: true, claims: { architecture: 'aarch64' } } };

let subject: UpdateBox;

test.before(async () => {
  subject = await openUpdateBox({ bundles });
});

const bytesOf = (name: string) => readFileSync(subject.bundles.get(name) ?? '');

/** One bit, inside the root file system. */
function tamper(good: Buffer): Buffer {
  const at = good.length - 1_536;
  assert.is(good[at], 7);
  good[at] = 6;
  return good;
}

const faults: Record<string, { make: () => Uint8Array; reason: RegExp }> = {
  tampered: { make: () => tamper(bytesOf('good')), reason: /damaged/ },
  truncated: { make: () => bytesOf('good').subarray(0, -1_536), reason: /damaged/ },
  'of another architecture': { make: () => bytesOf('foreign'), reason: /aarch64 machines/ },
  older: { make: () => bytesOf('older'), reason: /is older than/ },
};

for (const [name, { make, reason }] of Object.entries(faults)) {
  test(`${name}: refused with its reason, and the other slot stays empty`, async () => {
    assert.match(await subject.install(make()), reason);
    const { slots, next } = await subject.update();
    assert.equal([slots.map(({ version, state }) => [version, state]), next], [[[subject.image.version, 'running']], null]);
    assert.equal(await subject.box.inside('ls /var/lib/bothy/update/incoming /var/lib/bothy/update/staged 2>/dev/null | grep -v :$ | grep . || true'), '');
    real('lab');
  });
}

test.after(async () => {
  await subject?.box.close();
});

test.run();
