/**
 * Where a rack host keeps what it leaves on the machine: one scratch folder and a few control groups, all under one
 * name that tells their owner, `bothy-rack-<pid>-<start of that process>-<count>`.
 *
 * So several test processes run side by side, and what a killed one left is known by its owner being gone: a pid that
 * came back has another start time. Called by rack-host.ts.
 */
import { mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** A disk, where /tmp may be memory. */
const FOLDER = '/var/tmp';
const PREFIX = 'bothy-rack-';
let count = 0;

export interface Place {
  name: string;
  scratch: string;
}

export function makePlace(): Place {
  const name = `${PREFIX}${process.pid}-${startOf(process.pid)}-${++count}`;
  const scratch = join(FOLDER, name);
  mkdirSync(scratch, { mode: 0o755 });
  return { name, scratch };
}

/** Removes what hosts of processes that no longer exist left behind. */
export function sweepStalePlaces(): void {
  for (const name of readdirSync(FOLDER)) {
    const [, pid, start] = /^bothy-rack-(\d+)-(\d+)-\d+$/.exec(name) ?? [];
    if (pid === undefined || startOf(Number(pid)) === start) continue;
    removePlace({ name, scratch: join(FOLDER, name) });
  }
}

export function removePlace(place: Place): void {
  removeControlGroups(place);
  rmSync(place.scratch, { recursive: true, force: true });
}

/** Only empty groups go: the kernel refuses to remove one that still has a process. */
export function removeControlGroups(place: Place): void {
  let groups: string[];
  try {
    groups = readFileSync(join(place.scratch, 'cgroups'), 'utf8').split('\n').filter(Boolean);
  } catch {
    return;
  }
  for (const group of groups) removeGroup(group);
}

function removeGroup(folder: string): void {
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.isDirectory()) removeGroup(join(folder, entry.name));
    }
    rmdirSync(folder);
  } catch {
    // Gone already, or still in use: the next sweep tries again.
  }
}

/** When a process started, in the kernel's ticks since boot; undefined if there is no such process. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
