/** Pools as rows: how many VMs from which template, which VM belongs to which, who has it, and who waits. */
import { and, asc, eq, or, type SQL, sql as raw } from 'drizzle-orm';
import type { Tx } from '../../core/db.ts';
import { Problem } from '../../core/problem.ts';
import type { Core } from '../../core/services.ts';
import { tellable } from '../cloud-init/settings.ts';
import type { Vm } from '../rows.ts';
import { vmPoolMemberTable, vmPoolRequestTable, vmPoolTable } from '../table.ts';

export type PoolRow = typeof vmPoolTable.$inferSelect;
export type PoolMember = typeof vmPoolMemberTable.$inferSelect;
export type Pools = ReturnType<typeof createPools>;

export function createPools({ database, journal, clock }: Pick<Core, 'database' | 'journal' | 'clock'>) {
  const { sql } = database;
  const find = (ref: string): PoolRow | undefined => sql.select().from(vmPoolTable).where(or(eq(vmPoolTable.id, ref), eq(vmPoolTable.name, ref))).get();
  const members = (poolId: string): PoolMember[] => sql.select().from(vmPoolMemberTable).where(eq(vmPoolMemberTable.poolId, poolId)).orderBy(asc(vmPoolMemberTable.number)).all();
  const memberOf = (vmId: string): PoolMember | undefined => sql.select().from(vmPoolMemberTable).where(eq(vmPoolMemberTable.vmId, vmId)).get();
  const requests = (poolId: string) => sql.select().from(vmPoolRequestTable).where(eq(vmPoolRequestTable.poolId, poolId)).orderBy(asc(vmPoolRequestTable.id)).all();
  const note = (tx: Tx, id: string, what: 'created' | 'updated') => {
    const row = find(id);
    journal.site(tx, { kind: 'pool', id, what, after: { ...row, cloudInit: row?.cloudInit ? tellable(row.cloudInit) : null, members: members(id), requests: requests(id).map(({ userId }) => userId) } });
  };
  const setMember = (tx: Tx, { vmId, poolId }: PoolMember, changes: Partial<PoolMember>) => {
    tx.sql.update(vmPoolMemberTable).set(changes).where(eq(vmPoolMemberTable.vmId, vmId)).run();
    note(tx, poolId, 'updated');
  };

  return {
    find, members, memberOf, requests, setMember,
    idColumn: vmPoolTable.id,
    /** Which VM is of which pool. */
    memberLinks: raw`select ${vmPoolMemberTable.vmId} as child, ${vmPoolMemberTable.poolId} as parent from ${vmPoolMemberTable}`,
    list: (visible: SQL | undefined): PoolRow[] => sql.select().from(vmPoolTable).where(and(visible)).orderBy(asc(vmPoolTable.name)).all(),
    ofTemplate: (templateId: string): PoolRow[] => sql.select().from(vmPoolTable).where(eq(vmPoolTable.templateId, templateId)).all(),
    require(ref: string): PoolRow {
      const row = find(ref);
      if (!row) throw new Problem('not-found', `There is no pool "${ref}". It may have been deleted or renamed.`);
      return row;
    },
    requireFreeName(name: string, exceptId?: string): void {
      const holder = find(name);
      if (holder && holder.id !== exceptId) throw new Problem('name-taken', `There is already a pool "${name}". Choose another name.`, { errors: [{ path: 'name', message: 'This name is taken.' }] });
    },
    insert(tx: Tx, row: PoolRow): void {
      tx.sql.insert(vmPoolTable).values(row).run();
      note(tx, row.id, 'created');
    },
    /** A change of the wish by people: the generation grows. */
    edit(tx: Tx, row: PoolRow, changes: Partial<PoolRow>): void {
      tx.sql.update(vmPoolTable).set({ ...changes, generation: row.generation + 1 }).where(eq(vmPoolTable.id, row.id)).run();
      note(tx, row.id, 'updated');
    },
    remove(tx: Tx, { id }: PoolRow): void {
      tx.sql.delete(vmPoolTable).where(eq(vmPoolTable.id, id)).run();
      journal.site(tx, { kind: 'pool', id, what: 'deleted', after: null });
    },
    addMember(tx: Tx, member: PoolMember): void {
      tx.sql.insert(vmPoolMemberTable).values(member).run();
      note(tx, member.poolId, 'updated');
    },
    /** Whoever asks twice keeps the place of the first time. */
    ask(tx: Tx, poolId: string, userId: string): void {
      tx.sql.insert(vmPoolRequestTable).values({ poolId, userId, createdAt: clock.now() }).onConflictDoNothing().run();
      note(tx, poolId, 'updated');
    },
    dropRequest(tx: Tx, poolId: string, userId: string): void {
      tx.sql.delete(vmPoolRequestTable).where(and(eq(vmPoolRequestTable.poolId, poolId), eq(vmPoolRequestTable.userId, userId))).run();
      note(tx, poolId, 'updated');
    },
    /** From here on it is no longer as its template. One that still holds what somebody has written is not started. */
    noteStart(tx: Tx, vm: Pick<Vm, 'id' | 'name'>): void {
      const member = memberOf(vm.id);
      if (member?.isDirty) throw new Problem('wrong-state', `${vm.name} is being made as it was at first. Try again in a few seconds.`);
      if (member) setMember(tx, member, { isDirty: true });
    },
  };
}
