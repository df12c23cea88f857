/**
 * How long a list of many VMs takes over HTTP, beside a bare server that sends the same bytes: 1,000 and 5,000 VMs defined.
 *
 * Both servers run in a process of their own, started as the service is: what the client collects as garbage is not theirs.
 *
 * usage: node build/test/bench/list.js
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { openTestApp } from '../world/app.ts';
import { figuresOf, print, time } from './figures.ts';

const rounds = 500;

interface Served {
  port: number;
  token: string;
}

// ------------------------------------------------------------------------------------------------ the servers

function listen(listener: Parameters<typeof createServer>[1]): Promise<number> {
  const server = createServer(listener);
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))); // a TCP server's address
}

/** The appliance on the simulated World; defines VMs until there are as many as it is sent. */
async function serveAppliance(): Promise<void> {
  const site = await openTestApp();
  const { body: { token } } = await site.send<{ token: string }>('POST', '/api/v1/tokens', { name: 'bench' });
  let defined = 0;
  process.on('message', async (count: number) => {
    for (; defined < count; defined += 1) await site.send('POST', '/api/v1/vms', { name: `vm-${String(defined).padStart(5, '0')}`, vcpus: 1, memoryBytes: 2 ** 28, disks: [], nics: [] });
    process.send?.('defined');
  });
  process.send?.({ port: await listen(getRequestListener(site.door.fetch)), token } satisfies Served);
}

/** Answers each request with the bytes that it was sent last. */
async function serveBare(): Promise<void> {
  let body = Buffer.alloc(0);
  process.on('message', (content: string) => { body = Buffer.from(content); process.send?.('taken'); });
  process.send?.({ port: await listen((_request, response) => response.end(body)), token: '' } satisfies Served);
}

// ------------------------------------------------------------------------------------------------ the client

interface Server extends Served {
  child: ChildProcess;
  tell(what: number | string): Promise<unknown>;
}

async function start(role: 'appliance' | 'bare'): Promise<Server> {
  const child = fork(import.meta.filename, [role], { execArgv: ['--max-semi-space-size=1', '--optimize-for-size'], env: { ...process.env, MALLOC_ARENA_MAX: '2' } });
  const [served] = await once(child, 'message') as [Served]; // what it sends first
  return { ...served, child, tell: (what) => { child.send(what); return once(child, 'message'); } };
}

function fetchBytes({ port, token }: Served, path: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, agent: false, headers: { authorization: `Bearer ${token}` } }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('end', () => resolve(Buffer.concat(chunks)));
    }).on('error', reject);
  });
}

async function measure(path: string, { ours, bare, count }: { ours: Server; bare: Server; count: number }): Promise<void> {
  const body = await fetchBytes(ours, path);
  await bare.tell(body.toString());
  const own: number[] = [];
  const plain: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    own.push(await time(() => fetchBytes(ours, path)));
    plain.push(await time(() => fetchBytes(bare, path)));
  }
  const items = (JSON.parse(body.toString()) as { items: unknown[] }).items.length;
  print(`${count} VMs, GET ${path} (${items} items, ${(body.length / 1024).toFixed(0)} KiB)`, own);
  print('  a bare server that sends the same bytes', plain);
  console.log(`  ratio of the medians ${(figuresOf(own).p50 / figuresOf(plain).p50).toFixed(2)}`);
}

async function compare(): Promise<void> {
  const [ours, bare] = await Promise.all([start('appliance'), start('bare')]);
  for (const count of [1000, 5000]) {
    await ours.tell(count);
    await measure('/api/v1/vms', { ours, bare, count });
    await measure('/api/v1/vms?limit=1000', { ours, bare, count });
  }
  for (const { child } of [ours, bare]) child.kill();
}

const role = process.argv[2];
if (role === 'appliance') await serveAppliance();
else if (role === 'bare') await serveBare();
else await compare();
