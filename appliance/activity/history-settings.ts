/** How long history is kept: a wish of people; the defaults hold until somebody says otherwise. */
import type * as z from 'zod';
import type { Tx } from '../core/db.ts';
import type { Core } from '../core/services.ts';
import { day, hour, type Retention } from './sample-rules.ts';
import { historyDefaults, type HistorySettings } from './schema.ts';
import { historySettingsTable } from './table.ts';

export type WantedHistory = z.output<typeof HistorySettings>;

export interface HistoryWish {
  wanted(): WantedHistory & { generation: number };
  wish(tx: Tx, changes: Partial<WantedHistory>): void;
  retention(): Retention;
}

const only = 1;
const yearDays = 366;

export function createHistoryWish({ database, journal }: Pick<Core, 'database' | 'journal'>): HistoryWish {
  const wanted = () => {
    const { id: _id, ...row } = database.sql.select().from(historySettingsTable).get() ?? { id: only, ...historyDefaults, generation: 0 };
    return row;
  };
  return {
    wanted,
    retention() {
      const { slotHours, minuteDays, hourDays, dayYears } = wanted();
      return { slots: slotHours * hour, minutes: minuteDays * day, hours: hourDays * day, days: dayYears * yearDays * day };
    },
    wish(tx, changes) {
      const before = wanted();
      const row = { ...before, ...changes, id: only, generation: before.generation + 1 };
      tx.sql.insert(historySettingsTable).values(row).onConflictDoUpdate({ target: historySettingsTable.id, set: row }).run();
      journal.site(tx, { kind: 'history', id: 'settings', what: 'updated', after: row });
    },
  };
}
