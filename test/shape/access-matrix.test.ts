/**
 * Who may run what: every operation, for every predefined role, held on everything, on the thing that is named, and on another thing.
 *
 * `access-matrix.txt` is the decision, to be read by people. It is compared with what follows from the records, and each of its cells with
 * what the appliance answers. A new operation or permission changes it: look at the change, and write it anew with
 * BOTHY_WRITE_MATRIX=1 node build/test/run.js test/shape/access-matrix.test.ts
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { hashPassword } from '../../appliance/auth/password.ts';
import { appliesTo, kindOfPath, type ObjectKindName, objectKinds, type Permission, permissionsOf, readPermissionOf, type Role, roles } from '../../appliance/auth/rules.ts';
import { type AnyOperation, fillPath, pathParameters } from '../../appliance/core/operation.ts';
import { Problem } from '../../appliance/core/problem.ts';
import { rootPath } from '../../appliance/paths.ts';
import { openTestApp } from '../world/app.ts';
import { type Person, signIn } from '../world/person.ts';

const site = await openTestApp();
const records: AnyOperation[] = site.app.operations.map(({ record }) => record);
const file = join(rootPath, 'test/shape/access-matrix.txt');

/** Held on everything; held on the thing that is named; held on another thing of its kind. */
type Scope = 'everything' | 'this' | 'another';
type Verdict = 'may' | 'may not' | 'not there';

const thing: Record<ObjectKindName, { name: string; path: string; body: object }> = {
  vm: { name: 'a', path: '/vms', body: { vcpus: 1, memoryBytes: 2 ** 28 } },
  template: { name: 'a', path: '/templates', body: { vm: 'a' } },
  pool: { name: 'a', path: '/pools', body: { template: 'a', size: 0 } },
  disk: { name: 'a', path: '/disks', body: { sizeBytes: 2 ** 20 } },
  network: { name: 'a', path: '/networks', body: { kind: 'nat' } },
  // Not where the disks lie: what one holds on a storage domain one holds on its disks.
  'storage-domain': { name: 'isos', path: '', body: {} },
};
const otherName: Record<ObjectKindName, string> = { vm: 'b', template: 'b', pool: 'b', disk: 'b', network: 'b', 'storage-domain': 'local' };
const somewhere = (role: Role, permission: string) => objectKinds.some((kind) => holdsOn(role, permission, kind));
const holds = (role: Role, permission: string) => permissionsOf([role]).has(permission as Permission);
const holdsOn = (role: Role, permission: string, kind: ObjectKindName) => holds(role, permission) && appliesTo(permission as Permission, kind);

/** What follows from the record and the role alone. */
function judge({ permission, path, scope: each }: AnyOperation, role: Role, scope: Scope): Verdict {
  if (permission === 'self.edit') return 'may';
  if (scope === 'everything') return holds(role, permission) ? 'may' : 'may not';
  const about = kindOfPath(path);
  if (!somewhere(role, permission)) return 'may not';
  if (!about) return each ? 'may' : 'may not';
  if (scope === 'this' && holdsOn(role, permission, about.kind)) return 'may';
  return scope === 'this' && holdsOn(role, readPermissionOf[about.kind], about.kind) ? 'may not' : 'not there';
}

function written(record: AnyOperation): string {
  const who = (scope: Scope, verdict: Verdict) => roles.filter((role) => judge(record, role, scope) === verdict).join(' ') || '-';
  const lines = record.permission === 'public' ? ['  anybody'] : ['self.edit', 'signed-in'].includes(record.permission) ? ['  everybody who is signed in'] : [
    `  on everything:  ${who('everything', 'may')}`,
    `  on this thing:  ${who('this', 'may')}`,
    ...(kindOfPath(record.path) ? [] : [`  ${record.scope === 'each' ? 'and is shown, or does, only what their things allow' : 'cannot be held on a thing'}`]),
  ];
  return [`${record.id}  ${record.method} ${record.path}  ${record.permission}`, ...lines].join('\n');
}

test('the matrix is as it was decided', () => {
  const text = `${[...records].sort((a, b) => a.id.localeCompare(b.id)).map(written).join('\n\n')}\n`;
  if (process.env['BOTHY_WRITE_MATRIX']) writeFileSync(file, text);
  assert.fixture(text, readFileSync(file, 'utf8'));
});

/** One who holds the role on everything, and one who holds it on the first thing of each kind where it means something. */
async function people(): Promise<Map<string, Person>> {
  const found = new Map<string, Person>();
  const password = 'the password of all';
  const passwordHash = await hashPassword(password);
  for (const role of roles) {
    for (const scope of ['everything', 'this'] as const) {
      const name = `${role}-${scope}`;
      await site.send('POST', '/api/v1/users', { name, passwordHash, roles: scope === 'everything' ? [role] : [] });
      if (scope === 'this') for (const kind of objectKinds) await site.send('POST', '/api/v1/assignments', { user: name, role, kind, object: thing[kind].name });
      found.set(name, await signIn(site, name, password));
    }
  }
  return found;
}

async function makeThings(): Promise<void> {
  for (const kind of objectKinds.filter((each) => each !== 'storage-domain')) {
    for (const name of [thing[kind].name, otherName[kind]]) await site.send('POST', `/api/v1${thing[kind].path}`, { name, ...thing[kind].body });
  }
  for (const task of site.app.core.tasks.list({ limit: 10, isActive: true })) await site.app.core.tasks.ended(task.id);
}

async function attempt(record: AnyOperation, person: Person, scope: Scope): Promise<Verdict> {
  const about = kindOfPath(record.path);
  const names = Object.fromEntries(pathParameters(record.path).map((parameter) => [parameter, '00000000-0000-4000-8000-000000000000']));
  if (about) names[about.parameter] = scope === 'another' ? otherName[about.kind] : thing[about.kind].name;
  const { status } = await person.send(record.method, `/api/v1${fillPath(record.path, names)}`, ['POST', 'PUT', 'PATCH'].includes(record.method) ? {} : undefined);
  return status === 403 ? 'may not' : status === 404 ? 'not there' : 'may';
}

test('every cell of it is what the appliance answers', async () => {
  await makeThings();
  const who = await people();
  // From here on no operation does anything: what is tried is who gets so far.
  for (const record of records) Object.assign(record, { prepare: undefined, generation: undefined, run: () => { throw new Problem('unavailable', 'It was reached.'); } });
  const wrong: string[] = [];
  for (const record of records.filter(({ permission }) => !['public', 'signed-in', 'local.root'].includes(permission))) {
    for (const role of roles) {
      for (const scope of ['everything', 'this', 'another'] as const) {
        const person = who.get(`${role}-${scope === 'everything' ? 'everything' : 'this'}`);
        const answer = person && (await attempt(record, person, scope));
        const decided = judge(record, role, scope);
        if (answer !== decided) wrong.push(`${record.id}, ${role} on ${scope}: ${answer} instead of ${decided}`);
      }
    }
  }
  assert.equal(wrong, []);
});

test('close', async () => {
  await site.close();
});

test.run();
