/**
 * Consoles: from a one-use ticket to bytes between a browser and a guest.
 *
 *   screen   each viewer has a connection of its own to QEMU's VNC socket; QEMU sends what a viewer asks for
 *   serial   all viewers of a VM share one connection (`serial-hub.ts`)
 *   .vv      a relay on loopback for one connection, for virt-viewer on this machine or through an SSH tunnel
 *
 * Nobody is waited for: a viewer that cannot keep up is dropped, so memory stays bounded. Called by the WebSocket server with
 * `open`, and by the verbs of `console-operations.ts`.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { deadline } from '../core/clock.ts';
import { Problem } from '../core/problem.ts';
import { asRefusal, lookAt } from './domain.ts';
import { foldersOf } from './guest.ts';
import type { Running } from './running.ts';
import type { Vm } from './rows.ts';
import { createSerialHub, type SerialHub } from './serial-hub.ts';
import type { VmServices } from './services.ts';
import { ticketLifeMs } from './tickets.ts';

/** One viewer, as the WebSocket server shows it. */
export interface Viewer {
  /** Returns the bytes that wait to be sent. */
  send(data: Uint8Array | string): number;
  close(code?: number, reason?: string): void;
  onMessage(listener: (data: Uint8Array) => void): void;
  onClose(listener: () => void): void;
}

/** WebSocket close codes: the console ended; there is none; the viewer was too slow. */
export const closeCodes = { ended: 1000, absent: 4404, tooSlow: 4408 } as const;

/** A whole uncompressed screen of 4K fits; twice that waits only for a viewer that has stopped reading. */
const longestScreenQueueBytes = 64 * 1024 * 1024;
const longestInputQueueBytes = 1024 * 1024;

export interface Consoles {
  /** What to do with the viewer that brings `ticket`; `undefined` when the ticket is not valid. */
  open(ticket: string): ((viewer: Viewer) => void) | undefined;
  /** A loopback address that leads to the VM's screen: for one connection, begun within 30 seconds. */
  openRelay(vm: Vm): Promise<{ host: string; port: number }>;
}

type ConsoleServices = Pick<VmServices, 'hypervisor' | 'tickets' | 'statePath' | 'log'>;

export function createConsoles(services: ConsoleServices): Consoles {
  const hubs = new Map<string, SerialHub>();
  const hubOf = (vmId: string, socketPath: string) => {
    const known = hubs.get(vmId);
    if (known) return known;
    const hub = createSerialHub({ socketPath, logPath: foldersOf(services.statePath, vmId).serialLog, onEnd: () => hubs.delete(vmId) });
    hubs.set(vmId, hub);
    return hub;
  };

  const attach = async (viewer: Viewer, vmId: string, type: 'vnc' | 'serial') => {
    const early = collectEarly(viewer);
    const running = await lookAt(services, vmId);
    const path = type === 'vnc' ? running?.vncSocket : running?.serialSocket;
    if (!path) return viewer.close(closeCodes.absent, 'The VM is not running.');
    if (type === 'vnc') joinStreams(viewer, connect(path), early());
    else hubOf(vmId, path).join(viewer, early());
  };

  return {
    open(key) {
      const ticket = services.tickets.redeem(key);
      if (!ticket) return undefined;
      return (viewer) => {
        attach(viewer, ticket.vmId, ticket.type).catch((error: unknown) => {
          services.log.warn('a console could not be opened', { vm: ticket.vmId, error });
          viewer.close(closeCodes.absent, 'The console cannot be reached.');
        });
      };
    },
    async openRelay(vm) {
      const running = await lookAt(services, vm.id).catch((error: unknown) => {
        throw asRefusal(error, 'The console cannot be reached');
      });
      return relay(requireSocket(vm, running));
    },
  };
}

function requireSocket(vm: Vm, running: Running | null): string {
  if (!running?.vncSocket) throw new Problem('wrong-state', `${vm.name} has no screen now. Start it first.`);
  return running.vncSocket;
}

/** Keeps what a viewer sends before its console is found; the returned function hands it over and stops keeping. */
function collectEarly(viewer: Viewer): () => Early {
  const messages: Uint8Array[] = [];
  let keptBytes = 0;
  let take: (data: Uint8Array) => void = (data) => {
    keptBytes += data.length;
    if (keptBytes > longestInputQueueBytes) return viewer.close(closeCodes.tooSlow, 'Too much was sent before the console was there.');
    messages.push(data);
  };
  let isClosed = false;
  viewer.onMessage((data) => take(data));
  viewer.onClose(() => { isClosed = true; });
  return () => ({
    isClosed,
    onMessage(listener) {
      for (const data of messages.splice(0)) listener(data);
      take = (data) => listener(data);
    },
  });
}

/** A viewer's input, from its very first byte. */
export interface Early {
  isClosed: boolean;
  onMessage(listener: (data: Uint8Array) => void): void;
}

function joinStreams(viewer: Viewer, socket: Socket, early: Early): void {
  if (early.isClosed) {
    socket.destroy();
    return;
  }
  socket.on('data', (chunk) => {
    if (viewer.send(chunk) > longestScreenQueueBytes) viewer.close(closeCodes.tooSlow, 'The connection is too slow.');
  });
  socket.on('error', () => viewer.close(closeCodes.absent, 'The console cannot be reached.'));
  socket.on('close', () => viewer.close(closeCodes.ended, 'The console has ended.'));
  viewer.onClose(() => socket.destroy());
  early.onMessage((data) => {
    socket.write(data);
    if (socket.writableLength > longestInputQueueBytes) socket.destroy();
  });
}

async function relay(socketPath: string): Promise<{ host: string; port: number }> {
  const host = '127.0.0.1';
  const server = createServer((outside) => {
    server.close();
    const inside = connect(socketPath);
    for (const [from, to] of [[outside, inside], [inside, outside]] as const) {
      from.pipe(to);
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
    }
  });
  server.maxConnections = 1;
  await listen(server, host);
  const { port } = server.address() as AddressInfo; // it listens on TCP
  server.unref(); // a relay that nobody uses does not hold up the end of the service
  deadline(ticketLifeMs).addEventListener('abort', () => server.close(), { once: true });
  return { host, port };
}

function listen(server: Server, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, host, resolve);
  });
}
