/**
 * A version that brings the database to a newer schema and then cannot use its storage domain: on trial it takes no changes, the box takes
 * itself back and says why, and the old version has its old database with all that was acknowledged.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { real } from '../real/count.ts';
import { openUpdateBox, type UpdateBox } from './update-box.ts';
import type { Variant } from './variant.ts';

const service = 'usr/lib/bothy';
const domainless: Variant = {
  version: '0.1.3',
  files: { [`${service}/appliance/migrations/0001_second.sql`]: 'CREATE TABLE `of_the_next_version` (`id` text);\n' },
  edits: {
    [`${service}/build/appliance/storage/file-domain.js`]: { from: 'async verify() {', to: "async verify() { throw new DomainFault('this version cannot use it');" },
    [`${service}/appliance/migrations/meta/_journal.json`]: {
      from: '"breakpoints": true\n    }\n  ]', to: '"breakpoints": true\n    },\n    { "idx": 1, "version": "6", "when": 4000000000000, "tag": "0001_second", "breakpoints": true }\n  ]',
    },
  },
};

let subject: UpdateBox;

test.before(async () => {
  // Long enough for the service to come up under emulation and say what it lacks.
  subject = await openUpdateBox({ bundles: { domainless }, gateSeconds: 270 });
});

test('it takes no changes on trial, returns by itself, and the old version has its old database', async () => {
  assert.is(await subject.install('domainless'), 'Done');
  assert.is(await subject.write(), 'written');
  await subject.box.must('POST', '/update/switch', { shutdownSeconds: 30 });
  // Until it restarts the old version takes them, and they are kept.
  await subject.box.until('it is on trial and refuses a change', async () => {
    await subject.box.runFor(8);
    return /proving itself/.test(await subject.write());
  }, 3_600_000);
  await subject.expectReturn('0.1.3', await subject.decided('0.1.3'), /The storage domain "local" was active before and is not/);
  const { items } = await subject.box.must<{ items: { code: string }[] }>('GET', '/events');
  assert.ok(items.some(({ code }) => code === 'update.records-returned'));
  assert.match(await subject.box.inside('ls /var/lib/bothy'), /bothy\.db\.newer-4000000000000/);
  real('lab');
});

test.after(async () => {
  await subject?.box.close();
});

test.run();
