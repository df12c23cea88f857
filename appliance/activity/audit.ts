/**
 * The audit trail: who did what, from where, and how it ended. What succeeded is noted in the transaction that did it.
 *
 * Refusals come from anyone who can reach the address, so they must not fill the disk: the first of equal ones is written at
 * once, those that follow within a minute are counted and written as one row by `flush`.
 */
import type { Clock } from '../core/clock.ts';
import type { Database, Tx } from '../core/db.ts';
import { auditTable } from './table.ts';

export interface AuditEntry {
  actor: string;
  from: string;
  operation: string;
  /** Path parameters, such as `{ vm: 'web-1' }`; without any, the `name` or `user` that was given. */
  subject: Record<string, string>;
  /** `ok`, or the type of the problem. */
  outcome: string;
  requestId: string;
}

export interface AuditTrail {
  /** Notes an entry in `tx`, or in a transaction of its own. */
  audit(tx: Tx | null, entry: AuditEntry): void;
  /** Writes the counted refusals whose minute is over. */
  flush(): void;
}

const countingMs = 60_000;
/** Different refusals that are told apart within a minute; further ones are counted without their subject. */
const mostToldApart = 200;

interface Counted {
  entry: AuditEntry;
  until: number;
  count: number;
}

export function createAuditTrail({ database, clock }: { database: Database; clock: Clock }): AuditTrail {
  const counted = new Map<string, Counted>();
  const insert = (tx: Tx, entry: AuditEntry, count: number) => tx.sql.insert(auditTable).values({ ...entry, at: clock.now(), count }).run();
  const write = (work: (tx: Tx) => void) => database.write({ actor: 'system', operation: 'audit' }, work);

  const refuse = (entry: AuditEntry) => {
    const told = counted.size < mostToldApart ? entry : { ...entry, actor: '', from: '', subject: {} };
    const key = JSON.stringify([told.actor, told.from, told.operation, told.subject, told.outcome]);
    const known = counted.get(key);
    if (known && clock.now() < known.until) {
      known.count += 1;
      return;
    }
    write((tx) => insert(tx, told, 1 + (known?.count ?? 0)));
    counted.set(key, { entry: told, until: clock.now() + countingMs, count: 0 });
  };

  return {
    audit(tx, entry) {
      if (tx) insert(tx, entry, 1);
      else if (entry.outcome === 'ok') write((own) => insert(own, entry, 1));
      else refuse(entry);
    },
    flush() {
      const over = [...counted].filter(([, { until }]) => clock.now() >= until);
      for (const [key] of over) counted.delete(key);
      const repeated = over.filter(([, { count }]) => count > 0);
      if (repeated.length > 0) write((tx) => { for (const [, { entry, count }] of repeated) insert(tx, entry, count); });
    },
  };
}
