/**
 * How long a list of many VMs takes over HTTP, beside a bare server that sends the same bytes: 1,000 and 5,000 VMs defined.
 *
 * usage: node build/test/bench/list.js
 */
import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { openTestApp } from '../world/app.ts';
import { figuresOf, print, time } from './figures.ts';

const rounds = 200;
const site = await openTestApp();
const { body: { token } } = await site.send<{ token: string }>('POST', '/api/v1/tokens', { name: 'bench' });

function listen(listener: Parameters<typeof createServer>[1]): Promise<{ port: number; close(): void }> {
  const server = createServer(listener);
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve({ port: (server.address() as AddressInfo).port, close: () => server.close() }))); // a TCP server's address
}

function fetchBytes(port: number, path: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, agent: false, headers: { authorization: `Bearer ${token}` } }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('end', () => resolve(Buffer.concat(chunks)));
    }).on('error', reject);
  });
}

async function measure(path: string): Promise<void> {
  const body = await fetchBytes(ours.port, path);
  const bare = await listen((_request, response) => response.end(body));
  const own: number[] = [];
  const plain: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    own.push(await time(() => fetchBytes(ours.port, path)));
    plain.push(await time(() => fetchBytes(bare.port, path)));
  }
  bare.close();
  const items = (JSON.parse(body.toString()) as { items: unknown[] }).items.length;
  print(`${defined} VMs, GET ${path} (${items} items, ${(body.length / 1024).toFixed(0)} KiB)`, own);
  print('  a bare server that sends the same bytes', plain);
  console.log(`  ratio of the medians ${(figuresOf(own).p50 / figuresOf(plain).p50).toFixed(2)}`);
}

const ours = await listen(getRequestListener(site.door.fetch));
let defined = 0;
for (const count of [1000, 5000]) {
  for (; defined < count; defined += 1) await site.send('POST', '/api/v1/vms', { name: `vm-${String(defined).padStart(5, '0')}`, vcpus: 1, memoryBytes: 2 ** 28, disks: [], nics: [] });
  await measure('/api/v1/vms');
  await measure('/api/v1/vms?limit=1000');
}
ours.close();
await site.close();
process.exit(0);
