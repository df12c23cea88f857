/**
 * Without a mouse, and without eyes: sign in and start a VM with Tab and Enter alone, see where the focus is, stay inside dialogs
 * and get out again, and what a screen reader is told. On the simulated host.
 */
import type { Browser, Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { adminPassword } from '../world/app.ts';
import { enter, openBrowser, openVisitor, orEnd, serveTestApp, type Site, type Visitor } from './browser.ts';
import { real } from './count.ts';

interface Context {
  site: Site;
  browser: Browser;
  visitor: Visitor;
  page: Page;
}

const test = suite<Context>('keyboard and screen reader');
test.before((context) => orEnd(async () => {
  context.browser = await openBrowser();
  context.site = await serveTestApp();
  assert.is((await context.site.app.send('POST', '/api/v1/vms', { name: 'till', disks: [{ sizeBytes: 2 ** 30, name: 'till-root' }] })).status, 201);
}));
test.before.each(async (context) => {
  context.visitor = await openVisitor(context.browser, context.site.url);
  context.page = context.visitor.page;
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

/** What has the focus, as a screen reader names it, and how it is shown. */
const focused = (page: Page) => page.evaluate(() => {
  const element = document.activeElement ?? document.body;
  const { outlineStyle, outlineWidth } = getComputedStyle(element);
  const row = element.closest('tr');
  const rowOutline = row ? getComputedStyle(row).outlineStyle : 'none';
  const label = element instanceof HTMLInputElement ? element.labels?.[0]?.textContent : undefined;
  const box = element.getBoundingClientRect();
  return {
    name: (element.getAttribute('aria-label') ?? label ?? element.textContent ?? '').trim(),
    tag: element.localName,
    isShown: (outlineStyle !== 'none' && Number.parseFloat(outlineWidth) >= 2) || rowOutline !== 'none',
    isInView: box.bottom > 0 && box.top < innerHeight && box.width > 0,
    dialog: element.closest('dialog')?.id,
  };
});

/** Presses Tab until the wanted name has the focus; every stop on the way must be seen. */
async function tabTo(page: Page, name: RegExp): Promise<void> {
  const stops: string[] = [];
  for (let press = 0; press < 60; press++) {
    await page.keyboard.press('Tab');
    const stop = await focused(page);
    // A new page takes the focus as a whole, so that reading begins there.
    if (stop.tag === 'body' || stop.tag === 'main') continue;
    stops.push(stop.name);
    assert.ok(stop.isShown, `the focus on ${stop.tag} "${stop.name}" is not shown`);
    assert.ok(stop.isInView, `the focus on ${stop.tag} "${stop.name}" is out of view`);
    if (name.test(stop.name)) return;
  }
  throw new Error(`Tab never came to ${name}: ${stops.join(' | ')}`);
}

const stateIs = (page: Page, state: string) => page.locator('.page-head .chip', { hasText: new RegExp(`^${state}(:|$)`) }).waitFor();

check('sign in, find the VM, start it and power it off with Tab and Enter', async ({ visitor, page }) => {
  await visitor.open('/sign-in');
  await tabTo(page, /^Password/);
  await page.keyboard.type(adminPassword);
  await page.keyboard.press('Enter');
  await page.waitForURL('**/');
  await page.keyboard.press('Tab');
  assert.is((await focused(page)).name, 'Skip to content');
  await tabTo(page, /^Virtual machines/);
  await page.keyboard.press('Enter');
  await page.waitForURL('**/vms');
  await tabTo(page, /^till$/);
  await page.keyboard.press('Enter');
  await page.waitForURL('**/vms/till');
  await tabTo(page, /^Start$/);
  await page.keyboard.press('Enter');
  await stateIs(page, 'Up');
  await tabTo(page, /^More/);
  await page.keyboard.press('Enter');
  await tabTo(page, /^Power off$/);
  await page.keyboard.press('Enter');
  const question = page.getByRole('dialog', { name: 'Power off till?' });
  await question.waitFor();
  await tabTo(page, /^Power off$/);
  await page.keyboard.press('Enter');
  await stateIs(page, 'Down');
});

check('a dialog takes the focus, keeps it, leaves with Escape and gives it back', async ({ visitor, page }) => {
  await enter(visitor);
  await visitor.open('/vms/till/disks');
  const opener = page.getByRole('button', { name: 'Add a disk' });
  await opener.focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: 'Add a disk' });
  await dialog.waitFor();
  for (let press = 0; press < 24; press++) {
    await page.keyboard.press('Tab');
    const { dialog: inside, tag } = await focused(page);
    assert.ok(inside === 'add-disk' || tag === 'body', `Tab left the dialog for <${tag}>`);
  }
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'hidden' });
  assert.ok(await opener.evaluate((element) => element === document.activeElement));
});

check('what cannot be undone wants the name typed; Enter then means yes', async ({ visitor, page }) => {
  await enter(visitor);
  await visitor.open('/vms/till/disks');
  await page.getByRole('row', { name: /till-root/ }).getByRole('button', { name: 'Delete disk' }).click();
  const question = page.getByRole('dialog', { name: 'Delete the disk till-root?' });
  await question.waitFor();
  assert.ok(await question.getByRole('button', { name: 'Delete disk' }).isDisabled());
  await question.getByRole('textbox').fill('till');
  await page.keyboard.press('Enter');
  assert.ok(await question.isVisible(), 'Enter with the wrong name does nothing');
  await question.getByRole('textbox').fill('till-root');
  assert.ok(await question.getByRole('button', { name: 'Delete disk' }).isEnabled());
  await page.keyboard.press('Enter');
  await page.getByText('No disk', { exact: true }).waitFor();
});

check('landmarks, headings and names as a screen reader reads them', async ({ visitor, page }) => {
  await enter(visitor);
  await visitor.open('/vms/till');
  const shown = await page.locator('body').ariaSnapshot();
  for (const line of [/- banner/, /- navigation "/, /- main/, /- heading "till" \[level=1\]/, /- link "Virtual machines"/, /- button "Start"/, /- list "Messages"|- list "Notifications"/]) assert.match(shown, line);
  const current = page.getByRole('navigation').locator('[aria-current="page"]:visible');
  assert.equal(await current.allTextContents(), ['Virtual machines', 'Overview']);
  await visitor.open('/vms');
  assert.match(await page.locator('body').ariaSnapshot(), /- table "Virtual machines"[\s\S]*columnheader "Name"[\s\S]*cell "Down/);
  await visitor.open('/vms/new');
  for (const name of ['Name', 'Processors', 'Memory', 'CD-ROM']) await page.locator('#create-vm').getByLabel(name, { exact: name === 'Name' }).first().waitFor();
});

check('messages are spoken: a live region is told of tasks and faults, a field of what is wrong with it', async ({ visitor, page }) => {
  await enter(visitor);
  await visitor.open('/vms/till');
  const region = page.locator('#toasts');
  assert.is(await region.getAttribute('aria-live'), 'polite');
  await page.getByRole('main').getByRole('button', { name: 'Start', exact: true }).click();
  await region.getByText(/Start.*till/).waitFor();
  await visitor.open('/vms/new');
  await page.locator('#create-vm').getByRole('button', { name: 'Create VM' }).click();
  const name = page.locator('#create-vm').getByLabel('Name', { exact: true });
  await page.locator('#create-vm [aria-invalid="true"]').first().waitFor();
  const described = await name.evaluate((field) => (field.getAttribute('aria-describedby') ?? '').split(' ').map((id) => document.getElementById(id)?.textContent ?? '').join(' '));
  assert.is(await name.getAttribute('aria-invalid'), 'true');
  assert.match(described, /required/);
});

test.run();
