/** The OpenAPI document is valid, and a client generated from it compiles and works against the listening service. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { getRequestListener } from '@hono/node-server';
import { Validator } from '@seriousme/openapi-schema-validator';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { run } from '../../appliance/core/run.ts';
import { modulesPath } from '../../appliance/paths.ts';
import { openTestApp } from '../world/app.ts';

const site = await openTestApp();
const document = (await site.send('GET', '/api/v1/openapi.json')).body;

test('the document is valid OpenAPI 3.1', async () => {
  const { valid, errors } = await new Validator().validate(structuredClone(document));
  assert.ok(valid, JSON.stringify(errors, null, 1));
  assert.match(String(document['openapi']), /^3\.1/);
});

test('it names every operation once', () => {
  const paths = document['paths'] as Record<string, Record<string, { operationId: string }>>;
  const ids = Object.values(paths).flatMap((methods) => Object.values(methods).map(({ operationId }) => operationId));
  assert.is(ids.length, site.app.operations.length);
  assert.is(new Set(ids).size, ids.length);
});

/** What the generated client offers, as far as this test uses it. */
interface Client {
  vms: {
    vmCreate(body: unknown): Promise<{ data: { name: string; state: string } }>;
    vmGet(vm: string): Promise<{ data: { name: string } }>;
    vmList(): Promise<{ data: { items: { name: string }[] } }>;
  };
}

test('a client generated from it works', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'bothy-client-'));
  writeFileSync(join(folder, 'openapi.json'), JSON.stringify(document));
  await run([join(modulesPath, '.bin/swagger-typescript-api'), 'generate', '-p', join(folder, 'openapi.json'), '-o', folder, '-n', 'client.ts'], { timeoutMs: 120_000 });
  await run([join(modulesPath, '.bin/tsc'), '--ignoreConfig', '--target', 'es2023', '--module', 'esnext', '--strict', '--skipLibCheck', '--lib', 'es2023,dom,dom.iterable', join(folder, 'client.ts')], { timeoutMs: 120_000 });
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  const { Api } = (await import(pathToFileURL(join(folder, 'client.js')).href)) as { Api: new (options: unknown) => Client }; // generated this minute
  const server = createServer(getRequestListener(site.door.fetch));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // a TCP server's address
  const { body } = await site.send<{ token: string }>('POST', '/api/v1/tokens', { name: 'client' });
  const client = new Api({ baseUrl: `http://127.0.0.1:${port}/api/v1`, baseApiParams: { headers: { authorization: `Bearer ${body.token}` }, format: 'json' } });
  const { data } = await client.vms.vmCreate({ name: 'typed', vcpus: 1, memoryBytes: 2 ** 28, disks: [], nics: [] });
  assert.is(data.name, 'typed');
  assert.is((await client.vms.vmGet('typed')).data.name, 'typed');
  assert.equal((await client.vms.vmList()).data.items.map(({ name }) => name), ['typed']);
  await closeServer(server);
  rmSync(folder, { recursive: true });
});

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

test('close', async () => {
  await site.close();
});

test.run();
