/**
 * A machine that was carried here, before anything of it is used: what its archive holds, what its description says, and whether its disks are what they
 * claim. Everything in it was written by somebody else.
 */
import { createHash } from 'node:crypto';
import { Problem } from '../../core/problem.ts';
import { blockBytes, paddedBytes } from '../../core/tar.ts';
import { GiB, MiB, TiB } from '../../core/units.ts';
import { checkDeclared, headerBytes, recognise } from '../../storage/image-header.ts';
import type { Carried } from '../../storage/carried.ts';
import type { ImageFormat, ImageSource } from '../../world.ts';
import { damaged, longestText, type Part, readMembers, readPart, sumOf } from './archive.ts';
import { type OvfDisk, type OvfMachine, readOvf } from './ovf-read.ts';
import { readManifest } from './ovf-write.ts';

export interface CarriedLook {
  machine: OvfMachine;
  disks: { of: OvfDisk; source: ImageSource; sizeBytes: number }[];
  /** Of the description: what was looked at is what is imported. */
  sum: string;
  hasSums: boolean;
  notes: string[];
}

/** Most that a disk here has. */
const largestDisk = 64 * TiB;

/** Reads no data of disks but their beginnings. */
export async function lookAtOva({ look }: Pick<Carried, 'look'>, path: string, signal: AbortSignal): Promise<CarriedLook> {
  const members = await readMembers(path);
  const { text, machine } = await readDescription(path, members);
  const disks: CarriedLook['disks'] = [];
  for (const of of machine.disks) {
    const source = await sourceOf(path, members, of);
    const info = await look(source, signal);
    if (info.backingFile !== undefined || info.dataFile !== undefined) throw new Problem('invalid-input', `The disk "${of.file}" refers to another file, which does not come with it. Export the machine without snapshots.`);
    if (info.isEncrypted) throw new Problem('invalid-input', `The disk "${of.file}" is encrypted. Decrypt it where it comes from, then export it again.`);
    if (info.virtualSizeBytes > largestDisk) throw new Problem('invalid-input', `The disk "${of.file}" claims an impossible size. Export it again where it comes from.`);
    disks.push({ of, source, sizeBytes: info.virtualSizeBytes });
  }
  const hasSums = manifestIn(members) !== undefined;
  return { machine, disks, hasSums, sum: createHash('sha256').update(text).digest('hex'), notes: [...machine.notes, ...(hasSums ? [] : ['It came without sums of its files, so that damage on the way cannot be seen.'])] };
}

const manifestIn = (members: Map<string, Part>) => [...members].find(([name]) => /\.mf$/i.test(name))?.[1];

async function readDescription(path: string, members: Map<string, Part>): Promise<{ text: Buffer; machine: OvfMachine }> {
  const found = [...members].filter(([name]) => /\.ovf$/i.test(name));
  const [first] = found;
  if (!first || found.length > 1) throw damaged('it holds no description (.ovf), or several');
  if (first[1].sizeBytes > longestText) throw damaged('its description is too long');
  const text = await readPart(path, first[1], longestText);
  try {
    const machine = readOvf(text.toString('utf8'));
    return { text, machine: { ...machine, vcpus: Math.min(64, Math.max(1, Math.floor(machine.vcpus))), memoryBytes: machine.memoryBytes > 0 ? Math.min(4 * TiB, Math.max(64 * MiB, Math.ceil(machine.memoryBytes / MiB) * MiB)) : GiB } };
  } catch (error) {
    throw new Problem('invalid-input', `This machine cannot be imported. ${(error as Error).message}`, { cause: error }); // readOvf throws nothing else
  }
}

/** The image where it lies in the archive, held to its format before any tool opens it. */
async function sourceOf(path: string, members: Map<string, Part>, { file, format }: OvfDisk): Promise<ImageSource> {
  const part = members.get(file);
  if (!part) throw new Problem('invalid-input', `The description names the file "${file}", which is not in the archive. Export the machine as one file (OVA).`);
  const head = await readPart(path, part, headerBytes);
  const declared = declaredBy(`${format} ${file}`) ?? recognise(head);
  if (!declared) throw new Problem('invalid-input', `It is not known of which format the disk "${file}" is. Export it with disks as VMDK.`);
  const check = checkDeclared(declared, head, part.sizeBytes);
  if (!check.isOk) throw new Problem('invalid-input', `The disk "${file}" cannot be used. ${check.reason}`);
  if (declared === 'vmdk' && part.sizeBytes % blockBytes !== 0) throw damaged(`the disk "${file}" is cut off`);
  return { path, format: declared, part: { ...part, sizeBytes: paddedBytes(part.sizeBytes) } };
}

const formatWords: [RegExp, ImageFormat][] = [[/vmdk/i, 'vmdk'], [/qcow/i, 'qcow2'], [/\.vdi$/i, 'vdi'], [/\.vhdx$/i, 'vhdx'], [/\.(raw|img)$/i, 'raw']];
const declaredBy = (words: string) => formatWords.find(([pattern]) => pattern.test(words))?.[1];

/** Throws a Problem unless each file that the sums name is what they say, and the description is the one that was looked at. */
export async function checkSums(path: string, { sum, signal, progress }: { sum: string; signal: AbortSignal; progress(fraction: number): void }): Promise<void> {
  const members = await readMembers(path);
  const { text } = await readDescription(path, members);
  if (createHash('sha256').update(text).digest('hex') !== sum) throw new Problem('invalid-input', 'The file has changed meanwhile. Import it again.');
  const manifest = manifestIn(members);
  if (!manifest) return;
  const entries = readManifest((await readPart(path, manifest, longestText)).toString('utf8'));
  if (entries.length === 0) throw damaged('its list of sums cannot be read');
  const total = entries.reduce((bytes, { name }) => bytes + (members.get(name)?.sizeBytes ?? 0), 0);
  let done = 0;
  for (const { name, algorithm, sum: wanted } of entries) {
    const part = members.get(name);
    if (!part) throw damaged(`"${name}" is missing`);
    const onBytes = (count: number) => {
      done += count;
      progress(done / Math.max(1, total));
    };
    const found = await sumOf(path, part, { algorithm, signal, onBytes });
    if (found !== wanted) throw damaged(`"${name}" is not what its sum says`);
  }
}
