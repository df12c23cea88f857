/** The certificate of the machine through the API: its own, one that is given, wrong ones, its end; and never its key. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../appliance/core/clock.ts';
import { openTestApp, type TestApp } from '../world/app.ts';
import { makePair } from '../world/certificate.ts';

interface Shown {
  isOwn: boolean;
  subject: string;
  names: string[];
  validTo: number;
  fingerprint: string;
  errors?: { path: string; message: string }[];
  detail?: string;
}

const path = '/api/v1/hosts/this/certificate';
const day = 86_400_000;
const show = async (site: TestApp) => (await site.send<Shown>('GET', path)).body;
const give = (site: TestApp, pair: object) => site.send<Shown>('PUT', path, pair);
const standing = async (site: TestApp) => (await site.send<{ items: { code: string; severity: string; message: string }[] }>('GET', '/api/v1/events?standing=true')).body.items.filter(({ code }) => code === 'host.certificate-ending');

async function until(isTrue: () => Promise<boolean>, what: string): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (await isTrue()) return;
    await new Promise((resolve) => { setTimeout(resolve, 10); });
  }
  assert.unreachable(`never came: ${what}`);
}

test('its own is made once, for its name, and published without its key', async () => {
  const site = await openTestApp({ isSecure: true });
  const { chain, key } = await site.app.certificates.ready();
  const { isOwn, names, subject, fingerprint } = await show(site);
  assert.equal([isOwn, subject], [true, 'CN=shop-7']);
  for (const name of ['shop-7', 'localhost', '127.0.0.1']) assert.ok(names.includes(name), name);
  assert.is((await site.app.certificates.ready()).chain, chain);
  assert.is(readFileSync(join(site.statePath, 'tls/cert.pem'), 'utf8'), chain);
  assert.not.match(JSON.stringify(await show(site)), /PRIVATE KEY/);
  assert.is((await site.send<{ fingerprint: string }>('GET', '/api/v1/hosts/this/status')).body.fingerprint, fingerprint);
  const again = await site.send<Shown>('DELETE', path);
  assert.equal([again.status, again.body.isOwn], [200, true]);
  assert.is.not(again.body.fingerprint, fingerprint);
  assert.is.not((await site.app.certificates.ready()).key, key, 'a new key, too');
  await site.close();
});

test('one that is given is served at once, also after a restart, until it is taken back', async () => {
  let site = await openTestApp({ isSecure: true });
  const own = await site.app.certificates.ready();
  const served: string[] = [];
  site.app.certificates.onChange(({ chain }) => served.push(chain));
  const root = makePair('a root');
  const leaf = makePair('shop.example.org', { signer: root });
  const { status, body } = await give(site, { chain: leaf.chain + root.chain, key: leaf.key });
  assert.equal([status, body.isOwn, body.names], [200, false, ['localhost', 'shop.example.org']]);
  assert.equal(served, [leaf.chain + root.chain].map((text) => text.trim()));
  site = await site.killAndRestart();
  assert.is((await show(site)).fingerprint, body.fingerprint);
  assert.match((await site.app.certificates.ready()).chain, /^-----BEGIN/);
  await site.send('DELETE', path);
  assert.equal([(await show(site)).isOwn, (await site.app.certificates.ready()).chain === own.chain], [true, false]);
  await site.close();
});

test('what cannot serve is refused at its field, and what is served stays', async () => {
  const site = await openTestApp({ isSecure: true });
  await site.app.certificates.ready();
  const before = (await show(site)).fingerprint;
  const [one, other] = [makePair('one'), makePair('other')];
  const locked = '-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----';
  const small = makePair('small', { algorithm: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024'] });
  const cases: [object, string, RegExp][] = [
    [{ chain: 'hello', key: one.key }, 'chain', /no certificate in PEM/],
    [{ chain: one.chain.replace(/MII/, 'MIJ'), key: one.key }, 'chain', /cut off or changed/],
    [{ chain: one.chain, key: other.key }, 'key', /belongs to another certificate/],
    [{ chain: one.chain, key: 'hello' }, 'key', /no private key in PEM/],
    [{ chain: one.chain, key: locked }, 'key', /locked with a password/],
    [small, 'key', /at least 2048 bits/],
    [{ chain: one.chain + other.chain, key: one.key }, 'chain', /Certificate 2 did not sign/],
    [{ chain: one.chain, key: 'x'.repeat(70_000) }, 'key', /64 KiB/],
  ];
  for (const [pair, field, message] of cases) {
    const { status, body } = await give(site, pair);
    assert.equal([status, body.errors?.[0]?.path], [400, field], String(message));
    assert.match(body.errors?.[0]?.message ?? '', message);
    assert.not.ok(JSON.stringify(body).includes(one.key.split('\n')[1] ?? ''), 'no answer repeats a key');
  }
  assert.is((await show(site)).fingerprint, before);
  await site.close();
});

test('people are told before one that they gave ends', async () => {
  const site = await openTestApp({ isSecure: true });
  await give(site, makePair('shop.example.org', { days: 20 }));
  await until(async () => (await standing(site)).length === 1, 'the warning');
  assert.match((await standing(site))[0]?.message ?? '', /^The certificate of this machine ends on /);
  await give(site, makePair('shop.example.org', { days: 90 }));
  await until(async () => (await standing(site)).length === 0, 'its end');
  await site.close();
});

test('our own is made anew before it ends, and when the clock was wrong; it keeps its key', async () => {
  let ahead = 0;
  const site = await openTestApp({ isSecure: true, clock: { ...systemClock, now: () => Date.now() + ahead } });
  const { certificates } = site.app;
  const own = await certificates.ready();
  ahead = 760 * day;
  assert.is((await certificates.ready()).chain, own.chain, 'not yet');
  for (ahead of [770 * day, -2 * day]) {
    const next = await certificates.ready();
    assert.equal([next.key === own.key, next.chain === own.chain], [true, false]);
  }
  await site.close();
});

test.run();
