/**
 * What the appliance sends of its own accord to servers that people have named: connections, datagrams, posts. Every address is judged by
 * the rule of `address.ts` at the moment it is used, everything has a deadline, no redirect is followed, and of answers only what says
 * whether it was taken is read.
 */
import { createSocket } from 'node:dgram';
import { request as requestPlain } from 'node:http';
import { request as requestSecure } from 'node:https';
import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { connect as connectSecure, rootCertificates } from 'node:tls';
import { deadline } from './clock.ts';
import { judgedLookup, ownFault } from './judged-lookup.ts';

export interface Target {
  host: string;
  port: number;
}

/** Whose certificates are believed: the well-known authorities, and this one (PEM). */
export interface Trust {
  ca?: string | undefined;
}

export interface Post extends Trust {
  url: string;
  headers: Record<string, string>;
  body: string;
}

export interface Outgoing {
  /** A connection that is open, and secured where `trust` is given. It ends with the signal. */
  connect(target: Target, signal: AbortSignal, trust?: Trust): Promise<Socket>;
  /** Nobody confirms a datagram: resolves unless the machine there, or one on the way, says that nobody listens. */
  datagrams(target: Target, packets: readonly Buffer[], signal: AbortSignal): Promise<void>;
  post(post: Post, signal: AbortSignal): Promise<{ status: number }>;
}

/** The address may not be spoken to; the message says why. */
export class RefusedAddress extends Error {
  readonly code = 'REFUSED_ADDRESS';
}

const longestMs = 15_000;
/** How long a refusal of a datagram may take. */
const refusalMs = 300;

export const trusted = ({ ca }: Trust) => (ca === undefined ? {} : { ca: [...rootCertificates, ca] });

/** The name that a certificate must bear; an address is no server name in TLS. */
export const serverName = (host: string): { servername?: string } => (isIP(host) ? {} : { servername: host });

export function createOutgoing(faultOf: (address: string) => string | undefined = ownFault): Outgoing {
  const refuse = (address: string) => {
    const fault = faultOf(address);
    return fault === undefined ? undefined : new RefusedAddress(fault);
  };
  const lookup = judgedLookup(refuse);
  /** A plain address is not looked up. */
  const judge = (host: string) => {
    const fault = isIP(host) ? refuse(host) : undefined;
    if (fault) throw fault;
  };
  return {
    async connect({ host, port }, signal, trust) {
      judge(host);
      const socket = trust ? connectSecure({ host, port, lookup, ...serverName(host), ...trusted(trust) }) : connectPlain({ host, port, lookup });
      await opened(socket, trust ? 'secureConnect' : 'connect', signal);
      return socket;
    },
    async datagrams({ host, port }, packets, signal) {
      judge(host);
      const address = isIP(host) ? host : await found(host, lookup);
      await sendAll({ host: address, port }, packets, deadline(longestMs, signal));
    },
    async post(post, signal) {
      judge(new URL(post.url).hostname.replace(/^\[|\]$/g, ''));
      return sendPost(post, lookup, deadline(longestMs, signal));
    },
  };
}

function opened(socket: Socket, event: 'connect' | 'secureConnect', signal: AbortSignal): Promise<void> {
  const limit = deadline(longestMs, signal);
  return new Promise((resolve, reject) => {
    const late = () => socket.destroy(signal.aborted ? new Error('it was stopped') : new OutOfTime());
    const end = () => socket.destroy();
    limit.addEventListener('abort', late, { once: true });
    signal.addEventListener('abort', end, { once: true });
    socket.once('close', () => signal.removeEventListener('abort', end));
    socket.once('error', reject);
    socket.once(event, () => {
      limit.removeEventListener('abort', late);
      socket.off('error', reject);
      socket.on('error', () => {}); // whoever works with it listens, too; what comes after their end is nobody's
      resolve();
    });
    if (signal.aborted) late();
  });
}

/** Nothing was heard in time. */
export class OutOfTime extends Error {
  readonly code = 'ETIMEDOUT';
  constructor() {
    super('no answer in time');
  }
}

const found = (host: string, lookup: ReturnType<typeof judgedLookup>) => new Promise<string>((resolve, reject) => {
  lookup(host, {}, (error, address) => (error ? reject(error) : resolve(String(address))));
});

function sendAll({ host, port }: Target, packets: readonly Buffer[], signal: AbortSignal): Promise<void> {
  const socket = createSocket({ type: isIP(host) === 6 ? 'udp6' : 'udp4', signal });
  return new Promise<void>((resolve, reject) => {
    socket.on('error', reject);
    socket.on('close', () => reject(new OutOfTime()));
    socket.connect(port, host, () => {
      for (const packet of packets) socket.send(packet, (error) => { if (error) reject(error); });
      deadline(refusalMs).addEventListener('abort', () => resolve(), { once: true });
    });
  }).finally(() => {
    socket.removeAllListeners('close');
    if (!signal.aborted) socket.close();
  });
}

function sendPost({ url, headers, body, ...trust }: Post, lookup: ReturnType<typeof judgedLookup>, signal: AbortSignal): Promise<{ status: number }> {
  const target = new URL(url);
  const options = { method: 'POST', headers: { 'user-agent': 'Bothy', 'content-length': String(Buffer.byteLength(body)), ...headers }, lookup, signal, agent: false as const };
  return new Promise((resolve, reject) => {
    const outgoing = target.protocol === 'https:' ? requestSecure(target, { ...options, ...trusted(trust) }) : requestPlain(target, options);
    outgoing.on('error', (error) => reject(signal.aborted ? new OutOfTime() : error));
    outgoing.on('response', (response) => {
      resolve({ status: response.statusCode ?? 0 });
      response.on('error', () => {});
      response.destroy();
    });
    outgoing.end(body);
  });
}
