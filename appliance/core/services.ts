/** The mechanisms that every slice gets; `app.ts` makes them once. */
import type { Clock } from './clock.ts';
import type { Database } from './db.ts';
import type { Journal } from './journal.ts';
import type { Locks } from './locks.ts';
import type { Log } from './log.ts';
import type { Objects } from './objects.ts';
import type { BoundOperation } from './operation.ts';
import type { Reconcilers } from './reconciler.ts';
import type { Tasks } from './task.ts';

export interface Core {
  database: Database;
  journal: Journal;
  objects: Objects;
  tasks: Tasks;
  /** Those that tasks hold, for the few who need one more in the middle of their work. */
  locks: Locks;
  reconcilers: Reconcilers;
  clock: Clock;
  log: Log;
  /** Folder that holds everything this appliance must keep. */
  statePath: string;
}

/** What a slice gives back to `app.ts`: its verbs. Its tasks and reconcilers it has registered with the core. */
export interface Slice {
  operations: BoundOperation[];
}
