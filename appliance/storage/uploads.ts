/** Uploads as rows: what has begun, how much of it is safe, and whose it is. One upload for each target. */
import { eq, lt } from 'drizzle-orm';
import type { Tx } from '../core/db.ts';
import type { Core } from '../core/services.ts';
import { uploadTable } from './table.ts';

export type UploadRow = typeof uploadTable.$inferSelect;

export interface Uploads {
  get(id: string): UploadRow | undefined;
  find(target: string): UploadRow | undefined;
  /** Not touched since that time and still receiving. */
  stale(before: number): UploadRow[];
  insert(tx: Tx, row: Omit<UploadRow, 'createdAt' | 'touchedAt'>): UploadRow;
  update(tx: Tx, row: UploadRow, changes: Partial<UploadRow>): UploadRow;
  remove(tx: Tx, row: UploadRow): void;
}

export const diskTarget = (diskId: string) => `disk/${diskId}`;
export const isoTarget = (domainId: string, name: string) => `iso/${domainId}/${name}`;

/** Name under which an upload holds room. */
export const uploadRoom = (upload: Pick<UploadRow, 'id'>) => `upload/${upload.id}`;

export function createUploads({ database, journal, clock }: Core): Uploads {
  const { sql } = database;
  const tell = (tx: Tx, row: UploadRow, what: 'created' | 'updated' | 'deleted') => journal.observed(tx, { kind: row.diskId ? 'disk' : 'iso', id: row.diskId ?? row.name ?? row.id, what: row.diskId ? 'updated' : what });
  return {
    get: (id) => sql.select().from(uploadTable).where(eq(uploadTable.id, id)).get(),
    find: (target) => sql.select().from(uploadTable).where(eq(uploadTable.target, target)).get(),
    stale: (before) => sql.select().from(uploadTable).where(lt(uploadTable.touchedAt, before)).all().filter(({ state }) => state === 'receiving'),
    insert(tx, values) {
      const row = { ...values, createdAt: clock.now(), touchedAt: clock.now() };
      tx.sql.insert(uploadTable).values(row).run();
      tell(tx, row, 'created');
      return row;
    },
    update(tx, row, changes) {
      const after = { ...row, ...changes, touchedAt: clock.now() };
      tx.sql.update(uploadTable).set(after).where(eq(uploadTable.id, row.id)).run();
      tell(tx, row, 'updated');
      return after;
    },
    remove(tx, row) {
      tx.sql.delete(uploadTable).where(eq(uploadTable.id, row.id)).run();
      tell(tx, row, 'deleted');
    },
  };
}
