/**
 * The journal and the change feed: how everyone learns what changed.
 *
 * `site` notes a change of a wish (VMs, networks, domains, users): all of one transaction's changes become one journal row
 * in the same commit. `observed` notes a change of a fact or a task: no journal row. Both put one line in the change
 * feed, numbered without gaps in order of commit; after the commit the subscribers are told. A reader resumes with the last
 * number that it has seen; if the feed no longer reaches back so far, it must read everything anew.
 */
import { and, asc, desc, eq, gt, lt, sql } from 'drizzle-orm';
import type { Clock } from './clock.ts';
import type { Database, Tx } from './db.ts';
import { createNotices } from './events.ts';
import type { Log } from './log.ts';
import { changeTable, journalObjectTable, journalTable, type SiteChange } from './table.ts';

export interface Change {
  seq: number;
  at: number;
  kind: string;
  id: string;
  what: 'created' | 'updated' | 'deleted';
}

export interface JournalRow {
  seq: number;
  epoch: number;
  at: number;
  actor: string;
  operation: string;
  changes: SiteChange[];
}

export interface Journal {
  site(tx: Tx, change: SiteChange): void;
  /** Called for each change of a wish in its own transaction: what must follow from it in the same commit. */
  onSite(listener: (tx: Tx, change: SiteChange) => void): void;
  observed(tx: Tx, change: { kind: string; id: string; what: Change['what'] }): void;
  /** Changes after `seq`, oldest first, or `undefined` when the feed no longer reaches back to it. */
  since(seq: number): Change[] | undefined;
  latest(): number;
  /** Journal rows before `seq`, newest first. */
  history(options: { before?: number; limit: number }): JournalRow[];
  subscribe(listener: (change: Change) => void): () => void;
}

/** Changes kept for readers that come back. */
const feedLength = 10_000;

/** A thing that changes twice in one transaction is pointed to once, as it was in the end. */
function pointTo(tx: Tx, seq: number, { kind, id, what, after }: SiteChange): void {
  const last = () => tx.sql.select({ name: journalObjectTable.name }).from(journalObjectTable)
    .where(and(eq(journalObjectTable.objectId, id), eq(journalObjectTable.kind, kind))).orderBy(desc(journalObjectTable.seq)).limit(1).get()?.name;
  const values = { objectId: id, kind, seq, name: nameIn(after) ?? last() ?? null, isGone: what === 'deleted' };
  tx.sql.insert(journalObjectTable).values(values).onConflictDoUpdate({ target: [journalObjectTable.objectId, journalObjectTable.kind, journalObjectTable.seq], set: values }).run();
}

const nameIn = (row: unknown) => (typeof row === 'object' && row !== null && 'name' in row && typeof row.name === 'string' ? row.name : undefined);

export function createJournal({ database, clock, log }: { database: Database; clock: Clock; log: Log }): Journal {
  const notices = createNotices<Change>((error) => log.error('a change listener failed', { error }));
  const pending = new WeakMap<Tx, SiteChange[]>();
  const followers: ((tx: Tx, change: SiteChange) => void)[] = [];

  const feed = (tx: Tx, { kind, id, what }: Pick<Change, 'kind' | 'id' | 'what'>) => {
    const at = clock.now();
    const row = tx.sql.insert(changeTable).values({ at, kind, objectId: id, what }).returning({ seq: changeTable.seq }).get();
    if (row.seq % 100 === 0) tx.sql.delete(changeTable).where(lt(changeTable.seq, row.seq - feedLength)).run();
    tx.afterCommit(() => notices.emit({ seq: row.seq, at, kind, id, what }));
  };

  const append = (tx: Tx, changes: SiteChange[]) => {
    const { actor, operation, requestId } = tx.origin;
    const { seq } = tx.sql.insert(journalTable).values({ epoch: 0, at: clock.now(), actor, operation, requestId, changes }).returning({ seq: journalTable.seq }).get();
    for (const change of changes) pointTo(tx, seq, change);
  };

  return {
    site(tx, change) {
      const changes = pending.get(tx) ?? [];
      if (changes.length === 0) {
        pending.set(tx, changes);
        tx.beforeCommit(() => append(tx, changes));
      }
      changes.push(change);
      feed(tx, change);
      for (const follow of followers) follow(tx, change);
    },
    onSite: (listener) => void followers.push(listener),
    observed: feed,
    since(seq) {
      const oldest = database.sql.select({ seq: changeTable.seq }).from(changeTable).orderBy(asc(changeTable.seq)).limit(1).get();
      if (seq > this.latest() || (oldest && seq < oldest.seq - 1)) return undefined;
      const rows = database.sql.select().from(changeTable).where(gt(changeTable.seq, seq)).orderBy(asc(changeTable.seq)).all();
      return rows.map(({ objectId, ...row }) => ({ ...row, id: objectId }));
    },
    latest: () => database.sql.select({ seq: sql<number>`coalesce(max(${changeTable.seq}), 0)` }).from(changeTable).get()?.seq ?? 0,
    history({ before, limit }) {
      const query = database.sql.select().from(journalTable).orderBy(desc(journalTable.seq)).limit(limit);
      return before === undefined ? query.all() : query.where(lt(journalTable.seq, before)).all();
    },
    subscribe: notices.on,
  };
}
