/**
 * Pages that stay true: what changes elsewhere is seen without a reload, also when it changes while a page is on its way, while the
 * line is lost, and in several tabs. On the simulated host, whose guests change at once.
 */
import type { Browser, Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { HypervisorError } from '../../native/hypervisor-error.ts';
import { vdiHeader } from '../world/image-bytes.ts';
import { enter, openBrowser, openLine, openVisitor, orEnd, serveTestApp, type Site, type Visitor } from './browser.ts';
import { real } from './count.ts';

interface Context {
  site: Site;
  browser: Browser;
  visitor: Visitor;
  page: Page;
}

const test = suite<Context>('live pages');
test.before((context) => orEnd(async () => {
  context.browser = await openBrowser();
  context.site = await serveTestApp();
  for (const name of ['till', 'camera']) assert.is((await context.site.app.send('POST', '/api/v1/vms', { name })).status, 201);
}));
test.before.each(async (context) => {
  await powerOffAll(context.site);
  context.visitor = await openVisitor(context.browser, context.site.url);
  context.page = context.visitor.page;
  await enter(context.visitor);
});
test.after.each(({ visitor }) => visitor.close());
test.after(async ({ browser, site }) => {
  await browser.close();
  await site.close();
});

function check(name: string, work: (context: Context) => Promise<void>): void {
  test(name, async (context) => {
    await work(context);
    assert.equal(context.visitor.faults, []);
    real('browser');
  });
}

async function powerOffAll({ app }: Site): Promise<void> {
  const { items } = (await app.send<{ items: { name: string; state: string }[] }>('GET', '/api/v1/vms')).body;
  for (const { name, state } of items) if (state !== 'down') await app.carryOut('POST', `/api/v1/vms/${name}/power-off`);
}

const stateIs = (page: Page, state: string) => page.locator('.page-head .chip').getByText(state, { exact: true }).waitFor({ timeout: 10_000 });
const untilLive = (page: Page) => page.locator('html[data-live="live"]').waitFor({ state: 'attached' });

/** Takes the page's answer from the appliance, lets something happen, and only then hands it to the browser. */
async function whilePageIsUnderWay(page: Page, path: string, happen: () => Promise<void>): Promise<void> {
  await page.route((url) => url.pathname === path, async (route) => {
    const response = await route.fetch();
    await happen();
    await page.waitForTimeout(1_000); // until the feed has told of it
    await route.fulfill({ response });
  }, { times: 1 });
}

check('what another person does is seen at once, in lists and on the page of the VM', async ({ site, visitor, page }) => {
  await visitor.open('/vms');
  await untilLive(page);
  const row = page.getByRole('row', { name: /till/ });
  await row.getByText('Down', { exact: true }).waitFor();
  await site.app.carryOut('POST', '/api/v1/vms/till/start');
  await row.getByText('Up', { exact: true }).waitFor();
  await site.app.send('POST', '/api/v1/vms', { name: 'new-one' });
  await page.getByRole('row', { name: /new-one/ }).waitFor();
  await site.app.carryOut('DELETE', '/api/v1/vms/new-one');
  await page.getByRole('row', { name: /new-one/ }).waitFor({ state: 'detached' });
});

check('of a list only the rows that changed are touched', async ({ site, visitor, page }) => {
  await visitor.open('/vms');
  await untilLive(page);
  const rows = page.locator('tbody tr');
  await rows.evaluateAll((all) => { for (const row of all) row.querySelector('td')?.setAttribute('data-touched', 'no'); });
  const untouched = () => rows.evaluateAll((all) => all.filter((row) => row.querySelector('[data-touched]')).map((row) => row.querySelector('a')?.textContent));
  await site.app.carryOut('POST', '/api/v1/vms/till/start');
  await page.getByRole('row', { name: /till/ }).getByText('Up', { exact: true }).waitFor();
  assert.equal(await untouched(), ['camera']);
  await site.app.carryOut('POST', '/api/v1/vms/camera/start');
  await page.getByRole('row', { name: /camera/ }).getByText('Up', { exact: true }).waitFor();
  assert.equal(await untouched(), []);
});

check('a change while the first page is under way is not missed', async ({ site, visitor, page }) => {
  await whilePageIsUnderWay(page, '/vms/till', () => site.app.carryOut('POST', '/api/v1/vms/till/start'));
  await visitor.open('/vms/till');
  await stateIs(page, 'Up');
});

check('a change while one goes from page to page is not missed', async ({ site, visitor, page }) => {
  await visitor.open('/vms/till');
  await untilLive(page);
  await whilePageIsUnderWay(page, '/vms/till/nics', () => site.app.carryOut('POST', '/api/v1/vms/till/start'));
  await page.getByRole('main').getByRole('link', { name: /^Network/ }).click();
  await page.waitForURL('**/nics');
  await stateIs(page, 'Up');
});

check('a lost line is said, and what changed meanwhile is there when it is back', async ({ site, browser }) => {
  const line = await openLine(site.url);
  const visitor = await openVisitor(browser, line.url);
  await enter(visitor);
  const page = await visitor.open('/vms/till');
  await untilLive(page);
  line.cut();
  await page.locator('.rail-live').waitFor({ timeout: 20_000 });
  await page.getByRole('main').getByRole('button', { name: 'Start' }).click();
  await page.locator('#toasts .toast[data-tone="bad"]').waitFor();
  await site.app.carryOut('POST', '/api/v1/vms/till/start');
  line.mend();
  await stateIs(page, 'Up');
  await untilLive(page);
  assert.equal(visitor.faults.filter((fault) => !fault.includes('Failed to fetch')), [], 'nothing but the cut line');
  await visitor.close();
  line.close();
});

check('two tabs share one connection, and the second goes on when the first is closed', async ({ site, visitor, page }) => {
  await visitor.open('/vms/till');
  await untilLive(page);
  const second = await visitor.context.newPage();
  let feeds = 0;
  second.on('request', (request) => { if (/\/changes/.test(request.url())) feeds += 1; });
  await second.goto('/vms/till');
  await untilLive(second);
  await site.app.carryOut('POST', '/api/v1/vms/till/start');
  await Promise.all([stateIs(page, 'Up'), stateIs(second, 'Up')]);
  assert.is(feeds, 0, 'the second tab hears by the first');
  await page.close();
  await site.app.carryOut('POST', '/api/v1/vms/till/pause');
  await stateIs(second, 'Paused');
  assert.is(feeds, 1);
});

check('a page that refreshes itself keeps focus, typed text, open menus and the place in the page', async ({ site, visitor, page }) => {
  await visitor.open('/vms');
  await untilLive(page);
  const search = page.getByRole('searchbox');
  await search.fill('ti');
  await page.waitForURL('**/vms?search=ti*');
  await site.app.carryOut('POST', '/api/v1/vms/till/start');
  await page.getByRole('row', { name: /till/ }).getByText('Up', { exact: true }).waitFor();
  assert.is(await search.inputValue(), 'ti');
  assert.ok(await search.evaluate((element) => element === document.activeElement));
  assert.is(await page.getByRole('row', { name: /camera/ }).count(), 0, 'the filter holds');
  await visitor.open('/vms/till');
  await untilLive(page);
  await page.getByRole('button', { name: 'More' }).click();
  await site.app.carryOut('POST', '/api/v1/vms/till/pause');
  await stateIs(page, 'Paused');
  assert.ok(await page.locator('#vm-more').evaluate((menu) => menu.matches(':popover-open')), 'the menu is still open');
});

check('of two people who edit one VM the second is told, and keeps what was typed', async ({ site, visitor, page }) => {
  await visitor.open('/vms/camera/settings');
  await untilLive(page);
  const description = page.locator('#edit-vm').getByLabel('Description');
  await description.fill('mine');
  await site.app.send('PATCH', '/api/v1/vms/camera', { description: 'theirs' });
  await page.locator('.page-head .lead').getByText('theirs').waitFor();
  assert.is(await description.inputValue(), 'mine');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.locator('#edit-vm [role="alert"]').waitFor();
  assert.is((await site.app.send('GET', '/api/v1/vms/camera')).body['description'], 'theirs');
});

check('a task is followed in its toast and in the count beside Tasks until it ends', async ({ site, visitor, page }) => {
  site.app.host.libvirt.behave({ shutdownMs: 1_500 });
  await site.app.carryOut('POST', '/api/v1/vms/till/start');
  await visitor.open('/vms/till');
  await untilLive(page);
  await page.getByRole('main').getByRole('button', { name: 'Shut down' }).click();
  const toast = page.locator('#toasts .toast').filter({ hasText: /Shut down.*till/ });
  await toast.waitFor();
  await stateIs(page, 'Powering down');
  await stateIs(page, 'Down');
  await toast.and(page.locator('[data-tone="ok"]')).waitFor();
  await page.getByRole('navigation').locator('[data-task-count]').first().waitFor({ state: 'hidden' });
});

check('an uploaded disk image is imported with progress to be seen; cancelling asks first and undoes it', async ({ site, visitor, page }) => {
  slowDown(site);
  await visitor.open('/storage/disks');
  await untilLive(page);
  await page.locator('#disk-file').setInputFiles({ name: 'office.vdi', mimeType: 'application/octet-stream', buffer: Buffer.concat([vdiHeader({ virtualSizeBytes: 8n << 20n }), Buffer.alloc(1 << 20)]) });
  await page.locator('#toasts .toast').filter({ hasText: 'office.vdi' }).getByText('Uploaded').waitFor();
  await page.getByRole('navigation').getByRole('link', { name: 'Tasks' }).first().click();
  const row = page.getByRole('row', { name: /Import image.*office/ });
  await row.getByText('Running').waitFor();
  const seen = new Set<number>();
  while (seen.size < 3) seen.add(await row.getByRole('progressbar').evaluate((bar) => (bar as HTMLProgressElement).value)); // by its role
  await row.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('dialog', { name: 'Cancel this task?' }).getByRole('button', { name: 'Cancel', exact: true }).last().click();
  await row.locator('.chip', { hasText: 'Cancelled' }).waitFor();
});

/** A conversion as of a large image: ten seconds, in steps of one percent. */
function slowDown({ app: { host, app } }: Site): void {
  const { convert } = host.imageTool;
  host.imageTool.convert = async (from, to, { signal, progress }) => {
    for (let part = 0; part < 100; part++) {
      await app.core.clock.sleep(100, signal);
      progress(part / 100);
    }
    await convert(from, to, { signal, progress });
  };
}

check('a task that failed says why, in its toast and on its page', async ({ site, visitor, page }) => {
  await visitor.open('/vms/till');
  await untilLive(page);
  site.app.world.control.fail('create', new HypervisorError('unsupported configuration: no such machine', 67, 'other'));
  await page.getByRole('main').getByRole('button', { name: 'Start', exact: true }).click();
  const toast = page.locator('#toasts .toast[data-tone="bad"]');
  await toast.getByText('no such machine').waitFor();
  await page.waitForTimeout(7_000);
  assert.ok(await toast.isVisible(), 'a failure stays until it is put away');
  await toast.getByRole('link', { name: /Start.*till/ }).click();
  await page.getByRole('heading', { name: /Start.*till/, level: 1 }).waitFor();
  await page.getByRole('main').getByText('no such machine').first().waitFor();
});

test.run();
