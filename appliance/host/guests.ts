/**
 * The guests that run on this host, as its power must know them. The slice of VMs stands to the right of this one: it
 * registers itself here. Each verb is the ordinary one of that slice, with its task, its event and its line in the audit trail.
 */
import type { Tx } from '../core/db.ts';

export interface Guest {
  id: string;
  name: string;
  /** On its way down already. */
  isLeaving: boolean;
}

export interface Guests {
  /** Those that run or may run, in the order in which they are shut down. */
  running(): Guest[];
  /** Asks the guest to shut down, if it can be asked now. */
  askDown(tx: Tx, id: string): void;
  /** Ends it at once. */
  end(tx: Tx, id: string): void;
  /** Starts it again if it is down. */
  start(tx: Tx, id: string): void;
}

export const noGuests: Guests = { running: () => [], askDown: () => {}, end: () => {}, start: () => {} };
