/** The sockets: plain HTTP on loopback only, TLS with our own certificate elsewhere, root's socket, consoles by ticket. */
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { request as plainRequest } from 'node:http';
import { request as secureRequest } from 'node:https';
import { connect as connectSocket, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Hono } from 'hono';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import WebSocket from 'ws';
import { type Config, localSocketPath, readConfig } from '../../appliance/config.ts';
import { silentLog } from '../../appliance/core/log.ts';
import { type CertificateSource, isLoopback, type Limits, serve, type ViewerSocket } from '../../appliance/server.ts';
import { freePort } from '../free-port.ts';
import { makePair, type Pair } from '../world/certificate.ts';

let port = 0;
test.before.each(async () => { port = await freePort(); });

interface Listening {
  config: Config;
  certificates: CertificateSource & { change(pair: Pair): void };
  viewers: ViewerSocket[];
  stop(): Promise<void>;
}

async function listen(host: string, port: number, limits: Partial<Limits> = {}): Promise<Listening> {
  const statePath = mkdtempSync(join(tmpdir(), 'bothy-server-'));
  const config = { ...readConfig({ BOTHY_STATE: statePath }), listen: { host, port } };
  const network = new Hono().get('/', (context) => context.text('network'))
    .put('/upload', async (context) => context.text(`${(await context.req.text()).length} bytes`))
    .get('/forever', () => new Response(new ReadableStream({ start(controller) { controller.enqueue(new TextEncoder().encode('...')); } })));
  const local = new Hono().get('/', (context) => context.text('local'));
  const viewers: ViewerSocket[] = [];
  const tickets = new Set(['good']);
  const openConsole = (ticket: string) => (tickets.delete(ticket) ? (viewer: ViewerSocket) => { viewers.push(viewer); viewer.onMessage((data) => viewer.send(data)); } : undefined);
  const certificates = certificatesOf(first);
  const stopping = new AbortController();
  const done = await new Promise<{ ended: Promise<void> }>((resolve, reject) => {
    const ended = serve({ config, log: silentLog, network, local, openConsole, certificates, limits }, stopping.signal, () => resolve({ ended }));
    ended.catch(reject);
  });
  return {
    config, viewers, certificates,
    async stop() {
      stopping.abort();
      await done.ended;
      assert.not.ok(existsSync(localSocketPath(statePath)));
      rmSync(statePath, { recursive: true });
    },
  };
}

const [first, second] = [makePair('first'), makePair('second')];

/** A source of certificates that a test holds in its hand. */
function certificatesOf(pair: Pair): CertificateSource & { change(pair: Pair): void } {
  const listeners = new Set<(pair: Pair) => void>();
  return {
    ready: async () => pair,
    onChange(listener) { listeners.add(listener); return () => { listeners.delete(listener); }; },
    change: (next) => { for (const listener of listeners) listener(next); },
  };
}

type Requester = typeof plainRequest | typeof secureRequest;

function get(send: Requester, options: Record<string, unknown>): Promise<string> {
  return new Promise((resolve, reject) => {
    const outgoing = send(options, (incoming) => {
      incoming.setEncoding('utf8');
      let text = '';
      incoming.on('data', (chunk) => { text += chunk; });
      incoming.on('end', () => resolve(text));
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

test('loopback is recognised by address, not by hope', () => {
  for (const host of ['127.0.0.1', '127.8.0.1', '::1', 'localhost']) assert.ok(isLoopback(host), host);
  for (const host of ['0.0.0.0', '::', '10.0.0.1', '127.0.0.1.example.com', '']) assert.not.ok(isLoopback(host), host);
});

test('on loopback it speaks plain HTTP; the local socket is for root alone', async () => {
  const server = await listen('127.0.0.1', port);
  assert.is(await get(plainRequest, { host: '127.0.0.1', port }), 'network');
  const socketPath = localSocketPath(server.config.statePath);
  assert.is(statSync(socketPath).mode & 0o777, 0o600);
  assert.is(await get(plainRequest, { socketPath }), 'local');
  await server.stop();
});

test('anywhere else it speaks TLS only, with the certificate that is served now', async () => {
  const server = await listen('0.0.0.0', port);
  const ask = (ca: string) => get(secureRequest, { host: 'localhost', servername: 'localhost', port, ca, agent: false });
  assert.is(await ask(first.chain), 'network');
  await get(plainRequest, { host: '127.0.0.1', port }).then(() => assert.unreachable('plain HTTP was answered'), () => {});
  server.certificates.change(second);
  assert.is(await ask(second.chain), 'network');
  await ask(first.chain).then(() => assert.unreachable('the old certificate is still served'), () => {});
  await server.stop();
});

const connect = (path: string, options: WebSocket.ClientOptions = {}) =>
  new Promise<WebSocket>((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, options);
    socket.once('open', () => resolve(socket));
    socket.once('error', reject);
  });

test('a console opens with a ticket, once, and only from our own pages', async () => {
  const server = await listen('127.0.0.1', port);
  await connect('/console/vm?ticket=bad').then(() => assert.unreachable(), (error) => assert.match(error.message, /403/));
  await connect('/elsewhere?ticket=good').then(() => assert.unreachable(), (error) => assert.match(error.message, /403/));
  await connect('/console/vm?ticket=good', { headers: { origin: 'http://evil.example' } }).then(() => assert.unreachable(), (error) => assert.match(error.message, /403/));
  const socket = await connect('/console/vm?ticket=good', { headers: { origin: `http://127.0.0.1:${port}` } });
  const echoed = new Promise<string>((resolve) => socket.once('message', (data) => resolve(String(data))));
  socket.send(Buffer.from('hello'));
  assert.is(await echoed, 'hello');
  await connect('/console/vm?ticket=good').then(() => assert.unreachable(), (error) => assert.match(error.message, /403/));
  socket.terminate();
  await server.stop();
});

test('a stranger who asks for an upgrade with nonsense, or hangs up, does no harm', async () => {
  const server = await listen('127.0.0.1', port);
  const headers = 'host: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n';
  for (const target of ['//', 'http://[', '/console/vm']) {
    const socket = connectSocket(port, '127.0.0.1');
    const isClosed = new Promise<string>((resolve) => {
      let text = '';
      socket.on('data', (data) => { text += data; });
      socket.on('close', () => resolve(text));
    });
    socket.write(`GET ${target} HTTP/1.1\r\n${headers}`);
    assert.match(await isClosed, /^HTTP\/1.1 403 /, target);
  }
  for (let tries = 0; tries < 20; tries++) {
    const socket = connectSocket(port, '127.0.0.1');
    await new Promise((resolve) => socket.write(`GET /console/vm HTTP/1.1\r\n${headers}`, resolve));
    await new Promise((resolve) => socket.once('close', resolve).resetAndDestroy());
  }
  assert.is(await get(plainRequest, { host: '127.0.0.1', port }), 'network');
  await server.stop();
});

test('it stops although a console is open', async () => {
  const server = await listen('127.0.0.1', port);
  const socket = await connect('/console/vm?ticket=good');
  const isClosed = new Promise((resolve) => socket.once('close', resolve));
  const viewerLeft = new Promise<void>((resolve) => server.viewers[0]?.onClose(resolve));
  await server.stop();
  await Promise.all([isClosed, viewerLeft]);
});

/** What came over a connection that sent `text`, until it was closed; `undefined` while it is open. */
function speak(port: number, text: string): { socket: Socket; answer(): string; closed: Promise<void>; isClosed(): boolean } {
  const socket = connectSocket(port, '127.0.0.1', () => socket.write(text));
  let [answer, isClosed] = ['', false];
  socket.on('data', (data) => { answer += data; });
  socket.on('error', () => {}); // a close follows
  const closed = new Promise<void>((resolve) => socket.on('close', () => { isClosed = true; resolve(); }));
  return { socket, answer: () => answer, closed, isClosed: () => isClosed };
}

async function until(what: string, isTrue: () => boolean): Promise<void> {
  for (let tries = 0; !isTrue(); tries++) {
    if (tries > 1_000) throw new Error(`never came: ${what}`);
    await sleep(10);
  }
}

const whole = 'GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n';
const endless = 'GET /forever HTTP/1.1\r\nhost: x\r\n\r\n';
/** The limit for all: one address, as here, may have half of it. */
const few = { connections: 16 };

test('clients that never finish their request keep nobody out, and end', async () => {
  const server = await listen('127.0.0.1', port, { ...few, headMs: 1_000 });
  const idlers = Array.from({ length: 30 }, (_none, n) => speak(port, n % 2 === 0 ? '' : 'GET / HTTP/1.1\r\nhost: x\r\nx-slow: '));
  const dripping = setInterval(() => { for (const { socket } of idlers) if (!socket.destroyed) socket.write('a'); }, 100);
  await sleep(100);
  for (let tries = 0; tries < 5; tries++) {
    const client = speak(port, whole);
    await client.closed;
    assert.match(client.answer(), /^HTTP\/1.1 200 [\s\S]*network/);
  }
  await until('the slow ones are ended', () => idlers.every(({ isClosed }) => isClosed()));
  clearInterval(dripping);
  await server.stop();
});

test('one connection more than can be served is refused in words, and served when there is room', async () => {
  const server = await listen('127.0.0.1', port, few);
  const readers = Array.from({ length: 8 }, () => speak(port, endless));
  await until('all are served', () => readers.every(({ answer }) => answer().includes('...')));
  const client = speak(port, whole);
  await client.closed;
  assert.match(client.answer(), /^HTTP\/1.1 503 [\s\S]*retry-after: 5[\s\S]*"type":"unavailable"[\s\S]*Try again in 5 seconds/);
  assert.ok(readers.every(({ isClosed }) => !isClosed()), 'who is served stays');
  readers[0]?.socket.destroy();
  await readers[0]?.closed;
  await sleep(50);
  const again = speak(port, whole);
  await again.closed;
  assert.match(again.answer(), /^HTTP\/1.1 200 /);
  await server.stop();
});

test('connections over TLS are counted in and out', async () => {
  const server = await listen('0.0.0.0', port, few);
  const ca = first.chain;
  const silent = Array.from({ length: 20 }, () => speak(port, ''));
  for (let tries = 0; tries < 20; tries++) {
    assert.is(await get(secureRequest, { host: 'localhost', family: 4, servername: 'localhost', port, ca, agent: false }), 'network');
  }
  for (const { socket } of silent) socket.destroy();
  await server.stop();
});

test('an upload may last longer than the head of a request', async () => {
  const server = await listen('127.0.0.1', port, { headMs: 300 });
  const upload = speak(port, 'PUT /upload HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n');
  const reader = speak(port, endless);
  await until('it is served', () => reader.answer().includes('...'));
  for (let part = 0; part < 15; part++) {
    await sleep(100);
    upload.socket.write('4\r\npart\r\n');
  }
  assert.is(upload.answer(), '');
  upload.socket.write('0\r\n\r\n');
  await upload.closed;
  assert.match(upload.answer(), /^HTTP\/1.1 200 [\s\S]*60 bytes/);
  assert.not.ok(reader.isClosed());
  await server.stop();
});

test('a console whose browser is gone without a word is ended; one that answers stays', async () => {
  const server = await listen('127.0.0.1', port, { pingMs: 100 });
  const dead = await connect('/console/vm?ticket=good', { autoPong: false });
  let isGone = false;
  server.viewers[0]?.onClose(() => { isGone = true; });
  await until('it is ended', () => isGone);
  dead.terminate();
  await server.stop();
  const second = await listen('127.0.0.1', port, { pingMs: 100 });
  const alive = await connect('/console/vm?ticket=good');
  await sleep(1_000);
  assert.is(alive.readyState, WebSocket.OPEN);
  alive.terminate();
  await second.stop();
});

test('wrong settings are told by name', () => {
  assert.throws(() => readConfig({ BOTHY_LISTEN: 'nonsense', BOTHY_ACCEL: 'xen' }), /BOTHY_LISTEN[\s\S]*BOTHY_ACCEL/);
  assert.equal(readConfig({ BOTHY_LISTEN: '[::1]:80' }).listen, { host: '::1', port: 80 });
});

test.run();
