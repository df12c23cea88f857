/** The rows of site files: the last one that came is the last one, whatever the clock says. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createSiteFiles } from '../../appliance/provision/files.ts';
import { openTestCore } from '../world/core.ts';

test('a file that comes after the clock was set back is the newest', async () => {
  const { database, journal, clock, close } = openTestCore();
  let now = clock.now();
  const files = createSiteFiles({ database, journal, clock: { ...clock, now: () => now } });
  const came = (source: string, state: 'failed' | 'refused' | 'applying') => database.write({ actor: 'test', operation: 'test' }, (tx) => {
    files.insert(tx, { state, source, digest: source, document: {}, faults: [], isFound: true, actor: 'test' });
  });
  came('the first', 'failed');
  now -= 86_400_000;
  came('a wrong one', 'refused');
  assert.is(files.found()?.source, 'a wrong one');
  now -= 86_400_000;
  came('the corrected one', 'applying');
  assert.is(files.current()?.source, 'the corrected one');
  assert.is(files.found(), undefined);
  await close();
});

test.run();
