/** The rows of networks and what the slice knows about them: read, write, judge who uses them. */
import { asc, eq, or, type SQL } from 'drizzle-orm';
import type { Tx } from '../core/db.ts';
import { newId } from '../core/id.ts';
import { Problem } from '../core/problem.ts';
import type { Core } from '../core/services.ts';
import type { About } from '../core/task.ts';
import { defaultNetwork, type Observed } from './rules.ts';
import { networkFactTable, networkTable } from './table.ts';

export type NetworkRow = typeof networkTable.$inferSelect;
export type FactRow = typeof networkFactTable.$inferSelect;

export interface Usage {
  /** What uses the network of that name. */
  findUsers(network: string): About[];
  /** Whether a vNIC has that address. */
  isMacUsed(mac: string): boolean;
}

export type Networks = ReturnType<typeof createNetworks>;

export function createNetworks({ database, journal, clock }: Core) {
  const { sql } = database;
  const unknown = (name: string): FactRow => ({ name, state: 'inactive', reason: 'It was not looked at yet.', since: clock.now(), bridge: '', subnet: null, isOurs: false });
  const all = (visible?: SQL) => sql.select().from(networkTable).where(visible).orderBy(asc(networkTable.name)).all();
  const find = (ref: string) => sql.select().from(networkTable).where(or(eq(networkTable.id, ref), eq(networkTable.name, ref))).get();
  const facts = () => sql.select().from(networkFactTable).all();
  const factOf = (name: string) => sql.select().from(networkFactTable).where(eq(networkFactTable.name, name)).get() ?? unknown(name);
  const told = (tx: Tx, row: NetworkRow, what: 'created' | 'updated') => journal.site(tx, { kind: 'network', id: row.id, what, after: row });

  return {
    all, find, facts, factOf,
    idColumn: networkTable.id,
    require(ref: string): NetworkRow {
      const row = find(ref);
      if (!row) throw new Problem('not-found', `There is no network "${ref}". ${namesOf(all())}`);
      return row;
    },
    insert(tx: Tx, wish: Pick<NetworkRow, 'name' | 'kind' | 'description' | 'subnet' | 'bridge'>): NetworkRow {
      const row = { ...wish, id: newId<'network'>(), generation: 1, createdAt: clock.now() };
      tx.sql.insert(networkTable).values(row).run();
      told(tx, row, 'created');
      return row;
    },
    update(tx: Tx, row: NetworkRow, change: Partial<Pick<NetworkRow, 'description' | 'bridge'>>): NetworkRow {
      const after = { ...row, ...change, generation: row.generation + 1 };
      tx.sql.update(networkTable).set(after).where(eq(networkTable.id, row.id)).run();
      told(tx, after, 'updated');
      return after;
    },
    delete(tx: Tx, row: NetworkRow): void {
      tx.sql.delete(networkTable).where(eq(networkTable.id, row.id)).run();
      journal.site(tx, { kind: 'network', id: row.id, what: 'deleted', after: null });
    },
    /** Keeps what was observed; tells it only when something changed. */
    observe(row: NetworkRow, observed: Observed): void {
      const before = factOf(row.name);
      const isSame = (['state', 'reason', 'bridge', 'subnet'] as const).every((field) => before[field] === observed[field]);
      if (isSame) return;
      const since = before.state === observed.state ? before.since : clock.now();
      keepFact({ ...before, ...observed, since }, row.id);
    },
    markOurs: (row: NetworkRow) => keepFact({ ...factOf(row.name), isOurs: true }, row.id),
    forget(name: string): void {
      database.write(observing, (tx) => tx.sql.delete(networkFactTable).where(eq(networkFactTable.name, name)).run());
    },
  };

  function keepFact(fact: FactRow, id: string): void {
    database.write(observing, (tx) => {
      tx.sql.insert(networkFactTable).values(fact).onConflictDoUpdate({ target: networkFactTable.name, set: fact }).run();
      journal.observed(tx, { kind: 'network', id, what: 'updated' });
    });
  }
}

const observing = { actor: 'system', operation: 'network.observe' };

function namesOf(rows: NetworkRow[]): string {
  return `There are: ${rows.map(({ name }) => name).join(', ')}.`;
}

/** At the first start: the network that VMs use unless told otherwise. */
export function ensureDefault(networks: Networks, { database }: Core): void {
  if (networks.find(defaultNetwork)) return;
  database.write({ actor: 'system', operation: 'network.create' }, (tx) =>
    networks.insert(tx, { name: defaultNetwork, kind: 'nat', description: 'VMs share the address of the host.', subnet: null, bridge: null }));
}
