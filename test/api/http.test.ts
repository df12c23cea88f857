/**
 * The HTTP face with one small slice of its own: input, permission, CSRF, generations, dry run, idempotency, problems, HTML.
 * The real core and the real auth slice are behind it.
 */
import { sql } from 'drizzle-orm';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as z from 'zod';
import { createAuth } from '../../appliance/auth/auth.ts';
import { bind, read, startTask, stream, write } from '../../appliance/core/operation.ts';
import { Problem } from '../../appliance/core/problem.ts';
import type { Core } from '../../appliance/core/services.ts';
import { defineTask } from '../../appliance/core/task.ts';
import { createHttp } from '../../appliance/http.ts';
import type { AuditEntry } from '../../appliance/activity/audit.ts';
import { openTestCore } from '../world/core.ts';

const Note = z.object({ name: z.string(), text: z.string(), generation: z.number().int() });
type Row = [name: string, text: string, generation: number];

const find = ({ database }: Core, name: string) => {
  const row = database.sql.values<Row>(sql`select name, text, generation from note where name = ${name}`)[0];
  return row && { name: row[0], text: row[1], generation: row[2] };
};
const need = (core: Core, name: string) => {
  const note = find(core, name);
  if (!note) throw new Problem('not-found', `There is no note named "${name}".`);
  return note;
};

const noteOperations = [
  read<Core>()({ id: 'note.get', method: 'GET', path: '/notes/{note}', permission: 'vm.read', summary: 'Show a note', input: z.object({ note: z.string() }), output: Note, run: (core, _call, { note }) => need(core, note) }),
  write<Core>()({
    id: 'note.create', method: 'POST', path: '/notes', permission: 'vm.create', summary: 'Create a note', status: 201,
    input: z.object({ name: z.string().min(1, 'Give it a name.'), text: z.string().default(''), sizeBytes: z.number().int().optional() }), output: Note,
    run(core, tx, { name, text }) {
      if (find(core, name)) throw new Problem('name-taken', 'taken');
      tx.sql.run(sql`insert into note values (${name}, ${text}, 1)`);
      core.journal.site(tx, { kind: 'note', id: name, what: 'created', after: { name, text } });
      return need(core, name);
    },
  }),
  write<Core>()({
    id: 'note.edit', method: 'PATCH', path: '/notes/{note}', permission: 'vm.edit', summary: 'Edit a note', status: 200,
    input: z.object({ note: z.string(), text: z.string() }), output: Note,
    generation: (core, { note }) => need(core, note).generation,
    run(core, tx, { note, text }) {
      tx.sql.run(sql`update note set text = ${text}, generation = generation + 1 where name = ${note}`);
      return need(core, note);
    },
  }),
  startTask<Core>()({ id: 'note.print', method: 'POST', path: '/notes/{note}/print', permission: 'vm.operate', summary: 'Print a note', input: z.object({ note: z.string() }), run: (core, tx, { note }) => core.tasks.start(tx, 'note.print', { note }, [{ kind: 'note', id: note, name: note }]) }),
  stream<Core>()({ id: 'note.scan', method: 'PUT', path: '/notes/{note}/scan', permission: 'vm.edit', summary: 'Scan a note', input: z.object({ note: z.string() }), responseType: 'text/plain', run: (core, _call, { note }) => new Response(need(core, note).name) }),
  read<Core>()({ id: 'note.bug', method: 'GET', path: '/bug', permission: 'vm.read', summary: 'Fail', input: z.object({}), output: z.null(), run: () => { throw new Error('secret path /etc/shadow'); } }),
];

async function openSite() {
  const core = openTestCore();
  core.database.sql.run(sql`create table note (name text primary key, text text, generation integer)`);
  core.tasks.define([defineTask<{ note: string }>({ kind: 'note.print', input: z.object({ note: z.string() }), canCancel: true, locks: () => [], steps: [{ name: 'Print', do: async () => {} }] })]);
  const auth = createAuth(core);
  const audit: AuditEntry[] = [];
  const options = {
    core, auth, operations: [...auth.operations, ...bind<Core>(core, noteOperations as never)], pages: [], version: '0', isSecure: false,
    audit: (_tx: unknown, entry: AuditEntry) => audit.push(entry), health: async () => ({ isHealthy: true }), metrics: async () => 'up 1\n',
  };
  const door = createHttp(options);
  const network = door('network');
  const send = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
    network.request(`http://bothy${path}`, { method, headers: { host: 'bothy', ...(body !== undefined && { 'content-type': 'application/json' }), ...headers }, ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }) });
  const setup = await send('POST', '/api/v1/setup', { code: auth.people.setupCode(), password: 'correct horse battery' });
  assert.is(setup.status, 201);
  const { csrfToken } = (await setup.json()) as { csrfToken: string };
  const cookie = (setup.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
  const made = await door('local').request('http://bothy/api/v1/tokens', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"name":"test"}' });
  const { token } = (await made.json()) as { token: string };
  const bearer = { authorization: `Bearer ${token}` };
  return { core, auth, audit, send, cookie, csrfToken, bearer, as: (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => send(method, path, body, { ...bearer, ...headers }), local: door('local') };
}

const problemOf = async (response: Response) => (await response.json()) as { type: string; detail: string; requestId: string; errors?: { path: string; message: string }[] };

test('a problem is told in the language that is asked for, English where none is', async () => {
  const { core, as } = await openSite();
  const chinese = await as('POST', '/api/v1/notes', { name: '', sizeBytes: 1.5 }, { 'accept-language': 'zh-CN,zh;q=0.9' });
  assert.equal([chinese.status, chinese.headers.get('content-language')], [400, 'zh-CN']);
  assert.match(chinese.headers.get('vary') ?? '', /accept-language/);
  const { type, title, detail, errors } = (await chinese.json()) as Record<string, unknown>;
  assert.equal({ type, title, detail, errors }, { type: 'invalid-input', title: '输入有误', detail: '有 2 个字段需要更正。', errors: [{ path: 'name', message: '请填写名称。' }, { path: 'sizeBytes', message: '必须是整数。' }] });
  const english = await as('POST', '/api/v1/notes', { name: '', sizeBytes: 1.5 });
  assert.is((await problemOf(english)).detail, '2 fields need to be corrected.');
  assert.is((await problemOf(await as('GET', '/api/v1/none', undefined, { cookie: 'bothy_locale=zh-CN' }))).detail, 'API 没有 GET /api/v1/none。/api/v1/openapi.json 列出了所有接口。', 'as chosen on the pages');
  await core.close();
});

test('the session cookie cannot be read by scripts nor sent by other sites', async () => {
  const { core, auth, send } = await openSite();
  const response = await send('POST', '/api/v1/sessions', { user: 'admin@internal', password: 'correct horse battery' });
  assert.is(response.status, 201);
  assert.match(response.headers.get('set-cookie') ?? '', /HttpOnly; SameSite=Strict/);
  assert.is(auth.people.setupCode(), undefined);
  await core.close();
});

test('without a credential nothing is told; a wrong token is told as such', async () => {
  const { core, send } = await openSite();
  const none = await send('GET', '/api/v1/notes/x');
  assert.is(none.status, 401);
  assert.match(none.headers.get('content-type') ?? '', /problem\+json/);
  assert.match((await problemOf(await send('GET', '/api/v1/notes/x', undefined, { authorization: 'Bearer nonsense' }))).detail, /token is not valid/);
  assert.is((await send('GET', '/metrics')).status, 401);
  assert.is((await send('GET', '/healthz')).status, 200);
  await core.close();
});

test('a change by cookie needs our origin and the CSRF token; by token it needs neither', async () => {
  const { core, send, cookie, csrfToken, as } = await openSite();
  const body = { name: 'a' };
  assert.is((await send('POST', '/api/v1/notes', body, { cookie })).status, 403);
  assert.is((await send('POST', '/api/v1/notes', body, { cookie, 'x-csrf-token': csrfToken, origin: 'http://evil.example' })).status, 403);
  assert.is((await send('POST', '/api/v1/notes', body, { cookie, 'x-csrf-token': csrfToken, origin: 'http://bothy' })).status, 201);
  assert.is((await send('GET', '/api/v1/notes/a', undefined, { cookie })).status, 200);
  assert.is((await as('POST', '/api/v1/notes', { name: 'b' })).status, 201);
  await core.close();
});

test('all faults of the input are told at once, each with its path; unknown keys are refused', async () => {
  const { core, as } = await openSite();
  const problem = await problemOf(await as('POST', '/api/v1/notes', { name: '', sizeBytes: 'big', txet: 'x' }));
  assert.is(problem.type, 'invalid-input');
  assert.equal(problem.errors?.map(({ path }) => path).sort(), ['name', 'sizeBytes', 'txet']);
  assert.is(problem.errors?.find(({ path }) => path === 'sizeBytes')?.message, 'This must be a number.');
  assert.is((await problemOf(await as('POST', '/api/v1/notes', {}))).errors?.[0]?.message, 'This is required.');
  assert.is((await as('POST', '/api/v1/notes', '{"name":', {})).status, 400);
  assert.is((await as('POST', '/api/v1/notes', { name: 'x'.repeat(2_000_000) })).status, 413);
  await core.close();
});

test('two people who edit one thing: the second is told', async () => {
  const { core, as } = await openSite();
  await as('POST', '/api/v1/notes', { name: 'a' });
  const etag = (await as('GET', '/api/v1/notes/a')).headers.get('etag') ?? '';
  assert.is(etag, '"1"');
  assert.is((await as('PATCH', '/api/v1/notes/a', { text: 'one' }, { 'if-match': etag })).status, 200);
  const late = await as('PATCH', '/api/v1/notes/a', { text: 'two' }, { 'if-match': etag });
  assert.is(late.status, 412);
  assert.is(((await (await as('GET', '/api/v1/notes/a')).json()) as { text: string }).text, 'one');
  await core.close();
});

test('a dry run answers as the real one would and changes nothing', async () => {
  const { core, as } = await openSite();
  const dry = await as('POST', '/api/v1/notes?dryRun=true', { name: 'a' });
  assert.is(dry.status, 200);
  assert.is(dry.headers.get('bothy-dry-run'), 'true');
  assert.is(((await dry.json()) as { name: string }).name, 'a');
  assert.is((await as('GET', '/api/v1/notes/a')).status, 404);
  const plan = (await (await as('POST', '/api/v1/notes/a/print?dryRun=true')).json()) as { steps: string[] };
  assert.equal(plan.steps, ['Print']);
  assert.equal(core.tasks.list({ limit: 10 }), []);
  await core.close();
});

test('the same idempotency key acts once, even twice at once; for another request it is refused', async () => {
  const { core, as } = await openSite();
  const key = { 'idempotency-key': 'k1' };
  const [one, two] = await Promise.all([as('POST', '/api/v1/notes', { name: 'a' }, key), as('POST', '/api/v1/notes', { name: 'a' }, key)]);
  assert.equal([one.status, two.status], [201, 201]);
  assert.equal(await one.json(), await two.json());
  assert.is([one, two].filter((response) => response.headers.get('idempotent-replay')).length, 1);
  assert.is((await as('POST', '/api/v1/notes', { name: 'b' }, key)).status, 400);
  assert.is(core.journal.history({ limit: 10 }).filter(({ operation }) => operation === 'note.create').length, 1);
  await core.close();
});

test('a task answers 202 with its address', async () => {
  const { core, as } = await openSite();
  const response = await as('POST', '/api/v1/notes/a/print');
  assert.is(response.status, 202);
  const { id } = (await response.json()) as { id: string };
  assert.is(response.headers.get('location'), `/api/v1/tasks/${id}`);
  assert.is((await core.tasks.ended(id)).state, 'done');
  await core.close();
});

test('a bug tells its request id and nothing else', async () => {
  const { core, as } = await openSite();
  const response = await as('GET', '/api/v1/bug');
  assert.is(response.status, 500);
  const problem = await problemOf(response);
  assert.not.match(JSON.stringify(problem), /shadow/);
  assert.is(problem.requestId, response.headers.get('x-request-id'));
  await core.close();
});

test('every change and every refusal is audited: who, what, from where, outcome', async () => {
  const { core, as, send, audit, cookie, csrfToken } = await openSite();
  audit.length = 0;
  await as('POST', '/api/v1/notes', { name: 'a' });
  await as('POST', '/api/v1/notes', { name: 'a' });
  await send('POST', '/api/v1/notes', { name: 'b' });
  await send('GET', '/api/v1/notes/a', undefined, { cookie });
  await send('PATCH', '/api/v1/notes/zzz', { text: 'x' }, { cookie, 'x-csrf-token': csrfToken });
  assert.equal(audit.map(({ actor, operation, outcome }) => `${actor} ${operation} ${outcome}`), [
    'token test note.create ok', 'token test note.create name-taken', 'nobody note.create unauthenticated', 'admin@internal note.edit not-found',
  ]);
  assert.equal(audit[3]?.subject, { note: 'zzz' });
  await core.close();
});

test('an upload that is refused is audited too', async () => {
  const { core, as, audit } = await openSite();
  await as('POST', '/api/v1/notes', { name: 'a' });
  audit.length = 0;
  assert.is((await as('PUT', '/api/v1/notes/a/scan')).status, 200);
  assert.is((await as('PUT', '/api/v1/notes/zzz/scan')).status, 404);
  assert.equal(audit.map(({ operation, outcome }) => `${operation} ${outcome}`), ['note.scan ok', 'note.scan not-found']);
  await core.close();
});

test('who is signed in stays so while nothing can be written', async () => {
  const { core, send, cookie } = await openSite();
  core.database.sql.run(sql`update session set lastSeenAt = 0`);
  core.database.sql.run(sql`pragma query_only = on`);
  assert.is((await send('GET', '/api/v1/sessions/current', undefined, { cookie })).status, 200);
  core.database.sql.run(sql`pragma query_only = off`);
  await core.close();
});

test('a password leaves no trace by an idempotency key', async () => {
  const { core, send, cookie, csrfToken } = await openSite();
  const headers = { cookie, 'x-csrf-token': csrfToken, 'idempotency-key': 'k' };
  const change = { currentPassword: 'correct horse battery', password: 'another good password' };
  assert.is((await send('PUT', '/api/v1/password', change, headers)).status, 204);
  assert.equal(core.database.sql.values(sql`select * from idempotency where key = 'k'`), []);
  await core.close();
});

test('guessing a password is slowed down, also for the right one', async () => {
  const { core, send } = await openSite();
  const attempt = (password: string) => send('POST', '/api/v1/sessions', { user: 'admin@internal', password });
  for (let n = 0; n < 5; n += 1) assert.is((await attempt('wrong password')).status, 401);
  const blocked = await attempt('correct horse battery');
  assert.is(blocked.status, 429);
  assert.ok(Number(blocked.headers.get('retry-after')) >= 1);
  await core.close();
});

test('a token can do less than its owner, never more', async () => {
  const { core, send, as } = await openSite();
  const { token } = (await (await as('POST', '/api/v1/tokens', { name: 'reader', permissions: ['vm.read', 'token.create'] })).json()) as { token: string };
  const reader = { authorization: `Bearer ${token}` };
  assert.is((await send('POST', '/api/v1/notes', { name: 'a' }, reader)).status, 403);
  assert.is((await send('POST', '/api/v1/tokens', { name: 'more', permissions: ['vm.edit'] }, reader)).status, 403);
  const child = (await (await send('POST', '/api/v1/tokens', { name: 'child' }, reader)).json()) as { token: string };
  assert.is((await send('POST', '/api/v1/notes', { name: 'a' }, { authorization: `Bearer ${child.token}` })).status, 403);
  await core.close();
});

test('the set-up code is told to root on the machine only', async () => {
  const { core, as, local } = await openSite();
  assert.is((await as('GET', '/api/v1/setup-code')).status, 403);
  assert.equal(await (await local.request('http://bothy/api/v1/setup-code')).json(), { code: null });
  await core.close();
});

test('our own pages get HTML: a form its faults, a verb its task; the status stays', async () => {
  const { core, send, cookie, csrfToken } = await openSite();
  const page = { cookie, 'x-csrf-token': csrfToken, 'hx-request': 'true', 'content-type': 'application/x-www-form-urlencoded' };
  const faults = await send('POST', '/api/v1/notes', 'name=', { ...page, 'hx-source': 'form#new' });
  assert.is(faults.status, 400);
  assert.match(await faults.text(), /data-error-for=&#39;name&#39;/);
  const good = await send('POST', '/api/v1/notes', 'name=a&sizeBytes=20+GiB', { ...page, 'hx-source': 'form#new', 'bothy-next': '/notes/{name}' });
  assert.match(good.headers.get('hx-location') ?? '', /"path":"\/notes\/a"/);
  const outside = await send('POST', '/api/v1/notes', 'name=b', { ...page, 'bothy-next': '//evil.example/' });
  assert.match(outside.headers.get('hx-location') ?? '', /"path":"\/"/);
  const task = await send('POST', '/api/v1/notes/a/print', '', page);
  assert.match(await task.text(), /class="toast"/);
  await core.close();
});

test('every answer carries the security headers', async () => {
  const { core, send } = await openSite();
  const { headers } = await send('GET', '/healthz');
  assert.match(headers.get('content-security-policy') ?? '', /default-src 'self'/);
  assert.is(headers.get('x-content-type-options'), 'nosniff');
  await core.close();
});

test.run();
