/**
 * The archive that a machine comes in (OVA): a tar of a description, sums and disks, as VMware, VirtualBox, oVirt and others write it. Only looked at: where
 * each member lies. Nothing is unpacked, so no name in it ever becomes a path; QEMU reads disks where they lie.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { Problem } from '../../core/problem.ts';
import { blockBytes, checksumOf, paddedBytes } from '../../core/tar.ts';
import { MiB } from '../../core/units.ts';

export interface Part {
  offsetBytes: number;
  sizeBytes: number;
}

const mostMembers = 256;
const longestExtra = 64 * 1024;
/** Descriptions of large machines have a hundred kilobytes. */
export const longestText = MiB;

export const damaged = (what: string) => new Problem('invalid-input', `This is not a whole OVA: ${what}. Copy it again from where it comes from.`);

/** Members by name. Throws a Problem for an archive that is cut off, or holds what no OVA does. */
export async function readMembers(path: string): Promise<Map<string, Part>> {
  await using file = await open(path, 'r');
  const { size } = await file.stat();
  const members = new Map<string, Part>();
  let told: Partial<Told> = {};
  for (let at = 0; ; ) {
    const header = await readAt(file, at, blockBytes);
    if (header.length < blockBytes) throw damaged('it ends in the middle');
    if (header.every((byte) => byte === 0)) return members;
    const { type, ...said } = parse(header);
    const { name, sizeBytes } = { ...said, ...told };
    const part = { offsetBytes: at + blockBytes, sizeBytes };
    at = part.offsetBytes + paddedBytes(sizeBytes);
    if (!Number.isSafeInteger(sizeBytes) || at > size) throw damaged('it ends in the middle');
    if (type === 'x' || type === 'L') {
      if (sizeBytes > longestExtra) throw damaged('a name in it is too long');
      const extra = await readAt(file, part.offsetBytes, sizeBytes);
      told = { ...told, ...(type === 'x' ? paxOf(extra) : { name: cString(extra) }) };
      continue;
    }
    told = {};
    if (type === 'g' || type === '5') continue; // words about the whole archive; a folder
    if (type !== '0' && type !== '\0') throw new Problem('invalid-input', `"${name}" in this OVA is no plain file. An OVA holds files only.`);
    if (members.has(plain(name)) || members.size >= mostMembers) throw damaged('names in it come twice, or there are too many');
    members.set(plain(name), part);
  }
}

const plain = (name: string) => name.replace(/^(?:\.\/)+/, '');

interface Told {
  name: string;
  sizeBytes: number;
}

function parse(header: Buffer): Told & { type: string } {
  const sum = /^ *([0-7]+)[\0 ]*$/.exec(header.toString('latin1', 148, 156))?.[1];
  if (sum === undefined || Number.parseInt(sum, 8) !== checksumOf(header)) throw damaged('it is no tar archive, or damaged');
  const prefix = header.toString('latin1', 257, 263) === 'ustar\0' ? cString(header.subarray(345, 500)) : '';
  const name = cString(header.subarray(0, 100));
  return { name: prefix === '' ? name : `${prefix}/${name}`, sizeBytes: sizeIn(header.subarray(124, 136)), type: String.fromCharCode(header[156] ?? 0) };
}

const cString = (bytes: Buffer) => bytes.toString('utf8').replace(/\0[^]*$/, '');

/** Octal digits, or binary for what they cannot say. */
function sizeIn(field: Buffer): number {
  if ((field[0] ?? 0) & 0x80) return Number(field.readBigUInt64BE(4));
  const digits = /^ *([0-7]*)[\0 ]*$/.exec(field.toString('latin1'))?.[1];
  return digits === undefined ? Number.NaN : Number.parseInt(digits || '0', 8);
}

/** `30 path=disk.vmdk\n`, as many as there are. */
function paxOf(extra: Buffer): Partial<Told> {
  const words = new Map(extra.toString('utf8').split('\n').map((line) => /^\d+ ([^=]+)=(.*)$/.exec(line)).flatMap((match) => (match ? [[match[1], match[2] ?? '']] : [])));
  const [name, size] = [words.get('path'), words.get('size')];
  return { ...(name !== undefined && { name }), ...(size !== undefined && { sizeBytes: /^\d{1,15}$/.test(size) ? Number(size) : Number.NaN }) };
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}

/** The beginning of a member. */
export async function readPart(path: string, { offsetBytes, sizeBytes }: Part, mostBytes: number): Promise<Buffer> {
  await using file = await open(path, 'r');
  return readAt(file, offsetBytes, Math.min(sizeBytes, mostBytes));
}

export async function sumOf(path: string, { offsetBytes, sizeBytes }: Part, { algorithm, signal, onBytes }: { algorithm: string; signal: AbortSignal; onBytes(count: number): void }): Promise<string> {
  await using file = await open(path, 'r');
  const hash = createHash(algorithm);
  for (let at = 0; at < sizeBytes; ) {
    signal.throwIfAborted();
    const chunk = await readAt(file, offsetBytes + at, Math.min(MiB, sizeBytes - at));
    if (chunk.length === 0) throw damaged('it ends in the middle');
    hash.update(chunk);
    at += chunk.length;
    onBytes(chunk.length);
  }
  return hash.digest('hex');
}
