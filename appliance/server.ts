/**
 * Sockets: the web address (plain HTTP on loopback only, TLS everywhere else), the local socket of the command line, and the
 * WebSockets of the consoles.
 */
import { chmodSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import type { IncomingMessage, Server } from 'node:http';
import { createServer as createPlain } from 'node:http';
import { createServer as createSecure, type ServerOptions as SecureOptions } from 'node:https';
import { isIP } from 'node:net';
import { dirname } from 'node:path';
import type { Duplex } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import type { Hono } from 'hono';
import { type WebSocket, WebSocketServer } from 'ws';
import { type Config, localSocketPath } from './config.ts';
import { systemClock } from './core/clock.ts';
import type { Log } from './core/log.ts';
import { limitConnections } from './http/connections.ts';
import { createKeepAlive } from './http/keep-alive.ts';

/** One viewer of a console, as the slice of VMs sees it. */
export interface ViewerSocket {
  /** Returns the bytes that wait to be sent, so that a slow viewer can be told from a fast one. */
  send(data: Uint8Array | string): number;
  close(code?: number, reason?: string): void;
  onMessage(listener: (data: Uint8Array) => void): void;
  onClose(listener: () => void): void;
}

/** Redeems a one-use ticket; `undefined` when it is not valid (any more). */
export type OpenConsole = (ticket: string) => ((viewer: ViewerSocket) => void) | undefined;

export interface ServerOptions {
  config: Config;
  log: Log;
  network: Hono;
  local: Hono;
  openConsole: OpenConsole;
  certificates: CertificateSource;
  limits?: Partial<Limits>;
}

/** What TLS serves, and when it becomes another. */
export interface CertificateSource {
  ready(): Promise<{ chain: string; key: string }>;
  onChange(listener: (pair: { chain: string; key: string }) => void): () => void;
}

export interface Limits {
  connections: number;
  /** For the head of a request, so that a connection that speaks slowly is not held for ever. */
  headMs: number;
  /** Without a byte in either direction. An upload may last hours, and its end may be hashed for long; but it does not stand still like this. */
  silentMs: number;
  /** Between two questions whether the browser of a console is still there. */
  pingMs: number;
}

const usualLimits: Limits = { connections: 512, headMs: 20_000, silentMs: 30 * 60_000, pingMs: 30_000 };

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/** Listens until `signal` aborts; resolves when every socket is closed. `onListening` gets the address to print. */
export async function serve(options: ServerOptions, signal: AbortSignal, onListening: (url: string) => void): Promise<void> {
  const { config } = options;
  const isPlain = isLoopback(config.listen.host);
  const web = await listenWeb(options, isPlain, signal);
  const local = await listenLocal(options);
  onListening(urlOf(config, isPlain));
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  await Promise.all([web, local].map(close));
  rmSync(localSocketPath(config.statePath), { force: true });
}

function urlOf({ listen: { host, port } }: Config, isPlain: boolean): string {
  return `${isPlain ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

async function listenWeb({ config, network, openConsole, log, certificates, limits: wanted }: ServerOptions, isPlain: boolean, signal: AbortSignal): Promise<Server> {
  const limits = { ...usualLimits, ...wanted };
  const options = {
    requestTimeout: 0, // an upload may take hours
    headersTimeout: limits.headMs, connectionsCheckingInterval: Math.min(5_000, limits.headMs),
    keepAlive: true, keepAliveInitialDelay: 60_000, // finds peers that are gone
  };
  const server = isPlain ? createPlain(options) : await createTls({ ...options, handshakeTimeout: limits.headMs }, certificates);
  server.timeout = limits.silentMs;
  limitConnections(server, getRequestListener(network.fetch), limits.connections);
  server.on('upgrade', consoleUpgrade({ openConsole, log, signal, pingMs: limits.pingMs }));
  await listen(server, () => server.listen(config.listen.port, config.listen.host));
  return server;
}

/** Another certificate is served from the next connection on; those that are open stay. */
async function createTls(options: SecureOptions, certificates: CertificateSource): Promise<Server> {
  const { chain, key } = await certificates.ready();
  const server = createSecure({ ...options, cert: chain, key });
  certificates.onChange((pair) => server.setSecureContext({ cert: pair.chain, key: pair.key }));
  return server;
}

async function listenLocal({ config, local }: ServerOptions): Promise<Server> {
  const path = localSocketPath(config.statePath);
  mkdirSync(dirname(path), { recursive: true });
  if (existsSync(path)) rmSync(path);
  const server = createPlain(getRequestListener(local.fetch));
  await listen(server, () => {
    const before = process.umask(0o177); // for all threads, so only while `listen` makes the socket, which it does at once
    server.listen(path);
    process.umask(before);
  });
  chmodSync(path, 0o600);
  return server;
}

function listen(server: Server, start: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', resolve);
    start();
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

/**
 * A page can only open consoles of the appliance that served it, and only with a ticket. The server lets go of a socket that
 * asks for an upgrade: its errors and its end are our business, also of one that is refused.
 */
function consoleUpgrade({ openConsole, log, signal, pingMs }: Pick<ServerOptions, 'openConsole' | 'log'> & Pick<Limits, 'pingMs'> & { signal: AbortSignal }) {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: 4 * 1024 * 1024, handleProtocols: (offered) => (offered.has('binary') ? 'binary' : false) });
  const endAll = () => { for (const client of sockets.clients) client.terminate(); };
  signal.addEventListener('abort', endAll, { once: true });
  const keepAlive = createKeepAlive({ clock: systemClock, periodMs: pingMs });
  void keepAlive.run(signal);
  return (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', (error) => log.debug('a console connection broke', { error }));
    const url = parseUrl(request.url ?? '/', 'http://localhost');
    const isOwn = request.headers.origin === undefined || parseUrl(request.headers.origin)?.host === request.headers.host;
    const attach = isOwn && url?.pathname.startsWith('/console/') ? openConsole(url.searchParams.get('ticket') ?? '') : undefined;
    if (!attach) {
      socket.end('HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 0\r\n\r\n', () => socket.destroy());
      return;
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      keepAlive.watch(webSocket);
      attach(viewerOf(webSocket));
    });
  };
}

function parseUrl(text: string, base?: string): URL | undefined {
  try {
    return new URL(text, base);
  } catch {
    return undefined;
  }
}

function viewerOf(socket: WebSocket): ViewerSocket {
  socket.on('error', () => socket.terminate());
  return {
    send(data) {
      if (socket.readyState === socket.OPEN) socket.send(data, { binary: typeof data !== 'string' });
      return socket.bufferedAmount;
    },
    close: (code = 1000, reason = '') => socket.close(code, reason),
    onMessage: (listener) => socket.on('message', (data: Buffer) => listener(data)),
    onClose: (listener) => socket.on('close', listener),
  };
}
