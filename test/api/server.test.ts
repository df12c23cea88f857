/** The sockets: plain HTTP on loopback only, TLS with our own certificate elsewhere, root's socket, consoles by ticket. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { request as plainRequest } from 'node:http';
import { request as secureRequest } from 'node:https';
import { connect as connectSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Hono } from 'hono';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import WebSocket from 'ws';
import { type Config, localSocketPath, readConfig } from '../../appliance/config.ts';
import { silentLog } from '../../appliance/core/log.ts';
import { isLoopback, serve, type ViewerSocket } from '../../appliance/server.ts';

interface Listening {
  config: Config;
  viewers: ViewerSocket[];
  stop(): Promise<void>;
}

async function listen(host: string, port: number): Promise<Listening> {
  const statePath = mkdtempSync(join(tmpdir(), 'bothy-server-'));
  const config = { ...readConfig({ BOTHY_STATE: statePath }), listen: { host, port } };
  const network = new Hono().get('/', (context) => context.text('network'));
  const local = new Hono().get('/', (context) => context.text('local'));
  const viewers: ViewerSocket[] = [];
  const tickets = new Set(['good']);
  const openConsole = (ticket: string) => (tickets.delete(ticket) ? (viewer: ViewerSocket) => { viewers.push(viewer); viewer.onMessage((data) => viewer.send(data)); } : undefined);
  const stopping = new AbortController();
  const done = await new Promise<{ ended: Promise<void> }>((resolve, reject) => {
    const ended = serve({ config, log: silentLog, network, local, openConsole }, stopping.signal, () => resolve({ ended }));
    ended.catch(reject);
  });
  return {
    config, viewers,
    async stop() {
      stopping.abort();
      await done.ended;
      assert.not.ok(existsSync(localSocketPath(statePath)));
      rmSync(statePath, { recursive: true });
    },
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
  const server = await listen('127.0.0.1', 18_471);
  assert.is(await get(plainRequest, { host: '127.0.0.1', port: 18_471 }), 'network');
  const socketPath = localSocketPath(server.config.statePath);
  assert.is(statSync(socketPath).mode & 0o777, 0o600);
  assert.is(await get(plainRequest, { socketPath }), 'local');
  await server.stop();
});

test('anywhere else it speaks TLS only, with a certificate of its own that stays', async () => {
  const server = await listen('0.0.0.0', 18_472);
  const cert = readFileSync(join(server.config.statePath, 'tls/cert.pem'));
  assert.is(statSync(join(server.config.statePath, 'tls')).mode & 0o777, 0o700);
  assert.is(await get(secureRequest, { host: 'localhost', servername: 'localhost', port: 18_472, ca: cert }), 'network');
  await get(plainRequest, { host: '127.0.0.1', port: 18_472 }).then(() => assert.unreachable('plain HTTP was answered'), () => {});
  await server.stop();
});

const connect = (path: string, options: WebSocket.ClientOptions = {}) =>
  new Promise<WebSocket>((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:18473${path}`, options);
    socket.once('open', () => resolve(socket));
    socket.once('error', reject);
  });

test('a console opens with a ticket, once, and only from our own pages', async () => {
  const server = await listen('127.0.0.1', 18_473);
  await connect('/console/vm?ticket=bad').then(() => assert.unreachable(), (error) => assert.match(error.message, /403/));
  await connect('/elsewhere?ticket=good').then(() => assert.unreachable(), (error) => assert.match(error.message, /403/));
  await connect('/console/vm?ticket=good', { headers: { origin: 'http://evil.example' } }).then(() => assert.unreachable(), (error) => assert.match(error.message, /403/));
  const socket = await connect('/console/vm?ticket=good', { headers: { origin: 'http://127.0.0.1:18473' } });
  const echoed = new Promise<string>((resolve) => socket.once('message', (data) => resolve(String(data))));
  socket.send(Buffer.from('hello'));
  assert.is(await echoed, 'hello');
  await connect('/console/vm?ticket=good').then(() => assert.unreachable(), (error) => assert.match(error.message, /403/));
  socket.terminate();
  await server.stop();
});

test('a stranger who asks for an upgrade with nonsense, or hangs up, does no harm', async () => {
  const server = await listen('127.0.0.1', 18_474);
  const headers = 'host: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n';
  for (const target of ['//', 'http://[', '/console/vm']) {
    const socket = connectSocket(18_474, '127.0.0.1');
    const isClosed = new Promise<string>((resolve) => {
      let text = '';
      socket.on('data', (data) => { text += data; });
      socket.on('close', () => resolve(text));
    });
    socket.write(`GET ${target} HTTP/1.1\r\n${headers}`);
    assert.match(await isClosed, /^HTTP\/1.1 403 /, target);
  }
  for (let tries = 0; tries < 20; tries++) {
    const socket = connectSocket(18_474, '127.0.0.1');
    await new Promise((resolve) => socket.write(`GET /console/vm HTTP/1.1\r\n${headers}`, resolve));
    await new Promise((resolve) => socket.once('close', resolve).resetAndDestroy());
  }
  assert.is(await get(plainRequest, { host: '127.0.0.1', port: 18_474 }), 'network');
  await server.stop();
});

test('it stops although a console is open', async () => {
  const server = await listen('127.0.0.1', 18_473);
  const socket = await connect('/console/vm?ticket=good');
  const isClosed = new Promise((resolve) => socket.once('close', resolve));
  const viewerLeft = new Promise<void>((resolve) => server.viewers[0]?.onClose(resolve));
  await server.stop();
  await Promise.all([isClosed, viewerLeft]);
});

test('wrong settings are told by name', () => {
  assert.throws(() => readConfig({ BOTHY_LISTEN: 'nonsense', BOTHY_ACCEL: 'xen' }), /BOTHY_LISTEN[\s\S]*BOTHY_ACCEL/);
  assert.equal(readConfig({ BOTHY_LISTEN: '[::1]:80' }).listen, { host: '::1', port: 80 });
});

test.run();
