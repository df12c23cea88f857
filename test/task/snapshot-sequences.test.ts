/** Random sequences of snapshots under random kills, on the simulated image tool. BOTHY_SEQUENCES says how many; a release plays 200. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { simulatedWrite } from '../world/guest-disk.ts';
import { playSequence } from './snapshot-sequences.ts';

const count = Number(process.env['BOTHY_SEQUENCES'] ?? 3);
const firstSeed = Number(process.env['BOTHY_SEED'] ?? 1);

test(`${count} sequences of snapshots under kills: nothing that can be seen or gone back to is lost`, async () => {
  let kills = 0;
  for (let seed = firstSeed; seed < firstSeed + count; seed++) kills += await playSequence(seed, { write: simulatedWrite, steps: 12 });
  assert.ok(kills > 0, 'nothing was ever killed');
  console.log(`${count} sequences, ${kills} kills`);
});

test('the same of a VM on a template: what it shows, and nothing of the template', async () => {
  let kills = 0;
  for (let seed = firstSeed; seed < firstSeed + Math.ceil(count / 3); seed++) kills += await playSequence(seed, { write: simulatedWrite, steps: 10, isThin: true });
  assert.ok(kills > 0, 'nothing was ever killed');
});

test.run();
