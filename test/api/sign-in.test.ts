/** Rules of passwords and sessions, lock-out after wrong passwords, and its undoing: by an administrator, by `bothy user unlock`, by time. */
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import { getRequestListener } from '@hono/node-server';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { localSocketPath } from '../../appliance/config.ts';
import { systemClock } from '../../appliance/core/clock.ts';
import { rootPath } from '../../appliance/paths.ts';
import { openTestApp, type TestApp } from '../world/app.ts';
import { openPerson, signIn } from '../world/person.ts';

interface Context {
  site: TestApp;
  /** Lets minutes pass for the appliance. */
  pass(minutes: number): void;
  /** Status and words of a try to sign in as una, after the pause that earlier ones have cost. */
  guess(password: string): Promise<{ status: number; detail: string }>;
}

const test = suite<Context>('sign-in');
const right = 'four unrelated words here';

test.before.each(async (context) => {
  let ahead = 0;
  context.site = await openTestApp({ clock: { ...systemClock, now: () => Date.now() + ahead } });
  context.pass = (minutes) => { ahead += minutes * 60_000; };
  context.guess = async (password) => {
    context.pass(16);
    const response = await context.site.door.request('http://bothy/api/v1/sessions', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ user: 'una', password }) });
    return { status: response.status, detail: ((await response.json()) as { detail?: string }).detail ?? '' };
  };
  await context.site.send('POST', '/api/v1/users', { name: 'una', password: right });
});
test.after.each(({ site }) => site.close());

const lock = async ({ guess }: Context, tries = 10) => { for (let made = 0; made < tries; made += 1) assert.is((await guess('a wrong password')).status, 401); };
const una = async ({ site }: Context) => (await site.send<{ isLocked: boolean; lockedUntil: number | null }>('GET', '/api/v1/users/una')).body;

test('after ten wrong passwords not even the right one opens; only who knows it is told why', async (context) => {
  const session = await signIn(context.site, 'una', right);
  await lock(context, 9);
  assert.is((await una(context)).isLocked, false);
  await lock(context, 1);
  assert.is((await una(context)).isLocked, true);
  const [wrong, good] = [await context.guess('a wrong password'), await context.guess(right)];
  assert.equal([wrong.status, good.status], [401, 403]);
  assert.is(wrong.detail, 'User or password is wrong.');
  assert.match(good.detail, /locked after too many wrong passwords.*bothy user unlock/);
  assert.is((await session.send('GET', '/api/v1/sessions/current')).status, 200, 'who is signed in stays so');
});

test('the lock outlasts a restart, and ends by itself after its time', async (context) => {
  await lock(context);
  context.site = await context.site.killAndRestart();
  assert.is((await una(context)).isLocked, true);
  assert.is((await context.site.send('PATCH', '/api/v1/sign-in-rules', { lockMinutes: 0 })).status, 200);
  assert.equal(await una(context).then(({ isLocked, lockedUntil }) => [isLocked, lockedUntil]), [true, null]);
});

test('it ends after an hour, and counting begins anew', async (context) => {
  await lock(context);
  context.pass(60);
  assert.is((await una(context)).isLocked, false);
  assert.is((await context.guess('a wrong password')).status, 401);
  assert.is((await una(context)).isLocked, false);
  assert.is((await context.guess(right)).status, 201);
});

test('an administrator undoes it at once; only the address that guessed is slowed still', async (context) => {
  const { site } = context;
  await lock(context);
  const locked = await site.door.request('http://bothy/people', { headers: { authorization: `Bearer ${await site.tokenFor(['administrator'])}` } });
  assert.match(await locked.text(), /users\/[-0-9a-f]+\/unlock/);
  assert.is((await site.send('POST', '/api/v1/users/una/unlock', {})).status, 200);
  context.pass(1);
  await signIn(site, 'una', right);
});

test('at the box `bothy user unlock` undoes it', async (context) => {
  const { site } = context;
  const server = createServer(getRequestListener(site.app.http('local').fetch));
  mkdirSync(dirname(localSocketPath(site.statePath)), { recursive: true });
  await new Promise<void>((resolve) => server.listen(localSocketPath(site.statePath), resolve));
  const bothy = (...args: string[]) => new Promise<string>((resolve, reject) => {
    const child = spawn(join(rootPath, 'image/bothy'), args, { env: { PATH: process.env['PATH'], BOTHY_STATE: site.statePath } });
    let out = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => { out += String(part); });
    child.on('error', reject);
    child.on('close', () => resolve(out));
  });
  await lock(context);
  assert.match(await bothy('user', 'list'), /una@internal\t-\tlocked until 20/);
  assert.match(await bothy('user', 'unlock', 'una'), /una@internal can sign in again/);
  assert.match(await bothy('user', 'unlock', 'nobody'), /There is no user "nobody"/);
  assert.match(await bothy('user', 'list'), /una@internal\t-\tok/);
  context.pass(1);
  await signIn(site, 'una', right);
  server.closeAllConnections();
  server.close();
});

test('a right password forgets the wrong ones before it', async (context) => {
  await lock(context, 9);
  assert.is((await context.guess(right)).status, 201);
  await lock(context, 9);
  assert.is((await context.guess(right)).status, 201);
});

test('the rules can be changed within reason, and hold from then on', async (context) => {
  const { site, pass } = context;
  const set = async (rules: object) => (await site.send('PATCH', '/api/v1/sign-in-rules', rules)).status;
  assert.equal([await set({ minimumLength: 8 }), await set({ lockAfter: 1 }), await set({ idleMinutes: 1 })], [400, 400, 400]);
  assert.is(await set({ minimumLength: 20, lockAfter: 3, idleMinutes: 30 }), 200);
  assert.equal((await site.send('GET', '/api/v1/sign-in-rules')).body, { minimumLength: 20, lockAfter: 3, lockMinutes: 60, idleMinutes: 30, generation: 1 });
  assert.is((await site.send('POST', '/api/v1/users', { name: 'new', password: 'only sixteen ch.' })).status, 400);
  assert.is((await site.send('PATCH', '/api/v1/users/una', { password: 'only sixteen ch.' })).status, 400);
  assert.is((await site.send('POST', '/api/v1/users', { name: 'maximilian', password: 'maximilian maximil.!' })).status, 400, 'little more than the name');
  const session = await signIn(site, 'una', right);
  pass(29);
  assert.is((await session.send('GET', '/api/v1/sessions/current')).status, 200);
  pass(31);
  assert.is((await session.send('GET', '/api/v1/sessions/current')).status, 401);
  await lock(context, 3);
  assert.is((await una(context)).isLocked, true);
});

test('who may not change users undoes no lock and changes no rule', async (context) => {
  const person = await openPerson(context.site, 'oskar', ['observer']);
  assert.is((await person.send('POST', '/api/v1/users/una/unlock', {})).status, 403);
  assert.is((await person.send('PATCH', '/api/v1/sign-in-rules', { lockAfter: 0 })).status, 403);
});

test.run();
