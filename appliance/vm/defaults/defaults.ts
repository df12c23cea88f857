/** What VMs get that have not chosen themselves: a wish of people for all hosts; until somebody says otherwise, the best that the host can give. */
import type { Tx } from '../../core/db.ts';
import type { Core } from '../../core/services.ts';
import type { Hardware } from '../definition/hardware.ts';
import { vmDefaultsTable } from '../table.ts';

export interface VmDefaultsWish {
  cpu: Hardware['cpu'];
}

export interface VmDefaults {
  wanted(): VmDefaultsWish & { generation: number };
  wish(tx: Tx, changes: Partial<VmDefaultsWish>): void;
}

const only = 1;

export function createVmDefaults({ database, journal }: Pick<Core, 'database' | 'journal'>): VmDefaults {
  const wanted = () => {
    const { id: _id, ...row } = database.sql.select().from(vmDefaultsTable).get() ?? { id: only, cpu: 'auto' as const, generation: 0 };
    return row;
  };
  return {
    wanted,
    wish(tx, changes) {
      const before = wanted();
      const row = { ...before, ...changes, id: only, generation: before.generation + 1 };
      tx.sql.insert(vmDefaultsTable).values(row).onConflictDoUpdate({ target: vmDefaultsTable.id, set: row }).run();
      journal.site(tx, { kind: 'vm-defaults', id: 'settings', what: 'updated', after: row });
    },
  };
}
