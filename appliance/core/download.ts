/**
 * Files from the network, over lines that break: each try goes on where the one before has stopped, for as long as something arrives
 * now and then. Every address is judged when it is connected to, by the very address that is used, and again after each redirect.
 */
import { type FileHandle, open, readFile, rm, writeFile } from 'node:fs/promises';
import { type IncomingMessage, type OutgoingHttpHeaders, request as requestPlain } from 'node:http';
import { request as requestSecure } from 'node:https';
import { isIP } from 'node:net';
import type { Clock } from './clock.ts';
import { judgedLookup, ownFault } from './judged-lookup.ts';
import { Problem } from './problem.ts';
import { formatBytes } from './units.ts';

export interface Download {
  /** http or https. */
  url: string;
  /** The file; what an earlier try of the same address has left of it is gone on with. */
  path: string;
  /** More than that is refused. */
  limitBytes: number;
  signal: AbortSignal;
  /** What has arrived, and the size of the whole where the server tells it. */
  progress(receivedBytes: number, totalBytes: number | undefined): void;
  /** What comes is checked by its signature afterwards, so the server need not prove who it is. */
  isVerifiedLater?: boolean;
}

/** The first `bytes` of a file. */
type Beginning = Pick<Download, 'url' | 'signal' | 'isVerifiedLater'> & { bytes: number };

/** Files from addresses that people or site files name. Refuses addresses of this machine and link-local ones, also behind a redirect. */
export interface Downloads {
  /** The first bytes of a file, fewer where it is shorter. One try; rejects with a `Problem`. */
  readBeginning(beginning: Beginning): Promise<Uint8Array>;
  /** Resolves when the whole file is on the disk. Tries again while the line is bad; rejects with a `Problem`. */
  fetch(download: Download): Promise<void>;
}

export interface DownloadOptions {
  clock: Clock;
  /** Why an address may not be used; the rule of `address.ts` unless told. */
  faultOf?: (address: string) => string | undefined;
  /** A connection that is silent for so long is broken. */
  silenceMs?: number;
  /** Pauses between tries that brought nothing; after the last one it is given up. */
  pausesMs?: readonly number[];
}

const mostRedirects = 5;
const usualPausesMs = [1_000, 2_000, 5_000, 10_000, 20_000, 40_000, 60_000, 60_000, 60_000, 60_000];

export function createDownloads({ clock, faultOf = ownFault, silenceMs = 60_000, pausesMs = usualPausesMs }: DownloadOptions): Downloads {
  return {
    async fetch(wish: Download): Promise<void> {
      const state = await openState(wish);
      try {
        for (let failures = 0; ; ) {
          const before = state.receivedBytes;
          const trouble = await attempt({ wish, state, faultOf, silenceMs });
          if (trouble === undefined) return;
          failures = state.receivedBytes > before ? 0 : failures + 1;
          const pauseMs = pausesMs[failures];
          if (pauseMs === undefined) throw new Problem('unavailable', `Nothing more comes from ${new URL(wish.url).host}: ${trouble.message}. Check the address and the network, then try again.`, { cause: trouble });
          await clock.sleep(pauseMs, wish.signal);
        }
      } finally {
        await state.file.close();
      }
    },
    async readBeginning({ url, bytes, signal, isVerifiedLater = false }: Beginning): Promise<Uint8Array> {
      const asked = { signal, isVerifiedLater, faultOf, silenceMs, headers: { range: `bytes=0-${bytes - 1}` } };
      try {
        const { response, host } = await follow(url, asked);
        if (!isAnswer(response)) throw refusal(response, host);
        return await firstBytes(response, bytes);
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof Problem || !(error instanceof Error)) throw error;
        throw new Problem('unavailable', `Nothing comes from ${parse(url).host}: ${error.message}. Check the address and the network, then try again.`, { cause: error });
      }
    },
  };
}

async function firstBytes(response: IncomingMessage, most: number): Promise<Uint8Array> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) { // no encoding is set
    pieces.push(chunk);
    bytes += chunk.length;
    if (bytes >= most) break; // ends the connection: a server may send the whole
  }
  return Buffer.concat(pieces).subarray(0, most);
}

interface State {
  file: FileHandle;
  receivedBytes: number;
  /** How the server calls the content that is there already; without it nothing can be gone on with. */
  etag: string | undefined;
}

interface Attempt {
  wish: Download;
  state: State;
  faultOf(address: string): string | undefined;
  silenceMs: number;
}

const notePath = (path: string) => `${path}.etag`;

async function openState({ url, path }: Download): Promise<State> {
  const note = await readFile(notePath(path), 'utf8').then((text) => JSON.parse(text) as { url?: string; etag?: string }, () => undefined); // written below
  const isKnown = note?.url === url && note.etag !== undefined;
  const file = await open(path, isKnown ? 'a+' : 'w+', 0o600);
  return { file, receivedBytes: isKnown ? (await file.stat()).size : 0, etag: isKnown ? note.etag : undefined };
}

/** One connection. Returns what broke it; throws what trying again would not help. */
async function attempt(attempt: Attempt): Promise<Error | undefined> {
  const { wish, state } = attempt;
  try {
    const { response, totalBytes } = await connect(attempt);
    await receive(response, attempt, totalBytes);
    if (totalBytes !== undefined && state.receivedBytes < totalBytes) return new Error('the connection ended too early');
    await state.file.sync();
    await rm(notePath(wish.path), { force: true });
    return undefined;
  } catch (error) {
    wish.signal.throwIfAborted();
    if (error instanceof Problem || !(error instanceof Error)) throw error;
    return error;
  }
}

async function connect({ wish, state, faultOf, silenceMs }: Attempt): Promise<{ response: IncomingMessage; totalBytes: number | undefined }> {
  const { signal, isVerifiedLater = false } = wish;
  const isGoingOn = state.receivedBytes > 0 && state.etag !== undefined;
  const headers = isGoingOn ? { range: `bytes=${state.receivedBytes}-`, 'if-range': state.etag } : {};
  const { response, host } = await follow(wish.url, { signal, isVerifiedLater, faultOf, silenceMs, headers });
  if (isAnswer(response)) return { response, totalBytes: await begin(response, { wish, state }) };
  if (response.statusCode === 416) await startAnew(state);
  throw refusal(response, host);
}

interface Asked {
  signal: AbortSignal;
  isVerifiedLater: boolean;
  headers: OutgoingHttpHeaders;
  faultOf(address: string): string | undefined;
  silenceMs: number;
}

/** Asks from address to address until one does not lead on. */
async function follow(from: string, asked: Asked): Promise<{ response: IncomingMessage; host: string }> {
  let url = parse(from);
  for (let redirects = 0; redirects <= mostRedirects; redirects++) {
    const response = await ask(url, asked);
    const { statusCode = 0, headers: { location } } = response;
    if (![301, 302, 303, 307, 308].includes(statusCode) || location === undefined) return { response, host: url.host };
    response.destroy();
    url = parse(new URL(location, url).href);
  }
  throw new Problem('unavailable', `${parse(from).host} leads on from address to address without end. Give the address of the file itself.`);
}

const isAnswer = ({ statusCode }: IncomingMessage) => statusCode === 206 || statusCode === 200;

/** An Error may pass by itself, a Problem does not. */
function refusal(response: IncomingMessage, host: string): Error {
  const { statusCode = 0 } = response;
  response.destroy();
  if (statusCode === 416 || statusCode >= 500 || statusCode === 429) return new Error(`it answers ${statusCode}`);
  return new Problem('unavailable', `${host} answers ${statusCode}: there is no such file for us. Check the address.`);
}

function parse(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && ['http:', 'https:'].includes(url.protocol)) return url;
  throw new Problem('invalid-input', 'Give an address that begins with http:// or https://.');
}

function ask(url: URL, { signal, isVerifiedLater, headers, faultOf, silenceMs }: Asked): Promise<IncomingMessage> {
  const refuse = (address: string) => {
    const fault = faultOf(address);
    return fault === undefined ? undefined : new Problem('invalid-input', `Nothing is fetched from ${url.host}: ${fault}`);
  };
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const fault = isIP(host) ? refuse(host) : undefined; // a plain address is not looked up
  if (fault) throw fault;
  const sent = { 'user-agent': 'Bothy', 'accept-encoding': 'identity', ...headers };
  const options = { headers: sent, timeout: silenceMs, signal, lookup: judgedLookup(refuse), agent: false as const, ...(isVerifiedLater && { rejectUnauthorized: false }) };
  return new Promise((resolve, reject) => {
    let answer: IncomingMessage | undefined;
    const take = (response: IncomingMessage) => { answer = response; resolve(response); };
    const outgoing = url.protocol === 'https:' ? requestSecure(url, options, take) : requestPlain(url, options, take);
    outgoing.on('timeout', () => (answer ?? outgoing).destroy(new Error('it has fallen silent')));
    outgoing.on('error', reject);
    outgoing.end();
  });
}

/** Where the body goes on, from its headers; remembers how the server calls it. */
async function begin({ statusCode, headers }: IncomingMessage, { wish, state }: { wish: Download; state: State }): Promise<number | undefined> {
  const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(headers['content-range'] ?? '');
  if (statusCode === 206 && (!range || Number(range[1]) !== state.receivedBytes)) throw new Error('it goes on somewhere else');
  if (statusCode === 200) await startAnew(state);
  const { etag } = headers;
  state.etag = etag !== undefined && !etag.startsWith('W/') ? etag : undefined;
  if (state.etag !== undefined) await writeFile(notePath(wish.path), JSON.stringify({ url: wish.url, etag: state.etag }), { mode: 0o600 });
  const length = headers['content-length'];
  const totalBytes = statusCode === 206 ? Number(range?.[2]) : length === undefined ? undefined : Number(length);
  if (totalBytes !== undefined && totalBytes > wish.limitBytes) throw tooLarge(wish);
  return totalBytes;
}

async function startAnew(state: State): Promise<void> {
  await state.file.truncate(0);
  state.receivedBytes = 0;
}

async function receive(response: IncomingMessage, { wish, state }: Attempt, totalBytes: number | undefined): Promise<void> {
  for await (const chunk of response as AsyncIterable<Buffer>) { // no encoding is set
    if (state.receivedBytes + chunk.length > wish.limitBytes) throw tooLarge(wish);
    await writeAll(state, chunk);
    wish.progress(state.receivedBytes, totalBytes);
  }
}

async function writeAll(state: State, chunk: Buffer): Promise<void> {
  for (let done = 0; done < chunk.length; ) {
    const { bytesWritten } = await state.file.write(chunk, done, chunk.length - done, state.receivedBytes).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOSPC') throw error;
      throw new Problem('insufficient-storage', 'The file system is full. What has arrived is kept: make room, then try again.', { cause: error });
    });
    done += bytesWritten;
    state.receivedBytes += bytesWritten;
  }
}

const tooLarge = ({ limitBytes }: Download) => new Problem('too-large', `The file is larger than ${formatBytes(limitBytes)}. Check the address.`);
