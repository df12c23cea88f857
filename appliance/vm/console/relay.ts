/**
 * A relay on loopback for one viewer of virt-viewer, to a socket of QEMU. When its last connection has gone, or nobody came, it ends; so it
 * does when who asked for it may use the console no longer.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { deadline } from '../../core/clock.ts';
import { ticketLifeMs } from './tickets.ts';

/** After so long without a byte virt-viewer's machine is asked whether it is still there. */
const keepAliveMs = 60_000;
/** A viewer of SPICE has a connection for each of screen, sound, keys and so on. */
export const spiceChannels = 16;

interface Relay {
  host: string;
  port: number;
}

interface RelayOptions {
  /** Connections, all of one viewer. */
  most: number;
  /** Calls back when the right to it is lost; what it returns ends the watch. */
  watch(onLost: () => void): () => void;
  /** A server has closed when its connections have, too. */
  onEnd(): void;
}

export async function relay(socketPath: string, { most, watch, onEnd }: RelayOptions): Promise<Relay> {
  const host = '127.0.0.1';
  const open = new Set<Socket>();
  const server = createServer((outside) => {
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
  await listen(server, host).catch((error: unknown) => {
    unwatch();
    throw error;
  });
  const { port } = server.address() as AddressInfo; // it listens on TCP
  server.unref(); // a relay that nobody uses does not hold up the end of the service
  deadline(ticketLifeMs).addEventListener('abort', () => { if (open.size === 0) server.close(); }, { once: true });
  return { host, port };
}

function joinSockets(outside: Socket, inside: Socket): void {
  outside.setKeepAlive(true, keepAliveMs);
  for (const [from, to] of [[outside, inside], [inside, outside]] as const) {
    from.pipe(to);
    from.on('error', () => to.destroy());
    from.on('close', () => to.destroy());
  }
}

function listen(server: Server, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, host, resolve);
  });
}
