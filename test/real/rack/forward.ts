/**
 * Reaches a loopback port of a rack host from outside, where the test and its browser live.
 *
 * Inside, socat listens on a unix socket in the shared folder and connects to the port: a socket file works across
 * network namespaces and needs no address or route. Outside, a listener on a free loopback port of the machine feeds
 * it. The outside address stays the same over a power cut of the host. Called by rack-host.ts.
 */
import { rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RackProcess } from '../../process.ts';

export interface Forward {
  readonly url: string;
  /** Starts the inner half anew, after the host booted again. */
  reopen(): Promise<void>;
  close(): Promise<void>;
}

type Spawn = (argv: readonly string[]) => RackProcess;

export async function openForward(port: number, socketPath: string, spawn: Spawn): Promise<Forward> {
  const sockets = new Set<Socket>();
  let relay = await startRelay(port, socketPath, spawn);
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (outer) => join(outer, socketPath, sockets));
  const outerPort = await listen(server);
  return {
    url: `http://127.0.0.1:${outerPort}`,
    reopen: async () => {
      relay = await startRelay(port, socketPath, spawn);
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((done) => server.close(done));
      await relay.end();
    },
  };
}

async function startRelay(port: number, socketPath: string, spawn: Spawn): Promise<RackProcess> {
  rmSync(socketPath, { force: true });
  const relay = spawn(['socat', '-b', '65536', '-t', '60', `UNIX-LISTEN:${socketPath},fork`, `TCP4:127.0.0.1:${port},nodelay`]);
  for (let tries = 0; !(await isListening(socketPath)); tries++) {
    if (tries > 500) throw new Error(`socat does not listen: ${relay.output()}`);
    await sleep(10);
  }
  return relay;
}

/** The file is there a moment before anybody listens on it. */
function isListening(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socketPath);
    probe.once('connect', () => { probe.destroy(); resolve(true); });
    probe.once('error', () => resolve(false));
  });
}

function join(outer: Socket, socketPath: string, sockets: Set<Socket>): void {
  const inner = connect({ path: socketPath, allowHalfOpen: true });
  for (const [from, to] of [[outer, inner], [inner, outer]] as const) {
    sockets.add(from);
    from.pipe(to);
    from.on('error', () => to.destroy());
    from.on('close', () => {
      sockets.delete(from);
      if (!from.readableEnded) to.destroy();
    });
  }
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (address && typeof address === 'object') resolve(address.port);
      else reject(new Error('the listener has no port'));
    });
  });
}
