/**
 * Facts: what this host has seen of its VMs. The only writer of `vm_fact`.
 *
 * Whatever is seen, by event, by reconcile or by a task's last step, goes through `nextFact`; a change is written, put in the
 * change feed and told as an event in one commit. `changedAt` lets a reconcile that has looked earlier step back behind
 * what was seen later.
 */
import { eq } from 'drizzle-orm';
import type { Activity } from '../../activity/activity.ts';
import type { Origin, Tx } from '../../core/db.ts';
import type { Core } from '../../core/services.ts';
import { eventOf } from '../explanations.ts';
import type { Vm, VmRows } from '../rows.ts';
import { type Fact, nextFact, type Seen } from '../rules.ts';
import { vmFactTable } from '../table.ts';

/** Changes that nobody asked for are the appliance's own. */
export const observerOrigin: Origin = { actor: 'system', operation: 'vm.observe' };

type FactValues = Partial<typeof vmFactTable.$inferInsert>;

export interface Facts {
  /** Writes what follows from `seen`, if anything. Returns the new fact when it changed. */
  observe(vmId: string, seen: Seen): Fact | undefined;
  /** Puts the VM in a state that the caller knows; tells the event that belongs to it. */
  enter(tx: Tx, vmId: string, state: Fact['state'], reason: string, values?: FactValues): void;
  /** Other columns: what runs, the agent, the deletion mark. */
  note(tx: Tx, vmId: string, values: FactValues): void;
  /** Counts the changes of all facts in this process; `changedAt` is the count at that VM's last one. */
  mark(): number;
  changedAt(vmId: string): number;
}

export interface FactServices extends Pick<Core, 'database' | 'journal' | 'clock'> {
  rows: VmRows;
  activity: Pick<Activity, 'event' | 'settle'>;
  /** In the commit in which a VM has become down. */
  whenDown(tx: Tx, vmId: string): void;
}

/** Pauses that last until somebody or something ends them. */
const isTrouble = ({ state, reason }: Fact) => state === 'paused' && reason !== 'user';

export function createFacts({ database, journal, clock, rows, activity, whenDown }: FactServices): Facts {
  const changes = new Map<string, number>();
  let count = 0;

  const note = (tx: Tx, vmId: string, values: FactValues) => {
    tx.sql.update(vmFactTable).set(values).where(eq(vmFactTable.vmId, vmId)).run();
    journal.observed(tx, { kind: 'vm', id: vmId, what: 'updated' });
    count += 1;
    changes.set(vmId, count);
  };
  const tell = (tx: Tx, { id, name, fact }: Vm, after: Fact) => {
    const about = [{ kind: 'vm', id, name }];
    if (isTrouble(fact) && (after.state !== fact.state || after.reason !== fact.reason)) activity.settle(tx, `vm.paused-${fact.reason}`, [id]);
    const text = eventOf(name, fact, after);
    if (text) activity.event(tx, { ...text, about, isStanding: isTrouble(after) });
  };
  const write = (tx: Tx, vm: Vm, after: Fact, values: FactValues = {}) => {
    const isGone = (after.state === 'down' || after.state === 'saved') && vm.fact.state !== after.state;
    // Discarded, or found running: somebody else has used it up.
    const isUsedUp = vm.fact.state === 'saved' && after.state !== 'saved' && after.state !== 'powering-up';
    const isNew = after.state === 'up' && (vm.fact.state === 'down' || vm.fact.state === 'powering-up');
    note(tx, vm.id, { ...after, said: '', ...(isGone && { running: null, hasAgent: false, startedAt: null, heldFrom: null }), ...(isNew && { startedAt: clock.now() }), ...(isUsedUp && { saved: null }), ...values });
    tell(tx, vm, after);
    if (isGone && after.state === 'down') whenDown(tx, vm.id);
  };

  return {
    note,
    mark: () => count,
    changedAt: (vmId) => changes.get(vmId) ?? 0,
    observe(vmId, seen) {
      const vm = rows.find(vmId);
      if (!vm) return undefined;
      // It is let go on in a moment, and then is what it was.
      if (vm.fact.heldFrom !== null && seen.domain?.state === 'paused') return undefined;
      const before: Fact = { state: vm.fact.state, reason: vm.fact.reason, since: vm.fact.since };
      const after = nextFact(before, seen, clock.now());
      if (after === before) return undefined;
      database.write(observerOrigin, (tx) => write(tx, vm, after));
      return after;
    },
    enter(tx, vmId, state, reason, values = {}) {
      const vm = rows.find(vmId);
      if (!vm) return;
      const isSame = vm.fact.state === state && vm.fact.reason === reason;
      if (isSame) return Object.keys(values).length > 0 ? note(tx, vmId, values) : undefined;
      write(tx, vm, { state, reason, since: state === vm.fact.state ? vm.fact.since : clock.now() }, values);
    },
  };
}
