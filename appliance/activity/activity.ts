/** The activity slice: what happens, what has happened, and who did it. Slices to the right report here. */
import { bind } from '../core/operation.ts';
import type { Core, Slice } from '../core/services.ts';
import { type AuditTrail, createAuditTrail } from './audit.ts';
import { createEvents, type Events } from './events.ts';
import { pruneHistory } from './history.ts';
import { activityOperations } from './operations.ts';

export interface Activity extends Slice, Events, Pick<AuditTrail, 'audit'> {}

const prunePeriodMs = 3_600_000;

export function createActivity(core: Core): Activity {
  const events = createEvents(core);
  const trail = createAuditTrail(core);
  core.reconcilers.add({ name: 'audit', periodMs: 60_000, run: async () => trail.flush() });
  core.reconcilers.add({ name: 'history', periodMs: prunePeriodMs, run: (signal) => pruneHistory(core, signal) });
  return { ...events, audit: trail.audit, operations: bind(core, activityOperations) };
}
