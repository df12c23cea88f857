/**
 * The page of updates in a real browser: a bundle is dropped on it or comes on a stick, installed while one watches, switched to with one tap that says what
 * happens to the VMs; and when the version does not stand its trial the page says why. Every state is measured on a phone and on a desk, in both colour
 * schemes and both languages. Saves pictures for people to look at where BOTHY_PICTURES names a folder.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readTrial, writeTrial } from '../../appliance/update/record.ts';
import { openFoundry } from '../world/update-bundle.ts';
import { enter, openBrowser, openVisitor, serveTestApp, type Site, type Visitor } from './browser.ts';
import { findClipped, findFaint, findWide } from './browser-measures.ts';
import { real } from './count.ts';

const folder = process.env['BOTHY_PICTURES'];
const sizes = [{ width: 360, height: 740 }, { width: 1440, height: 900 }];

/** Measures the page as it stands in all its faces, on a window of its own so that the first one's goes on. */
async function look(visitors: Visitor[], name: string): Promise<string[]> {
  const faults: string[] = [];
  for (const { page } of visitors) {
    await page.goto('/update');
    for (const colorScheme of ['dark', 'light'] as const) {
      await page.emulateMedia({ colorScheme });
      await page.waitForTimeout(200);
      const width = page.viewportSize()?.width;
      if (folder) await page.screenshot({ path: join(folder, `update-${name}-${await page.locator('html').getAttribute('lang')}-${colorScheme}-${width}.png`), fullPage: true });
      faults.push(...[...(await findWide(page)), ...(await findClipped(page)), ...(await findFaint(page))].map((fault) => `${name} at ${width} in ${colorScheme}: ${fault}`));
    }
  }
  return faults;
}

/** What the health gate and the boot loader do with a version that is not well. */
async function giveUp({ app }: Site, reason: string): Promise<void> {
  const trial = readTrial(app.statePath);
  if (!trial) throw new Error('no switch is on record');
  await writeTrial(app.statePath, { ...trial, outcome: { result: 'failed', at: Date.now(), reasons: [reason] } });
  await app.host.slots.giveUp(AbortSignal.timeout(1_000));
  app.host.slots.boot();
}

test('dropped and refused, installed from a stick, switched to with one tap; a version that returned says why', async () => {
  if (folder) mkdirSync(folder, { recursive: true });
  const foundry = openFoundry();
  const site = await serveTestApp({ keysPath: foundry.keysPath, guests: { shutdownMs: 4_000 } });
  const browser = await openBrowser();
  try {
    const visitor = await openVisitor(browser, site.url);
    await enter(visitor);
    const others = [await openVisitor(browser, site.url, { viewport: sizes[0] ?? null, reducedMotion: 'reduce' }), await openVisitor(browser, site.url, { reducedMotion: 'reduce' }), await openVisitor(browser, site.url, { viewport: sizes[0] ?? null, reducedMotion: 'reduce', locale: 'zh-CN' })];
    for (const other of others) await enter(other);
    await site.app.send('POST', '/api/v1/vms', { name: 'till-server', vcpus: 1, memoryBytes: 2 ** 28, autostart: true });
    await site.app.carryOut('POST', '/api/v1/vms/till-server/start');
    const page = await visitor.open('/update');
    await page.locator('#slot-1\\.0').getByText('Runs').waitFor();
    const faults = await look(others, 'first');

    const wrong = await foundry.make('0.9');
    await page.locator('#update-file').setInputFiles({ name: 'bothy_0.9.bundle', mimeType: 'application/octet-stream', buffer: wrong });
    await until(async () => (await site.app.send<{ items: { kind: string; state: string }[] }>('GET', '/api/v1/tasks')).body.items.some(({ kind, state }) => kind === 'update.install' && state === 'failed'));
    site.app.host.siteSources.plugIn(undefined, { 'bothy_0.9.bundle': wrong, 'bothy_1.1.bundle': await foundry.make('1.1'), 'holiday.bundle': Buffer.alloc(9_000, 'x') });
    const onStick = page.locator('#stick-bothy_1\\.1\\.bundle');
    await onStick.getByRole('button', { name: 'Install' }).waitFor();
    await page.locator('#stick-bothy_0\\.9\\.bundle').getByText('older than 1.0').waitFor();
    faults.push(...await look(others, 'stick'));
    await onStick.getByRole('button', { name: 'Install' }).click();
    await page.getByText('Version 1.1 is ready').waitFor();
    await page.getByText('One virtual machine shuts down first: till-server.').waitFor();
    faults.push(...await look(others, 'ready'));

    await page.getByRole('button', { name: 'Switch to 1.1' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('till-server').waitFor();
    if (folder) await page.screenshot({ path: join(folder, 'update-confirm.png') });
    await dialog.getByRole('button', { name: 'Switch to 1.1' }).click();
    await page.locator('.steps').getByText('Shut the virtual machines down').waitFor();
    faults.push(...await look(others, 'switching'));
    await until(async () => (await site.app.host.slots.facts()).running === '1.1');

    await giveUp(site, 'The storage domain "local" was active before and is not.');
    await page.getByText('Version 1.1 did not come up well, so the appliance is back at version 1.0.', { exact: true }).waitFor();
    await page.getByRole('listitem').filter({ hasText: 'The storage domain "local" was active before and is not.' }).first().waitFor();
    await page.getByRole('button', { name: 'Try again' }).waitFor();
    faults.push(...await look(others, 'returned'));

    site.app.world.control.disconnect();
    await page.getByText('libvirt does not answer, so virtual machines cannot be shut down.').waitFor();
    site.app.host.slots.setLack('This machine was not started from the host image.');
    await page.reload();
    await page.getByText('This machine takes no updates here.').waitFor();
    assert.is(await page.locator('#update-file').count(), 0);
    assert.is(faults.join('\n'), '');
    assert.equal([visitor, ...others].flatMap((each) => each.faults), []);
    real('browser');
  } finally {
    await browser.close();
    await site.close();
    foundry.close();
  }
});

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 60_000; !(await isTrue()); await new Promise((resolve) => setTimeout(resolve, 100))) if (Date.now() > end) throw new Error('never');
}

test.run();
