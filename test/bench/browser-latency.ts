/**
 * From libvirt's event to the words in an open browser: the list of a hundred VMs, of which one is paused and resumed at random
 * moments. Beside it a bare server whose message sets a text, turn by turn in the same browser.
 *
 * The service, on a simulated host, is a process of its own, as it is in life. Both ends read the system's clock.
 *
 * usage: node build/test/bench/browser-latency.js [CHANGES]
 */
import { type ChildProcess, fork } from 'node:child_process';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { enter, openBrowser, openVisitor, serveTestApp } from '../real/browser.ts';
import { figuresOf, print } from './figures.ts';

const changes = Number(process.argv[2] ?? 150);
const vmCount = 100;
const name = 'vm-050';

/** Milliseconds since the epoch, finer than `Date.now`; the same in Node and in the browser. */
const clock = (): number => performance.timeOrigin + performance.now();

// ------------------------------------------------------------------------------------------------ the service, in its own process

async function beService(): Promise<void> {
  const site = await serveTestApp();
  for (let n = 0; n < vmCount; n += 1) await site.app.send('POST', '/api/v1/vms', { name: `vm-${String(n).padStart(3, '0')}`, vcpus: 1, memoryBytes: 2 ** 28, disks: [], nics: [] });
  await site.app.carryOut('POST', `/api/v1/vms/${name}/start`);
  const { libvirt } = site.app.host;
  process.on('message', (wish: 'pause' | 'run') => {
    const domain = libvirt.domains().find((each) => each.name === name);
    if (!domain) throw new Error(`${name} does not run`);
    const at = clock();
    if (wish === 'pause') libvirt.pause(domain);
    else libvirt.run(domain, 'unpaused');
    process.send?.(at);
  });
  process.send?.(site.url);
}

const heard = <T>(child: ChildProcess): Promise<T> => new Promise((resolve) => child.once('message', (message) => resolve(message as T))); // written by `beService`

// ------------------------------------------------------------------------------------------------ the plain thing

const plainPage = '<!doctype html><p id="text">none</p><script>new EventSource("/feed").onmessage = (event) => { document.getElementById("text").textContent = event.data }</script>';

async function servePlain(): Promise<{ url: string; say(text: string): number; close(): void }> {
  let feed: ServerResponse | undefined;
  const server = createServer((request, response) => {
    if (request.url !== '/feed') return response.writeHead(200, { 'content-type': 'text/html' }).end(plainPage);
    feed = response.writeHead(200, { 'content-type': 'text/event-stream' });
    feed.write(': here\n\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, // a TCP server has one
    say(text) {
      const at = clock();
      feed?.write(`data: ${text}\n\n`);
      return at;
    },
    close: () => server.closeAllConnections(),
  };
}

// ------------------------------------------------------------------------------------------------ the browser

/** When the text that `find` selects becomes `text`, by the browser's clock. */
async function watch(page: Page, find: string, text: string): Promise<{ seen: Promise<number> }> {
  await page.evaluate(({ find, text }) => {
    const isSo = () => document.querySelector(find)?.textContent?.trim() === text;
    Object.assign(window, {
      seenAt: new Promise<number>((resolve) => {
        const observer = new MutationObserver(() => {
          if (!isSo()) return;
          observer.disconnect();
          resolve(performance.timeOrigin + performance.now());
        });
        observer.observe(document.body, { subtree: true, childList: true, characterData: true });
      }),
    });
  }, { find, text });
  return { seen: page.evaluate(() => (window as unknown as { seenAt: Promise<number> }).seenAt) }; // put there above
}

const pause = (ms: number) => new Promise((resolve) => { setTimeout(resolve, ms); });

async function measure(): Promise<void> {
  const child = fork(fileURLToPath(import.meta.url), { env: { ...process.env, BOTHY_BENCH_SERVICE: '1' } });
  const url = await heard<string>(child);
  const plain = await servePlain();
  const browser = await openBrowser();
  const visitor = await openVisitor(browser, url);
  await enter(visitor);
  const list = await visitor.open('/vms');
  await list.locator('html[data-live="live"]').waitFor({ state: 'attached' });
  const row = await list.getByRole('row', { name }).getAttribute('id');
  const bare = await (await browser.newContext()).newPage();
  await bare.goto(plain.url);
  const [own, other]: [number[], number[]] = [[], []];
  for (let n = 0; n < changes; n += 1) {
    const isPause = n % 2 === 0;
    const change = await watch(list, `#${row} .chip`, isPause ? 'Paused' : 'Up');
    const toldAt = heard<number>(child);
    child.send(isPause ? 'pause' : 'run');
    own.push((await change.seen) - (await toldAt));
    const message = await watch(bare, '#text', `message ${n}`);
    const saidAt = plain.say(`message ${n}`);
    other.push((await message.seen) - saidAt);
    await pause(Math.random() * 1_000);
  }
  print(`libvirt's event to the word in a list of ${vmCount} VMs`, own);
  print('  a bare server whose message sets a text', other);
  console.log(`  ratio of the medians ${(figuresOf(own).p50 / figuresOf(other).p50).toFixed(1)}, of the p99 ${(figuresOf(own).p99 / figuresOf(other).p99).toFixed(1)}`);
  if (visitor.faults.length > 0) throw new Error(visitor.faults.join('\n'));
  await browser.close();
  plain.close();
  child.kill();
}

if (process.env['BOTHY_BENCH_SERVICE']) await beService();
else {
  await measure();
  process.exit(0);
}
