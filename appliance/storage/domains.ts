/**
 * Storage domains as rows, and each row's backend. What the last look found is kept beside the wish: a domain is active while
 * its metadata can be read and its place written (`reconcile.ts` looks).
 */
import { resolve } from 'node:path';
import { and, asc, eq, gt, or, type SQL } from 'drizzle-orm';
import type { Tx } from '../core/db.ts';
import { Problem } from '../core/problem.ts';
import type { Core } from '../core/services.ts';
import type { DiskSpace } from '../world.ts';
import type { FileDomain, ImageDomain, StorageDomain } from './backend.ts';
import { openImageDomain, openIsoDomain } from './file-domain.ts';
import { storageDomainFactTable, storageDomainTable } from './table.ts';

export type DomainRow = typeof storageDomainTable.$inferSelect;
export type DomainFact = typeof storageDomainFactTable.$inferSelect;

export interface Domains {
  list(after?: string, limit?: number, visible?: SQL): DomainRow[];
  idColumn: typeof storageDomainTable.id;
  /** By id or name. */
  find(ref: string): DomainRow | undefined;
  /** Throws `not-found`. */
  require(ref: string): DomainRow;
  /** As `require`, and throws `wrong-state` unless it is of that kind. */
  requireKind(ref: string, kind: DomainRow['kind']): DomainRow;
  fact(id: string): DomainFact | undefined;
  /** The domain's folder; throws `unavailable` when the last look found it inactive. */
  requireActive(domain: DomainRow): StorageDomain;
  images(domain: DomainRow): ImageDomain;
  files(domain: DomainRow): FileDomain;
  folder(domain: Pick<DomainRow, 'folder'>): string;
  insert(tx: Tx, row: DomainRow): void;
  update(tx: Tx, row: DomainRow, changes: Partial<DomainRow>): DomainRow;
  observe(tx: Tx, fact: DomainFact): void;
}

export function createDomains({ database, journal, statePath, disk }: Core & { disk: DiskSpace }): Domains {
  const { sql } = database;
  const folder = (domain: Pick<DomainRow, 'folder'>) => resolve(statePath, domain.folder);
  const place = (domain: DomainRow) => ({ folder: folder(domain), id: domain.id, disk });
  const find = (ref: string) => sql.select().from(storageDomainTable).where(or(eq(storageDomainTable.id, ref), eq(storageDomainTable.name, ref))).get();
  const fact = (id: string) => sql.select().from(storageDomainFactTable).where(eq(storageDomainFactTable.domainId, id)).get();
  const requireDomain = (ref: string) => {
    const row = find(ref);
    if (!row) throw new Problem('not-found', `There is no storage domain "${ref}". It may have been deleted or renamed.`);
    return row;
  };
  const images = (domain: DomainRow) => openImageDomain(place(domain));
  const files = (domain: DomainRow) => openIsoDomain(place(domain));
  return {
    idColumn: storageDomainTable.id,
    list: (after = '', limit = 1000, visible) => sql.select().from(storageDomainTable).where(and(gt(storageDomainTable.name, after), visible)).orderBy(asc(storageDomainTable.name)).limit(limit).all(),
    find,
    require: requireDomain,
    requireKind(ref, kind) {
      const row = requireDomain(ref);
      if (row.kind !== kind) throw new Problem('wrong-state', `The storage domain "${row.name}" holds ${contents[row.kind]}, not ${contents[kind]}. Choose another one.`);
      return row;
    },
    fact,
    requireActive(domain) {
      const { status, reason } = fact(domain.id) ?? { status: 'active', reason: '' };
      if (status === 'inactive') throw new Problem('unavailable', `The storage domain "${domain.name}" is inactive: ${reason} It becomes active by itself when that is mended.`);
      return domain.kind === 'data' ? images(domain) : files(domain);
    },
    images,
    files,
    folder,
    insert(tx, row) {
      tx.sql.insert(storageDomainTable).values(row).run();
      journal.site(tx, { kind: 'storage-domain', id: row.id, what: 'created', after: row });
    },
    update(tx, row, changes) {
      const after = { ...row, ...changes, generation: row.generation + 1 };
      tx.sql.update(storageDomainTable).set(after).where(eq(storageDomainTable.id, row.id)).run();
      journal.site(tx, { kind: 'storage-domain', id: row.id, what: 'updated', after });
      return after;
    },
    observe(tx, row) {
      tx.sql.insert(storageDomainFactTable).values(row).onConflictDoUpdate({ target: storageDomainFactTable.domainId, set: row }).run();
      journal.observed(tx, { kind: 'storage-domain', id: row.domainId, what: 'updated' });
    },
  };
}

const contents: Record<DomainRow['kind'], string> = { data: 'disks', iso: 'installation images' };
