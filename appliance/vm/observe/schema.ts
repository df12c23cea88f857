/** What goes in and out of the verbs that show readings of a VM: the latest, and the history. */
import * as z from 'zod';
import { namesOf } from '../../activity/sample-rules.ts';
import { samplesInput, samplesOutput } from '../../activity/schema.ts';
import { VmRef } from '../schema.ts';

/** One reading of a running VM. Rates are over the time since the reading before. */
export const StatsSample = z.object({
  at: z.int(),
  /** Of all its processors together, 0 to 1. */
  cpuFraction: z.number(),
  memoryBytes: z.int(),
  /** What the guest uses, where its driver tells. */
  memoryUsedBytes: z.int().nullable(),
  readBytesPerSecond: z.number(),
  writtenBytesPerSecond: z.number(),
  receivedBytesPerSecond: z.number(),
  sentBytesPerSecond: z.number(),
});

export const VmHistoryInput = VmRef.extend({
  of: z.uuid().optional().meta({ label: 'Of', help: 'Id of one of its disks or NICs; without it the VM as a whole.' }),
  ...samplesInput,
});
export const VmHistoryOutput = z.union([samplesOutput(namesOf('vm')), samplesOutput(namesOf('disk')), samplesOutput(namesOf('nic'))]);

export const VmStatsInput = VmRef.extend({
  since: z.coerce.number().int().min(0).default(0).meta({ label: 'Since', help: 'Only readings after this time.' }),
});

export const VmStatsOutput = z.object({
  items: z.array(StatsSample),
  /** Time of the oldest reading that is kept; what a reader holds from before it belongs to an earlier run of the VM, or is too old. */
  since: z.int().nullable(),
});
export type StatsReading = z.output<typeof StatsSample>;
