/**
 * The simulated image tool: no process, but real files, so that header checks, sizes and downloads see what they would see.
 *
 * A raw image is its content. Every other format is a true header of 64 KiB with the content behind it, uncompressed and
 * in order; so conversions keep content, but an image that another program made is not understood beyond its header.
 * A layer holds the blocks that are not all zero; a guest that writes zeros over something cannot be told.
 * What was preallocated is only remembered. Passes the same cases as qemu-img in `test/contract/image-tool.test.ts`.
 */
import { type FileHandle, open, stat } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { ToolError } from '../../appliance/core/run.ts';
import { checkDeclared, headerBytes } from '../../appliance/storage/image-header.ts';
import { parseQcow2Header } from '../../appliance/storage/qcow2-header.ts';
import type { ImageFormat, ImagePart, ImageSource, ImageTool } from '../../appliance/world.ts';
import type { SimulatedDisk } from './disk-space.ts';
import { qcow2Header, vdiHeader, vhdxHeader, vmdkHeader } from './image-bytes.ts';

export interface SimulatedImageTool extends ImageTool {
  /** Makes the next call of `verb` fail with this, once. */
  failNext(verb: keyof ImageTool, error: Error): void;
}

const chunkBytes = 1 << 20;

export function createSimulatedImageTool(disk: SimulatedDisk): SimulatedImageTool {
  const allocated = new Map<string, number>();
  const failures = new Map<keyof ImageTool, Error>();

  const enter = (verb: keyof ImageTool, path: string, signal: AbortSignal) => {
    if (!isAbsolute(path)) throw new Error(`not an absolute path: ${path}`);
    if (signal.aborted) throw failure(verb, 'aborted', '');
    const error = failures.get(verb);
    failures.delete(verb);
    if (error) throw error;
  };
  const allocate = (verb: string, path: string, { sizeBytes, preallocated }: { sizeBytes: number; preallocated: boolean }) => {
    if (preallocated) disk.requireRoom(['qemu-img', verb], sizeBytes - (allocated.get(path) ?? 0));
    allocated.set(path, preallocated ? sizeBytes : 0);
  };

  return {
    failNext: (verb, error) => failures.set(verb, error),

    async create(path, options) {
      enter('create', path, options.signal);
      allocate('create', path, options);
      await writeImage(path, options.format, options.sizeBytes);
    },

    async info(path, format, signal, part) {
      enter('info', path, signal);
      const image = await readImage('info', path, format, part);
      const occupiedBytes = (await stat(path)).blocks * 512;
      const qcow2 = parseQcow2Header(image.header);
      return {
        format,
        virtualSizeBytes: image.sizeBytes,
        actualSizeBytes: Math.max(occupiedBytes, allocated.get(path) ?? 0),
        ...(qcow2?.backingFile !== undefined && { backingFile: qcow2.backingFile }),
        isEncrypted: qcow2?.isEncrypted ?? false,
      };
    },

    async resize(path, options) {
      enter('resize', path, options.signal);
      const image = await readImage('resize', path, options.format);
      if (options.sizeBytes < image.sizeBytes) throw failure('resize', 'exit', 'Use the --shrink option to perform a shrink operation.');
      allocate('resize', path, options);
      await writeImage(path, options.format, options.sizeBytes, 'r+');
    },

    async convert(from, to, { signal, progress }) {
      enter('convert', from.path, signal);
      const image = await readImage('convert', from.path, from.format, from.part);
      allocate('convert', to.path, { sizeBytes: image.sizeBytes, preallocated: to.preallocated });
      await writeImage(to.path, to.format, image.sizeBytes);
      await copyContent(from, to, { sizeBytes: image.sizeBytes, signal, progress });
    },

    async createLayer(path, { sizeBytes, below, signal }) {
      enter('createLayer', path, signal);
      await writeImage(path, 'qcow2', sizeBytes);
      await writeHeader(path, sizeBytes, below.name);
    },

    async commit(top, { signal, progress }) {
      enter('commit', top.path, signal);
      if (!top.below) throw failure('commit', 'exit', 'Image does not have a backing file.');
      const { sizeBytes } = await readImage('commit', top.path, top.format);
      await copyContent({ path: top.path, format: top.format }, { path: top.below.path, format: top.below.format }, { sizeBytes, signal, progress });
    },

    async nameBelow(path, below, signal) {
      enter('nameBelow', path, signal);
      const { sizeBytes } = await readImage('rebase', path, 'qcow2');
      await writeHeader(path, sizeBytes, below.name);
    },

    async measure(from, to, signal) {
      enter('measure', from.path, signal);
      const { sizeBytes } = await readImage('measure', from.path, from.format, from.part);
      const occupiedBytes = (await stat(from.path)).blocks * 512;
      const fullyAllocatedBytes = sizeBytes + contentStart(to);
      return { requiredBytes: to === 'raw' ? fullyAllocatedBytes : Math.min(fullyAllocatedBytes, occupiedBytes + contentStart(to)), fullyAllocatedBytes };
    },

    async check(path, format, signal) {
      enter('check', path, signal);
      if (format === 'raw') return { corruptions: 0, leaks: 0 };
      const { header } = await readImage('check', path, format);
      return { corruptions: parseQcow2Header(header)?.isCorrupt ? 1 : 0, leaks: 0 };
    },
  };
}

const headers: Record<Exclude<ImageFormat, 'raw'>, (sizeBytes: number) => Uint8Array> = {
  qcow2: (sizeBytes) => qcow2Header({ virtualSizeBytes: BigInt(sizeBytes) }),
  vmdk: (sizeBytes) => vmdkHeader({ capacitySectors: BigInt(sizeBytes / 512) }),
  vdi: (sizeBytes) => vdiHeader({ virtualSizeBytes: BigInt(sizeBytes) }),
  vhdx: vhdxHeader,
};

const contentStart = (format: ImageFormat) => (format === 'raw' ? 0 : headerBytes);

/** An empty image, or, with `r+`, the image at `path` with another size. */
export async function writeImage(path: string, format: ImageFormat, sizeBytes: number, flags: 'w' | 'r+' = 'w'): Promise<void> {
  const file = await openFile('create', path, flags);
  try {
    if (format !== 'raw') await file.write(headers[format](sizeBytes), 0, undefined, 0);
    await file.truncate(contentStart(format) + sizeBytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function readImage(verb: string, path: string, format: ImageFormat, part?: ImagePart): Promise<{ header: Uint8Array; sizeBytes: number }> {
  const file = await openFile(verb, path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(new Uint8Array(headerBytes), 0, headerBytes, part?.offsetBytes ?? 0);
    const header = buffer.subarray(0, bytesRead);
    const fileBytes = part?.sizeBytes ?? (await file.stat()).size;
    // A raw image may hold anything; every other one must begin as it should. qemu-img itself opens what we refuse.
    const check = format === 'raw' ? { isOk: true } : checkDeclared(format, header, fileBytes);
    if (!check.isOk && !parseQcow2Header(header)) throw failure(verb, 'exit', `Could not open '${path}': Image is not in ${format} format`);
    const known = 'virtualSizeBytes' in check ? check.virtualSizeBytes : undefined;
    return { header, sizeBytes: known ?? Math.ceil((fileBytes - contentStart(format)) / 512) * 512 };
  } finally {
    await file.close();
  }
}

/** A layer's header names what lies below; the content behind it stays. */
async function writeHeader(path: string, sizeBytes: number, backingFile: string): Promise<void> {
  await using file = await openFile('create', path, 'r+');
  await file.write(qcow2Header({ virtualSizeBytes: BigInt(sizeBytes), backingFile }), 0, undefined, 0);
  await file.sync();
}

/** Smallest piece that a layer holds or leaves to what lies below. */
const blockBytes = 4096;

/** What `image` shows at `at`: from its own file, and from the layers below where that has nothing. */
async function readChain({ path, format, below, part }: ImageSource, at: number, lengthBytes: number): Promise<Buffer> {
  await using file = await openFile('convert', path, 'r');
  const content = Buffer.alloc(lengthBytes);
  await file.read(content, 0, lengthBytes, (part?.offsetBytes ?? 0) + contentStart(format) + at);
  if (!below) return content;
  const under = await readChain(below, at, lengthBytes);
  for (let start = 0; start < lengthBytes; start += blockBytes) {
    const block = content.subarray(start, start + blockBytes);
    if (block.every((byte) => byte === 0)) under.copy(content, start, start, start + block.length);
  }
  return content;
}

async function copyContent(from: ImageSource, to: { path: string; format: ImageFormat }, options: { sizeBytes: number; signal: AbortSignal; progress: (fraction: number) => void }): Promise<void> {
  await using target = await openFile('convert', to.path, 'r+');
  for (let at = 0; at < options.sizeBytes; at += chunkBytes) {
    if (options.signal.aborted) throw failure('convert', 'aborted', '');
    const chunk = await readChain(from, at, Math.min(chunkBytes, options.sizeBytes - at));
    for (let start = 0; start < chunk.length; start += blockBytes) {
      const block = chunk.subarray(start, start + blockBytes);
      if (block.some((byte) => byte !== 0)) await target.write(block, 0, block.length, contentStart(to.format) + at + start);
    }
    options.progress(Math.min(1, (at + chunkBytes) / options.sizeBytes));
  }
}

async function openFile(verb: string, path: string, flags: string): Promise<FileHandle> {
  try {
    return await open(path, flags);
  } catch (error) {
    throw failure(verb, 'exit', `Could not open '${path}': ${error instanceof Error ? error.message : error}`);
  }
}

function failure(verb: string, kind: 'exit' | 'aborted', text: string): ToolError {
  return new ToolError(['qemu-img', verb], kind, { exitCode: kind === 'exit' ? 1 : null, killedBy: null, stdout: '', stderr: `qemu-img: ${text}\n` });
}
