/**
 * A box that comes up without a stick, gets one with a wrong file, and then the corrected one: it can be reached all the time, says
 * what is wrong on its screen and its pages, and ends as the right file says, without being installed or even started again.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Box, openReadyBox } from './box.ts';
import { partsOf } from './part.ts';
import { badLines, badSiteFile, expectSite, siteFile, siteState, siteStick } from './site-file.ts';

const test = suite('site faults');
let box: Box;

const part = partsOf(test, () => box);

test.before(async () => {
  box = await openReadyBox({ isPatient: true });
});

part('without a stick it waits for a person, with a set-up code', async () => {
  await box.signIn();
  assert.equal(await siteState(box).then(({ current, found }) => ({ current, found })), { current: null, found: null });
  assert.match(await box.inside('bothy setup-code'), /[A-Z0-9]{4}/);
});

part('a wrong file changes nothing, and each mistake is told with its line', async () => {
  const stick = await siteStick(box.folder, badSiteFile);
  const plugged = await box.machine.plugStick(stick.path);
  const { found, current } = await box.until('the wrong file is found', async () => {
    const state = await siteState(box);
    return state.found !== null && state;
  });
  assert.is(current, null);
  assert.is(found?.state, 'refused');
  assert.equal([...new Set(found?.faults.map(({ line }) => line))].sort((a, b) => a - b), badLines);
  assert.equal((await box.must<{ items: unknown[] }>('GET', '/vms')).items, []);
  assert.match(await box.inside('bothy status || true'), /site file/i);
  await expectOnScreen(/site file/i);
  await expectOnPage(/hostnam/);
  await box.machine.pullStick(plugged);
});

part('the corrected file is taken without a restart: the guests run', async () => {
  const stick = await siteStick(box.folder, siteFile);
  await box.machine.plugStick(stick.path);
  await expectSite(box);
});

part('pulled out of the wall with running VMs and without the stick, it comes back with them', async () => {
  await box.pullPlug();
  await box.switchOn();
  await expectSite(box);
});

/** The screens were left out to save time: they start now, and the kernel is asked what stands on the first. */
async function expectOnScreen(pattern: RegExp): Promise<void> {
  await box.inside('systemctl start bothy-console.service');
  await box.until(`the screen says ${pattern}`, async () => pattern.test((await box.inside('tr -c "[:print:]" " " </dev/vcs1 | tr -s " "'))));
  await box.inside('systemctl stop bothy-console.service');
}

/** What an administrator's browser gets. */
async function expectOnPage(pattern: RegExp): Promise<void> {
  const { status, body } = await box.api<Uint8Array>('GET', 'site', undefined, { accept: 'text/html' });
  assert.is(status, 200);
  assert.match(Buffer.from(body).toString(), pattern);
}

test.after(async () => {
  await box.close();
});

test.run();
