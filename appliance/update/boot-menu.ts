/**
 * The boot menu as systemd-boot reads it: files `bothy_<version>[+<tries left>[-<tries done>]].efi`. Which of them starts next is
 * decided by their names alone: those without tries left come last, then the newest version is first. Pure.
 */
import type { SlotFact } from '../world.ts';
import { compareVersions, versionPattern } from './versions.ts';

export interface MenuEntry {
  file: string;
  version: string;
  /** Absent once the version has come up well. */
  triesLeft?: number;
}

const entryPattern = /^bothy_([^_+]+)(?:\+(\d{1,3})(?:-\d{1,3})?)?\.efi$/;

/** How often a new version may be started before the boot loader gives it up. */
export const triesOfNew = 3;

export function parseEntry(file: string): MenuEntry | undefined {
  const [, version = '', tries] = entryPattern.exec(file) ?? [];
  if (!versionPattern.test(version)) return undefined;
  return { file, version, ...(tries !== undefined && { triesLeft: Number(tries) }) };
}

export const entryFile = (version: string, triesLeft?: number) => `bothy_${version}${triesLeft === undefined ? '' : `+${triesLeft}`}.efi`;

/** In the order in which the boot loader takes them. */
export function sortEntries(entries: readonly MenuEntry[]): MenuEntry[] {
  const isSpent = ({ triesLeft }: MenuEntry) => Number(triesLeft === 0);
  return [...entries].sort((a, b) => isSpent(a) - isSpent(b) || compareVersions(b.version, a.version));
}

export function stateOf(entry: MenuEntry | undefined): SlotFact['state'] {
  if (!entry) return 'written';
  if (entry.triesLeft === undefined) return 'good';
  return entry.triesLeft > 0 ? 'trying' : 'bad';
}

export interface Rename {
  from: string;
  to: string;
}

/** Makes `version` the first: it gets its tries, and a newer one that would come before it loses its own. It comes last, so that a cut leaves a menu that starts. */
export function renamesToArm(entries: readonly MenuEntry[], version: string): Rename[] {
  const newer = entries.filter((entry) => compareVersions(entry.version, version) > 0);
  const own = entries.filter((entry) => entry.version === version);
  return changed([...own.map(({ file }) => ({ from: file, to: entryFile(version, triesOfNew) })), ...newer.map((entry) => ({ from: entry.file, to: entryFile(entry.version, 0) }))]);
}

/** Makes the version that runs the first, and the other one bad. */
export function renamesToDisarm(entries: readonly MenuEntry[], version: string, running: string): Rename[] {
  const own = entries.filter((entry) => entry.version === running);
  const other = entries.filter((entry) => entry.version === version && version !== running);
  return changed([...own.map(({ file }) => ({ from: file, to: entryFile(running) })), ...other.map(({ file }) => ({ from: file, to: entryFile(version, 0) }))]);
}

/** Leaves the version that runs without tries. */
export function renamesToGiveUp(entries: readonly MenuEntry[], running: string): Rename[] {
  return changed(entries.filter(({ version }) => version === running).map(({ file }) => ({ from: file, to: entryFile(running, 0) })));
}

const changed = (renames: Rename[]) => renames.filter(({ from, to }) => from !== to);
