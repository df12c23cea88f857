/**
 * Snapshots as rows: what each keeps of its VM, how they follow from each other, and where the VM stands among them.
 *
 * The content of the disks lies in storage, in layers that are kept in a snapshot's name (`holderOf`).
 */
import { and, asc, eq, or } from 'drizzle-orm';
import type { Tx } from '../../core/db.ts';
import { Problem } from '../../core/problem.ts';
import type { Core } from '../../core/services.ts';
import type { DiskLink, NicRow, Vm, VmRow, VmRows } from '../rows.ts';
import { vmPresentTable, vmSnapshotTable } from '../table.ts';

export type SnapshotRow = typeof vmSnapshotTable.$inferSelect;

/** What a VM is made of beside its name and what it is for. */
type Kept = Omit<VmRow, 'id' | 'name' | 'description' | 'autostart' | 'startup' | 'generation' | 'createdAt'>;

export interface KeptConfig {
  hardware: Kept;
  disks: DiskLink[];
  nics: NicRow[];
}

/** Where a VM stood before a preview. */
export interface Before {
  config: KeptConfig;
  snapshotId: string | null;
}

export const holderOf = (snapshotId: string) => `snapshot/${snapshotId}`;
/** Keeps what a VM had before a preview. */
export const previewHolder = (vmId: string) => `preview/${vmId}`;

export type Snapshots = ReturnType<typeof createSnapshots>;

export function createSnapshots({ database, journal, rows }: Pick<Core, 'database' | 'journal'> & { rows: VmRows }) {
  const { sql } = database;
  const of = (vmId: string): SnapshotRow[] => sql.select().from(vmSnapshotTable).where(eq(vmSnapshotTable.vmId, vmId)).orderBy(asc(vmSnapshotTable.createdAt), asc(vmSnapshotTable.id)).all();
  const get = (id: string) => sql.select().from(vmSnapshotTable).where(eq(vmSnapshotTable.id, id)).get();
  const find = (vmId: string, ref: string) => sql.select().from(vmSnapshotTable)
    .where(and(eq(vmSnapshotTable.vmId, vmId), or(eq(vmSnapshotTable.id, ref), eq(vmSnapshotTable.name, ref)))).get();
  const present = (vmId: string) => sql.select().from(vmPresentTable).where(eq(vmPresentTable.vmId, vmId)).get() ?? { vmId, snapshotId: null, before: null };
  const note = (tx: Tx, row: SnapshotRow, what: 'created' | 'updated' | 'deleted', more: object = {}) => {
    journal.site(tx, { kind: 'snapshot', id: row.id, what, after: what === 'deleted' ? null : { ...row, ...more } });
    journal.observed(tx, { kind: 'vm', id: row.vmId, what: 'updated' });
  };
  const update = (tx: Tx, row: SnapshotRow, changes: Partial<SnapshotRow>, more: object = {}) => {
    const after = { ...row, ...changes };
    tx.sql.update(vmSnapshotTable).set(changes).where(eq(vmSnapshotTable.id, row.id)).run();
    note(tx, after, 'updated', more);
    return after;
  };
  const stand = (tx: Tx, vmId: string, place: { snapshotId: string | null; before: Before | null }) => {
    tx.sql.insert(vmPresentTable).values({ vmId, ...place }).onConflictDoUpdate({ target: vmPresentTable.vmId, set: place }).run();
  };

  return {
    of, get, find, present, update, stand,
    /** By id or name among the snapshots of that VM. */
    require(vm: Pick<Vm, 'id' | 'name'>, ref: string): SnapshotRow {
      const row = find(vm.id, ref);
      if (!row) throw new Problem('not-found', `${vm.name} has no snapshot "${ref}". It may have been deleted or renamed.`);
      return row;
    },
    requireFreeName(vmId: string, name: string, exceptId?: string): void {
      const holder = of(vmId).find((row) => row.name === name);
      if (!holder || holder.id === exceptId) return;
      throw new Problem('name-taken', `There is already a snapshot "${name}" of this VM. Choose another name.`, { errors: [{ path: 'name', message: 'This name is taken.' }] });
    },
    /** `diskBytes`: sizes of its disks and of its memory at most, which count for who takes it. */
    insert(tx: Tx, row: SnapshotRow, diskBytes: number): void {
      tx.sql.insert(vmSnapshotTable).values(row).run();
      note(tx, row, 'created', { diskBytes });
    },
    /** What followed from it follows from what it followed from. */
    remove(tx: Tx, row: SnapshotRow): void {
      for (const child of of(row.vmId).filter(({ parentId }) => parentId === row.id)) update(tx, child, { parentId: row.parentId });
      const place = present(row.vmId);
      if (place.snapshotId === row.id) stand(tx, row.vmId, { snapshotId: row.parentId, before: place.before });
      tx.sql.delete(vmSnapshotTable).where(eq(vmSnapshotTable.id, row.id)).run();
      note(tx, row, 'deleted');
    },
    /** Its VM is being deleted: all of them go with it. */
    removeAll(tx: Tx, vmId: string): void {
      for (const row of of(vmId)) {
        tx.sql.delete(vmSnapshotTable).where(eq(vmSnapshotTable.id, row.id)).run();
        note(tx, row, 'deleted');
      }
    },
    configOf(vm: Vm): KeptConfig {
      const { id, name: _name, description: _description, autostart: _autostart, startup: _startup, generation: _generation, createdAt: _createdAt, fact: _fact, ...hardware } = vm;
      return { hardware, disks: rows.disks(id), nics: rows.nics(id) };
    },
  };
}
