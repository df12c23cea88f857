/** What goes in and out of the verbs of quotas. */
import * as z from 'zod';
import { MiB, TiB } from '../core/units.ts';
import { quotaModes, quotaParts } from './quota-rules.ts';
export type { QuotaPart } from './quota-rules.ts';
import { holderFields, isOneHolder, oneHolder } from './schema.ts';

const Mode = z.enum(quotaModes).meta({ label: 'Beyond the limit', help: 'Enforced: refused, with what is left. Audit: allowed, and told as an event.' });
const Vcpus = z.int().min(0).max(10_000).nullable().meta({ label: 'Processors', help: 'vCPUs of all VMs together, also of those that are down. Empty for no limit.' });
const MemoryBytes = z.int().min(0).max(1024 * TiB).multipleOf(MiB, 'Whole MiB only.').nullable().meta({ label: 'Memory', unit: 'bytes', help: 'Of all VMs together, also of those that are down. Empty for no limit.' });
const DiskBytes = z.int().min(0).max(1024 * 1024 * TiB).nullable().meta({ label: 'Disks', unit: 'bytes', help: 'Sizes of all disks together, as their guests see them; those of a snapshot count once more. Empty for no limit.' });
const GracePercent = z.int().min(0).max(100).meta({ label: 'Grace', unit: '%', help: 'How far beyond the limit is still allowed, and told as an event.' });

export const QuotaCreateInput = z.object({
  ...holderFields, vcpus: Vcpus.default(null), memoryBytes: MemoryBytes.default(null), diskBytes: DiskBytes.default(null), gracePercent: GracePercent.default(0), mode: Mode.default('enforced'),
}).refine(isOneHolder, oneHolder);
export const QuotaInput = z.object({ quota: z.uuid() });
export const QuotaEditInput = QuotaInput.extend({ vcpus: Vcpus.optional(), memoryBytes: MemoryBytes.optional(), diskBytes: DiskBytes.optional(), gracePercent: GracePercent.optional(), mode: Mode.optional() });

export const QuotaOutput = z.object({
  id: z.uuid(),
  user: z.string().nullable(),
  /** All its members together. */
  group: z.string().nullable(),
  mode: z.enum(quotaModes),
  gracePercent: z.int(),
  /** Limits; null for none. */
  vcpus: z.int().nullable(),
  memoryBytes: z.int().nullable(),
  diskBytes: z.int().nullable(),
  /** What is taken now by what they have made. */
  used: z.object({ vcpus: z.int(), memoryBytes: z.int(), diskBytes: z.int() }),
  /** Of which more is taken than the limit. */
  over: z.array(z.enum(quotaParts)),
  generation: z.int(),
  createdAt: z.int(),
});
export const QuotaPage = z.object({ items: z.array(QuotaOutput), next: z.null() });
