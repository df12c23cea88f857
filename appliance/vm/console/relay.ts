/**
 * A relay for one viewer of virt-viewer, to a socket of QEMU: plain on loopback, or with TLS for another machine. When its last connection has gone,
 * or nobody came, it ends; so it does when who asked for it may use the console no longer.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { createServer as createSecure } from 'node:tls';
import { deadline } from '../../core/clock.ts';
import { Problem } from '../../core/problem.ts';
import { ticketLifeMs } from './tickets.ts';
import type { ViewerDoor } from './viewer-door.ts';

/** After so long without a byte virt-viewer's machine is asked whether it is still there. */
const keepAliveMs = 60_000;
/** For who connects and then says nothing. */
const handshakeMs = 10_000;
/** A viewer of SPICE has a connection for each of screen, sound, keys and so on. */
export const spiceChannels = 16;

export interface RelayOptions {
  /** Connections, all of one viewer. */
  most: number;
  /** For a viewer on another machine; on loopback without. */
  door?: ViewerDoor | undefined;
  /** Calls back when the right to it is lost; what it returns ends the watch. */
  watch(onLost: () => void): () => void;
  /** A server has closed when its connections have, too. */
  onEnd(): void;
}

/** Returns the port that it listens on. */
export async function relay(socketPath: string, { most, door, watch, onEnd }: RelayOptions): Promise<number> {
  const open = new Set<Socket>();
  const server = serverOf(door, (outside) => {
    open.add(outside);
    if (most === 1) server.close();
    joinSockets(outside, connect(socketPath));
    outside.on('close', () => {
      open.delete(outside);
      if (open.size === 0) server.close();
    });
  });
  server.maxConnections = most;
  const unwatch = watch(() => {
    server.close();
    for (const outside of open) outside.destroy();
  });
  server.once('close', () => {
    unwatch();
    onEnd();
  });
  await (door ? listenInRange(server, door) : listen(server, 0, '127.0.0.1')).catch((error: unknown) => {
    unwatch();
    throw error;
  });
  server.unref(); // a relay that nobody uses does not hold up the end of the service
  deadline(ticketLifeMs).addEventListener('abort', () => { if (open.size === 0) server.close(); }, { once: true });
  return (server.address() as AddressInfo).port; // it listens on TCP
}

function serverOf(door: ViewerDoor | undefined, onConnection: (outside: Socket) => void): Server {
  if (!door) return createServer(onConnection);
  const pair = door.certificate();
  if (!pair) throw new Error('a secure relay before there is a certificate');
  return createSecure({ cert: pair.chain, key: pair.key, handshakeTimeout: handshakeMs }, onConnection);
}

function joinSockets(outside: Socket, inside: Socket): void {
  outside.setKeepAlive(true, keepAliveMs);
  for (const [from, to] of [[outside, inside], [inside, outside]] as const) {
    from.pipe(to);
    from.on('error', () => to.destroy());
    from.on('close', () => to.destroy());
  }
}

/** The first that is free: a firewall lets in a range that is known beforehand. */
async function listenInRange(server: Server, { host, ports: { first, last } }: ViewerDoor): Promise<void> {
  for (let port = first; port <= last; port++) {
    const failure = await listen(server, port, host).then(() => undefined, (error: NodeJS.ErrnoException) => error);
    if (!failure) return;
    if (failure.code !== 'EADDRINUSE') throw failure;
  }
  throw new Problem('in-use', `All ports for viewers, ${first} to ${last}, are in use. Close a viewer, or use the screen in the browser.`);
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const onListening = () => { server.off('error', onError); resolve(); };
    const onError = (error: Error) => { server.off('listening', onListening); reject(error); };
    server.once('error', onError);
    server.once('listening', onListening);
    server.listen(port, host);
  });
}
