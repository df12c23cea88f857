/**
 * Events to a syslog server, RFC 5424: in datagrams (RFC 5426), or over TCP or TLS with counted octets (RFC 6587, RFC 5425).
 *
 * syslog confirms nothing. What comes nearest: the connection is ended in order, and the server, when it has read everything, ends its side,
 * too. One that resets it instead, or closes early, has failed.
 */
import type { Socket } from 'node:net';
import { deadline } from '../core/clock.ts';
import type { Carrier } from './carrier.ts';
import { syslogLines } from './delivery-rules.ts';

/** What every receiver takes (RFC 5426 asks for 2,048 at most where the path is not known). */
const datagramBytes = 2_048;
const frameBytes = 8_192;
/** A server that keeps its side open for longer has what we have sent: the connection was well until now. */
const closingMs = 5_000;

export const carrySyslog: Carrier = async ({ to, batch, host, outgoing, signal }) => {
  const target = { host: to.host ?? '', port: to.port };
  const lines = syslogLines(batch, host);
  if (to.transport === 'udp') return outgoing.datagrams(target, lines.map((line) => cutTo(line, datagramBytes)), signal);
  const socket = await outgoing.connect(target, signal, to.transport === 'tls' ? { ca: to.ca } : undefined);
  try {
    await finish(socket, Buffer.concat(lines.map((line) => frame(cutTo(line, frameBytes)))), signal);
  } finally {
    socket.destroy();
  }
};

const frame = (line: Buffer): Buffer => Buffer.concat([Buffer.from(`${line.length} `), line]);

/** Whole characters only. */
function cutTo(text: string, most: number): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length <= most) return bytes;
  let end = most;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.subarray(0, end);
}

function finish(socket: Socket, bytes: Buffer, signal: AbortSignal): Promise<void> {
  const limit = deadline(closingMs, signal);
  let isWritten = false;
  return new Promise((resolve, reject) => {
    const fail = (code: string) => reject(Object.assign(new Error('what was sent is not taken'), { code }));
    socket.on('error', reject);
    socket.on('close', () => (isWritten ? resolve() : fail('ECONNRESET')));
    limit.addEventListener('abort', () => (isWritten && !signal.aborted ? resolve() : fail('ETIMEDOUT')), { once: true });
    socket.resume(); // else its end is never seen
    socket.end(bytes, () => { isWritten = true; });
  });
}
