/**
 * A bench on real parts: runs its own file again inside a rack host, starts the real service there, and speaks to it over
 * root's local socket, so that what is measured is the service and not the way into the host.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { localSocketPath } from '../../appliance/config.ts';
import { rootPath } from '../../appliance/paths.ts';
import { openRackHost } from '../real/rack-host.ts';

/** In the rack host: runs `bench`. Outside: makes a rack host and runs this file in it. */
export async function benchInside(file: string, bench: () => Promise<void>): Promise<void> {
  if (process.env['BOTHY_BENCH_INSIDE']) return bench();
  const host = await openRackHost({ network: true });
  try {
    const child = host.spawn([process.execPath, '--enable-source-maps', file, ...process.argv.slice(2)], { env: { BOTHY_BENCH_INSIDE: host.scratch } });
    await child.ended;
    console.log(child.output());
  } finally {
    await host.close();
  }
}

export interface Service {
  pid: number;
  statePath: string;
  api<T>(method: string, path: string, body?: unknown): Promise<T>;
  /** Resident memory of the service, bytes. */
  residentBytes(): number;
  stop(): Promise<void>;
}

/** A fresh one, or that whose state lies at `kept`. */
export async function startService(kept?: string): Promise<Service> {
  const statePath = kept ?? mkdtempSync(join(process.env['BOTHY_BENCH_INSIDE'] ?? tmpdir(), 'bench-'));
  chmodSync(statePath, 0o711); // QEMU's own user must pass through to the disks
  const child = spawn(join(rootPath, 'image/serve'), [], { env: { ...process.env, BOTHY_STATE: statePath }, stdio: ['ignore', 'pipe', 'inherit'] });
  await ready(child);
  const pid = child.pid ?? 0;
  return {
    pid,
    statePath,
    api: (method, path, body) => call({ socketPath: localSocketPath(statePath), method, path: `/api/v1${path}`, body }),
    residentBytes: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024,
    stop: () => new Promise((resolve) => { child.once('exit', () => resolve()); child.kill('SIGTERM'); }),
  };
}

function ready(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    if (!child.stdout) return reject(new Error('the service has no output'));
    createInterface({ input: child.stdout }).on('line', (line) => line.includes('is ready') && resolve());
    child.once('exit', () => reject(new Error('the service ended before it was ready')));
  });
}

function call<T>({ socketPath, method, path, body }: { socketPath: string; method: string; path: string; body: unknown }): Promise<T> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, method, path, headers: body === undefined ? {} : { 'content-type': 'application/json' } }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        if ((incoming.statusCode ?? 500) >= 400) return reject(new Error(`${method} ${path}: ${incoming.statusCode} ${text}`));
        resolve((text === '' ? null : JSON.parse(text)) as T); // the caller names the answer of its own request
      });
    });
    outgoing.on('error', reject);
    outgoing.end(body === undefined ? '' : JSON.stringify(body));
  });
}
