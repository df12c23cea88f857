/** A version whose service dies at its start: the box takes itself back without anybody, says why, and has all that it acknowledged. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { real } from '../real/count.ts';
import { openUpdateBox, type UpdateBox } from './update-box.ts';

/** There is nothing to wait for. */
const gateSeconds = 60;
const bundles = { dying: { version: '0.1.2', files: { 'usr/lib/bothy/build/appliance/main.js': "throw new Error('this version is broken');\n" } } };

let subject: UpdateBox;

test.before(async () => {
  subject = await openUpdateBox({ bundles, gateSeconds });
});

test('a service that dies at its start: the box takes itself back, and says why', async () => {
  assert.is(await subject.install('dying'), 'Done');
  assert.is(await subject.write(), 'written');
  await subject.expectReturn('0.1.2', await subject.switchTo('0.1.2'), /The new version did not answer\. Its journal says why/);
  assert.match(await subject.box.inside('journalctl -u bothyd --no-pager'), /this version is broken/);
  real('lab');
});

test.after(async () => {
  await subject?.box.close();
});

test.run();
