/** What an appliance does by itself about a newer version that lies at the address of its policy. Pure. */
import type { SlotFacts } from '../world.ts';
import { switchTarget } from './rules.ts';

const clock = String.raw`(?:[01]\d|2[0-3]):[0-5]\d`;
/** Two times of the day; the second may be on the next one. */
export const windowPattern = new RegExp(`^${clock}-${clock}$`);

const minuteOf = (time: string) => Number(time.slice(0, 2)) * 60 + Number(time.slice(3, 5));

/** `minute` of the day; a window from a time to itself is the whole day. */
export function isInWindow(window: string, minute: number): boolean {
  const [from, to] = [minuteOf(window.slice(0, 5)), minuteOf(window.slice(6))];
  if (from === to) return true;
  return from < to ? minute >= from && minute < to : minute >= from || minute < to;
}

/** Minute of the day at a place. */
export function minuteOfDay(at: number, timeZone: string): number {
  return minuteOf(new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(at));
}

export interface Standing {
  /** A newer version that may be installed here. */
  version: string;
  facts: SlotFacts;
  /** Everything that a switch to it needs is there. */
  isStaged: boolean;
  isWindowOpen: boolean;
  /** It was tried since the address was last looked at. */
  isTried: boolean;
}

export type Move = { do: 'install' | 'switch' } | { waitsFor: string };

/** Nothing is tried again by itself that has failed: neither the version that did not come up, nor one that people have left. */
export function nextMove({ version, facts, isStaged, isWindowOpen, isTried }: Standing): Move {
  const state = facts.slots.find((slot) => slot.version === version)?.state;
  if (state === 'bad') return { waitsFor: `Version ${version} did not come up well before. It is not tried again by itself: try it from here, or wait for a newer one.` };
  if (state === 'good') return { waitsFor: `Version ${version} ran here and was left again. It is not returned to by itself.` };
  if (state !== undefined && isStaged && switchTarget(facts, { isRetry: false })?.version === version) {
    return isWindowOpen ? { do: 'switch' } : { waitsFor: `Version ${version} is installed. The machine restarts into it when the window opens.` };
  }
  return isTried ? { waitsFor: `Version ${version} could not be installed. It is tried again after the next look.` } : { do: 'install' };
}
