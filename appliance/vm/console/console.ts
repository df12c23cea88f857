/**
 * Consoles: from a one-use ticket to bytes between a browser and a guest.
 *
 *   screen   each viewer has a connection of its own to QEMU's VNC socket; QEMU sends what a viewer asks for
 *   serial   all viewers of a VM share one connection (`serial-hub.ts`)
 *   .vv      a relay for one viewer, for virt-viewer: VNC or SPICE on loopback, SPICE over TLS to another machine (`viewer-door.ts`); SPICE with a password
 *
 * Nobody is waited for: a viewer that cannot keep up is dropped, so memory stays bounded. Called by the WebSocket server with
 * `open`, and by the verbs of `console-operations.ts`.
 */
import { X509Certificate } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { watchRight } from '../../auth/rights-watch.ts';
import { isRemote } from '../../core/remote.ts';
import { Problem } from '../../core/problem.ts';
import { asRefusal, lookAt } from '../domain.ts';
import { foldersOf } from '../definition/guest.ts';
import type { Running } from '../definition/running.ts';
import type { Vm } from '../rows.ts';
import { createSerialHub, type SerialHub } from './serial-hub.ts';
import { issueSpicePassword } from './spice-password.ts';
import { type RelayOptions, relay, spiceChannels } from './relay.ts';
import type { ViewerDoor } from './viewer-door.ts';
import type { ViewerAddress } from './viewer-file.ts';
import type { VmServices } from '../services.ts';
import { ticketLifeMs } from './tickets.ts';

/** One viewer, as the WebSocket server shows it. */
export interface Viewer {
  /** Returns the bytes that wait to be sent. */
  send(data: Uint8Array | string): number;
  close(code?: number, reason?: string): void;
  onMessage(listener: (data: Uint8Array) => void): void;
  onClose(listener: () => void): void;
}

/** WebSocket close codes: the console ended; there is none; the viewer may use it no longer; was too slow; there are too many viewers. */
export const closeCodes = { ended: 1000, forbidden: 4403, absent: 4404, tooSlow: 4408, tooMany: 4429 } as const;

/** A whole uncompressed screen of 4K fits; twice that waits only for a viewer that has stopped reading. */
const longestScreenQueueBytes = 64 * 1024 * 1024;
const longestInputQueueBytes = 1024 * 1024;

/** Of one VM, screens and serial together: each screen costs QEMU work and us a connection. */
export const mostConsoles = 16;
/** Of one VM, for virt-viewer: each is a port on loopback. */
export const mostRelays = 4;

export interface Consoles {
  /** Throws `in-use` when the VM has as many consoles as it may, those counted that a ticket can still open. */
  requireRoom(vm: Vm): void;
  /** What to do with the viewer that brings `ticket`; `undefined` when the ticket is not valid. */
  open(ticket: string): ((viewer: Viewer) => void) | undefined;
  /** An address that leads to the VM's screen: for one viewer, begun within 30 seconds, for as long as `isHeld`. */
  openRelay(vm: Vm, isHeld: () => boolean, asked: Asked): Promise<ViewerAddress>;
}

export interface Asked {
  /** Address of who asks, and the name of this machine that they use. */
  from: string;
  host: string;
}

type ConsoleServices = Pick<VmServices, 'hypervisor' | 'tickets' | 'statePath' | 'log' | 'clock' | 'journal' | 'viewers'>;

export function createConsoles(services: ConsoleServices): Consoles {
  const hubs = new Map<string, SerialHub>();
  const [viewers, relays] = [createCounter(), createCounter()];
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
        if (viewers.count(ticket.vmId) >= mostConsoles) return viewer.close(closeCodes.tooMany, 'Too many consoles of this VM are open.');
        if (!ticket.isHeld()) return viewer.close(closeCodes.forbidden, 'You may not use this console any more.');
        viewer.onClose(viewers.enter(ticket.vmId));
        viewer.onClose(watchRight(services.journal, ticket.isHeld, () => viewer.close(closeCodes.forbidden, 'You may not use this console any more.')));
        attach(viewer, ticket.vmId, ticket.type).catch((error: unknown) => {
          services.log.warn('a console could not be opened', { vm: ticket.vmId, error });
          viewer.close(closeCodes.absent, 'The console cannot be reached.');
        });
      };
    },
    requireRoom({ id, name }) {
      if (viewers.count(id) + services.tickets.count(id) < mostConsoles) return;
      throw new Problem('in-use', `${name} has ${mostConsoles} consoles open, which is the most. Close one of them first; one that is only lost ends by itself within two minutes.`);
    },
    async openRelay(vm, isHeld, asked) {
      if (relays.count(vm.id) >= mostRelays) {
        throw new Problem('in-use', `virt-viewer has ${mostRelays} connections to ${vm.name} open or awaited, which is the most. Close one first; one that is not used ends after ${ticketLifeMs / 1000} seconds.`);
      }
      const leave = relays.enter(vm.id);
      try {
        return await openScreen(services, vm, asked, { watch: (onLost) => watchRight(services.journal, isHeld, onLost), onEnd: leave }).catch((error: unknown) => {
          throw asRefusal(error, 'The console cannot be reached');
        });
      } catch (error) {
        leave();
        throw error;
      }
    },
  };
}

/** Counts what is open of each VM. What `enter` returns counts down, once. */
function createCounter() {
  const open = new Map<string, number>();
  const add = (vmId: string, change: number) => {
    const count = (open.get(vmId) ?? 0) + change;
    if (count > 0) open.set(vmId, count);
    else open.delete(vmId);
  };
  return {
    count: (vmId: string) => open.get(vmId) ?? 0,
    enter(vmId: string): () => void {
      let isIn = true;
      add(vmId, 1);
      return () => {
        if (isIn) add(vmId, -1);
        isIn = false;
      };
    },
  };
}

async function openScreen(services: ConsoleServices, vm: Vm, { from, host }: Asked, terms: Pick<RelayOptions, 'watch' | 'onEnd'>): Promise<ViewerAddress> {
  const running = await lookAt(services, vm.id);
  const door = isRemote(from) ? services.viewers : undefined;
  const place = { host: door ? host : '127.0.0.1', isSecure: door !== undefined };
  if (running?.spiceSocket) {
    const password = await issueSpicePassword(services, vm.id);
    return { type: 'spice', password, ...place, ...ownCertificate(door), port: await relay(running.spiceSocket, { ...terms, door, most: spiceChannels }) };
  }
  const socket = requireSocket(vm, running);
  if (door) throw new Problem('wrong-state', `virt-viewer would show ${vm.name} by VNC, which is not encrypted, so it may do so only on this machine. Use the screen in the browser, or choose SPICE in the settings of the VM.`);
  return { type: 'vnc', port: await relay(socket, { ...terms, most: 1 }), ...place };
}

/** One that signed itself is trusted by being in the file, and only there. */
function ownCertificate(door: ViewerDoor | undefined): Pick<ViewerAddress, 'own'> {
  const pair = door?.certificate();
  return pair?.isOwn ? { own: { pem: pair.chain, subject: new X509Certificate(pair.chain).subject.replaceAll('\n', ',') } } : {};
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
