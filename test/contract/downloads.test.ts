/** Files from addresses: what both downloads do, and what the real one does on lines that break and with servers that mislead. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../appliance/core/clock.ts';
import { createDownloads } from '../../appliance/core/download.ts';
import { Problem } from '../../appliance/core/problem.ts';
import type { Download, Downloads } from '../../appliance/world.ts';
import { makePair } from '../world/certificate.ts';
import { createSimulatedDownloads } from '../world/downloads.ts';

const content = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251));
const folder = mkdtempSync(join(tmpdir(), 'bothy-downloads-'));
const path = join(folder, 'file');

interface Answer {
  status?: number;
  headers?: Record<string, string>;
  body?: Uint8Array;
  /** After the body, which is not the whole, the connection breaks, or nothing more comes. */
  end?: 'cut' | 'silence';
}

/** A web server that answers as `answers` says, one after another; the last one stays. */
async function serve(answers: readonly Answer[], pair?: { chain: string; key: string }) {
  const requests: IncomingMessage['headers'][] = [];
  const listen = (request: IncomingMessage, response: ServerResponse) => {
    const { status = 200, headers = {}, body = content, end } = answers[Math.min(requests.length, answers.length - 1)] ?? {};
    requests.push(request.headers);
    response.writeHead(status, { 'content-length': String(body.length), ...headers });
    if (!end) response.end(body);
    else response.write(body, () => end === 'cut' && setTimeout(() => response.destroy(), 50));
  };
  const server: Server = pair ? createSecureServer({ cert: pair.chain, key: pair.key }, listen) : createServer(listen);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // it listens on a port
  const close = () => new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });
  return { url: `${pair ? 'https' : 'http'}://127.0.0.1:${port}/file`, requests, close };
}

async function withServer(answers: readonly Answer[], work: (server: Awaited<ReturnType<typeof serve>>) => Promise<void>, pair?: { chain: string; key: string }): Promise<void> {
  const server = await serve(answers, pair);
  await work(server).finally(server.close);
}

/** Loopback is refused as a rule; here it is where the tests' servers are. */
const real = (options: Partial<Parameters<typeof createDownloads>[0]> = {}) => createDownloads({ clock: systemClock, faultOf: () => undefined, pausesMs: [1, 1, 1], silenceMs: 500, ...options });
const wish = (url: string, more: Partial<Download> = {}): Download => ({ url, path, limitBytes: 10 ** 6, signal: AbortSignal.timeout(20_000), progress: () => {}, ...more });
const beginning = (url: string, more = {}) => ({ url, bytes: 1_000, signal: AbortSignal.timeout(20_000), ...more });

async function problemOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(() => undefined, (reason: unknown) => reason);
  if (error instanceof Problem) return `${error.type}: ${error.message}`;
  throw new Error(`no Problem, but ${error}`);
}

interface Offered {
  downloads: Downloads;
  url: string;
  missing: string;
}

const simulated = (work: (offered: Offered) => Promise<void>) => {
  const downloads = createSimulatedDownloads();
  downloads.offer('https://files.example/file', content);
  return work({ downloads, url: 'https://files.example/file', missing: 'https://files.example/other' });
};
const overHttp = (work: (offered: Offered) => Promise<void>) => withServer([{}], ({ url }) => withServer([{ status: 404 }], ({ url: missing }) => work({ downloads: real(), url, missing })));

for (const [name, offer] of [['simulated', simulated], ['real', overHttp]] as const) {
  const test = suite(`downloads, ${name}`);
  test.before.each(() => rmSync(path, { force: true }));

  test('the whole file, and how much has come', () => offer(async ({ downloads, url }) => {
    let last: unknown[] = [];
    await downloads.fetch(wish(url, { progress: (...told) => { last = told; } }));
    assert.ok(readFileSync(path).equals(content));
    assert.equal(last, [content.length, content.length]);
  }));

  test('what is not there, and what is larger than allowed', () => offer(async ({ downloads, url, missing }) => {
    assert.match(await problemOf(downloads.fetch(wish(missing))), /^unavailable: .* answers 404/);
    assert.match(await problemOf(downloads.readBeginning(beginning(missing))), /^unavailable: .* answers 404/);
    assert.match(await problemOf(downloads.fetch(wish(url, { limitBytes: content.length - 1 }))), /^too-large/);
  }));

  test('the beginning of a file; all of it where it is short', () => offer(async ({ downloads, url }) => {
    assert.ok(content.subarray(0, 1_000).equals(Buffer.from(await downloads.readBeginning(beginning(url)))));
    assert.is((await downloads.readBeginning(beginning(url, { bytes: content.length * 2 }))).length, content.length);
  }));
  test.run();
}

const test = suite('downloads, only real');
test.before.each(() => {
  for (const file of [path, `${path}.etag`]) rmSync(file, { force: true });
});
test.after(() => rmSync(folder, { recursive: true }));

test('a broken connection is gone on with where it stopped, if the file is the same', async () => {
  const rest = { status: 206, headers: { 'content-range': `bytes 100000-299999/300000` }, body: content.subarray(100_000) };
  await withServer([{ headers: { etag: '"1"', 'content-length': '300000' }, body: content.subarray(0, 100_000), end: 'cut' }, rest], async ({ url, requests }) => {
    await real().fetch(wish(url));
    assert.ok(readFileSync(path).equals(content));
    assert.equal([requests[1]?.range, requests[1]?.['if-range']], ['bytes=100000-', '"1"']);
  });
});

test('without a name for its content it is begun anew', async () => {
  await withServer([{ headers: { 'content-length': '300000' }, body: content.subarray(0, 100_000), end: 'cut' }, {}], async ({ url, requests }) => {
    await real().fetch(wish(url));
    assert.ok(readFileSync(path).equals(content));
    assert.is(requests[1]?.range, undefined);
  });
});

test('a line that brings nothing more is given up, and what has come is kept for the next try', async () => {
  await withServer([{ headers: { etag: '"1"', 'content-length': '300000' }, body: content.subarray(0, 100_000), end: 'cut' }, { status: 503 }], async ({ url }) => {
    assert.match(await problemOf(real().fetch(wish(url))), /^unavailable: Nothing more comes from 127.*503/);
    assert.is(readFileSync(path).length, 100_000);
  });
});

test('a server that falls silent', async () => {
  await withServer([{ headers: { 'content-length': '300000' }, body: content.subarray(0, 10), end: 'silence' }], async ({ url }) => {
    assert.match(await problemOf(real({ pausesMs: [1] }).fetch(wish(url))), /silent/);
  });
});

test('a redirect is followed, its end is judged like the beginning, and a ring ends', async () => {
  await withServer([{}], async ({ url: end }) => {
    await withServer([{ status: 302, headers: { location: end } }], async ({ url }) => {
      await real().fetch(wish(url));
      assert.ok(readFileSync(path).equals(content));
      assert.is((await real().readBeginning(beginning(url))).length, 1_000);
    });
  });
  await withServer([{ status: 301, headers: { location: 'http://169.254.169.254/latest' } }], async ({ url }) => {
    const downloads = real({ faultOf: (address) => (address.startsWith('169.254.') ? 'It is not for us.' : undefined) });
    assert.match(await problemOf(downloads.fetch(wish(url))), /169\.254\.169\.254: It is not for us/);
    assert.match(await problemOf(downloads.readBeginning(beginning(url))), /It is not for us/);
  });
  await withServer([{ status: 302, headers: { location: '/file' } }], async ({ url }) => {
    assert.match(await problemOf(real().fetch(wish(url))), /without end/);
  });
});

test('this machine itself is refused, by its number and by its name', async () => {
  await withServer([{}], async ({ url }) => {
    const downloads = createDownloads({ clock: systemClock });
    for (const address of [url, url.replace('127.0.0.1', 'localhost')]) {
      assert.match(await problemOf(downloads.fetch(wish(address))), /^invalid-input: Nothing is fetched from/);
      assert.match(await problemOf(downloads.readBeginning(beginning(address))), /^invalid-input: Nothing is fetched from/);
    }
  });
});

test('a server that nobody vouches for only where the content is verified later', async () => {
  const pair = makePair('updates.example');
  await withServer([{}], async ({ url }) => {
    assert.match(await problemOf(real({ pausesMs: [1] }).fetch(wish(url))), /certificate/);
    assert.match(await problemOf(real().readBeginning(beginning(url))), /certificate/);
    await real().fetch(wish(url, { isVerifiedLater: true }));
    assert.is((await real().readBeginning(beginning(url, { isVerifiedLater: true }))).length, 1_000);
  }, pair);
});

test('only what was asked for is asked for, and a server that sends more is cut off', async () => {
  const part = { status: 206, headers: { 'content-range': 'bytes 0-999/300000' }, body: content.subarray(0, 1_000) };
  await withServer([part], async ({ url, requests }) => {
    assert.is((await real().readBeginning(beginning(url))).length, 1_000);
    assert.is(requests[0]?.range, 'bytes=0-999');
  });
  await withServer([{ headers: { 'content-length': String(2 ** 40) }, body: content }], async ({ url }) => {
    assert.is((await real().readBeginning(beginning(url))).length, 1_000);
  });
});

test('a file that is there already is not mixed with another', async () => {
  writeFileSync(path, 'left over');
  await withServer([{}], async ({ url }) => {
    await real().fetch(wish(url));
    assert.ok(readFileSync(path).equals(content));
  });
});

test.run();
