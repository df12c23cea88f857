/** Decisions of this slice that need nothing but their arguments. */
import type { Change } from '../core/journal.ts';

/** After so long without a notice the same trouble counts as new, unless it stands until it is settled. */
export const forgetTroubleMs = 3_600_000;
/** A notice of a known trouble is written at most this often; of a standing one, which nobody doubts, seldom. */
export const renoticeMs = 60_000;

export interface Trouble {
  lastAt: number;
  message: string;
  isStanding: boolean;
  endedAt: number | null;
}

/** What to do with one more notice of a trouble: a new row, a new count on the known row, or nothing. */
export function judgeNotice(known: Trouble | undefined, notice: { at: number; message: string }): 'insert' | 'update' | 'skip' {
  if (!known || known.endedAt !== null) return 'insert';
  const age = notice.at - known.lastAt;
  if (!known.isStanding && age > forgetTroubleMs) return 'insert';
  const isDue = age >= (known.isStanding ? forgetTroubleMs : renoticeMs);
  return isDue || known.message !== notice.message ? 'update' : 'skip';
}

/** Ids in one order, so that the same things give the same text. */
export function subjectOf(about: { id: string }[]): string {
  return about.map(({ id }) => id).sort().join(' ');
}

/** One entry for each object, in order of its last change: what a reader who has seen none of `changes` needs to know. */
export function coalesce(changes: Change[]): Change[] {
  const byObject = new Map<string, Change>();
  for (const change of changes) {
    const key = `${change.kind}/${change.id}`;
    const earlier = byObject.get(key);
    byObject.delete(key);
    const what = earlier?.what === 'created' && change.what === 'updated' ? 'created' : change.what;
    byObject.set(key, { ...change, what });
  }
  return [...byObject.values()];
}

const readPermissions: Record<string, string> = { history: 'event.read', destination: 'history.edit', 'site-file': 'site.read', 'storage-domain': 'storage.read', token: 'user.read', session: 'user.read', group: 'user.read', role: 'user.read', 'sign-in-rules': 'user.read', totp: 'user.read', assignment: 'access.read' };

/** The permission that lets somebody learn of changes to such things. */
export function permissionToSee(kind: string): string {
  return readPermissions[kind] ?? `${kind}.read`;
}

/** Where a page of a list in descending order of (at, id) goes on. */
export function formatCursor(row: { at: number; id: string | number }): string {
  return `${row.at}~${row.id}`;
}

export function parseCursor(cursor: string): { at: number; id: string } | undefined {
  const match = /^(\d{1,15})~([\w-]{1,40})$/.exec(cursor);
  return match ? { at: Number(match[1]), id: match[2] ?? '' } : undefined;
}
