/**
 * Makes the keys and the bundles of releases; `image/bundle` runs it where the image is built. It is no part of the service.
 *
 * Why Ed25519 of node:crypto and not signify or minisign: it is OpenSSL's, which is in every image anyway, takes no process and no
 * further package, and its PEM keys fit every key store. A signature is checked by hand with
 * `openssl pkeyutl -verify -pubin -inkey KEY.pem -rawin -in manifest.json -sigfile SIGNATURE`.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { createReadStream, createWriteStream, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { openBundle } from './bundle.ts';
import { bundleFormat, keyId, Manifest, manifestName, type PartName, partFiles, partNames, product, readKeys, signaturesName } from './manifest.ts';
import { endOfTar, formatHeader, paddedBytes } from '../core/tar.ts';

const usage = `Usage: bundle COMMAND

  keys FOLDER                 make a pair of keys: FOLDER/private.pem, and FOLDER/public/ID.pem for the image
  make --version V --kernel FILE --root FILE --key PRIVATE... --out FILE
       [--architecture A] [--minimum-version V] [--created SECONDS]
                              write a signed update; --key may be given twice while keys change
  show FILE --keys FOLDER     check a bundle and print what it is
`;

export interface Wish {
  version: string;
  architecture: string;
  minimumVersion: string;
  createdAt: number;
  files: Record<PartName, string>;
  keys: KeyObject[];
  out: string;
}

/** Writes the bundle; the same wish makes the same bytes. */
export async function makeBundle({ version, architecture, minimumVersion, createdAt, files, keys, out }: Wish): Promise<Manifest> {
  const part = async (name: PartName) => ({ sizeBytes: statSync(files[name]).size, sha256: await sumOf(files[name]) });
  const parts = { kernel: await part('kernel'), root: await part('root') };
  const manifest = Manifest.parse({ format: bundleFormat, product, version, architecture, created: new Date(createdAt).toISOString(), minimumVersion, parts });
  const text = Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`);
  const signatures = keys.map((key) => ({ key: keyId(createPublicKey(key)), signature: sign(null, text, key).toString('base64') }));
  const pieces = async function* () {
    yield* member(manifestName, text, createdAt);
    yield* member(signaturesName, Buffer.from(`${JSON.stringify(signatures, null, 2)}\n`), createdAt);
    for (const name of partNames) {
      yield formatHeader({ name: partFiles[name], sizeBytes: parts[name].sizeBytes }, createdAt);
      yield* createReadStream(files[name]);
      yield padding(parts[name].sizeBytes);
    }
    yield endOfTar;
  };
  await pipeline(Readable.from(pieces()), createWriteStream(out));
  return manifest;
}

function* member(name: string, bytes: Uint8Array, at: number): Generator<Uint8Array> {
  yield formatHeader({ name, sizeBytes: bytes.length }, at);
  yield bytes;
  yield padding(bytes.length);
}

const padding = (sizeBytes: number) => new Uint8Array(paddedBytes(sizeBytes) - sizeBytes);

async function sumOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path)) hash.update(piece);
  return hash.digest('hex');
}

function makeKeys(folder: string): string {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const id = keyId(publicKey);
  mkdirSync(join(folder, 'public'), { recursive: true });
  writeFileSync(join(folder, 'private.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flag: 'wx' });
  writeFileSync(join(folder, 'public', `${id}.pem`), publicKey.export({ type: 'spki', format: 'pem' }));
  return `${id}\n`;
}

async function makeFromArguments(args: string[]): Promise<string> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args,
    options: { version: text, kernel: text, root: text, out: text, key: { type: 'string', multiple: true }, architecture: text, 'minimum-version': text, created: text },
  });
  const { version, kernel, root, out, key } = values;
  if (!version || !kernel || !root || !out || !key) throw new Error(usage);
  const seconds = values.created ?? process.env['SOURCE_DATE_EPOCH'];
  const manifest = await makeBundle({
    version, out, files: { kernel, root }, keys: key.map((path) => createPrivateKey(readFileSync(path))),
    architecture: values.architecture ?? 'x86_64', minimumVersion: values['minimum-version'] ?? '0',
    createdAt: seconds === undefined ? Date.now() : Number(seconds) * 1000,
  });
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

async function main([command, ...args]: string[]): Promise<string> {
  const [first] = args;
  if (command === 'keys' && first) return makeKeys(first);
  if (command === 'make') return makeFromArguments(args);
  if (command !== 'show') throw new Error(usage);
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: { keys: { type: 'string' } } });
  const { manifest } = await openBundle(positionals[0] ?? '', readKeys(values.keys ?? ''));
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

if (process.argv[1]?.endsWith('bundle-tool.js')) {
  try {
    process.stdout.write(await main(process.argv.slice(2)));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
