/** Disks as rows: a disk is an image with a name; its leaf volume is what QEMU opens. */
import { and, asc, eq, gt, inArray, or, type SQL, sql as raw } from 'drizzle-orm';
import type { Tx } from '../core/db.ts';
import { Problem } from '../core/problem.ts';
import type { Core } from '../core/services.ts';
import { type DiskVerb, diskFault } from './rules.ts';
import { diskFactTable, diskTable } from './table.ts';
import { describeDisk, type Volume } from './volume-metadata.ts';

export type DiskRow = typeof diskTable.$inferSelect;

export interface Disks {
  /** In order of name, after that name. */
  list(after?: string, limit?: number, visible?: SQL): DiskRow[];
  /** Columns for what somebody may see: the id of a disk, and which disks lie in which domain. */
  idColumn: typeof diskTable.id;
  domainLinks: SQL;
  /** By id or name. */
  find(ref: string): DiskRow | undefined;
  /** Throws `not-found`. */
  require(ref: string): DiskRow;
  /** As `require`, and throws `wrong-state` unless `verb` may begin now. */
  requireFor(verb: DiskVerb, ref: string): DiskRow;
  /** Throws `name-taken`. */
  requireFreeName(name: string, exceptId?: string): void;
  insert(tx: Tx, row: DiskRow): void;
  /** A change of the wish by people: the generation grows. */
  edit(tx: Tx, row: DiskRow, changes: Partial<DiskRow>): DiskRow;
  /** A change by a task: state, or the volume that holds the content. */
  update(tx: Tx, row: DiskRow, changes: Partial<DiskRow>): DiskRow;
  remove(tx: Tx, row: DiskRow): void;
  /** Disks that lie on one of these images. */
  lyingOn(baseIds: string[]): DiskRow[];
  /** What disks occupy, by id, as last seen. */
  occupied(ids: string[]): Map<string, number>;
  observe(tx: Tx, id: string, occupiedBytes: number): void;
}

export function createDisks({ database, journal }: Core): Disks {
  const { sql } = database;
  const find = (ref: string) => sql.select().from(diskTable).where(or(eq(diskTable.id, ref), eq(diskTable.name, ref))).get();
  const requireDisk = (ref: string) => {
    const row = find(ref);
    if (!row) throw new Problem('not-found', `There is no disk "${ref}". It may have been deleted or renamed.`);
    return row;
  };
  const update = (tx: Tx, row: DiskRow, changes: Partial<DiskRow>) => {
    const after = { ...row, ...changes };
    tx.sql.update(diskTable).set(changes).where(eq(diskTable.id, row.id)).run();
    journal.site(tx, { kind: 'disk', id: row.id, what: 'updated', after });
    return after;
  };
  return {
    list: (after = '', limit = 1000, visible) => sql.select().from(diskTable).where(and(gt(diskTable.name, after), visible)).orderBy(asc(diskTable.name)).limit(limit).all(),
    idColumn: diskTable.id,
    domainLinks: raw`select ${diskTable.id} as child, ${diskTable.domainId} as parent from ${diskTable}`,
    find,
    require: requireDisk,
    requireFor(verb, ref) {
      const row = requireDisk(ref);
      const fault = diskFault(verb, row);
      if (fault) throw new Problem('wrong-state', fault);
      return row;
    },
    requireFreeName(name, exceptId) {
      const row = find(name);
      if (row && row.id !== exceptId) throw new Problem('name-taken', `There is already a disk "${name}". Choose another name.`, { errors: [{ path: 'name', message: 'Choose another name.' }] });
    },
    insert(tx, row) {
      tx.sql.insert(diskTable).values(row).run();
      journal.site(tx, { kind: 'disk', id: row.id, what: 'created', after: row });
    },
    edit: (tx, row, changes) => update(tx, row, { ...changes, generation: row.generation + 1 }),
    update,
    remove(tx, row) {
      tx.sql.delete(diskTable).where(eq(diskTable.id, row.id)).run();
      journal.site(tx, { kind: 'disk', id: row.id, what: 'deleted', after: null });
    },
    lyingOn: (baseIds) => sql.select().from(diskTable).where(inArray(diskTable.baseDiskId, baseIds)).orderBy(asc(diskTable.name)).all(),
    occupied(ids) {
      const rows = sql.select().from(diskFactTable).where(inArray(diskFactTable.diskId, ids)).all();
      return new Map(rows.map((row) => [row.diskId, row.occupiedBytes]));
    },
    observe(tx, diskId, occupiedBytes) {
      tx.sql.insert(diskFactTable).values({ diskId, occupiedBytes }).onConflictDoUpdate({ target: diskFactTable.diskId, set: { occupiedBytes } }).run();
      journal.observed(tx, { kind: 'disk', id: diskId, what: 'updated' });
    },
  };
}

/** The disk's leaf as its domain keeps it. */
export function volumeOf(disk: DiskRow): Volume {
  return {
    domainId: disk.domainId, imageId: disk.id, volumeId: disk.volumeId, ...(disk.parentId !== null && { parentId: disk.parentId }),
    format: disk.format, allocation: disk.allocation, role: disk.state === 'template' ? 'shared' : 'leaf', sizeBytes: disk.sizeBytes, isLegal: true,
    description: describeDisk(disk), createdAt: Math.floor(disk.createdAt / 1000), generation: disk.generation % 1000,
  };
}

/** QEMU's name of a volume's format. */
export const toolFormat = { raw: 'raw', cow: 'qcow2' } as const;
