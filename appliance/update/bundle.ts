/**
 * Reads a bundle from a file, piece by piece at flat memory: first who made it and what it is, then its parts. Nothing of a part is
 * to be used before `unpack` has returned: only then is its sum known to be right.
 */
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { MiB } from '../core/units.ts';
import { damagedProblem, longestTextBytes, type Manifest, manifestName, type PartName, partFiles, partNames, readManifest, signaturesName, type TrustedKeys } from './manifest.ts';
import { blockBytes, type Member, paddedBytes, parseHeader } from '../core/tar.ts';

export interface Bundle {
  manifest: Manifest;
  /** As it stands in the bundle: what was signed. */
  manifestBytes: Uint8Array;
  signatureBytes: Uint8Array;
  /** Where each part begins in the file. */
  offsets: Record<PartName, number>;
}

/** Looks at the beginning of the file and at its length. Throws a Problem unless it is whole and signed by one of `keys`. */
export async function openBundle(path: string, keys: TrustedKeys): Promise<Bundle> {
  const file = await open(path, 'r');
  try {
    const manifest = await readText(file, 0, manifestName);
    const signatures = await readText(file, manifest.endsAt, signaturesName);
    const bundle = { manifest: readManifest(manifest.bytes, signatures.bytes, keys), manifestBytes: manifest.bytes, signatureBytes: signatures.bytes };
    const { offsets, endsAt } = await findParts(file, bundle.manifest, signatures.endsAt);
    const { size } = await file.stat();
    if (size < endsAt + 2 * blockBytes) throw damagedProblem(`it has ${size} bytes`);
    return { ...bundle, offsets };
  } finally {
    await file.close();
  }
}

/** Most bytes that manifest and signatures take at the beginning of a bundle. */
export const headBytes = 2 * (blockBytes + longestTextBytes);

/** What the beginning of a bundle says of it, by the word of one of `keys`; its parts are not looked at. Throws a Problem. */
export async function readHead(head: Uint8Array, keys: TrustedKeys): Promise<Manifest> {
  const file: Reader = {
    async read(buffer, offset, length, position) {
      const piece = head.subarray(position, position + length);
      buffer.set(piece, offset);
      return { bytesRead: piece.length };
    },
  };
  const manifest = await readText(file, 0, manifestName);
  const signatures = await readText(file, manifest.endsAt, signaturesName);
  return readManifest(manifest.bytes, signatures.bytes, keys);
}

/** Of a file's handle, or of bytes in memory. */
interface Reader {
  read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesRead: number }>;
}

async function readMember(file: Reader, at: number, name: string): Promise<Member> {
  const member = parseHeader(await readExactly(file, at, blockBytes));
  if (member?.name !== name) throw damagedProblem(`no ${name} at ${at}`);
  return member;
}

async function readText(file: Reader, at: number, name: string): Promise<{ bytes: Uint8Array; endsAt: number }> {
  const { sizeBytes } = await readMember(file, at, name);
  if (sizeBytes > longestTextBytes) throw damagedProblem(`${name} has ${sizeBytes} bytes`);
  return { bytes: await readExactly(file, at + blockBytes, sizeBytes), endsAt: at + blockBytes + paddedBytes(sizeBytes) };
}

async function findParts(file: FileHandle, { parts }: Manifest, startsAt: number): Promise<{ offsets: Bundle['offsets']; endsAt: number }> {
  const offsets = { kernel: 0, root: 0 };
  let at = startsAt;
  for (const name of partNames) {
    const { sizeBytes } = await readMember(file, at, partFiles[name]);
    if (sizeBytes !== parts[name].sizeBytes) throw damagedProblem(`${name} has ${sizeBytes} bytes`);
    offsets[name] = at + blockBytes;
    at += blockBytes + paddedBytes(sizeBytes);
  }
  return { offsets, endsAt: at };
}

async function readExactly(file: Reader, at: number, sizeBytes: number): Promise<Uint8Array> {
  const bytes = Buffer.alloc(sizeBytes);
  const { bytesRead } = await file.read(bytes, 0, sizeBytes, at);
  if (bytesRead < sizeBytes) throw damagedProblem('it ends too early');
  return bytes;
}

export interface Unpacking {
  signal: AbortSignal;
  /** 0 to 1. */
  progress(fraction: number): void;
}

/** Copies each part to its path in `targets`, on the disk for sure. Throws a Problem, with the copies half-made, when a sum is wrong. */
export async function unpack(path: string, bundle: Bundle, targets: Record<PartName, string>, { signal, progress }: Unpacking): Promise<void> {
  const { parts } = bundle.manifest;
  const totalBytes = partNames.reduce((sum, name) => sum + parts[name].sizeBytes, 0);
  let doneBytes = 0;
  const source = await open(path, 'r');
  try {
    for (const name of partNames) {
      const onBytes = (count: number) => {
        doneBytes += count;
        progress(doneBytes / totalBytes);
      };
      const sha256 = await copyPart(source, { at: bundle.offsets[name], sizeBytes: parts[name].sizeBytes, target: targets[name], signal, onBytes });
      if (sha256 !== parts[name].sha256) throw damagedProblem(`${name} has the sum ${sha256}`);
    }
  } finally {
    await source.close();
  }
}

interface Copy {
  at: number;
  sizeBytes: number;
  target: string;
  signal: AbortSignal;
  onBytes(count: number): void;
}

async function copyPart(source: FileHandle, { at, sizeBytes, target, signal, onBytes }: Copy): Promise<string> {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(MiB);
  const file = await open(target, 'w', 0o600);
  try {
    for (let done = 0; done < sizeBytes; ) {
      signal.throwIfAborted();
      const { bytesRead } = await source.read(buffer, 0, Math.min(buffer.length, sizeBytes - done), at + done);
      if (bytesRead === 0) throw damagedProblem('it ends too early');
      const piece = buffer.subarray(0, bytesRead);
      hash.update(piece);
      await file.writeFile(piece);
      done += bytesRead;
      onBytes(bytesRead);
    }
    await file.datasync();
  } finally {
    await file.close();
  }
  return hash.digest('hex');
}
