/**
 * Open pages follow what somebody is given and deprived of: a machine comes and goes within a second without a reload, so does what the
 * menu offers, and whose session was ended sees no more. On the simulated host.
 */
import type { Browser, Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { enter, openBrowser, openVisitor, orEnd, serveTestApp, type Site, type Visitor } from './browser.ts';
import { real } from './count.ts';

interface Context {
  site: Site;
  browser: Browser;
  visitor: Visitor;
  page: Page;
}

const test = suite<Context>('rights on open pages');
const password = 'the password of nina';
/** Within a second, and what a machine with other work needs to draw a page. */
const soon = { timeout: 3_000 };

test.before((context) => orEnd(async () => {
  context.browser = await openBrowser();
  context.site = await serveTestApp();
  for (const name of ['till', 'camera']) assert.is((await context.site.app.send('POST', '/api/v1/vms', { name, nics: [], disks: [] })).status, 201);
}));
test.before.each(async (context) => {
  const { app, url } = context.site;
  assert.is((await app.send('POST', '/api/v1/users', { name: 'nina', password })).status, 201);
  context.visitor = await openVisitor(context.browser, url);
  context.page = context.visitor.page;
  await enter(context.visitor, password, 'nina');
});
test.after.each(async ({ site, visitor }) => {
  await visitor.close();
  await site.app.send('DELETE', '/api/v1/users/nina');
});
test.after(async ({ browser, site }) => {
  await browser.close();
  await site.close();
});

/** `isRefused`: what the browser says of pages that one may see no longer is meant. */
function check(name: string, work: (context: Context) => Promise<void>, isRefused = false): void {
  test(name, async (context) => {
    await work(context);
    assert.equal(context.visitor.faults.filter((fault) => !(isRefused && / 40[134]\b/.test(fault))), []);
    real('browser');
  });
}

const untilLive = (page: Page) => page.locator('html[data-live="live"]').waitFor({ state: 'attached' });
/** Set on the document: a reload would lose it. */
const mark = (page: Page) => page.evaluate(() => { document.documentElement.dataset['same'] = 'yes'; });
const isSame = (page: Page) => page.evaluate(() => document.documentElement.dataset['same'] === 'yes');

async function give({ app }: Site, object: string): Promise<() => Promise<unknown>> {
  const { body } = await app.send<{ id: string }>('POST', '/api/v1/assignments', { user: 'nina', role: 'vm-user', kind: 'vm', object });
  return () => app.send('DELETE', `/api/v1/assignments/${body.id}`);
}

check('"My machines" of somebody who had none: one comes, one more, and both go', async ({ site, visitor, page }) => {
  await visitor.open('/');
  await untilLive(page);
  await mark(page);
  const machine = (name: string) => page.getByRole('main').getByRole('link', { name, exact: true });
  const takeTill = await give(site, 'till');
  await machine('till').waitFor(soon);
  const takeCamera = await give(site, 'camera');
  await machine('camera').waitFor(soon);
  await takeTill();
  await machine('till').waitFor({ state: 'detached', ...soon });
  await takeCamera();
  await machine('camera').waitFor({ state: 'detached', ...soon });
  assert.ok(await isSame(page), 'without a reload');
});

check('the menu has what one may see, and a machine that was taken away is there no longer, until it is given again', async ({ site, visitor, page }) => {
  const take = await give(site, 'till');
  await visitor.open('/vms/till');
  await untilLive(page);
  await mark(page);
  const nav = page.getByRole('navigation');
  assert.is(await nav.getByRole('link', { name: 'Networks' }).count(), 0);
  await site.app.send('PATCH', '/api/v1/users/nina', { roles: ['observer'] });
  await nav.getByRole('link', { name: 'Networks' }).first().waitFor(soon);
  await site.app.send('PATCH', '/api/v1/users/nina', { roles: [] });
  await nav.getByRole('link', { name: 'Networks' }).first().waitFor({ state: 'detached', ...soon });
  await take();
  const gone = page.getByRole('heading', { level: 1 }).filter({ hasNotText: 'till' });
  await gone.waitFor(soon);
  await give(site, 'till');
  await page.getByRole('heading', { level: 1, name: 'till' }).waitFor(soon);
  assert.ok(await isSame(page), 'without a reload');
}, true);

check('whose session somebody ends is led to signing in at once, in every tab', async ({ site, visitor, page }) => {
  await give(site, 'till');
  await visitor.open('/vms/till');
  await untilLive(page);
  const second = await visitor.context.newPage();
  await second.goto('/');
  await untilLive(second);
  const { items } = (await site.app.send<{ items: { id: string; user: string }[] }>('GET', '/api/v1/sessions')).body;
  for (const { id, user } of items) if (user === 'nina@internal') await site.app.send('DELETE', `/api/v1/sessions/${id}`);
  await Promise.all([page.waitForURL('**/sign-in', soon), second.waitForURL('**/sign-in', soon)]);
  assert.is(await page.getByText('till').count(), 0);
}, true);

test.run();
