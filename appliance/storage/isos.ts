/** Installation images as rows: what the folder of an ISO domain holds, as last seen, so that it can be asked without waiting. */
import { and, asc, eq, gt } from 'drizzle-orm';
import type { Tx } from '../core/db.ts';
import { Problem } from '../core/problem.ts';
import type { Core } from '../core/services.ts';
import { isoTable } from './table.ts';

export type IsoRow = typeof isoTable.$inferSelect;

export interface Isos {
  list(domainId: string, after?: string, limit?: number): IsoRow[];
  find(domainId: string, name: string): IsoRow | undefined;
  /** Throws `not-found`, or `wrong-state` while it is being deleted. */
  require(domain: { id: string; name: string }, name: string): IsoRow;
  put(tx: Tx, row: IsoRow): void;
  remove(tx: Tx, row: IsoRow): void;
}

export function createIsos({ database, journal }: Core): Isos {
  const { sql } = database;
  const is = (domainId: string, name: string) => and(eq(isoTable.domainId, domainId), eq(isoTable.name, name));
  const find = (domainId: string, name: string) => sql.select().from(isoTable).where(is(domainId, name)).get();
  return {
    list: (domainId, after = '', limit = 10_000) => sql.select().from(isoTable).where(and(eq(isoTable.domainId, domainId), gt(isoTable.name, after))).orderBy(asc(isoTable.name)).limit(limit).all(),
    find,
    require(domain, name) {
      const row = find(domain.id, name);
      if (!row) throw new Problem('not-found', `The storage domain "${domain.name}" holds no file "${name}". Upload it first.`);
      if (row.state === 'deleting') throw new Problem('wrong-state', `The file "${name}" is being deleted. Choose another one.`);
      return row;
    },
    put(tx, row) {
      const before = find(row.domainId, row.name);
      tx.sql.insert(isoTable).values(row).onConflictDoUpdate({ target: [isoTable.domainId, isoTable.name], set: row }).run();
      journal.observed(tx, { kind: 'iso', id: row.name, what: before ? 'updated' : 'created' });
    },
    remove(tx, row) {
      tx.sql.delete(isoTable).where(is(row.domainId, row.name)).run();
      journal.observed(tx, { kind: 'iso', id: row.name, what: 'deleted' });
    },
  };
}
