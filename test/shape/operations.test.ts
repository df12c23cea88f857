/** Every operation is complete: permission, summary, unique address, a test of its own, and nobody without the right may run it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as z from 'zod';
import { allPermissions, type Permission, permissionsOf, type Role } from '../../appliance/auth/rules.ts';
import { type AnyOperation, fillPath, pathParameters } from '../../appliance/core/operation.ts';
import { rootPath } from '../../appliance/paths.ts';
import { openTestApp } from '../world/app.ts';

const site = await openTestApp();
const records: AnyOperation[] = site.app.operations.map(({ record }) => record);
const roles: Role[] = ['administrator', 'operator', 'observer'];

test('ids and addresses are unique, ids are slice.verb', () => {
  assert.ok(records.length > 40, `${records.length} operations`);
  assert.is(new Set(records.map(({ id }) => id)).size, records.length);
  assert.is(new Set(records.map(({ method, path }) => `${method} ${path.replaceAll(/\{\w+\}/g, '{}')}`)).size, records.length);
  assert.equal(records.filter(({ id }) => !/^[a-z-]+\.[a-z-]+$/.test(id)).map(({ id }) => id), []);
});

test('each has a known permission and a summary in the imperative', () => {
  const known = new Set<string>([...allPermissions, 'public', 'signed-in']);
  assert.equal(records.filter(({ permission }) => !known.has(permission)).map(({ id, permission }) => `${id}: ${permission}`), []);
  assert.equal(records.filter(({ summary }) => !/^[A-Z].{3,80}[^.]$/.test(summary)).map(({ id, summary }) => `${id}: ${summary}`), []);
  assert.equal(records.filter(({ permission }) => permission === 'public').map(({ id }) => id).sort(), ['session.create', 'setup.complete']);
  assert.equal(records.filter(({ permission }) => permission === 'signed-in').map(({ id }) => id), ['changes.follow'], 'each change in it is judged by itself');
});

test('path parameters are fields of the input', () => {
  const wrong = records.filter(({ path, input }) => pathParameters(path).some((name) => !(name in input.shape)));
  assert.equal(wrong.map(({ id }) => id), []);
});

test('what stands inside an input refuses names that it does not know, as the input does', () => {
  const lax = records.flatMap(({ id, input }) => Object.entries(input.shape).flatMap(([name, field]) => laxObjects(z.toJSONSchema(field, { io: 'input', unrepresentable: 'any' }), `${id} ${name}`)));
  assert.equal(lax, []);
});

/** Paths of objects in a JSON schema that would let a misspelt name pass. */
function laxObjects(schema: unknown, path: string): string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  const isLax = 'properties' in schema && !('additionalProperties' in schema && schema.additionalProperties === false);
  return [...(isLax ? [path] : []), ...Object.entries(schema).flatMap(([name, part]) => laxObjects(part, `${path}.${name}`))];
}

test('every permission is used: by an operation, for what one names beside its thing, or by a page', () => {
  const used = new Set<string>([...records.map(({ permission }) => permission), 'metrics.read', 'network.use']);
  assert.equal(allPermissions.filter((permission) => !used.has(permission)), []);
});

test('every operation has a test that calls its address', () => {
  const texts = readTests();
  const untested = records.filter((record) => !texts.some((text) => addressPattern(record).test(text)));
  assert.equal(untested.map(({ id, method, path }) => `${id} ${method} ${path}`), []);
});

function readTests(): string[] {
  return readdirSync(join(rootPath, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.startsWith('shape'))
    .map((name) => readFileSync(join(rootPath, 'test', name), 'utf8'));
}

/** The path with anything in place of its parameters, as it would stand in a test. */
function addressPattern({ path }: AnyOperation): RegExp {
  return new RegExp(`${path.replaceAll(/\{\w+\}/g, '[^\\s\'"`/]+')}(?=['"\`?\\s])`);
}

const methodsWithBody = new Set(['POST', 'PUT', 'PATCH']);

async function attempt(record: AnyOperation, token: string | undefined): Promise<number> {
  const path = fillPath(record.path, Object.fromEntries(pathParameters(record.path).map((name) => [name, '00000000-0000-4000-8000-000000000000'])));
  const abort = new AbortController();
  const response = await site.door.request(`http://bothy/api/v1${path}`, {
    method: record.method,
    signal: abort.signal,
    headers: { ...(token && { authorization: `Bearer ${token}` }), ...(methodsWithBody.has(record.method) && { 'content-type': 'application/json' }) },
    ...(methodsWithBody.has(record.method) && { body: '{}' }),
  });
  abort.abort();
  await response.body?.cancel().catch(() => {});
  return response.status;
}

test('without a credential every operation but sign-in and set-up answers 401', async () => {
  for (const record of records.filter(({ permission }) => permission !== 'public')) assert.is(await attempt(record, undefined), 401, record.id);
});

for (const role of roles) {
  test(`the matrix: ${role} gets 403 exactly where the permission is missing`, async () => {
    const token = await site.tokenFor([role]);
    const allowed = permissionsOf([role]);
    // Signing out and the like end or change the credential itself; they come last in no order that matters here.
    for (const record of records.filter(({ permission }) => !['public', 'signed-in'].includes(permission))) {
      const status = await attempt(record, token);
      const isAllowed = allowed.has(record.permission as Permission); // checked above
      assert.is(status === 403, !isAllowed, `${record.id} as ${role}: ${status}`);
    }
  });
}

test('close', async () => {
  await site.close();
});

test.run();
