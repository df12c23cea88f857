/** Random sequences of snapshots of a VM that runs as well as not, under kills and power cuts, on simulated parts. BOTHY_SEQUENCES says how many; a release plays 200. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { simulatedWrite } from '../world/guest-disk.ts';
import { playSequence } from './snapshot-sequences.ts';

const count = Number(process.env['BOTHY_SEQUENCES'] ?? 3);
const firstSeed = Number(process.env['BOTHY_SEED'] ?? 1);

test(`${count} sequences of snapshots of a VM that runs and stops, under kills and power cuts: nothing that can be seen or gone back to is lost`, async () => {
  let kills = 0;
  for (let seed = firstSeed; seed < firstSeed + count; seed++) kills += await playSequence(seed, { write: simulatedWrite, steps: 14, mayRun: true });
  assert.ok(kills > 0, 'nothing was ever killed');
  console.log(`${count} sequences, ${kills} kills`);
});

test.run();
