/**
 * Which devices of the host machines are to have (rows, wishes that peers share), and what became of each wish when it was looked at last (in memory:
 * the first look of each life of the service finds it anew).
 */
import { and, asc, eq, sql } from 'drizzle-orm';
import type { Tx } from '../../core/db.ts';
import { newId } from '../../core/id.ts';
import { Problem } from '../../core/problem.ts';
import type { Core } from '../../core/services.ts';
import { vmHostDeviceTable } from '../table.ts';
import type { Verdict } from './rules.ts';
import { mostHostDevices } from './schema.ts';

export type PassRow = typeof vmHostDeviceTable.$inferSelect;

export interface Fault {
  message: string;
  nextStep: string;
}

export interface Passes {
  /** Of a VM, in the order in which they were made. */
  of(vmId: string): PassRow[];
  all(): PassRow[];
  /** Neither the VM's generation nor its journal: who makes the change does that. */
  add(tx: Tx, vm: { id: string; name: string }, rule: string): void;
  remove(tx: Tx, vmId: string, id: string): void;
  /** As it was found last, by the id of the wish. */
  verdicts: ReadonlyMap<string, Verdict>;
  /** What libvirt said when it could not be done, by the id of the wish. */
  faults: Map<string, Fault>;
  found(verdicts: ReadonlyMap<string, Verdict>): void;
}

export function createPasses({ database, clock }: Pick<Core, 'database' | 'clock'>): Passes {
  const select = () => database.sql.select().from(vmHostDeviceTable);
  const of = (vmId: string) => select().where(eq(vmHostDeviceTable.vmId, vmId)).orderBy(asc(vmHostDeviceTable.createdAt), sql`rowid`).all();
  let verdicts: ReadonlyMap<string, Verdict> = new Map();
  return {
    of,
    all: () => select().orderBy(asc(vmHostDeviceTable.createdAt), sql`rowid`).all(),
    add(tx, { id: vmId, name }, rule) {
      const there = of(vmId);
      if (there.some((row) => row.rule === rule)) throw new Problem('in-use', `${name} is to have the device ${rule} already. Name another one.`, { errors: [{ path: 'device', message: 'It is to have this one already.' }] });
      if (there.length >= mostHostDevices) throw new Problem('invalid-input', `A VM can have at most ${mostHostDevices} devices of the host. Take one away first.`);
      tx.sql.insert(vmHostDeviceTable).values({ id: newId<'pass'>(), vmId, rule, createdAt: clock.now() }).run();
    },
    remove(tx, vmId, id) {
      tx.sql.delete(vmHostDeviceTable).where(and(eq(vmHostDeviceTable.vmId, vmId), eq(vmHostDeviceTable.id, id))).run();
    },
    get verdicts() {
      return verdicts;
    },
    faults: new Map(),
    found: (after) => { verdicts = after; },
  };
}
