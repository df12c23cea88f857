/**
 * HTTPS to a box that shows exactly one certificate, the one that the caller pins; any other ends the request.
 *
 * The `fetch` of Node knows no certificates of its own choice, hence `node:https` underneath. Called by box.ts.
 */
import type { ClientRequest, IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { Readable } from 'node:stream';
import type { PeerCertificate } from 'node:tls';

export interface Door {
  port: number;
  /** The box's own certificate, PEM. */
  certificate: string;
  /** For one request; sending and receiving together. */
  timeoutMs: number;
}

export async function pinnedFetch({ port, certificate, timeoutMs }: Door, path: string, init: RequestInit): Promise<Response> {
  const pinned = certificate.replace(/-----[A-Z ]+-----|\s/g, '');
  return new Promise((resolve, reject) => {
    const call = request({
      host: '127.0.0.1', port, path: path.startsWith('/') ? path : `/${path}`, method: init.method ?? 'GET', agent: false, ca: certificate,
      headers: Object.fromEntries(new Headers(init.headers)), signal: AbortSignal.timeout(timeoutMs),
      checkServerIdentity: (_host: string, shown: PeerCertificate) => (shown.raw.toString('base64') === pinned ? undefined : new Error('another certificate than the one of this box')),
    });
    call.on('error', reject);
    call.on('response', (message) => resolve(responseOf(message)));
    send(call, init.body);
  });
}

function responseOf(message: IncomingMessage): Response {
  const headers = new Headers();
  for (let index = 0; index + 1 < message.rawHeaders.length; index += 2) headers.append(message.rawHeaders[index] ?? '', message.rawHeaders[index + 1] ?? '');
  const hasBody = ![204, 304].includes(message.statusCode ?? 0);
  if (!hasBody) message.resume();
  return new Response(hasBody ? (Readable.toWeb(message) as ReadableStream<Uint8Array>) : null, { status: message.statusCode ?? 0, headers }); // two names of one thing
}

function send(call: ClientRequest, body: RequestInit['body']): void {
  if (body === undefined || body === null) call.end();
  else if (typeof body === 'string' || body instanceof Uint8Array) call.end(body);
  else if (body instanceof ReadableStream) Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0]).pipe(call); // two names of one thing
  else call.destroy(new Error('such a body is not sent by these tests'));
}
