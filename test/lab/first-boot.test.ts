/** First boot from a stick, as on the day of delivery: plugged in, switched on, nobody there. */
import { suite } from 'uvu';
import { real } from '../real/count.ts';
import { type Box, withBox } from './box.ts';
import { expectSite, siteFile, siteStick, untilApplied } from './site-file.ts';

const test = suite('first boot');

test('a stick with a site file and power are enough: the guests run and the API is healthy', async () => {
  await withBox({ isPatient: true }, async (box) => {
    box.hardware.sticks = [(await siteStick(box.folder, siteFile)).path];
    const startedAt = Date.now();
    await box.switchOn();
    await box.answers();
    console.log(`the API answers after ${told(box, startedAt)}`);
    await untilApplied(box);
    console.log(`the site file is applied and its VMs run after ${told(box, startedAt)}`);
    await expectSite(box);
    console.log(`all of it was looked at after ${told(box, startedAt)}`);
    real('lab');
  });
});

const told = (box: Box, since: number) => `${box.machine.workedSeconds().toFixed(0)} s of work, ${((Date.now() - since) / 1000).toFixed(0)} s`;

test.run();
