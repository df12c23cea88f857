/** Requests of the command line over the service's local socket, which only root can open. */
import { createReadStream, statSync } from 'node:fs';
import { request } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { localSocketPath, readConfig } from '../config.ts';
import type { ProblemJson } from '../core/problem.ts';

/** Ends the command with a message and exit code 1. */
export class Refusal extends Error {}

export interface Reply<T> {
  status: number;
  body: T;
}

/** One request over the local socket. A problem becomes a `Refusal` with its text. */
export async function call<T>(method: string, path: string, input?: unknown): Promise<Reply<T>> {
  const { status, text } = await exchange({ socketPath: socketPath(), method, path, body: input === undefined ? '' : JSON.stringify(input) });
  return readReply<T>(status, text, path);
}

/** As `call`, for an answer that is not JSON. */
export async function callText(path: string): Promise<string> {
  const { status, text } = await exchange({ socketPath: socketPath(), method: 'GET', path, body: '' });
  if (status >= 400) readReply(status, text, path);
  return text;
}

const socketPath = () => localSocketPath(readConfig(process.env).statePath);

function readReply<T>(status: number, text: string, path: string): Reply<T> {
  const body = text === '' ? null : JSON.parse(text);
  if (status >= 400 && path !== '/healthz') {
    const problem = body as ProblemJson; // every error of the API is a problem
    throw new Refusal([problem.detail, ...(problem.errors ?? []).map((error) => `  ${error.path}: ${error.message}`)].join('\n'));
  }
  return { status, body: body as T }; // the caller names the answer of its own request
}

/** Sends a file as it is. */
export async function sendFile(path: string, file: string): Promise<Reply<unknown>> {
  const { size } = statSync(file);
  const body = createReadStream(file);
  const { status, text } = await exchange({ socketPath: socketPath(), method: 'PUT', path, body, headers: { 'content-length': String(size) } });
  return readReply(status, text, path);
}

interface Exchange {
  socketPath: string;
  method: string;
  path: string;
  body: string | Readable;
  headers?: Record<string, string>;
}

function exchange({ socketPath, method, path, body, headers = body ? { 'content-type': 'application/json' } : {} }: Exchange): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    // A connection for each: one that is used again may be closed by the service at the very moment at which the next request is sent.
    const outgoing = request({ socketPath, method, path, headers, agent: false }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }));
      incoming.on('error', reject);
    });
    outgoing.on('error', (error: NodeJS.ErrnoException) => reject(new Refusal(explain(error, socketPath))));
    if (typeof body === 'string') outgoing.end(body);
    else pipeline(body, outgoing).catch(() => {}); // a refusal ends the sending; the answer tells
  });
}

function explain(error: NodeJS.ErrnoException, socketPath: string): string {
  if (error.code === 'EACCES') return 'Only root may use this command. Try it with sudo.';
  if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') return `The service does not answer at ${socketPath}. Where it is installed, "journalctl -u bothyd" says why; in a checkout, start it with "npm start", and check BOTHY_STATE.`;
  return `${error.message}`;
}

export function print(text: string): void {
  process.stdout.write(text);
}
