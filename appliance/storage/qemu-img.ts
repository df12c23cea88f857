/**
 * qemu-img as the World's image tool.
 *
 * Images come from strangers, so the format is always explicit and a path is always a path: a source is opened through
 * a `json:` description that names driver and file, with exactly the layers below that we know of, a target is an absolute path, which QEMU
 * never reads as a protocol (`nbd:...`). Every call runs under memory and processor limits, because a small image can make
 * its reader allocate without bound, and with a deadline. Image locking stays on: an image that a guest has open is refused
 * rather than read half-written (no `-U`).
 *
 * A conversion is durable when it resolves: `-t writeback` flushes at the end, which qemu-img's default does not.
 */
import { isAbsolute } from 'node:path';
import * as z from 'zod';
import { run, ToolError } from '../core/run.ts';
import { GiB } from '../core/units.ts';
import type { ImageFormat, ImageInfo, ImageSource, ImageTool } from '../world.ts';

const second = 1000;
const hour = 3600 * second;

interface Bounds {
  timeoutMs: number;
  limits: { addressSpaceBytes: number; cpuSeconds: number };
}

/** 1 GiB and 30 s are the limits that OpenStack and oVirt use for headers. */
const headerBounds: Bounds = { timeoutMs: 60 * second, limits: { addressSpaceBytes: GiB, cpuSeconds: 30 } };
/** Data moves in up to 64 threads, each with 8 MiB of address space for its stack. */
const dataBounds: Bounds = { timeoutMs: 12 * hour, limits: { addressSpaceBytes: 3 * GiB, cpuSeconds: 6 * 3600 } };
/** Exit code of `qemu-img check` when it found only leaked clusters, and when it found damage. */
const checkExit = { corrupt: 2, leaks: 3 };

const infoOutput = z.object({
  format: z.string(),
  'virtual-size': z.number(),
  'actual-size': z.number(),
  'backing-filename': z.string().optional(),
  encrypted: z.boolean().optional(),
  'format-specific': z.object({ data: z.object({ 'data-file': z.string().optional() }).optional() }).optional(),
});
const measureOutput = z.object({ required: z.number(), 'fully-allocated': z.number() });
const checkOutput = z.object({ corruptions: z.number().default(0), leaks: z.number().default(0) });

export function createQemuImg(): ImageTool {
  return {
    async create(path, { format, sizeBytes, preallocated, signal }) {
      await runQemuImg(['create', '-q', '-f', format, '-o', preallocation(preallocated), '--', plainPath(path), `${sizeBytes}`], dataBounds, signal);
    },

    async info(path, format, signal, part) {
      const output = await runQemuImg(['info', '--output=json', '--', chain({ path, format, ...(part && { part }) })], headerBounds, signal);
      return toImageInfo(format, infoOutput.parse(JSON.parse(output)));
    },

    async resize(path, { format, sizeBytes, preallocated, signal }) {
      const room = preallocated ? ['--preallocation=falloc'] : [];
      await runQemuImg(['resize', '-q', '-f', format, ...room, '--', plainPath(path), `${sizeBytes}`], dataBounds, signal);
    },

    async convert(from, to, { signal, progress }) {
      const argv = ['convert', '-p', '-t', 'writeback', '-O', to.format, ...(to.isPacked ? ['-c'] : []), '-o', to.format === 'vmdk' ? 'subformat=streamOptimized' : preallocation(to.preallocated), '--', chain(from), plainPath(to.path)];
      await runQemuImg(argv, dataBounds, signal, percentOf(progress));
    },

    async createLayer(path, { sizeBytes, below, signal }) {
      // `-u`: what lies below is not opened, so its name is a name only.
      await runQemuImg(['create', '-q', '-u', '-f', 'qcow2', '-b', below.name, '-F', below.format, '--', plainPath(path), `${sizeBytes}`], dataBounds, signal);
    },

    async commit(top, { signal, progress }) {
      // `-d`: the layer is deleted afterwards, so it is not emptied first.
      await runQemuImg(['commit', '-d', '-p', '-t', 'writeback', '--', chain(top)], dataBounds, signal, percentOf(progress));
    },

    async nameBelow(path, below, signal) {
      await runQemuImg(['rebase', '-u', '-f', 'qcow2', '-b', below.name, '-F', below.format, '--', plainPath(path)], headerBounds, signal);
    },

    async measure(from, to, signal) {
      const output = await runQemuImg(['measure', '--output=json', '-O', to, chain(from)], dataBounds, signal);
      const sizes = measureOutput.parse(JSON.parse(output));
      return { requiredBytes: sizes.required, fullyAllocatedBytes: sizes['fully-allocated'] };
    },

    async check(path, format, signal) {
      if (format === 'raw') return { corruptions: 0, leaks: 0 };
      return checkOutput.parse(JSON.parse(await checkReport(['check', '--output=json', '--', source(path, format)], signal)));
    },
  };
}

async function runQemuImg(argv: string[], bounds: Bounds, signal: AbortSignal, onLine?: (line: string) => void): Promise<string> {
  // Without this glibc reserves 64 MiB of address space for each thread.
  const env = { MALLOC_ARENA_MAX: '1' };
  const { stdout } = await run(['qemu-img', ...argv], { ...bounds, signal, env, ...(onLine && { onLine }) });
  return stdout;
}

/** A check that finds something exits with a code of its own, and still prints its report. */
async function checkReport(argv: string[], signal: AbortSignal): Promise<string> {
  try {
    return await runQemuImg(argv, dataBounds, signal);
  } catch (error) {
    const hasReport = error instanceof ToolError && (error.exitCode === checkExit.corrupt || error.exitCode === checkExit.leaks);
    if (hasReport) return error.stdout;
    throw error;
  }
}

function toImageInfo(format: ImageFormat, output: z.output<typeof infoOutput>): ImageInfo {
  const dataFile = output['format-specific']?.data?.['data-file'];
  return {
    format,
    virtualSizeBytes: output['virtual-size'],
    actualSizeBytes: output['actual-size'],
    ...(output['backing-filename'] !== undefined && { backingFile: output['backing-filename'] }),
    ...(dataFile !== undefined && { dataFile }),
    isEncrypted: output.encrypted ?? false,
  };
}

function preallocation(isPreallocated: boolean): string {
  return `preallocation=${isPreallocated ? 'falloc' : 'off'}`;
}

function plainPath(path: string): string {
  if (!isAbsolute(path) || path.includes('\0')) throw new Error(`not an absolute path: ${path}`);
  return path;
}

function percentOf(progress: (fraction: number) => void): (line: string) => void {
  return (line) => {
    const percent = /\(([\d.]+)\/100%\)/.exec(line)?.[1];
    if (percent !== undefined) progress(Number(percent) / 100);
  };
}

/** The image at `path` and nothing beside it. */
const source = (path: string, format: ImageFormat): string => chain({ path, format });

/** The image with exactly the layers that are named. */
const chain = (image: ImageSource): string => `json:${JSON.stringify(node(image))}`;

function node({ path, format, below, part }: ImageSource): Record<string, unknown> {
  const whole = { driver: 'file', filename: plainPath(path) };
  const file = part ? { driver: 'raw', offset: part.offsetBytes, size: part.sizeBytes, file: whole } : whole;
  return { driver: format, file, ...(format === 'qcow2' || format === 'vmdk' ? { backing: below ? node(below) : null } : {}) };
}
