/**
 * The real places of a site file, in order; the first that holds one wins:
 *
 *   1  a volume labelled BOTHY                          bothy-site.yaml
 *   2  any other stick or disc                          bothy-site.yaml
 *   3  the EFI system partition                         bothy-site.yaml or bothy/site.yaml
 *   4  the kernel's command line                        bothy.site=PATH or http(s) URL, with bothy.site.sha256= if one likes
 *   5  QEMU's fw_cfg                                    opt/bothy/site
 *   6  SMBIOS type 11                                   bothy.site=URL or bothy.site.base64=TEXT
 *
 * A place that names a file which cannot be read is told as found with its fault: a typing error must not fall through to
 * another file. On a machine that is not ours, nothing is looked at.
 */
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { networkInterfaces, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { type Clock, systemClock } from '../core/clock.ts';
import { createDownloads } from '../core/download.ts';
import type { CarriedFile, FoundSite, OpenedFile, SiteSources } from '../world.ts';
import { bootFault, parseCommandLine, parseOemStrings } from './boot-arguments.ts';
import { largestFileBytes } from './schema.ts';
import { closeLeftovers, listVolumes, openInside, openVolume, type Volume } from './volumes.ts';

export interface SourceOptions {
  isManaged: boolean;
  clock?: Clock;
  /** Where /proc and /sys lie; other folders for tests. */
  root?: string;
  volumes?: typeof listVolumes;
}

const fileName = 'bothy-site.yaml';
const retryMs = 30_000;

export function createSiteSources({ isManaged, clock = systemClock, root = '/', volumes = listVolumes }: SourceOptions): SiteSources {
  /** A place that names an address and a volume that could not be read are asked again every so often: nobody is there to plug the stick in once more. */
  let [isWaiting, areFilesUnread] = [false, false];
  let areLeftoversClosed = false;
  const listed = async (signal?: AbortSignal) => {
    if (!areLeftoversClosed) await closeLeftovers();
    areLeftoversClosed = true;
    return volumes(signal);
  };
  return {
    async fingerprint() {
      if (!isManaged) return '';
      const marks = (await listed()).map(({ mark }) => mark).join('\n');
      return `${marks}\n${isWaiting || areFilesUnread ? Math.floor(clock.now() / retryMs) : ''}.`;
    },
    async find(signal) {
      if (!isManaged) return undefined;
      const look = await onVolumes(await listed(signal), signal);
      const found = look.found ?? (await byBoot(root, signal));
      isWaiting = look.isUnread || (found !== undefined && 'isTriedAgain' in found);
      return found;
    },
    async openFile(path, signal) {
      if (!isManaged) return undefined;
      for (const volume of await listed(signal)) {
        const opened = await openOn(volume, path, signal);
        if (opened) return opened;
      }
      return undefined;
    },
    async listFiles(ending, signal) {
      if (!isManaged) return [];
      const looks = await Promise.all((await listed(signal)).filter(({ kind }) => kind !== 'esp').map((volume) => listOn(volume, ending, signal).catch(() => undefined)));
      areFilesUnread = looks.includes(undefined);
      return looks.flatMap((files) => files ?? []);
    },
  };
}

interface Look {
  found?: FoundSite;
  /** A volume on the way there did not let itself be read. */
  isUnread: boolean;
}

async function onVolumes(volumes: Volume[], signal: AbortSignal): Promise<Look> {
  let isUnread = false;
  for (const volume of volumes) {
    const source = placeOf(volume);
    const names = volume.kind === 'esp' ? [fileName, 'bothy/site.yaml'] : [fileName];
    const found = await readFrom(volume, names, signal).catch((error: unknown) => {
      isUnread = true;
      return { fault: `It cannot be read: ${error instanceof Error ? error.message : String(error)}. It is tried again.` };
    });
    // A stick that is none of ours may be broken as it likes.
    if (found && ('text' in found || volume.kind === 'label')) return { found: { source, ...found }, isUnread };
  }
  return { isUnread };
}

const placeOf = ({ kind, label, path }: Volume) => `${kind === 'esp' ? 'the EFI system partition' : label ? `the volume ${label}` : 'a volume'} (${path})`;

async function readFrom(volume: Volume, names: string[], signal: AbortSignal): Promise<Pick<FoundSite, 'text' | 'fault'> | undefined> {
  const { folder, close } = await openVolume(volume, signal);
  try {
    for (const name of names) {
      const file = await openInside(folder, name);
      if (!file) continue;
      try {
        return decode(await readFile(file));
      } finally {
        await file.close();
      }
    }
    return undefined;
  } finally {
    await close();
  }
}

function decode(bytes: Uint8Array): Pick<FoundSite, 'text' | 'fault'> {
  if (bytes.length > largestFileBytes) return { fault: 'It is larger than 512 KiB.' };
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch {
    return { fault: 'It is not UTF-8 text.' };
  }
}

/** Of a stranger's stick with a thousand files, the first are enough. */
const mostListed = 20;

/** Hidden files are none: some systems leave `._NAME` beside each. */
async function listOn(volume: Volume, ending: string, signal: AbortSignal): Promise<CarriedFile[]> {
  const { folder, close } = await openVolume(volume, signal);
  try {
    const names = (await readdir(folder)).filter((name) => name.endsWith(ending) && !name.startsWith('.')).sort().slice(0, mostListed);
    const files = await Promise.all(names.map(async (name): Promise<CarriedFile[]> => {
      const file = await openInside(folder, name);
      if (!file) return [];
      try {
        return [{ source: placeOf(volume), name, sizeBytes: (await file.stat()).size }];
      } finally {
        await file.close();
      }
    }));
    return files.flat();
  } finally {
    await close();
  }
}

async function openOn(volume: Volume, path: string, signal: AbortSignal): Promise<OpenedFile | undefined> {
  const opened = await openVolume(volume, signal).catch(() => undefined);
  if (!opened) return undefined;
  const file = await openInside(opened.folder, path).catch(() => undefined);
  if (!file) {
    await opened.close();
    return undefined;
  }
  const { size } = await file.stat();
  const stream = file.createReadStream({ autoClose: false });
  return {
    stream: Readable.toWeb(stream) as ReadableStream<Uint8Array>, // the same type under two names
    sizeBytes: size,
    async close() {
      stream.destroy();
      await file.close().catch(() => {});
      await opened.close();
    },
  };
}

// ---------------------------------------------------------------------------------------------- what the boot names

async function byBoot(root: string, signal: AbortSignal): Promise<FoundSite | undefined> {
  const { site, sha256 } = parseCommandLine(await readFile(join(root, 'proc/cmdline'), 'utf8').catch(() => ''));
  if (site !== undefined) return named('the kernel\'s command line', site, { root, sha256, signal });
  const config = await readFile(join(root, 'sys/firmware/qemu_fw_cfg/by_name/opt/bothy/site/raw')).catch(() => undefined);
  if (config) return { source: 'QEMU fw_cfg', ...decode(config) };
  return bySmbios(root, signal);
}

async function bySmbios(root: string, signal: AbortSignal): Promise<FoundSite | undefined> {
  const entries = join(root, 'sys/firmware/dmi/entries');
  for (const entry of (await readdir(entries).catch(() => [])).filter((name) => name.startsWith('11-')).sort()) {
    const strings = parseOemStrings(await readFile(join(entries, entry, 'raw')).catch(() => Buffer.alloc(0)));
    const text = strings.find((each) => each.startsWith('bothy.site.base64='));
    if (text) return { source: 'SMBIOS', ...decode(Buffer.from(text.slice(text.indexOf('=') + 1), 'base64')) };
    const address = strings.find((each) => each.startsWith('bothy.site='))?.slice('bothy.site='.length);
    if (address) return named('SMBIOS', address, { root, sha256: undefined, signal });
  }
  return undefined;
}

async function named(by: string, place: string, { root, sha256, signal }: { root: string; sha256: string | undefined; signal: AbortSignal }): Promise<FoundSite & { isTriedAgain?: true }> {
  const isAddress = /^https?:/.test(place);
  const source = `${by}: ${isAddress && URL.canParse(place) ? withoutQuery(new URL(place)) : place}`;
  try {
    const bytes = isAddress ? await fetchBytes(place, signal) : await readFile(join(root, place));
    if (sha256 !== undefined && createHash('sha256').update(bytes).digest('hex') !== sha256.toLowerCase()) return { source, fault: 'Its SHA-256 is not the one that stands beside it (bothy.site.sha256=).' };
    return { source, ...decode(bytes) };
  } catch (error) {
    return { source, fault: `It cannot be read: ${error instanceof Error ? error.message : String(error)}${isAddress ? ' It is tried again.' : ''}`, ...(isAddress && { isTriedAgain: true }) };
  }
}

/** What follows a "?" may be a key. */
const withoutQuery = ({ origin, pathname }: URL) => `${origin}${pathname}`;

/** The address comes from whoever starts this machine, so private and link-local servers are as good as any; only we ourselves are not. */
async function fetchBytes(url: string, signal: AbortSignal): Promise<Uint8Array> {
  const own = () => Object.values(networkInterfaces()).flatMap((list) => list?.map(({ address }) => address) ?? []);
  const downloads = createDownloads({ clock: systemClock, faultOf: (address) => bootFault(address, own()), silenceMs: 10_000, pausesMs: [1_000] });
  const path = join(await mkdtemp(join(tmpdir(), 'bothy-site-')), 'site.yaml');
  try {
    await downloads.fetch({ url, path, limitBytes: largestFileBytes, signal, progress: () => {} });
    return await readFile(path);
  } finally {
    await rm(dirname(path), { recursive: true, force: true });
  }
}
