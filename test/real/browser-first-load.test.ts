/**
 * What a first visit costs, and that the pages stay usable where the line is a bad radio link: 64 kbit/s with a round trip of
 * one second, as Chromium throttles it. On the simulated host: only the line is looked at here.
 */
import type { Browser, Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { countBytes, openBrowser, openVisitor, orEnd, serveTestApp, signIn, type Site } from './browser.ts';
import { real } from './count.ts';

const firstLoadBytes = 100_000;
/** Nothing on a slow line may take longer than this, or a person would take it for broken. */
const hangMs = 120_000;

const test = suite<{ site: Site; browser: Browser }>('first load');
test.before((context) => orEnd(async () => {
  context.browser = await openBrowser();
  context.site = await serveTestApp();
  const { send } = context.site.app;
  for (const name of ['till-server', 'file-server', 'print-server']) assert.is((await send('POST', '/api/v1/vms', { name, nics: [{ network: 'default' }] })).status, 201);
}));
test.after(async ({ browser, site }) => {
  await browser.close();
  await site.close();
});

/** Until no request has been under way for a while; the change feed never ends and does not count. */
const untilLoaded = (page: Page) => page.waitForFunction(() => document.readyState === 'complete' && document.documentElement.dataset['live'] !== undefined);

test('sign-in and overview together come in under 100 kB, all from the appliance', async ({ site, browser }) => {
  const visitor = await openVisitor(browser, site.url);
  const bytes = await countBytes(visitor.page);
  await visitor.open('/sign-in');
  await visitor.page.waitForLoadState('networkidle');
  const atDoor = bytes();
  await signIn(visitor);
  await untilLoaded(visitor.page);
  await visitor.page.waitForTimeout(500);
  console.log(`first load: sign-in ${atDoor} bytes, with the overview ${bytes()} bytes`);
  assert.ok(atDoor > 5_000, 'something was counted');
  assert.ok(bytes() < firstLoadBytes, `${bytes()} bytes`);
  assert.equal(visitor.faults, []);
  await visitor.close();
  real('browser');
});

test('every page loads without an error and without another site', async ({ site, browser }) => {
  const visitor = await openVisitor(browser, site.url);
  await signIn(visitor);
  for (const path of ['/', '/vms', '/vms/new', '/vms/till-server', '/vms/till-server/disks', '/vms/till-server/nics', '/vms/till-server/events', '/vms/till-server/settings',
    '/storage', '/storage/disks', '/storage/isos', '/networks', '/host', '/tasks', '/events', '/audit', '/account']) {
    await visitor.open(path);
    await untilLoaded(visitor.page);
    assert.equal(visitor.faults, [], path);
  }
  await visitor.close();
  real('browser');
});

test('at 64 kbit/s with round trips of one second one signs in, finds a VM and starts it', async ({ site, browser }) => {
  const visitor = await openVisitor(browser, site.url);
  const { page } = visitor;
  page.setDefaultTimeout(hangMs);
  const line = await page.context().newCDPSession(page);
  await line.send('Network.enable');
  await line.send('Network.emulateNetworkConditions', { offline: false, latency: 1_000, downloadThroughput: 8_000, uploadThroughput: 8_000 });
  const timed = async (what: string, act: () => Promise<unknown>) => {
    const startedAt = performance.now();
    await act();
    console.log(`slow line: ${what} after ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
  };
  await timed('sign-in can be seen', () => page.goto('/sign-in', { waitUntil: 'commit', timeout: hangMs }).then(() => page.getByLabel('Password').waitFor()));
  await timed('sign-in is loaded', () => page.waitForLoadState('load'));
  await page.getByLabel('Password').fill('correct horse battery');
  await timed('the overview', async () => {
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('main').getByRole('link', { name: 'till-server' }).waitFor();
  });
  await timed('the overview is live', () => untilLoaded(page));
  await timed('the list of VMs', async () => {
    await page.getByRole('navigation').getByRole('link', { name: 'Virtual machines' }).first().click();
    await page.waitForURL('**/vms');
    await page.getByRole('heading', { level: 1 }).waitFor();
  });
  const row = page.getByRole('row', { name: /till-server/ });
  await timed('a started VM is shown as up', async () => {
    await row.getByRole('button', { name: 'Start' }).click();
    await row.getByText('Up', { exact: true }).waitFor();
  });
  assert.equal(visitor.faults, []);
  await visitor.close();
  real('browser');
});

test.run();
