/**
 * First boot from a stick, as on the day of delivery: plugged in, switched on, nobody there. And the same with a fuse that blows
 * at random moments, several times on one box: BOTHY_LAB_CUTS times in all, once unless told, 20 for a release.
 * BOTHY_LAB_CUTS_ONLY=SECONDS leaves the undisturbed boot out and takes that for its work, so that a release's cuts can run in
 * several goes.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { real } from '../real/count.ts';
import { type Box, withBox } from './box.ts';
import { expectSite, siteFile, siteStick, untilApplied } from './site-file.ts';

const test = suite('first boot');
const cuts = Number(process.env.BOTHY_LAB_CUTS ?? 1);
const cutsPerBox = 5;
const knownSeconds = Number(process.env.BOTHY_LAB_CUTS_ONLY ?? 0);

const boxWithStick = (work: (box: Box) => Promise<void>) => withBox({ isPatient: true }, async (box) => {
  box.hardware.sticks = [(await siteStick(box.folder, siteFile)).path];
  await work(box);
});

/**
 * What the box has to work for an undisturbed first boot, in seconds of this machine's processor: the cuts fall into that. Time
 * by the clock would tell more of what else this machine does.
 */
let wholeSeconds = knownSeconds;

if (!knownSeconds) {
  test('a stick with a site file and power are enough: the guests run and the API is healthy', async () => {
    await boxWithStick(async (box) => {
      const startedAt = Date.now();
      await box.switchOn();
      await box.answers();
      console.log(`the API answers after ${told(box, startedAt)}`);
      await untilApplied(box);
      wholeSeconds = box.machine.workedSeconds();
      console.log(`the site file is applied and its VMs run after ${told(box, startedAt)}`);
      await expectSite(box);
      real('lab');
    });
  });
}

for (let first = 1; first <= cuts; first += cutsPerBox) {
  const last = Math.min(first + cutsPerBox - 1, cuts);
  test(`power cuts ${first} to ${last} of ${cuts} in the middle of it: the next boot ends in the same state`, async () => {
    await boxWithStick(async (box) => {
      for (let cut = first; cut <= last; cut++) await cutPower(box, cut);
      const startedAt = Date.now();
      await box.switchOn();
      await expectSite(box);
      console.log(`whole again after ${told(box, startedAt)}; boots as their journals tell:\n${await lastWords(box)}`);
      assert.match(await box.inside('dmesg | grep -c "EXT4-fs error" || true'), /^0/);
      real('lab');
    });
  });
}

async function cutPower(box: Box, cut: number): Promise<void> {
  const moment = Math.random() * wholeSeconds;
  await box.switchOn();
  while (box.machine.workedSeconds() < moment) await box.runFor(0.05);
  const [isUp, written] = [await box.machine.hasAgent(), await box.machine.writtenBytes()];
  await box.pullPlug();
  console.log(`cut ${cut}: the power went after ${moment.toFixed(1)} of ${wholeSeconds.toFixed(0)} s of work: systemd had ${isUp ? '' : 'not '}come to services, ${written >> 10} KiB were written`);
}

const told = (box: Box, since: number) => `${box.machine.workedSeconds().toFixed(0)} s of work, ${((Date.now() - since) / 1000).toFixed(0)} s`;

/** How far each boot had come, by what its journal says last; one that is not there had written nothing down. */
async function lastWords(box: Box): Promise<string> {
  return box.inside('for boot in $(journalctl --list-boots -q --no-pager | tr -s " " | sed "s/^ //" | cut -d" " -f2); do journalctl -b $boot --no-pager -q -n 1 -o short-monotonic | cut -c1-140; done');
}

test.run();
