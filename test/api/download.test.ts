/** A download that fails half-way gives up its file and its claim on the disk. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { answerFile } from '../../appliance/storage/download.ts';

test('what cannot be read ends the answer, and is no longer held', async () => {
  let ended = 0;
  const folder = mkdtempSync(join(tmpdir(), 'bothy-download-')); // opens like a file, and fails when it is read
  const answer = await answerFile(new Request('http://bothy/'), { path: folder, fileName: 'disk.img', etag: '"1"', onEnd: () => { ended += 1; } });
  assert.is(answer.status, 200);
  await answer.arrayBuffer().then(() => assert.unreachable('it was read'), (error) => assert.match(String(error), /EISDIR/));
  assert.is(ended, 1);
});

test.run();
