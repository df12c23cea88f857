/** A whole core on a fresh database in a temporary folder, for tests of any slice: real SQLite, real journal, real tasks. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, systemClock } from '../../appliance/core/clock.ts';
import { type Database, openDatabase } from '../../appliance/core/db.ts';
import { createJournal } from '../../appliance/core/journal.ts';
import { createLocks } from '../../appliance/core/locks.ts';
import { silentLog } from '../../appliance/core/log.ts';
import { createObjects } from '../../appliance/core/objects.ts';
import { createReconcilers } from '../../appliance/core/reconciler.ts';
import type { Core } from '../../appliance/core/services.ts';
import { createTasks, type TaskProbe } from '../../appliance/core/task.ts';
import { migrationsPath } from '../../appliance/paths.ts';

export interface TestCore extends Core {
  database: Database;
  /** The same state folder and database again, as after `kill -9`: nothing of the old core is told. */
  reopen(options?: { probe?: TaskProbe; clock?: Clock }): TestCore;
  close(): Promise<void>;
}

export function openTestCore(options: { probe?: TaskProbe; clock?: Clock; statePath?: string } = {}): TestCore {
  const statePath = options.statePath ?? mkdtempSync(join(tmpdir(), 'bothy-test-'));
  const clock = options.clock ?? systemClock;
  const log = silentLog;
  const database = openDatabase({ file: join(statePath, 'bothy.db'), migrations: migrationsPath });
  const journal = createJournal({ database, clock, log });
  const locks = createLocks();
  const tasks = createTasks({ database, journal, locks, clock, log, ...(options.probe && { probe: options.probe }) });
  const reconcilers = createReconcilers({ clock, log });
  return {
    statePath, clock, log, database, journal, tasks, locks, reconcilers, objects: createObjects(),
    reopen: (next = {}) => openTestCore({ ...next, statePath }),
    async close() {
      await tasks.stop();
      database.close();
      rmSync(statePath, { recursive: true, force: true });
    },
  };
}
