/** What goes in and out of the verbs of snapshots. */
import * as z from 'zod';
import { nameSchema, refSchema } from '../../core/id.ts';
import { keptStates } from '../kept-rules.ts';
import { Description, VmName, VmRef } from '../schema.ts';

const SnapshotName = nameSchema.meta({ label: 'Name', help: 'What the VM is like now, such as "before the update".' });
const SnapshotDescription = Description.meta({ help: 'What would be lost by going back to it.' });

export const SnapshotCreateInput = VmRef.extend({
  name: SnapshotName, description: SnapshotDescription.default(''),
  memory: z.boolean().default(false).meta({ label: 'With its memory', help: 'Of a VM that runs: whoever goes back to it finds its programs as they are now. The guest stands still while that is written.' }),
});
export const SnapshotRef = VmRef.extend({ snapshot: refSchema.meta({ label: 'Snapshot' }) });
export const SnapshotPreviewInput = SnapshotRef.extend({
  memory: z.boolean().default(true).meta({ label: 'With its memory', help: 'If the snapshot holds it: at its next start the VM goes on where it stood then. Otherwise it starts as after a power cut.' }),
});
export const SnapshotEditInput = SnapshotRef.extend({ name: SnapshotName.optional(), description: SnapshotDescription.optional() });

export const SnapshotCloneInput = SnapshotRef.extend({ name: VmName.meta({ help: 'Of the new VM.' }), description: Description.default('') });

export const SnapshotOutput = z.object({
  id: z.uuid(),
  name: z.string(),
  description: z.string(),
  /** The snapshot that it follows from; null for a first one. */
  parent: z.uuid().nullable(),
  state: z.enum(keptStates),
  /** What a guest finds that comes up from it: a clean end, file systems that its agent had stilled, or what a power cut leaves. */
  consistency: z.enum(['stopped', 'quiet', 'crash']),
  /** The guest's memory, where that is kept, too: what it takes, and how long the guest stood still for it (null where nobody has seen that). */
  memory: z.object({ bytes: z.int(), heldMs: z.int().nullable() }).nullable(),
  /** The VM stands on it for a try: until that is committed or undone. */
  isPreviewed: z.boolean(),
  vcpus: z.int(),
  memoryBytes: z.int(),
  /** Disks that it goes back with; those that came later stay as they are. */
  disks: z.array(z.object({ id: z.uuid(), name: z.string() })),
  createdAt: z.int(),
});
export const SnapshotListOutput = z.object({
  /** From the first to the latest. */
  items: z.array(SnapshotOutput),
  next: z.null(),
  /** The snapshot that the VM's present state follows from. */
  current: z.uuid().nullable(),
  /** While a snapshot is previewed: what was there before, and comes back when that is undone; else null. */
  beforePreview: z.object({ parent: z.uuid().nullable() }).nullable(),
});
export type SnapshotDetails = z.output<typeof SnapshotOutput>;
