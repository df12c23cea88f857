/**
 * The first VM, by hand in Chromium, on the real service with real libvirt and QEMU: from the set-up code to the console of a
 * guest, and away again. Each case goes on where the one before it stopped, as a person would.
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openBrowser, openVisitor, orEnd, type Visitor } from './browser.ts';
import { real } from './count.ts';
import { BOOT_GUEST_READY, bootIso } from './guest/boot-guest.ts';
import { memtestIso } from './guest/iso.ts';
import { openRackHost, type RackHost } from './rack-host.ts';
import { adminPassword, Service } from './service.ts';
import { memtestBlue } from './service-screen.ts';

interface Context {
  host: RackHost;
  service: Service;
  browser: Browser;
  visitor: Visitor;
  page: Page;
}

/** Each case needs what the ones before it did: after a failure the rest is not tried, only counted as failed. */
let failedCase: string | undefined;

function step(name: string, work: (context: Context) => Promise<void>): void {
  test(name, async (context) => {
    if (failedCase !== undefined) throw new Error(`not tried: "${failedCase}" failed`);
    failedCase = name;
    try {
      await work(context);
      failedCase = undefined;
    } catch (error) {
      console.log(await describe(context));
      throw error;
    }
  });
}

async function describe({ page, visitor, service }: Context): Promise<string> {
  const picture = join(tmpdir(), 'bothy-browser-path.png');
  await page.screenshot({ path: picture });
  return [`at ${page.url()}, picture in ${picture}`, ...visitor.faults, service.logs()].join('\n');
}

/** TCG on a busy machine. */
const bootMs = 240_000;

const test = suite<Context>('a path through the pages');
test.before((context) => orEnd(async () => {
  context.host = await openRackHost({ network: true });
  context.service = new Service(context.host, {});
  await context.service.start();
  context.browser = await openBrowser();
  context.visitor = await openVisitor(context.browser, (await context.host.forward(8080)).url);
  context.page = context.visitor.page;
  context.page.setDefaultTimeout(30_000);
}));
test.after(async ({ browser, host }) => {
  await browser.close();
  await host.close();
});

const head = (page: Page) => page.locator('.page-head');
const stateIs = (page: Page, state: string, timeout = 30_000) => head(page).locator('.chip', { hasText: new RegExp(`^${state}(:|$)`) }).waitFor({ timeout });
const toast = (page: Page, text: string | RegExp) => page.locator('#toasts .toast').filter({ hasText: text }).last();
const errorAt = (page: Page, field: string, hasText: string | RegExp) => page.locator(`[data-error-for="${field}"]`, { hasText });
/** Follows a link of the page without loading the document anew. */
async function go(page: Page, name: string | RegExp, path: string): Promise<void> {
  await page.getByRole('main').getByRole('link', { name }).first().click();
  await arrive(page, path);
}

/** The address changes after the new page is in its place. */
const arrive = (page: Page, path: string) => page.waitForURL((url) => url.pathname === path);

async function navigate(page: Page, name: string, path: string): Promise<void> {
  await page.getByRole('navigation').getByRole('link', { name }).first().click();
  await arrive(page, path);
}

/** Remembers the document, so that a later look can tell that it was never loaded anew. */
const markDocument = (page: Page) => page.evaluate(() => { document.documentElement.dataset['mark'] = 'kept'; });
const isMarked = (page: Page) => page.evaluate(() => document.documentElement.dataset['mark'] === 'kept');

/** Opens the menu of rarer verbs and chooses one. */
async function chooseMore(page: Page, verb: string): Promise<void> {
  await head(page).getByRole('button', { name: 'More' }).click();
  await page.locator('#vm-more').getByRole('button', { name: verb, exact: true }).click();
}

step('the set-up page wants the code of the console and a good password, and says at the field what is wrong', async ({ page, service, visitor }) => {
  const code = (await service.process.line(/^Set-up code: /)).split(': ')[1] ?? '';
  await visitor.open('/vms');
  assert.match(page.url(), /\/setup$/);
  await page.getByLabel('Set-up code').fill('WRONG-CODE');
  await page.getByLabel('New password').fill(adminPassword);
  await page.getByRole('button', { name: 'Set up and sign in' }).click();
  await errorAt(page, 'code', 'Look at the screen of the appliance').waitFor();
  assert.is(await page.getByLabel('Set-up code').getAttribute('aria-invalid'), 'true');
  await page.getByLabel('Set-up code').fill(code);
  await page.getByLabel('New password').fill('short');
  await page.getByRole('button', { name: 'Set up and sign in' }).click();
  await errorAt(page, 'password', 'at least 12 characters').waitFor();
  await page.getByLabel('New password').fill(adminPassword);
  await page.getByRole('button', { name: 'Set up and sign in' }).click();
  await page.getByRole('heading', { name: 'No virtual machine yet' }).waitFor();
  await markDocument(page);
  real('browser', 'libvirt');
});

step('two ISO images are uploaded from the page, with progress', async ({ page }) => {
  await go(page, 'Upload an ISO image', '/storage/isos');
  await page.getByRole('heading', { name: 'Upload an ISO image' }).waitFor();
  const [memtest, boot] = [await memtestIso(), await bootIso()];
  await page.locator('#iso-file').setInputFiles([memtest, boot]);
  for (const path of [memtest, boot]) {
    const name = path.split('/').at(-1) ?? '';
    await toast(page, name).getByText('Uploaded').waitFor();
    await page.getByRole('row', { name }).getByText('sha256').waitFor();
  }
  real('browser');
});

step('the form says at each field what is wrong, then makes the VM', async ({ page }) => {
  await navigate(page, 'Virtual machines', '/vms');
  await go(page, 'Create VM', '/vms/new');
  const form = page.locator('#create-vm');
  await form.getByLabel('Name', { exact: true }).fill('-wrong');
  await form.getByLabel('Memory', { exact: true }).fill('1');
  await form.getByLabel('Unit').first().selectOption('MiB');
  await form.getByLabel('MAC address').fill('01:00:00:00:00:01');
  await form.getByRole('button', { name: 'Create VM' }).click();
  for (const [field, words] of [['name', /start/i], ['memoryBytes', 'At least 64 MiB'], ['nics.0.mac', 'multicast']] as const) {
    await errorAt(page, field, words).waitFor();
  }
  assert.is(await page.evaluate(() => document.activeElement?.getAttribute('name')), 'name', 'the first wrong field has the focus');
  await form.getByLabel('Name', { exact: true }).fill('first');
  await form.getByLabel('Memory', { exact: true }).fill('128');
  await form.getByLabel('MAC address').fill('');
  await form.locator('summary', { hasText: 'Hardware' }).click();
  await form.locator('[name="firmware"]').selectOption('bios');
  await form.getByLabel('CD-ROM').selectOption('memtest86+x64.iso');
  await form.locator('[name="disks.0.sizeBytes"]').fill('2');
  await form.getByRole('button', { name: 'Create VM' }).click();
  await page.getByRole('heading', { name: 'first', level: 1 }).waitFor();
  await stateIs(page, 'Down');
  real('browser', 'qemu-img');
});

step('it is started by its button; its state, its toast and its screen follow without a reload', async ({ page }) => {
  await head(page).getByRole('button', { name: 'Start', exact: true }).click();
  await toast(page, /Start.*first/).waitFor();
  await stateIs(page, 'Up', 60_000);
  await page.getByRole('img', { name: 'The screen of first' }).waitFor();
  await page.locator('[data-chart="cpu"] output', { hasText: '%' }).waitFor();
  assert.ok(await isMarked(page), 'the document was never loaded anew');
  real('browser', 'libvirt', 'qemu');
});

/** Shares of the canvas by colour. */
const coloursOf = (page: Page) => page.locator('.console-box canvas').evaluate((element) => {
  const canvas = element as HTMLCanvasElement; // the locator says so
  const { data } = canvas.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height) ?? { data: new Uint8ClampedArray() };
  const counts: Record<string, number> = {};
  for (let at = 0; at < data.length; at += 4) {
    const colour = `#${[...data.subarray(at, at + 3)].map((part) => part.toString(16).padStart(2, '0')).join('')}`;
    counts[colour] = (counts[colour] ?? 0) + 4 / data.length;
  }
  return counts;
});

step('the screen console shows what the guest draws', async ({ page, service }) => {
  await head(page).getByRole('link', { name: 'Console' }).click();
  await arrive(page, '/vms/first/console');
  await page.locator('.console-bar output', { hasText: 'Connected' }).waitFor();
  await service.until('memtest draws its blue page', async () => ((await coloursOf(page))[memtestBlue] ?? 0) > 0.5, bootMs);
  const colours = await coloursOf(page);
  assert.ok(Object.keys(colours).length > 2, 'something is written on it');
  real('browser', 'libvirt', 'qemu');
});

step('power off asks first; no is no, yes is yes', async ({ page }) => {
  await go(page, 'first', '/vms/first');
  await stateIs(page, 'Up');
  await chooseMore(page, 'Power off');
  const question = page.getByRole('dialog', { name: 'Power off first?' });
  await question.getByText('like pulling the plug').waitFor();
  await question.getByRole('button', { name: 'Cancel' }).click();
  await question.waitFor({ state: 'hidden' });
  await stateIs(page, 'Up');
  await chooseMore(page, 'Power off');
  await question.getByRole('button', { name: 'Power off' }).click();
  await stateIs(page, 'Down');
  real('browser', 'libvirt', 'qemu');
});

step('the CD-ROM is changed; the guest on it greets on the serial console and answers what is typed', async ({ page, service }) => {
  await go(page, /^Disks/, '/vms/first/disks');
  await page.getByLabel('CD-ROM').selectOption({ label: (await bootIso()).split('/').at(-1) ?? '' });
  await page.locator('#cdrom-form').getByRole('button', { name: 'Change', exact: true }).click();
  await toast(page, 'Change CD-ROM').getByText('Done').waitFor();
  await head(page).getByRole('button', { name: 'Start', exact: true }).click();
  await stateIs(page, 'Up', 60_000);
  await head(page).getByRole('link', { name: 'Console' }).click();
  await arrive(page, '/vms/first/console');
  await go(page, 'Serial console', '/vms/first/serial');
  const lines = page.locator('.console-box .xterm-rows');
  await lines.getByText(BOOT_GUEST_READY).waitFor({ timeout: bootMs });
  await page.keyboard.type('is anybody there');
  // The guest goes on ticking between the letters that it echoes.
  const echoed = async () => (await lines.locator('div').allTextContents()).join('').replaceAll(/tick [0-9A-F]{8}|\s/g, '');
  await service.until('the guest echoes', async () => (await echoed()).includes('isanybodythere'), 30_000);
  real('browser', 'libvirt', 'qemu');
});

step('pause and resume; the CD is ejected while the guest runs', async ({ page, service }) => {
  await go(page, 'first', '/vms/first');
  await chooseMore(page, 'Pause');
  await stateIs(page, 'Paused');
  assert.match(await service.host.must(['virsh', 'domstate', 'first']), /paused/);
  await head(page).getByRole('button', { name: 'Resume', exact: true }).click();
  await stateIs(page, 'Up');
  await go(page, /^Disks/, '/vms/first/disks');
  await page.getByLabel('CD-ROM').selectOption('');
  await page.locator('#cdrom-form').getByRole('button', { name: 'Change', exact: true }).click();
  await toast(page, 'Change CD-ROM').getByText('Done').waitFor();
  await service.until('the drive is empty', async () => !/\.iso/.test(await service.host.must(['virsh', 'domblklist', 'first'])));
  assert.ok(await isMarked(page), 'the document was never loaded anew');
  real('browser', 'libvirt', 'qemu');
});

step('the tasks page shows what was done with its steps, the events page what happened, the audit trail who did it', async ({ page }) => {
  await navigate(page, 'Tasks', '/tasks');
  await page.getByRole('row', { name: /Power off.*first.*Done/ }).waitFor();
  await page.getByRole('link', { name: /^Start.*first/ }).first().click();
  await page.getByRole('heading', { name: /Start.*first/, level: 1 }).waitFor();
  assert.ok((await page.locator('.steps li[data-state="done"]').count()) > 0);
  assert.is(await page.locator('.steps li:not([data-state="done"])').count(), 0);
  await navigate(page, 'Events', '/events');
  await page.getByRole('main').getByText('first').first().waitFor();
  await go(page, 'Audit trail', '/audit');
  await page.getByRole('row', { name: /vm\.power-off/ }).getByText('admin@internal').waitFor();
  real('browser');
});

step('a running VM cannot be deleted; a stopped one is, with its disk', async ({ page }) => {
  await navigate(page, 'Virtual machines', '/vms');
  await go(page, 'first', '/vms/first');
  await go(page, 'Settings', '/vms/first/settings');
  const remove = page.getByRole('main').getByRole('button', { name: /^Delete VM/ }).first();
  assert.ok(await remove.isDisabled());
  await chooseMore(page, 'Power off');
  await page.getByRole('dialog', { name: 'Power off first?' }).getByRole('button', { name: 'Power off' }).click();
  await stateIs(page, 'Down');
  await remove.click();
  const dialog = page.getByRole('dialog', { name: 'Delete first' });
  await dialog.getByText('one disk').waitFor();
  await dialog.getByRole('button', { name: 'Delete VM' }).click();
  await page.getByRole('heading', { name: 'No virtual machine yet' }).waitFor();
  await navigate(page, 'Storage', '/storage');
  await go(page, 'Disks', '/storage/disks');
  await page.getByRole('heading', { name: 'No disk yet' }).waitFor();
  real('browser', 'libvirt', 'qemu-img');
});

step('signing out ends the session: no page of it opens any more', async ({ page, visitor }) => {
  await page.getByRole('button', { name: /admin@internal/ }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await page.goto('/vms');
  assert.match(page.url(), /\/sign-in$/);
  // The page of the VM that was deleted may have asked for it once more before it gave way to the list.
  const isOfTheDeleted = (fault: string) => /: 404: GET \S+\/vms\/first(\/|$)/.test(fault);
  assert.equal(visitor.faults.filter((fault) => !isOfTheDeleted(fault)), []);
  real('browser');
});

test.run();
