/** Updates on sticks: offered when one is plugged in, installed when somebody says so, never by themselves. */
import { mkdirSync, readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { getRequestListener } from '@hono/node-server';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { localSocketPath } from '../../appliance/config.ts';
import { rootPath } from '../../appliance/paths.ts';
import { runProcess } from '../process.ts';
import { openTestApp, type TestApp } from '../world/app.ts';
import { openFoundry } from '../world/update-bundle.ts';

interface Offered {
  source: string;
  file: string;
  version: string | null;
  fault: string | null;
}

interface Status {
  next: string | null;
  slots: { version: string }[];
  onSticks: Offered[];
}

const foundry = openFoundry();
const test = suite<{ site: TestApp }>('updates on sticks');
test.before.each(async (context) => {
  context.site = await openTestApp({ keysPath: foundry.keysPath });
});
test.after.each(({ site }) => site.close());
test.after(() => foundry.close());

const status = async (site: TestApp) => (await site.send<Status>('GET', '/api/v1/update')).body;

async function plugIn(site: TestApp, files: Record<string, Uint8Array>): Promise<Offered[]> {
  site.host.siteSources.plugIn(undefined, files);
  site.app.core.reconcilers.wake('update-sticks');
  const wanted = Object.keys(files).filter((name) => name.endsWith('.bundle')).length;
  for (let tries = 0; tries < 200; tries++, await sleep(10)) {
    const { onSticks } = await status(site);
    if (onSticks.length === wanted) return onSticks;
  }
  throw new Error('the stick was not looked at');
}

const install = (site: TestApp, version: string, more = {}) => site.send<{ id: string; detail: string }>('POST', '/api/v1/update/install-from-stick', { version, ...more });

test('what lies on a stick is offered with its version, and why it cannot be installed; nothing happens by itself', async ({ site }) => {
  const offers = await plugIn(site, { 'a.bundle': await foundry.make('1.1'), 'b.bundle': await foundry.make('0.9'), 'c.bundle': Buffer.alloc(5_000, 'x'), 'notes.txt': Buffer.from('1') });
  assert.equal(offers.map(({ file, version }) => [file, version]), [['a.bundle', '1.1'], ['b.bundle', '0.9'], ['c.bundle', null]]);
  assert.is(offers[0]?.fault, null);
  assert.match(offers[1]?.fault ?? '', /older than 1\.0/);
  assert.match(offers[2]?.fault ?? '', /damaged/);
  await sleep(100);
  const after = await status(site);
  assert.equal([after.next, after.slots.map(({ version }) => version)], [null, ['1.0']]);
  const { body } = await site.send<{ items: { code: string; message: string }[] }>('GET', '/api/v1/events');
  assert.equal(body.items.filter(({ code }) => code === 'update.on-stick').map(({ message }) => message), ['Version 1.1 lies on the volume BOTHY (/dev/sdx1).']);
  assert.is(site.host.siteSources.openFiles(), 0);
});

test('one signed by a stranger is not offered, whatever its name says', async ({ site }) => {
  const stranger = openFoundry();
  const [offer] = await plugIn(site, { 'bothy_1.1.bundle': await stranger.make('1.1') });
  stranger.close();
  assert.is(offer?.version, null);
  assert.match(offer?.fault ?? '', /sign/);
  assert.is((await install(site, '1.1')).status, 404);
});

test('installed in one step, also an older one when that is asked for; the stick is let go', async ({ site }) => {
  await plugIn(site, { 'a.bundle': await foundry.make('1.1'), 'b.bundle': await foundry.make('0.9') });
  const refused = await install(site, '0.9');
  assert.equal([refused.status, /older/.test(refused.body.detail)], [409, true]);
  await site.carryOut('POST', '/api/v1/update/install-from-stick', { version: '1.1' });
  assert.is((await status(site)).next, '1.1');
  await site.carryOut('POST', '/api/v1/update/install-from-stick', { version: '0.9', allowOlder: true });
  assert.is((await status(site)).next, '0.9');
  assert.is(site.host.siteSources.openFiles(), 0);
});

test('a stick that was taken out, swapped, or holds a damaged file: told, and nothing is left', async ({ site }) => {
  const good = await foundry.make('1.1');
  await plugIn(site, { 'a.bundle': good });
  site.host.siteSources.takeOut(); // not seen yet
  await ends(site, /not there any more/);
  await plugIn(site, { 'a.bundle': good });
  site.host.siteSources.plugIn(undefined, { 'a.bundle': await foundry.make('1.2') });
  await ends(site, /holds version 1\.2 now, not 1\.1/);
  const damaged = Buffer.from(good);
  damaged.writeUInt8(damaged.readUInt8(good.length - 2_000) ^ 1, good.length - 2_000);
  await plugIn(site, { 'a.bundle': damaged });
  await ends(site, /damaged/);
  assert.is((await status(site)).next, null);
});

/** The task of an installation of 1.1 fails so. */
async function ends(site: TestApp, reason: RegExp): Promise<void> {
  const { body, status: code } = await install(site, '1.1');
  assert.is(code, 202, body.detail);
  const row = await site.app.core.tasks.ended(body.id);
  assert.is(row.state, 'failed');
  assert.match((row.problem as { detail: string }).detail, reason);
  for (let tries = 0; tries < 100 && readdirSync(join(site.statePath, 'update/incoming')).length > 0; tries++) await sleep(10);
  assert.equal(readdirSync(join(site.statePath, 'update/incoming')), []);
  assert.is(site.host.siteSources.openFiles(), 0);
}

test('without room it is refused before it is copied', async ({ site }) => {
  await plugIn(site, { 'a.bundle': await foundry.make('1.1') });
  site.host.freeDisk(1_000);
  await ends(site, /only 1000 B are free|only .* are free/);
});

test('the command line takes the newest that fits, without a name', async ({ site }) => {
  const path = localSocketPath(site.statePath);
  mkdirSync(dirname(path), { recursive: true });
  const server = createServer(getRequestListener(site.app.http('local').fetch)).listen(path);
  const bothy = async (...args: string[]) => {
    const { stdout, stderr } = await runProcess([join(rootPath, 'image/bothy'), 'update', ...args], { timeoutMs: 60_000, env: { PATH: process.env['PATH'], BOTHY_STATE: site.statePath } });
    return stdout + stderr;
  };
  try {
    assert.match(await bothy('install'), /No plugged in stick holds an update/);
    await plugIn(site, { 'a.bundle': await foundry.make('1.1'), 'b.bundle': await foundry.make('1.10'), 'c.bundle': await foundry.make('0.9'), 'd.bundle': Buffer.alloc(9_000, 'x') });
    assert.match(await bothy('status'), /^1\.10\ton the volume BOTHY \(\/dev\/sdx1\), can be installed$/m);
    assert.match(await bothy('install'), /Version 1\.10 from the volume BOTHY .*\n(.*\n)*Done\.\n/);
    assert.is((await status(site)).next, '1.10');
    await plugIn(site, { 'c.bundle': await foundry.make('0.9') });
    assert.match(await bothy('install'), /older than 1\.0/);
  } finally {
    server.close();
  }
});

test('a machine without slots says why', async ({ site }) => {
  site.host.slots.setLack('This machine was not started from the host image.');
  const [offer] = await plugIn(site, { 'a.bundle': await foundry.make('1.1') });
  assert.match(offer?.fault ?? '', /not started from the host image/);
  assert.is((await install(site, '1.1')).status, 503);
});

test.run();
