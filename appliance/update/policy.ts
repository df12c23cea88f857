/** Where updates come from and what is done about them without anybody: a wish of people; by hand until somebody says otherwise. */
import type * as z from 'zod';
import type { Tx } from '../core/db.ts';
import { Problem } from '../core/problem.ts';
import type { Core } from '../core/services.ts';
import type { UpdatePolicy } from './schema.ts';
import { updatePolicyTable } from './table.ts';

export type WantedPolicy = z.output<typeof UpdatePolicy>;

export interface PolicyWish {
  wanted(): WantedPolicy & { generation: number };
  /** Throws a Problem when the whole makes no sense. */
  wish(tx: Tx, changes: Partial<WantedPolicy>): void;
}

const only = 1;
const untold: WantedPolicy = { source: null, install: 'by-hand', window: '02:00-04:00' };

export function createPolicyWish({ database, journal, reconcilers }: Pick<Core, 'database' | 'journal' | 'reconcilers'>, watch: string): PolicyWish {
  const wanted = () => {
    const { id: _id, ...row } = database.sql.select().from(updatePolicyTable).get() ?? { id: only, ...untold, generation: 0 };
    return row;
  };
  return {
    wanted,
    wish(tx, changes) {
      const before = wanted();
      const row = { ...before, ...changes, id: only, generation: before.generation + 1 };
      if (row.install === 'in-window' && row.source === null) throw new Problem('invalid-input', 'Nothing can be installed by itself without an address. Say where updates come from, or leave installing to people.', { errors: [{ path: 'source', message: 'The address of the newest update.' }] });
      tx.sql.insert(updatePolicyTable).values(row).onConflictDoUpdate({ target: updatePolicyTable.id, set: row }).run();
      journal.site(tx, { kind: 'update', id: 'policy', what: 'updated', after: row });
      tx.afterCommit(() => reconcilers.wake(watch));
    },
  };
}
