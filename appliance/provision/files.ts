/** The rows of site files and of promised content. */
import { and, desc, eq, inArray, lt } from 'drizzle-orm';
import type { Tx } from '../core/db.ts';
import { newId } from '../core/id.ts';
import type { Core } from '../core/services.ts';
import type { SiteFault } from './check.ts';
import { siteContentTable, siteFileTable } from './table.ts';

export type SiteFileRow = typeof siteFileTable.$inferSelect;
type SiteContent = typeof siteContentTable.$inferSelect;

export interface NewFile {
  state: SiteFileRow['state'];
  source: string;
  digest: string;
  document: unknown;
  faults: SiteFault[];
  isFound: boolean;
  actor: string;
}

const taken: SiteFileRow['state'][] = ['applying', 'applied', 'failed'];
const standing: SiteFileRow['state'][] = ['refused', 'waiting'];
/** Files kept for the record. */
const mostFiles = 50;

export type SiteFiles = ReturnType<typeof createSiteFiles>;

export function createSiteFiles({ database, journal, clock }: Pick<Core, 'database' | 'journal' | 'clock'>) {
  const { sql } = database;
  const newest = (states: readonly SiteFileRow['state'][]) => sql.select().from(siteFileTable).where(inArray(siteFileTable.state, states)).orderBy(desc(siteFileTable.receivedAt)).limit(1).get();
  const tell = (tx: Tx, id: string, what: 'created' | 'updated') => journal.observed(tx, { kind: 'site-file', id, what });
  return {
    get: (id: string) => sql.select().from(siteFileTable).where(eq(siteFileTable.id, id)).get(),
    /** The last one that was taken: being applied, applied, or failed. */
    current: () => newest(taken),
    /** The last one that did all that it says. */
    applied: () => newest(['applied']),
    /** One that was found and not taken; none once a later one was. */
    found(): SiteFileRow | undefined {
      const found = newest(standing);
      const current = newest(taken);
      return found && (!current || current.receivedAt < found.receivedAt) ? found : undefined;
    },
    seen: (digest: string) => sql.select().from(siteFileTable).where(eq(siteFileTable.digest, digest)).orderBy(desc(siteFileTable.receivedAt)).limit(1).get(),
    insert(tx: Tx, file: NewFile): SiteFileRow {
      // Later than all before, also when the clock was set back: a box whose clock runs ahead gets the right time after its first file.
      const last = newest(siteFileTable.state.enumValues)?.receivedAt ?? 0;
      const row: SiteFileRow = { ...file, id: newId(), task: null, failures: 0, receivedAt: Math.max(clock.now(), last + 1), endedAt: null };
      tx.sql.update(siteFileTable).set({ state: 'passed-over' }).where(inArray(siteFileTable.state, standing)).run();
      tx.sql.insert(siteFileTable).values(row).run();
      const old = tx.sql.select({ at: siteFileTable.receivedAt }).from(siteFileTable).orderBy(desc(siteFileTable.receivedAt)).limit(1).offset(mostFiles).get();
      if (old) tx.sql.delete(siteFileTable).where(and(lt(siteFileTable.receivedAt, old.at), eq(siteFileTable.state, 'passed-over'))).run();
      tell(tx, row.id, 'created');
      return row;
    },
    update(tx: Tx, id: string, changes: Partial<SiteFileRow>): void {
      tx.sql.update(siteFileTable).set(changes).where(eq(siteFileTable.id, id)).run();
      tell(tx, id, 'updated');
    },
    contents: (): SiteContent[] => sql.select().from(siteContentTable).all(),
    noteContent(tx: Tx, disk: string, state: SiteContent['state'], content: SiteContent['content']): void {
      const row = { disk, state, content, at: clock.now() };
      tx.sql.insert(siteContentTable).values(row).onConflictDoUpdate({ target: siteContentTable.disk, set: row }).run();
    },
  };
}
