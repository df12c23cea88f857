/**
 * Chromium, and a simulated appliance for it on a loopback port. A *visitor* is one browser profile with a window: signed in or
 * not, and with a list of everything that went wrong in it, which a test expects to be empty in the end.
 *
 * Called by the browser tests and benches. The browser ends with the process that opened it.
 */
import { once } from 'node:events';
import { writeSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { inspect } from 'node:util';
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { silentLog } from '../../appliance/core/log.ts';
import { serve } from '../../appliance/server.ts';
import { freePort } from '../free-port.ts';
import { adminPassword, openTestApp, type TestApp, type TestAppOptions } from '../world/app.ts';
import { untilReady } from '../world/ready.ts';

const quietArguments = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
];

export function openBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: '/usr/bin/chromium', args: quietArguments });
}

/** For `test.before`, whose failure uvu keeps to itself: tells it and ends the file. */
export async function orEnd(open: () => Promise<void>): Promise<void> {
  await open().catch((error: unknown) => {
    writeSync(1, `${inspect(error)}\n`);
    process.exit(1);
  });
}

// ------------------------------------------------------------------------------------------------ visitors

export interface Visitor {
  context: BrowserContext;
  page: Page;
  /** Errors of scripts, refusals of the content policy, requests to other sites, answers that no page should cause. */
  faults: string[];
  /** The page of this path, loaded and settled. */
  open(path: string): Promise<Page>;
  close(): Promise<void>;
}

export async function openVisitor(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Visitor> {
  const context = await browser.newContext({ baseURL: url, locale: 'en-GB', viewport: { width: 1440, height: 900 }, ...options });
  context.setDefaultTimeout(30_000);
  const page = await context.newPage();
  const faults: string[] = [];
  const note = (fault: string) => void faults.push(`${new URL(page.url()).pathname}: ${fault}`);
  page.on('pageerror', (error) => note(`script: ${error.stack ?? error.message}`));
  page.on('console', (message) => {
    // What the server refused is told by the answer itself, below.
    if (message.type() === 'error' && !/^Failed to load resource/.test(message.text())) note(`console: ${message.text()}`);
  });
  page.on('request', (request) => {
    const { protocol, origin } = new URL(request.url());
    if (protocol !== 'blob:' && protocol !== 'data:' && origin !== url) note(`foreign: ${request.url()}`);
  });
  page.on('response', (response) => {
    const isOurs = response.request().method() === 'GET' ? response.status() >= 400 : response.status() >= 500;
    if (isOurs) note(`${response.status()}: ${response.request().method()} ${response.url()}`);
  });
  return {
    context, page, faults,
    async open(path) {
      await page.goto(path);
      return page;
    },
    close: () => context.close(),
  };
}

/** Signs in through the form, as a person does. */
export async function signIn({ page }: Visitor, password = adminPassword): Promise<void> {
  await page.goto('/sign-in');
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL('**/');
}

/** Signs in without the form: where that is not what the test is about. */
export async function enter({ context }: Visitor, password = adminPassword, user = 'admin@internal'): Promise<void> {
  const answer = await context.request.post('/api/v1/sessions', { data: { user, password } });
  if (!answer.ok()) throw new Error(`sign-in: ${answer.status()} ${await answer.text()}`);
}

/** Bytes that really came over the line, headers and all, from now on. */
export async function countBytes(page: Page): Promise<() => number> {
  const session = await page.context().newCDPSession(page);
  let bytes = 0;
  session.on('Network.loadingFinished', ({ encodedDataLength }) => { bytes += encodedDataLength; });
  await session.send('Network.enable');
  return () => bytes;
}

// ------------------------------------------------------------------------------------------------ a simulated appliance

export interface Site {
  url: string;
  app: TestApp;
  close(): Promise<void>;
}

/** Listens on a free loopback port, with the first password set. */
export async function serveTestApp(options: TestAppOptions = {}): Promise<Site> {
  const app = await openTestApp(options);
  const port = await freePort();
  const config = { statePath: app.statePath, listen: { host: '127.0.0.1', port }, viewerPorts: { first: 45_900, last: 45_903 }, libvirtUri: 'test', accel: 'auto' as const, managesHost: false, watchdog: { isWanted: false, patienceMs: 60_000 }, keysPath: '/nonexistent', logLevel: 'error' as const, version: '0.0.0' };
  const stopping = new AbortController();
  const { app: { http, openConsole, certificates }, door: network } = app;
  let served = Promise.resolve();
  const url = await new Promise<string>((resolve, reject) => {
    served = serve({ config, log: silentLog, network, local: http('local'), openConsole, certificates }, stopping.signal, resolve);
    served.catch(reject);
  });
  const code = app.app.setupCode();
  if (code) await fetch(`${url}/api/v1/setup`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ code, password: adminPassword }) });
  await untilReady(app);
  return {
    url, app,
    async close() {
      stopping.abort();
      await served;
      await app.close();
    },
  };
}

// ------------------------------------------------------------------------------------------------ a line that can break

export interface Line {
  url: string;
  /** Breaks every connection; new ones are refused until `mend`. */
  cut(): void;
  mend(): void;
  close(): void;
}

/** Another address of a site, over a line that a test can cut. */
export async function openLine(site: string): Promise<Line> {
  const sockets = new Set<Socket>();
  let isCut = false;
  const server = createServer((outer) => {
    if (isCut) return outer.destroy();
    const inner = connect(Number(new URL(site).port), '127.0.0.1');
    for (const [from, to] of [[outer, inner], [inner, outer]] as const) {
      sockets.add(from);
      from.pipe(to);
      from.on('error', () => to.destroy());
      from.on('close', () => { to.destroy(); sockets.delete(from); });
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = () => {
    isCut = true;
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, // a TCP server has one
    cut,
    mend: () => { isCut = false; },
    close: () => {
      cut();
      server.close();
    },
  };
}
