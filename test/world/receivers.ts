/**
 * Real receivers of events on loopback: a syslog server by UDP, TCP and TLS that reads what it gets as strictly as RFC 5424 and RFC 6587
 * are written, a mail server (smtp-server) with STARTTLS, TLS and sign-in, a web server. Each can be taken down and come back at its port.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer as createWeb, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import { createServer as createSecureWeb } from 'node:https';
import { type AddressInfo, createServer as createPlain, type Server, type Socket } from 'node:net';
import { createServer as createSecure } from 'node:tls';
import { SMTPServer } from 'smtp-server';
import type { Pair } from './certificate.ts';

export interface SyslogMessage {
  priority: number;
  at: number;
  host: string;
  code: string;
  sequence: number;
  text: string;
}

export interface Receiver {
  port: number;
  close(): Promise<void>;
}

const rfc5424 = /^<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z) ([\x21-\x7e]{1,255}) ([\x21-\x7e]{1,48}) (?:-|[\x21-\x7e]{1,128}) ([\x21-\x7e]{1,32}) \[meta sequenceId="(\d{1,10})"\] ([\s\S]*)$/;

function parseSyslog(bytes: Buffer): SyslogMessage {
  const match = rfc5424.exec(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  if (!match) throw new Error(`this is no RFC 5424: ${bytes.toString()}`);
  const [, priority, at = '', host = '', , code = '', sequence, text = ''] = match;
  if (/[^\x20-\x7e]/.test(text) && !text.startsWith('\ufeff')) throw new Error(`UTF-8 without its mark: ${text}`);
  return { priority: Number(priority), at: Date.parse(at), host, code, sequence: Number(sequence), text: text.replace('\ufeff', '') };
}

export interface SyslogReceiver extends Receiver {
  messages: SyslogMessage[];
}

export async function openSyslogUdp(port = 0): Promise<SyslogReceiver> {
  const socket = createSocket('udp4');
  const messages: SyslogMessage[] = [];
  socket.on('message', (bytes) => messages.push(parseSyslog(bytes)));
  socket.bind(port, '127.0.0.1');
  await once(socket, 'listening');
  return { messages, port: socket.address().port, close: () => new Promise((resolve) => { socket.close(() => resolve()); }) };
}

/** Counted octets, as RFC 6587 and RFC 5425 have them. */
export async function openSyslogStream({ port = 0, pair }: { port?: number; pair?: Pair } = {}): Promise<SyslogReceiver> {
  const messages: SyslogMessage[] = [];
  const read = (socket: Socket) => {
    let rest = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      for (let head = /^(\d+) /.exec(rest.toString('latin1')); head && rest.length >= head[0].length + Number(head[1]); head = /^(\d+) /.exec(rest.toString('latin1'))) {
        const end = head[0].length + Number(head[1]);
        messages.push(parseSyslog(rest.subarray(head[0].length, end)));
        rest = rest.subarray(end);
      }
      if (rest.length > 0 && !/^\d/.test(rest.toString('latin1'))) throw new Error(`no count before ${rest.toString()}`);
    });
  };
  const server = pair ? createSecure({ cert: pair.chain, key: pair.key }, read) : createPlain(read);
  return { messages, ...(await listen(server, port)) };
}

async function listen(server: Server, port: number): Promise<Receiver> {
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
  });
  server.on('tlsClientError', () => {});
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port, // it listens on a port
    close: () => new Promise((resolve) => {
      server.close(() => resolve());
      for (const socket of open) socket.destroy();
    }),
  };
}

/** Takes connections and says nothing, ever. */
export const openSilent = (): Promise<Receiver> => listen(createPlain((socket) => { socket.on('error', () => {}).resume(); }), 0);

export interface Mail {
  from: string;
  to: string[];
  user: string | undefined;
  isSecure: boolean;
  /** Headers and body as they came. */
  text: string;
}

export interface MailReceiver extends Receiver {
  mails: Mail[];
}

export interface MailOptions {
  port?: number;
  pair?: Pair;
  /** TLS from the first byte. */
  isTls?: boolean;
  login?: { user: string; password: string };
  refuses?: string;
}

export async function openMail({ port = 0, pair, isTls = false, login, refuses }: MailOptions = {}): Promise<MailReceiver> {
  const mails: Mail[] = [];
  const server = new SMTPServer({
    secure: isTls, ...(pair && { cert: pair.chain, key: pair.key }), authOptional: login === undefined, disableReverseLookup: true,
    disabledCommands: [...(pair ? [] : ['STARTTLS']), ...(login ? [] : ['AUTH'])],
    onAuth: ({ username, password }, _session, done) => (username === login?.user && password === login?.password ? done(null, { user: username }) : done(new Error(`no such user, or not with "${password}"`))),
    onRcptTo: ({ address }, _session, done) => done(address === refuses ? Object.assign(new Error(`no mailbox ${address}`), { responseCode: 550 }) : undefined),
    onData: (stream, session, done) => {
      const parts: Buffer[] = [];
      stream.on('data', (part: Buffer) => parts.push(part));
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope;
        mails.push({ from: mailFrom ? mailFrom.address : '', to: rcptTo.map(({ address }) => address), user: session.user as string | undefined, isSecure: session.secure, text: Buffer.concat(parts).toString() });
        done();
      });
    },
  });
  server.on('error', () => {});
  await new Promise<void>((resolve) => { server.listen(port, '127.0.0.1', () => resolve()); });
  return { mails, port: (server.server.address() as AddressInfo).port, close: () => new Promise((resolve) => { server.close(() => resolve()); }) };
}

export interface WebRequest {
  headers: IncomingHttpHeaders;
  body: string;
}

export interface WebReceiver extends Receiver {
  requests: WebRequest[];
  /** What it answers from now on; 0: nothing, ever. */
  answer: { status: number; location?: string };
}

export async function openWeb({ port = 0, pair }: { port?: number; pair?: Pair } = {}): Promise<WebReceiver> {
  const requests: WebRequest[] = [];
  const answer: WebReceiver['answer'] = { status: 204 };
  const take: RequestListener = (request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      requests.push({ headers: request.headers, body: Buffer.concat(parts).toString() });
      if (answer.status !== 0) response.writeHead(answer.status, answer.location ? { location: answer.location } : {}).end();
    });
  };
  const server = pair ? createSecureWeb({ cert: pair.chain, key: pair.key }, take) : createWeb(take);
  return { requests, answer, ...(await listen(server, port)) };
}
