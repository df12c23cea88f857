/**
 * "Show as API call": opened and copied without a mouse, it follows what is typed, hides what is secret, and what it shows does what the form does. On the
 * simulated host.
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
}

const test = suite<Context>('API calls of forms');
test.before((context) => orEnd(async () => {
  context.browser = await openBrowser();
  context.site = await serveTestApp();
  context.visitor = await openVisitor(context.browser, context.site.url);
  await enter(context.visitor);
}));
test.after(async ({ browser, site, visitor }) => {
  await visitor.close();
  await browser.close();
  await site.close();
});

/** Opens the box of a form with the keyboard alone, waits until it is filled (browsers tell of an opened box in an event of its own) and reads what stands in it. */
async function openCall(page: Page, form: string): Promise<() => Promise<string>> {
  await page.locator(`${form} .api-call summary`).focus();
  await page.keyboard.press('Enter');
  await page.locator(`${form} [data-curl]:not(:empty)`).waitFor();
  return async () => (await page.locator(`${form} [data-curl]`).textContent()) ?? '';
}
const bodyOf = (call: string): Record<string, unknown> => JSON.parse(/-d '([\s\S]*)'$/.exec(call)?.[1] ?? '');

test('it follows the fields, and sent as it stands it makes the same', async ({ site, visitor: { page, open, faults } }) => {
  await open('/vms/new');
  const read = await openCall(page, '#create-vm');
  assert.match(await read(), new RegExp(`^curl -X POST ${site.url}/api/v1/vms `));
  assert.match(await read(), 'Authorization: Bearer $TOKEN');
  await page.locator('#create-vm').getByLabel('Name', { exact: true }).fill('till');
  await page.locator('#create-vm').getByLabel('Memory').first().fill('3');
  const call = await read();
  assert.equal([bodyOf(call)['name'], bodyOf(call)['memoryBytes']], ['till', 3 * 2 ** 30]);
  assert.is((await site.app.send('POST', '/api/v1/vms', bodyOf(call))).status, 201);
  assert.equal(faults, []);
  real('browser');
});

test('secrets are not in it, an emptied limit is null, and a quote does not end the shell\'s', async ({ site, visitor: { page, open, faults } }) => {
  await site.app.send('POST', '/api/v1/users', { name: 'maria' });
  const quota = (await site.app.send<{ id: string }>('POST', '/api/v1/quotas', { user: 'maria', vcpus: 8 })).body.id;
  await open('/people');
  await page.locator('[data-dialog="create-user"]').click();
  const user = await openCall(page, '#create-user-form');
  await page.locator('#create-user-form input[name=name]').fill("o'brien");
  await page.locator('#create-user-form input[name=password]').fill('a secret that nobody sees');
  assert.match(await user(), "\"name\": \"o'\\''brien\"");
  assert.match(await user(), '"password": "…"');
  assert.not.match(await user(), 'nobody sees');
  await open('/people/quotas');
  await page.locator(`[data-dialog="edit-quota-${quota}"]`).click();
  const limits = await openCall(page, `#quota-form-${quota}`);
  await page.locator(`#quota-form-${quota} input[name=vcpus]`).fill('');
  assert.match(await limits(), `curl -X PATCH ${site.url}/api/v1/quotas/${quota} `);
  assert.is(bodyOf(await limits())['vcpus'], null);
  assert.is((await site.app.send('PATCH', `/api/v1/quotas/${quota}`, bodyOf(await limits()))).body['vcpus'], null);
  assert.equal(faults, []);
  real('browser');
});

test.run();
