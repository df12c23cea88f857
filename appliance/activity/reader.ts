/** Who reads the change feed: which changes they may know of, by what they may do now and not when the feed was opened. */
import { rightsMark } from '../auth/rights-watch.ts';
import type { Sql } from '../core/db.ts';
import type { Change } from '../core/journal.ts';
import type { Actor, Call } from '../core/operation.ts';
import { maySee } from './lists.ts';
import { permissionToSee } from './rules.ts';

export interface Reader {
  /** Last number seen; undefined for a reader that starts now. */
  since: number | undefined;
  /** Whether the reader may know of it. */
  isSeen(change: Change): boolean;
  /** Asks again who reads: whether they may do the same as when last asked, something else, or are signed in no longer. */
  look(): 'same' | 'otherwise' | 'gone';
  signal: AbortSignal;
}

export function createReader(db: Sql, { actor: first, renew, signal }: Pick<Call, 'actor' | 'renew' | 'signal'>, since: number | undefined): Reader {
  let actor = first;
  let mark = rightsMark(first);
  return {
    since, signal,
    isSeen: (change) => seesChange(db, actor, change),
    look() {
      const now = renew();
      if (!now) return 'gone';
      const before = mark;
      [actor, mark] = [now, rightsMark(now)];
      return mark === before ? 'same' : 'otherwise';
    },
  };
}

/** What is deleted can no longer be asked about, and its id says nothing: who sees some such things learns of it. */
function seesChange(db: Sql, actor: Actor, { kind, id, what }: Change): boolean {
  const permission = permissionToSee(kind);
  if (actor.permissions.has(permission)) return true;
  if (!actor.reach.somewhere(permission)) return false;
  if (kind === 'task' || kind === 'event') return maySee(db, actor, { kind, id }, `${kind}.read`);
  return what === 'deleted' || actor.reach.on(permission, { kind, id });
}
