/** Random sequences of snapshots under random kills, on qemu-img and qcow2 files. BOTHY_SEQUENCES says how many; a release plays 200. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createQemuImg } from '../../appliance/storage/qemu-img.ts';
import { real } from '../real/count.ts';
import { playSequence } from '../task/snapshot-sequences.ts';
import { qemuIoWrite } from '../world/guest-disk.ts';

const count = Number(process.env['BOTHY_SEQUENCES'] ?? 1);
const firstSeed = Number(process.env['BOTHY_SEED'] ?? 1);

test(`${count} sequences of snapshots under kills, qemu-img: nothing that can be seen or gone back to is lost`, async () => {
  let kills = 0;
  for (let seed = firstSeed; seed < firstSeed + count; seed++) kills += await playSequence(seed, { imageTool: createQemuImg(), write: qemuIoWrite, steps: 10 });
  assert.ok(kills > 0, 'nothing was ever killed');
  console.log(`${count} sequences, ${kills} kills`);
  real('qemu-img');
});

test('the same of a VM on a template, qemu-img: what it shows, and nothing of the template', async () => {
  let kills = 0;
  for (let seed = firstSeed; seed < firstSeed + Math.ceil(count / 3); seed++) kills += await playSequence(seed, { imageTool: createQemuImg(), write: qemuIoWrite, steps: 10, isThin: true });
  assert.ok(kills > 0, 'nothing was ever killed');
  real('qemu-img');
});

test.run();
