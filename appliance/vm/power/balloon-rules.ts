/**
 * How memory is lent between guests while the host is short of it. Pure.
 *
 *   short (free below `low`)     guests give, first what they do not use, then down to what is guaranteed to them
 *   between                      nothing moves, so that it does not waver
 *   roomy (free above `enough`)  they get back what they have given, half of the room at a time: what they do with it shows in the next reading
 *
 * Only guests whose driver tells what they use are asked: the others would not follow.
 */
import { GiB, MiB } from '../../core/units.ts';

export interface Borrower {
  id: string;
  /** What it was started with, or has been given since. */
  memoryBytes: number;
  guaranteedBytes: number;
  /** What it has now. */
  currentBytes: number;
  unusedBytes: number | undefined;
}

export interface HostMemory {
  memoryTotalBytes: number;
  memoryUsedBytes: number;
}

/** Smaller changes are not worth the work of the guest. */
const leastChange = 16 * MiB;
/** A guest without any free memory begins to swap. */
const leaveFree = 64 * MiB;

const lowOf = ({ memoryTotalBytes }: HostMemory) => Math.min(4 * GiB, Math.max(256 * MiB, 0.08 * memoryTotalBytes));

/** What each guest is to have that is to have another amount than now. */
export function balloonTargets(host: HostMemory, guests: readonly Borrower[]): { id: string; bytes: number }[] {
  const free = host.memoryTotalBytes - host.memoryUsedBytes;
  const low = lowOf(host);
  const enough = 1.5 * low;
  if (free < low) return changed(guests, take(guests.filter(({ unusedBytes }) => unusedBytes !== undefined), enough - free));
  return free > enough ? changed(guests, giveBack(guests, (free - enough) / 2)) : [];
}

type Amounts = ReadonlyMap<string, number>;

function take(guests: readonly Borrower[], wanted: number): Amounts {
  const takeable = guests.map(({ currentBytes, guaranteedBytes }) => Math.max(0, currentBytes - guaranteedBytes));
  const idle = guests.map(({ unusedBytes = 0 }, index) => Math.min(takeable[index] ?? 0, Math.max(0, unusedBytes - leaveFree)));
  const first = shares(idle, wanted);
  const rest = shares(takeable.map((bytes, index) => bytes - (first[index] ?? 0)), wanted - sum(first));
  return new Map(guests.map(({ id, currentBytes }, index) => [id, currentBytes - (first[index] ?? 0) - (rest[index] ?? 0)]));
}

function giveBack(guests: readonly Borrower[], room: number): Amounts {
  const given = shares(guests.map(({ memoryBytes, currentBytes }) => Math.max(0, memoryBytes - currentBytes)), room);
  return new Map(guests.map(({ id, currentBytes }, index) => [id, currentBytes + (given[index] ?? 0)]));
}

const sum = (amounts: readonly number[]) => amounts.reduce((total, amount) => total + amount, 0);

/** `wanted`, or all there is, from each in proportion to what it has. */
function shares(available: readonly number[], wanted: number): number[] {
  const total = sum(available);
  const part = total > 0 ? Math.min(1, Math.max(0, wanted) / total) : 0;
  return available.map((bytes) => bytes * part);
}

/** Whole MiB; the last bit of what a guest gets back is given however small it is. */
function changed(guests: readonly Borrower[], targets: Amounts): { id: string; bytes: number }[] {
  return guests.flatMap(({ id, memoryBytes, currentBytes }) => {
    const wanted = targets.get(id) ?? currentBytes;
    const bytes = wanted >= memoryBytes ? memoryBytes : Math.floor(wanted / MiB) * MiB;
    const isLast = bytes === memoryBytes && bytes !== currentBytes;
    return isLast || Math.abs(bytes - currentBytes) >= leastChange ? [{ id, bytes }] : [];
  });
}

/** Memory that the host keeps for itself. */
const ownBytes = ({ memoryTotalBytes }: HostMemory) => Math.min(GiB, 0.05 * memoryTotalBytes);

/** How many bytes are missing to guarantee `wanted` beside what is guaranteed to others; 0 if there is room. */
export function missingMemory(host: HostMemory, guaranteedToOthers: number, wanted: number): number {
  return Math.max(0, guaranteedToOthers + wanted + ownBytes(host) - host.memoryTotalBytes);
}
