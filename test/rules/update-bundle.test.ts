/** Bundles: what is made is read; what was tampered with, cut off or signed by somebody else is refused, wherever the fault lies. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Problem } from '../../appliance/core/problem.ts';
import { run } from '../../appliance/core/run.ts';
import { openBundle, unpack } from '../../appliance/update/bundle.ts';
import { makeBundle, type Wish } from '../../appliance/update/bundle-tool.ts';
import { keyId, readKeys } from '../../appliance/update/manifest.ts';
import { compareVersions } from '../../appliance/update/versions.ts';

const folder = mkdtempSync(join(tmpdir(), 'bothy-bundle-'));
const [ours, next, stranger] = [1, 2, 3].map(() => generateKeyPairSync('ed25519')) as [Pair, Pair, Pair];
interface Pair { publicKey: KeyObject; privateKey: KeyObject }

mkdirSync(join(folder, 'keys'));
writeFileSync(join(folder, 'keys/ours.pem'), ours.publicKey.export({ type: 'spki', format: 'pem' }));
writeFileSync(join(folder, 'keys/notes.txt'), 'not a key');
writeFileSync(join(folder, 'kernel'), Buffer.alloc(70_001, 'kernel '));
writeFileSync(join(folder, 'root'), Buffer.alloc(3_000_000, 'root file system '));
const keys = readKeys(join(folder, 'keys'));

const wish = (more: Partial<Wish> = {}): Wish => ({
  version: '2.0', architecture: 'x86_64', minimumVersion: '1.0', createdAt: 1_700_000_000_000, files: { kernel: join(folder, 'kernel'), root: join(folder, 'root') },
  keys: [ours.privateKey], out: join(folder, 'made'), ...more,
});
const targets = { kernel: join(folder, 'kernel.out'), root: join(folder, 'root.out') };
const quiet = { signal: new AbortController().signal, progress: () => {} };

/** Reads the whole bundle as an installation does. */
async function take(path: string): Promise<void> {
  await unpack(path, await openBundle(path, keys), targets, quiet);
}

async function refusal(path: string): Promise<string> {
  try {
    await take(path);
  } catch (error) {
    assert.instance(error, Problem, String(error));
    return (error as Problem).message; // asserted above
  }
  throw new Error('it was taken');
}

test('what was made is read, part by part', async () => {
  await makeBundle(wish());
  const seen: number[] = [];
  const bundle = await openBundle(wish().out, keys);
  await unpack(wish().out, bundle, targets, { ...quiet, progress: (fraction) => seen.push(fraction) });
  assert.is(bundle.manifest.version, '2.0');
  assert.equal(readFileSync(targets.root), readFileSync(wish().files.root));
  assert.equal(readFileSync(targets.kernel), readFileSync(wish().files.kernel));
  assert.is(seen.at(-1), 1);
  assert.equal(seen, [...seen].sort((a, b) => a - b));
});

test('tar reads it, too', async () => {
  const { stdout } = await run(['tar', 'tf', wish().out], { timeoutMs: 10_000 });
  assert.equal(stdout.trim().split('\n'), ['manifest.json', 'signatures.json', 'kernel.efi', 'root.squashfs']);
});

test('openssl verifies its signature', async () => {
  const out = join(folder, 'opened');
  mkdirSync(out);
  await run(['tar', 'xf', wish().out, '-C', out], { timeoutMs: 10_000 });
  const [{ signature }] = JSON.parse(readFileSync(join(out, 'signatures.json'), 'utf8')) as [{ signature: string }];
  writeFileSync(join(out, 'sig'), Buffer.from(signature, 'base64'));
  const argv = ['openssl', 'pkeyutl', '-verify', '-pubin', '-inkey', join(folder, 'keys/ours.pem'), '-rawin', '-in', join(out, 'manifest.json'), '-sigfile', join(out, 'sig')];
  assert.match((await run(argv, { timeoutMs: 10_000 })).stdout, /Verified Successfully/);
});

test('the same wish makes the same bytes', async () => {
  await makeBundle(wish({ out: join(folder, 'again') }));
  assert.ok(readFileSync(join(folder, 'again')).equals(readFileSync(wish().out)));
});

test('one bit changed anywhere is refused, or changes nothing', async () => {
  const whole = readFileSync(wish().out);
  const places = fc.oneof(fc.integer({ min: 0, max: 8_000 }), fc.integer({ min: 0, max: whole.length - 1 }));
  await fc.assert(fc.asyncProperty(places, fc.integer({ min: 0, max: 7 }), async (at, bit) => {
    const changed = Buffer.from(whole);
    changed.writeUInt8(changed.readUInt8(at) ^ (1 << bit), at);
    const path = join(folder, 'changed');
    writeFileSync(path, changed);
    const isTaken = await take(path).then(() => true, (error: unknown) => {
      assert.instance(error, Problem, `byte ${at}: ${error}`);
      return false;
    });
    // What is taken all the same, because padding was hit, is what was signed.
    if (isTaken) for (const part of ['kernel', 'root'] as const) assert.ok(readFileSync(targets[part]).equals(readFileSync(wish().files[part])), `byte ${at}`);
  }), { numRuns: 150 });
});

test('cut off anywhere it is refused', async () => {
  const { length } = readFileSync(wish().out);
  for (const size of [0, 1, 511, 512, 1_000, 2_000, 80_000, length - 1_024, length - 1]) {
    const path = join(folder, 'cut');
    writeFileSync(path, readFileSync(wish().out));
    truncateSync(path, size);
    assert.match(await refusal(path), /damaged/, `${size} bytes`);
  }
});

test('another key is not trusted, whatever id it claims', async () => {
  const out = join(folder, 'strange');
  await makeBundle(wish({ keys: [stranger.privateKey], out }));
  assert.match(await refusal(out), /not signed with a key that this appliance trusts/);
  const forged = readFileSync(out, 'latin1').replace(keyId(stranger.publicKey), keyId(ours.publicKey));
  writeFileSync(out, forged, 'latin1');
  assert.match(await refusal(out), /signature of this update is wrong/);
});

test('while keys change, one known key of several is enough', async () => {
  const out = join(folder, 'both');
  await makeBundle(wish({ keys: [next.privateKey, ours.privateKey], out }));
  await take(out);
});

test('parts of another bundle under a good signature are refused', async () => {
  const out = join(folder, 'mixed');
  writeFileSync(join(folder, 'root2'), Buffer.alloc(3_000_000, 'Root file system '));
  await makeBundle(wish());
  await makeBundle(wish({ files: { ...wish().files, root: join(folder, 'root2') }, out }));
  const [good, other] = [readFileSync(wish().out), readFileSync(out)];
  writeFileSync(out, Buffer.concat([good.subarray(0, 80_000), other.subarray(80_000)]));
  assert.match(await refusal(out), /damaged/);
});

test('a folder without keys, or none at all, trusts nobody', async () => {
  const path = wish().out;
  for (const place of [join(folder, 'no-keys'), join(folder, 'opened')]) {
    const error = await openBundle(path, readKeys(place)).catch((thrown: unknown) => thrown);
    assert.match(String(error), /trusts/);
  }
});

test('what stands after the end is not looked at', async () => {
  appendFileSync(wish().out, 'more');
  await take(wish().out);
});

const versions = ['0', '1', '1.0', '1.0.0', '1.0.1', '1.1', '1.10', '1.2', '01.2', '2.0~rc1', '2.0~rc2', '2.0', '2.0-1', '2.0^a', '2.0.a', '2.0a', '10', '0.1.0', '0.1.0-12', '0.1.0~20260101'];

test('versions are compared as systemd does', async () => {
  if (!existsSync('/usr/bin/systemd-analyze')) throw new Error('systemd-analyze is not installed');
  for (const [index, left] of versions.entries()) {
    for (const right of versions.slice(index)) {
      const { stdout } = await run(['systemd-analyze', 'compare-versions', left, right], { timeoutMs: 10_000 }).catch((error: { stdout: string }) => error);
      const theirs = stdout.includes('<') ? -1 : stdout.includes('>') ? 1 : 0;
      assert.is(compareVersions(left, right), theirs, `${stdout.trim()}`);
    }
  }
});

test('close', () => rmSync(folder, { recursive: true }));

test.run();
