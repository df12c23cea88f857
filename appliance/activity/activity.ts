/** The activity slice: what happens, what has happened, and who did it. Slices to the right report here. */
import { bind } from '../core/operation.ts';
import type { Outgoing } from '../core/outgoing.ts';
import type { Core, Slice } from '../core/services.ts';
import { type AuditTrail, createAuditTrail } from './audit.ts';
import { destinationOperations } from './destination-operations.ts';
import { createDestinations, type Destinations } from './destinations.ts';
import { createEvents, type Events } from './events.ts';
import { createForwarding } from './forwarding.ts';
import { pruneHistory } from './history.ts';
import { historyOperations } from './history-operations.ts';
import { createHistoryWish } from './history-settings.ts';
import { activityOperations, configList } from './operations.ts';
import { reportOperations } from './report-operations.ts';
import { createSamples, type Samples } from './samples.ts';

export interface Activity extends Slice, Events, Pick<AuditTrail, 'audit'> {
  samples: Samples;
  destinations: Destinations;
  /** Writes what is still being gathered. */
  close(): void;
}

const prunePeriodMs = 3_600_000;
const samplePeriodMs = 60_000;

export function createActivity({ world, ...core }: Core & { world: { outgoing: Outgoing } }): Activity {
  const events = createEvents(core);
  const trail = createAuditTrail(core);
  core.reconcilers.add({ name: 'audit', periodMs: 60_000, run: async () => trail.flush() });
  const history = createHistoryWish(core);
  core.reconcilers.add({ name: 'history', periodMs: prunePeriodMs, run: (signal) => pruneHistory(core, history.wanted(), signal) });
  const samples = createSamples({
    ...core, kept: history.retention,
    onLost: () => core.database.write({ actor: 'system', operation: 'history' }, (tx) => events.event(tx, lostEvent)),
  });
  core.reconcilers.add({ name: 'samples', periodMs: samplePeriodMs, run: (signal) => samples.keepUp(signal) });
  const destinations = createDestinations(core);
  const forwarding = createForwarding({ ...core, destinations, events, outgoing: world.outgoing });
  return {
    ...events, samples, destinations, audit: trail.audit, close: samples.close,
    operations: [...bind(core, activityOperations), ...bind({ ...core, history, samples }, [...historyOperations, configList]), ...bind({ samples, clock: core.clock }, reportOperations), ...bind({ destinations, forwarding, clock: core.clock }, destinationOperations)],
  };
}

const lostEvent = {
  severity: 'warning' as const, code: 'history.lost', message: 'The file of the history of use was damaged and was begun anew. Charts and reports begin now.',
  nextStep: 'Nothing else is affected. If it happens again, look at the disk of this machine.', about: [],
};
