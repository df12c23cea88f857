/** The second factor: codes as RFC 6238 has them, begun and confirmed by their owner, asked for at sign-in, used once, and taken away. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { totpCode, totpStep } from '../../appliance/auth/totp.ts';
import { systemClock } from '../../appliance/core/clock.ts';
import { openTestApp, type TestApp } from '../world/app.ts';
import { openPerson, type Person } from '../world/person.ts';

interface Context {
  site: TestApp;
  una: Person;
  now(): number;
  pass(seconds: number): void;
  enter(code?: string): Promise<number>;
}

const test = suite<Context>('totp');

test.before.each(async (context) => {
  let ahead = 0;
  context.now = () => Date.now() + ahead;
  context.pass = (seconds) => { ahead += seconds * 1000; };
  context.site = await openTestApp({ clock: { ...systemClock, now: context.now } });
  context.una = await openPerson(context.site, 'una');
  context.enter = async (code) => {
    context.pass(960); // the pause after a failed try
    const body = JSON.stringify({ user: 'una', password: 'the password of una', ...(code !== undefined && { code }) });
    return (await context.site.door.request('http://bothy/api/v1/sessions', { method: 'POST', headers: { 'content-type': 'application/json' }, body })).status;
  };
});
test.after.each(({ site }) => site.close());

const codeOf = (secret: string, { now }: Context) => totpCode(secret, totpStep(now()));

/** Begun, confirmed; gives the secret. */
async function turnOn(context: Context): Promise<string> {
  const { una } = context;
  const { body } = await una.send<{ secret: string }>('POST', '/api/v1/totp', { currentPassword: 'the password of una' });
  assert.is((await una.send('POST', '/api/v1/totp/confirm', { code: codeOf(body.secret, context) })).status, 200);
  return body.secret;
}

test('the codes are those of RFC 6238', () => {
  const secret = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'; // "12345678901234567890"
  for (const [seconds, code] of [[59, '287082'], [1111111109, '081804'], [1111111111, '050471'], [1234567890, '005924'], [2000000000, '279037'], [20000000000, '353130']] as const) {
    assert.is(totpCode(secret, totpStep(seconds * 1000)), code, String(seconds));
  }
});

test('it is begun with the password, and counts only when a code has confirmed it', async (context) => {
  const { una, enter } = context;
  assert.is((await una.send('POST', '/api/v1/totp', { currentPassword: 'not the password' })).status, 400);
  assert.is((await una.send('POST', '/api/v1/totp/confirm', { code: '000000' })).status, 409);
  const begun = (await una.send<{ secret: string; uri: string; isOn: boolean }>('POST', '/api/v1/totp', { currentPassword: 'the password of una' })).body;
  assert.match(begun.uri, `otpauth://totp/Bothy:una%40internal?secret=${begun.secret}&issuer=Bothy`);
  assert.is(begun.isOn, false);
  assert.is(await enter(), 201, 'not confirmed, not asked for');
  assert.is((await una.send('POST', '/api/v1/totp/confirm', { code: '000000' })).status, 400);
  assert.is((await una.send('POST', '/api/v1/totp/confirm', { code: codeOf(begun.secret, context) })).status, 200);
  assert.equal((await una.send('GET', '/api/v1/totp')).body, { isOn: true, secret: null, uri: null, recoveryCodesLeft: 8, recoveryCodes: null });
  assert.is((await una.send('POST', '/api/v1/totp', { currentPassword: 'the password of una' })).status, 409);
});

test('signing in needs the code of now, and each works once', async (context) => {
  const secret = await turnOn(context);
  assert.is(await context.enter(), 401);
  assert.is(await context.enter('123456'), 401);
  context.pass(960 - (960 % 30));
  assert.is(await context.enter(totpCode(secret, totpStep(context.now() + 960_000))), 201);
  const used = totpCode(secret, totpStep(context.now()));
  const again = await context.site.door.request('http://bothy/api/v1/sessions', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ user: 'una', password: 'the password of una', code: used }) });
  assert.is(again.status, 401, 'used up');
  assert.is(await context.enter(totpCode(secret, totpStep(context.now()) - 10)), 401, 'long over');
  const two = codeOf(secret, { ...context, now: () => context.now() + 960_000 });
  context.pass(960);
  const body = JSON.stringify({ user: 'una', password: 'the password of una', code: two });
  const both = await Promise.all([0, 1].map(async () => (await context.site.door.request('http://bothy/api/v1/sessions', { method: 'POST', headers: { 'content-type': 'application/json' }, body })).status));
  assert.equal(both.sort(), [201, 401], 'of two at once one passes');
});

test('wrong codes lock the user as wrong passwords do', async (context) => {
  const secret = await turnOn(context);
  for (let made = 0; made < 10; made += 1) assert.is(await context.enter('000000'), 401);
  assert.is(await context.enter(totpCode(secret, totpStep(context.now() + 960_000))), 403);
});

test('it is given up with a code, or taken away by an administrator or at the box', async (context) => {
  const { una, site, enter } = context;
  const secret = await turnOn(context);
  context.pass(60);
  assert.is((await una.send('POST', '/api/v1/totp/off', { code: '000000' })).status, 400);
  assert.is((await una.send('POST', '/api/v1/totp/off', { code: codeOf(secret, context) })).status, 200);
  assert.is(await enter(), 201);
  await turnOn(context);
  assert.is(await enter(), 401);
  assert.is((await site.send('GET', '/api/v1/users/una')).body['hasTotp'], true);
  assert.is((await site.send('DELETE', '/api/v1/users/una/totp')).status, 204);
  assert.is(await enter(), 201);
});

test('recovery codes: shown once, each good for one sign-in, also of two at once; new ones make the old ones void', async (context) => {
  const { una, enter, site } = context;
  const { body: begun } = await una.send<{ secret: string }>('POST', '/api/v1/totp', { currentPassword: 'the password of una' });
  const { recoveryCodes: codes } = (await una.send<{ recoveryCodes: string[] }>('POST', '/api/v1/totp/confirm', { code: codeOf(begun.secret, context) })).body;
  assert.is(new Set(codes).size, 8);
  const [first = '', second = '', third = ''] = codes;
  assert.is(await enter(`${first.slice(0, 5)}-${first.slice(5)}`.toLowerCase()), 201, 'as somebody types it');
  assert.is(await enter(first), 401, 'used up');
  context.pass(960);
  const body = JSON.stringify({ user: 'una', password: 'the password of una', code: second });
  const both = await Promise.all([0, 1].map(async () => (await site.door.request('http://bothy/api/v1/sessions', { method: 'POST', headers: { 'content-type': 'application/json' }, body })).status));
  assert.equal(both.sort(), [201, 401], 'of two at once one passes');
  const shown = (await una.send('GET', '/api/v1/totp')).body;
  assert.equal([shown['recoveryCodesLeft'], shown['recoveryCodes']], [6, null]);
  assert.not.match(JSON.stringify((await site.send('GET', '/api/v1/config-changes?kind=totp')).body), new RegExp(codes.join('|')));
  assert.is((await una.send('POST', '/api/v1/totp/recovery-codes', { code: 'AAAAA-AAAAA' })).status, 400);
  context.pass(960);
  const renewed = (await una.send<{ recoveryCodes: string[] }>('POST', '/api/v1/totp/recovery-codes', { code: third })).body.recoveryCodes;
  assert.is(renewed.length, 8);
  assert.is(await enter(codes[3]), 401, 'void');
  assert.is(await enter(renewed[0]), 201);
});

test('the page of the account leads through it, and a reset of the first administrator ends it', async (context) => {
  const { una, site } = context;
  assert.match((await una.send<string>('GET', '/account')).body, /id="totp-begin"/);
  await una.send('POST', '/api/v1/totp', { currentPassword: 'the password of una' });
  assert.match((await una.send<string>('GET', '/account')).body, /id="totp-confirm"[\s\S]*class="qr"/);
  await site.send('POST', '/api/v1/users', { name: 'chief', roles: ['administrator'], password: 'the password of chief' });
  const admin = await openPerson(site, 'admin', ['administrator']);
  const { body } = await admin.send<{ secret: string }>('POST', '/api/v1/totp', { currentPassword: 'the password of admin' });
  await admin.send('POST', '/api/v1/totp/confirm', { code: codeOf(body.secret, context) });
  const reset = await site.app.http('local').request('http://bothy/api/v1/password/reset', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ name: 'shop-7' }) });
  assert.is(reset.status, 200);
  assert.is((await site.send('GET', '/api/v1/users/admin')).body['hasTotp'], false);
});

test.run();
