/**
 * The real slots. Looking is reading: the kernel's command line, the names of partitions as udev knows them, the boot menu in the EFI system
 * partition. Changing is done by systemd's own tools, started as units of their own through `systemd-run`: they need more rights than
 * the service has, and a kill of the service must not leave one half-way beside its second life, so each unit has one name and an
 * earlier one is ended first.
 *
 * systemd-sysupdate's two transfers (image/rootfs/usr/lib/sysupdate.d) are run one at a time: the root file system when an update is
 * installed, the kernel, which makes it startable, when it is switched to. A power cut in between changes nothing.
 */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { arch } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import { run } from '../core/run.ts';
import type { SlotFact, SlotFacts, Slots } from '../world.ts';
import { type MenuEntry, parseEntry, type Rename, renamesToArm, renamesToDisarm, renamesToGiveUp, sortEntries, stateOf } from './boot-menu.ts';

const architectures: Record<string, string> = { x64: 'x86_64', arm64: 'aarch64' };
const rootPattern = /(?:^|\s)root=PARTLABEL=bothy_(\S+)/;
const minute = 60_000;

export interface SlotOptions {
  stagingPath: string;
  /** Where /proc, /sys and /usr are found, and whether this is the root: another folder in tests. */
  root?: string;
}

export function createSlots({ stagingPath, root = '/' }: SlotOptions): Slots {
  const espPath = espFinder();
  const place = { root, stagingPath, espPath };
  const menu = async () => readMenu(await espPath());
  const rename = async (renames: readonly Rename[], signal: AbortSignal) => renameEntries(join(await espPath(), menuFolder), renames, signal);
  return {
    stagingPath,
    facts: () => readFacts(place),
    async write(version, signal) {
      await transfer(place, { name: 'root', version, signal });
    },
    async arm(version, signal) {
      if (!(await menu()).some((entry) => entry.version === version)) await transfer(place, { name: 'uki', version, signal });
      await rename(renamesToArm(await menu(), version), signal);
      const [first] = sortEntries(await menu());
      if (first?.version !== version) throw new Error(`the boot menu begins with ${first?.file ?? 'nothing'}`);
    },
    async disarm(version, signal) {
      const { running } = await readFacts(place);
      await rename(renamesToDisarm(await menu(), version, running), signal);
    },
    async giveUp(signal) {
      const { running } = await readFacts(place);
      await rename(renamesToGiveUp(await menu(), running), signal);
    },
  };
}

interface Place {
  root: string;
  stagingPath: string;
  espPath(): Promise<string>;
}

// ------------------------------------------------------------------------------------------------ looking

async function readFacts({ root, espPath }: Place): Promise<SlotFacts> {
  const read = (path: string) => readFile(join(root, path), 'utf8').catch(() => '');
  const running = rootPattern.exec(await read('proc/cmdline'))?.[1] ?? '';
  const machine = { architecture: architectures[arch()] ?? arch() };
  if (running === '') return { ...machine, lack: 'This machine was not started from the host image, so its own package manager keeps it up to date.', running, slotBytes: 0, slots: [] };
  const partitions = await readPartitions(running);
  const entries = await readMenu(await espPath());
  const named = partitions.flatMap(({ name }) => /^bothy_(.+)$/.exec(name)?.[1] ?? []);
  const slots = named.map((version): SlotFact => ({ version, state: stateOf(entries.find((entry) => entry.version === version)), isRunning: version === running }));
  const sizes = partitions.map(({ sizeBytes }) => sizeBytes);
  const lack = sizes.length < 2 ? 'This disk has only one slot for the system. Make it anew from the image of the appliance to take updates.' : '';
  return { ...machine, lack, running, slotBytes: Math.min(...sizes), slots };
}

interface Partition {
  name: string;
  sizeBytes: number;
}

const Listing = z.object({ blockdevices: z.array(z.object({ partlabel: z.string().nullable(), size: z.number(), pkname: z.string().nullable(), mountpoints: z.array(z.string().nullable()) })) });

/**
 * The slots of the disk that the root is on; another disk may hold an image, too. Asked of udev, through lsblk: a name in /sys is that of the
 * time when the kernel read the table, which it cannot read again while the root is mounted.
 */
async function readPartitions(running: string): Promise<Partition[]> {
  const { stdout } = await run(['lsblk', '--json', '--bytes', '--list', '--output', 'PARTLABEL,SIZE,PKNAME,MOUNTPOINTS'], { timeoutMs: minute });
  const all = Listing.parse(JSON.parse(stdout)).blockdevices;
  const own = all.filter(({ partlabel }) => partlabel === `bothy_${running}`);
  const disk = (own.find(({ mountpoints }) => mountpoints.includes('/')) ?? own[0])?.pkname;
  const slots = all.filter(({ partlabel, pkname }) => pkname === disk && /^(_empty|bothy_.+)$/.test(partlabel ?? ''));
  return slots.map(({ partlabel, size }) => ({ name: partlabel ?? '', sizeBytes: size }));
}

/** Where the EFI system partition is mounted: asked once, it stays there. */
function espFinder(): () => Promise<string> {
  let esp: string | undefined;
  return async () => {
    esp ??= (await run(['bootctl', '--print-esp-path'], { timeoutMs: minute })).stdout.trim();
    return esp;
  };
}

const menuFolder = 'EFI/Linux';

async function readMenu(esp: string): Promise<MenuEntry[]> {
  return (await readdir(join(esp, menuFolder))).flatMap((file) => parseEntry(file) ?? []);
}

// ------------------------------------------------------------------------------------------------ changing

/** Runs a program of systemd's as a unit of its own, and waits for its end. */
async function runApart(argv: string[], { signal, timeoutMs }: { signal: AbortSignal; timeoutMs: number }): Promise<void> {
  const unit = 'bothy-slots.service';
  await run(['systemctl', 'stop', unit], { timeoutMs: minute, signal }).catch(() => {}); // none is left of an earlier life, as a rule
  const options = ['--quiet', '--wait', '--pipe', '--collect', `--unit=${unit}`, '--description=Bothy writes its slots', `--property=RuntimeMaxSec=${timeoutMs / 1000}`];
  await run(['systemd-run', ...options, '--', ...argv], { timeoutMs: timeoutMs + minute, signal });
}

interface Transfer {
  name: 'root' | 'uki';
  version: string;
  signal: AbortSignal;
}

const transferFiles = { root: '10-root.transfer', uki: '20-uki.transfer' };

/** One transfer alone: a folder of its own with only that file. */
async function transfer({ root, stagingPath }: Place, { name, version, signal }: Transfer): Promise<void> {
  const definitions = join(stagingPath, '../transfers', name); // /run is not for the service to write
  const text = await readFile(join(root, 'usr/lib/sysupdate.d', transferFiles[name]), 'utf8');
  await rm(definitions, { recursive: true, force: true });
  await mkdir(definitions, { recursive: true, mode: 0o700 });
  await writeFile(join(definitions, transferFiles[name]), text.replace(/^(\[Source\][^[]*^Path=).*$/m, `$1${stagingPath}`));
  await runApart(['/usr/lib/systemd/systemd-sysupdate', `--definitions=${definitions}`, '--verify=no', 'update', version], { signal, timeoutMs: 20 * minute });
}

async function renameEntries(folder: string, renames: readonly Rename[], signal: AbortSignal): Promise<void> {
  for (const { from, to } of renames) await runApart(['/usr/bin/mv', '-fT', '--', join(folder, from), join(folder, to)], { signal, timeoutMs: minute });
  if (renames.length > 0) await runApart(['/usr/bin/sync', '-f', '--', folder], { signal, timeoutMs: minute });
}
