/**
 * What an update bundle says of itself, and who says it.
 *
 *   manifest.json     product, version, architecture, parts with size and SHA-256
 *   signatures.json   Ed25519 signatures of exactly the bytes of manifest.json, each with the id of its key
 *   kernel.efi        the parts
 *   root.squashfs
 *
 * One signature of one trusted key is enough; a release that changes the key is signed with the old and the new one. The id of a
 * key is the beginning of the SHA-256 of its public part, so nobody has to keep a list of names.
 */
import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { Problem } from '../core/problem.ts';
import type { SlotFacts } from '../world.ts';
import { type InstallFault, installFault } from './rules.ts';
import { versionPattern } from './versions.ts';

export const manifestName = 'manifest.json';
export const signaturesName = 'signatures.json';
/** Parts in the order in which they stand in a bundle, with the name of each there. */
export const partFiles = { kernel: 'kernel.efi', root: 'root.squashfs' } as const;
export type PartName = keyof typeof partFiles;
export const partNames = Object.keys(partFiles) as PartName[]; // the keys are exactly the union

export const bundleFormat = 'bothy-update/1';
export const product = 'bothy';
/** Manifest and signatures are held in memory. */
export const longestTextBytes = 64 * 1024;

const version = z.string().regex(versionPattern);
const part = z.object({ sizeBytes: z.number().int().min(1), sha256: z.string().regex(/^[0-9a-f]{64}$/) });

export const Manifest = z.object({
  format: z.literal(bundleFormat),
  product: z.string().max(64),
  version,
  architecture: z.string().max(32),
  created: z.iso.datetime(),
  /** Older appliances must take an update in between first. */
  minimumVersion: version,
  parts: z.object({ kernel: part, root: part }),
});
export type Manifest = z.output<typeof Manifest>;

export const Signatures = z.array(z.object({ key: z.string().max(64), signature: z.base64().max(128) })).min(1).max(16);

/** Why what it tells of may not be installed here; `undefined` when it may. */
export const manifestFault = ({ parts, ...manifest }: Manifest, facts: SlotFacts, allowOlder = false): InstallFault | undefined =>
  installFault({ ...manifest, rootBytes: parts.root.sizeBytes }, facts, { product, allowOlder });

/** Public keys by id. */
export type TrustedKeys = ReadonlyMap<string, KeyObject>;

export function keyId(key: KeyObject): string {
  return createHash('sha256').update(key.export({ type: 'spki', format: 'der' })).digest('hex').slice(0, 16);
}

/** All `*.pem` of a folder. None where there is no such folder: nothing can be installed there. */
export function readKeys(folder: string): TrustedKeys {
  const names = listFolder(folder).filter((name) => name.endsWith('.pem')).sort();
  const keys = names.map((name) => createPublicKey(readFileSync(join(folder, name)))).filter((key) => key.asymmetricKeyType === 'ed25519');
  return new Map(keys.map((key) => [keyId(key), key]));
}

function listFolder(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []; // thrown by readdir
    throw error;
  }
}

const damaged = 'This is not an update of the appliance, or it is damaged. Get it again from where it came from.';

/** The manifest, once a trusted key has signed it. Throws a Problem otherwise, before anything in it is believed. */
export function readManifest(bytes: Uint8Array, signatures: Uint8Array, keys: TrustedKeys): Manifest {
  const given = Signatures.safeParse(parseJson(signatures));
  if (!given.success) throw new Problem('invalid-input', damaged);
  const known = given.data.filter(({ key }) => keys.has(key));
  if (known.length === 0) throw new Problem('invalid-input', 'This update is not signed with a key that this appliance trusts. Use an update from the makers of this appliance.');
  const isGenuine = known.some(({ key, signature }) => verify(null, bytes, keys.get(key) as KeyObject, Buffer.from(signature, 'base64'))); // known above
  if (!isGenuine) throw new Problem('invalid-input', 'The signature of this update is wrong: it was changed after it was made. Get it again from the makers of this appliance.');
  const manifest = Manifest.safeParse(parseJson(bytes));
  if (!manifest.success) throw new Problem('invalid-input', 'This update is of a kind that this appliance does not know. It may need an update in between.', { cause: manifest.error });
  return manifest.data;
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

export const damagedProblem = (cause?: unknown) => new Problem('invalid-input', damaged, { cause });
