/**
 * How the pages look, on the example site: every page in both colour schemes from phone to wall screen. Measures what
 * can be measured: nothing sticks out, nothing is cut off, text has contrast. Saves pictures for people to look at where
 * BOTHY_PICTURES names a folder.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { makeExampleSite } from '../world/example-site.ts';
import { enter, openBrowser, openVisitor, orEnd, serveTestApp, type Site, type Visitor } from './browser.ts';
import { findClipped, findFaint, findWide } from './browser-measures.ts';
import { real } from './count.ts';

interface Context {
  site: Site;
  browser: Browser;
  folder: string | undefined;
  pages: { name: string; path: string }[];
}

const sizes = [{ width: 360, height: 740 }, { width: 1440, height: 900 }, { width: 2560, height: 1440 }];

const test = suite<Context>('looks');
test.before((context) => orEnd(async () => {
  context.folder = process.env['BOTHY_PICTURES'];
  if (context.folder) mkdirSync(context.folder, { recursive: true });
  context.browser = await openBrowser();
  context.site = await serveTestApp({ isSecure: true });
  const { app } = context.site;
  await app.app.certificates.ready();
  await makeExampleSite(app.app.http('local'), app.host);
  const { items } = (await app.send<{ items: { id: string }[] }>('GET', '/api/v1/tasks')).body;
  await makePeople(app);
  const till = (await app.send<{ disks: { id: string }[]; nics: { id: string }[] }>('GET', '/api/v1/vms/till-server')).body;
  context.pages = [
    ['overview', '/'], ['vms', '/vms'], ['vms-none', '/vms?search=zzz'], ['vm-create', '/vms/new'], ['vm', '/vms/till-server'], ['vm-io-error', '/vms/file-server'], ['vm-crashed', '/vms/monitoring'],
    ['vm-disks', '/vms/till-server/disks'], ['vm-nics', '/vms/monitoring/nics'], ['vm-events', '/vms/monitoring/events'], ['vm-settings', '/vms/till-server/settings'],
    ['vm-console', '/vms/till-server/console'], ['vm-console-down', '/vms/training/console'], ['storage', '/storage'], ['disks', '/storage/disks'], ['isos', '/storage/isos'],
    ['networks', '/networks'], ['host', '/host'], ['tasks', '/tasks'], ['task', `/tasks/${items[0]?.id}`], ['events', '/events'], ['audit', '/audit'], ['account', '/account'], ['not-found', '/vms/nobody'],
    ['vm-snapshots', '/vms/training/snapshots'], ['vm-people', '/vms/till-server/people'], ['vm-disk-history', `/vms/till-server/disks/${till.disks[0]?.id}`], ['vm-nic-history', `/vms/till-server/nics/${till.nics[0]?.id}`],
    ['domain-history', '/storage/domains/local'], ['domain-people', '/people/on/storage-domain/local'], ['people', '/people'], ['groups', '/people/groups'], ['roles', '/people/roles'], ['quotas', '/people/quotas'], ['sign-in-rules', '/people/sign-in'],
    ['site', '/site'], ['update', '/update'], ['config', '/events/configuration'], ['destinations', '/events/destinations'], ['history-settings', '/events/settings'],
    ['report-use', '/reports/use'], ['report-consumers', '/reports/consumers'], ['report-uptime', '/reports/uptime'], ['report-capacity', '/reports/capacity'],
  ].map(([name = '', path = '']) => ({ name, path }));
}));
test.after(async ({ browser, site }) => {
  await browser.close();
  await site.close();
});

/** What the example site does not have: snapshots, others who use it, and where events go. */
async function makePeople(app: Site['app']): Promise<void> {
  for (const name of ['before the update', 'with the new till']) await app.carryOut('POST', '/api/v1/vms/training/snapshots', { name, description: 'As it was on Monday' });
  const wanted: [path: string, body: object][] = [
    ['/users', { name: 'maria', roles: ['power-user'] }], ['/users', { name: 'a-rather-long-name.of-somebody', roles: ['operator'] }], ['/groups', { name: 'staff', members: ['maria'], roles: [] }],
    ['/roles', { name: 'till-support', description: 'Looks after the tills', permissions: ['vm.read', 'vm.operate', 'vm.console'] }], ['/quotas', { user: 'maria', vcpus: 8, memoryBytes: 2 ** 34 }], ['/quotas', { group: 'staff', diskBytes: 2 ** 40, mode: 'audit' }],
    ['/assignments', { group: 'staff', role: 'vm-user', kind: 'vm', object: 'till-server' }], ['/assignments', { user: 'maria', role: 'disk-creator', kind: 'storage-domain', object: 'local' }],
    ['/destinations', { name: 'head office', kind: 'syslog', host: 'logs.example.com', transport: 'tls', isEnabled: false }], ['/destinations', { name: 'on call', kind: 'email', host: 'mail.example.com', from: 'box@shop.example', to: ['ops@shop.example'], isEnabled: false }],
  ];
  for (const [path, body] of wanted) assert.is((await app.send('POST', `/api/v1${path}`, body)).status, 201, path);
}

/** Charts have a few readings, pictures have come, nothing moves any more. */
async function settle(page: Page): Promise<void> {
  await page.waitForLoadState('load');
  await page.waitForFunction(() => document.querySelector('script[src*="live."]') === null || document.documentElement.dataset['live'] === 'live');
  await page.waitForFunction(() => [...document.images].every((image) => image.complete));
  await page.waitForTimeout(100);
}

/** Until the colours of another scheme have come to every element, also through transitions, which a busy machine draws late. */
const untilDrawn = (page: Page) => page.evaluate(async () => {
  await new Promise((resolve) => { requestAnimationFrame(() => requestAnimationFrame(resolve)); });
  await Promise.allSettled(document.getAnimations().map(({ finished }) => finished));
});

/** What is wrong with the page as it stands; empty when all is well. */
async function measure(page: Page): Promise<string[]> {
  return [...(await findWide(page)), ...(await findClipped(page)), ...(await findFaint(page))];
}

for (const viewport of sizes) {
  test(`at ${viewport.width} x ${viewport.height} in dark and light nothing sticks out, is cut off or is too faint`, async ({ site, browser, folder, pages }) => {
    const visitor = await openVisitor(browser, site.url, { viewport, reducedMotion: 'reduce' });
    const faults: string[] = [];
    const look = async (name: string) => {
      await settle(visitor.page);
      for (const colorScheme of ['dark', 'light'] as const) {
        await visitor.page.emulateMedia({ colorScheme });
        await untilDrawn(visitor.page);
        if (folder) await visitor.page.screenshot({ path: join(folder, `${name}-${colorScheme}-${viewport.width}.png`), fullPage: !name.startsWith('vm-console') });
        faults.push(...(await measure(visitor.page)).map((fault) => `${name} in ${colorScheme}: ${fault}`));
      }
    };
    await visitor.open('/sign-in');
    await look('sign-in');
    await enter(visitor);
    for (const { name, path } of pages) {
      await visitor.open(path);
      await look(name);
    }
    await lookAtOverlays(visitor, look);
    await visitor.close();
    assert.is(faults.join('\n'), '');
    real('browser');
  });
}

/** What floats above pages: menus, dialogs, faults at fields, toasts. */
async function lookAtOverlays({ page, open }: Visitor, look: (name: string) => Promise<void>): Promise<void> {
  await open('/vms/till-server');
  await page.locator('.page-head').getByRole('button', { name: 'More' }).click();
  await look('menu');
  await page.locator('#vm-more').getByRole('button', { name: 'Power off', exact: true }).click();
  await page.getByRole('dialog').waitFor();
  await look('confirm');
  await open('/vms/till-server/disks');
  await page.getByRole('button', { name: 'Add a disk' }).click();
  await look('dialog');
  await open('/storage/disks');
  await page.getByRole('button', { name: 'Create disk' }).click();
  await look('dialog-disk');
  await open('/host');
  await page.locator('[data-dialog="port-eno1"]').click();
  await look('dialog-port');
  await open('/host');
  await page.locator('[data-dialog="certificate-set"]').click();
  await look('dialog-certificate');
  await open('/vms/new');
  await page.locator('#create-vm').getByLabel('Name', { exact: true }).fill('-');
  await page.locator('#create-vm').getByLabel('Memory', { exact: true }).fill('0');
  await page.locator('#create-vm').getByRole('button', { name: 'Create VM' }).click();
  await page.locator('[aria-invalid]').first().waitFor();
  await look('form-faults');
}

test.run();
