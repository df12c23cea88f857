/** The page of the site file in a real browser: mistakes at their lines, plan, apply with progress, drift, export. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { enter, openBrowser, openVisitor, serveTestApp } from './browser.ts';
import { real } from './count.ts';

const wrong = 'bothy: 1\nnetworks:\n  - name: lab\n    subnte: 192.168.150.0/24\nvms:\n  - name: web\n    memoryBytes: much\n';
const right = 'bothy: 1\nnetworks:\n  - name: lab\n    subnet: 192.168.150.0/24\nvms:\n  - name: web\n    memoryBytes: 64 MiB\n';

test('a wrong file is told at its lines, a right one is planned and applied, drift is shown and brought back', async () => {
  const site = await serveTestApp();
  const browser = await openBrowser();
  try {
    const visitor = await openVisitor(browser, site.url);
    await enter(visitor);
    const page = await visitor.open('/site');
    await page.getByText('No site file yet').waitFor();
    const area = page.locator('textarea[name="text"]');
    const answer = page.locator('[data-site-answer]');
    await area.fill(wrong);
    await page.getByRole('button', { name: 'Plan' }).click();
    await answer.getByText('Is "subnet" meant?').waitFor();
    assert.match(await answer.innerText(), /line 4, column 5.*\n.*line 7, column 18/);
    await answer.getByRole('button', { name: 'line 7, column 18' }).click();
    assert.is(await area.evaluate((element: HTMLTextAreaElement) => element.value.slice(element.selectionStart, element.selectionEnd)), 'much');
    await page.locator('[data-site-read]').setInputFiles({ name: 'bothy-site.yaml', mimeType: 'application/yaml', buffer: Buffer.from(right) });
    await page.getByRole('button', { name: 'Check' }).click();
    await answer.getByText('The file is right.').waitFor();
    await page.getByRole('button', { name: 'Plan' }).click();
    await answer.getByText('Network lab').waitFor();
    await page.getByRole('button', { name: 'Apply', exact: true }).click();
    await page.getByText('As the file says').waitFor();
    assert.is((await site.app.send('GET', '/api/v1/vms/web')).status, 200);
    await site.app.send('PATCH', '/api/v1/vms/web', { memoryBytes: 128 * 2 ** 20 });
    await page.reload();
    await page.getByText('memoryBytes: 128 MiB -> 64 MiB').waitFor();
    await page.getByRole('button', { name: 'Bring it back' }).click();
    await page.getByText('As the file says').waitFor();
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Export', exact: true }).click()]);
    assert.is(download.suggestedFilename(), 'bothy-site.yaml');
    real('browser');
    assert.equal(visitor.faults, []);
  } finally {
    await browser.close();
    await site.close();
  }
});

test.run();
