/**
 * What lasts longer than a request (the change feed, an open console) must not outlive the right to it, nor the session or token that
 * it was asked with. Every change of such things is in the feed of changes; who holds something open asks again then.
 */
import type { Journal } from '../core/journal.ts';
import type { Actor } from '../core/operation.ts';

/** What changes what somebody may do, or ends the credential that they do it with. */
export const rightsKinds: ReadonlySet<string> = new Set(['assignment', 'group', 'role', 'user', 'token', 'session']);

/** Calls `onLost` once, as soon as `isHeld` says no after a change of rights. What it returns ends the watch. */
export function watchRight(journal: Pick<Journal, 'subscribe'>, isHeld: () => boolean, onLost: () => void): () => void {
  const end = journal.subscribe(({ kind }) => {
    if (!rightsKinds.has(kind) || isHeld()) return;
    end();
    onLost();
  });
  return end;
}

/** A word that is the same as long as somebody may do the same. */
export const rightsMark = ({ permissions, reach }: Actor): string => `${[...permissions].sort().join()}\n${reach.held()}`;
