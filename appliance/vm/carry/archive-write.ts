/**
 * Writes a machine as an OVA: description and sums first, as the standard wants them, then the disks. What the first two say is known when the disks are
 * written, so their room is left and filled at the end; no disk is copied twice and only one lies beside the archive at a time.
 */
import { createHash } from 'node:crypto';
import { type FileHandle, open, rm, stat } from 'node:fs/promises';
import { blockBytes, endOfTar, formatHeader, paddedBytes } from '../../core/tar.ts';
import { MiB } from '../../core/units.ts';
import { type CarriedMachine, manifestOf, ovfOf } from './ovf-write.ts';

export interface ArchiveWish {
  machine: CarriedMachine;
  /** What its files begin with. */
  stem: string;
  path: string;
  /** Where each disk is written before it goes in. */
  diskPath: string;
  modifiedAt: number;
  makeDisk(index: number): Promise<void>;
  signal: AbortSignal;
}

/** Its length. */
export async function writeArchive({ machine, stem, path, diskPath, modifiedAt, makeDisk, signal }: ArchiveWish): Promise<number> {
  const [ovf, mf] = [`${stem}.ovf`, `${stem}.mf`];
  const names = machine.disks.map(({ file }) => file);
  const longest = Buffer.byteLength(ovfOf({ ...machine, disks: machine.disks.map((disk) => ({ ...disk, fileBytes: Number.MAX_SAFE_INTEGER })) }));
  const manifestBytes = Buffer.byteLength(manifestOf([ovf, ...names].map((name) => ({ name, sha256: '0'.repeat(64) }))));
  await using file = await open(path, 'w', 0o600);
  let at = 2 * blockBytes + paddedBytes(longest) + paddedBytes(manifestBytes);
  const written: { name: string; fileBytes: number; sha256: string }[] = [];
  for (const [index, name] of names.entries()) {
    await rm(diskPath, { force: true });
    await makeDisk(index);
    const { size } = await stat(diskPath);
    await write(file, formatHeader({ name, sizeBytes: size }, modifiedAt), at);
    written.push({ name, fileBytes: size, sha256: await copyIn(file, diskPath, { at: at + blockBytes, signal }) });
    at += blockBytes + paddedBytes(size);
  }
  await rm(diskPath, { force: true });
  await write(file, endOfTar, at);
  const description = Buffer.alloc(longest, '\n');
  description.write(ovfOf({ ...machine, disks: machine.disks.map((disk, index) => ({ ...disk, fileBytes: written[index]?.fileBytes ?? 0 })) }));
  const sums = manifestOf([{ name: ovf, sha256: createHash('sha256').update(description).digest('hex') }, ...written]);
  await write(file, formatHeader({ name: ovf, sizeBytes: longest }, modifiedAt), 0);
  await write(file, description, blockBytes);
  await write(file, formatHeader({ name: mf, sizeBytes: manifestBytes }, modifiedAt), blockBytes + paddedBytes(longest));
  await write(file, Buffer.from(sums), 2 * blockBytes + paddedBytes(longest));
  await file.sync();
  return at + endOfTar.length;
}

async function write(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
}

/** SHA-256 of what was copied. */
async function copyIn(file: FileHandle, from: string, { at, signal }: { at: number; signal: AbortSignal }): Promise<string> {
  await using source = await open(from, 'r');
  const hash = createHash('sha256');
  for (let done = 0; ; ) {
    signal.throwIfAborted();
    const { buffer, bytesRead } = await source.read(Buffer.alloc(MiB), 0, MiB, done);
    if (bytesRead === 0) return hash.digest('hex');
    hash.update(buffer.subarray(0, bytesRead));
    await write(file, buffer.subarray(0, bytesRead), at + done);
    done += bytesRead;
  }
}
