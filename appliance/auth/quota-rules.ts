/** How much a quota lets its holders take, and what to say when that is not enough. Pure. */
import { formatBytes } from '../core/units.ts';

/** What is counted of VMs and disks. */
export const quotaParts = ['vcpus', 'memoryBytes', 'diskBytes'] as const;
export type QuotaPart = (typeof quotaParts)[number];
export type Amounts = Record<QuotaPart, number>;

export const nothing: Amounts = { vcpus: 0, memoryBytes: 0, diskBytes: 0 };

/** Limits; null where there is none. */
export type Limits = Record<QuotaPart, number | null>;

export const quotaModes = ['enforced', 'audit'] as const;

/** With the grace: where requests begin to be refused. */
export const ceiling = (limit: number, gracePercent: number): number => Math.floor((limit * (100 + gracePercent)) / 100);

/** The parts of which more is taken than the limit, the grace left aside. */
export const overParts = (limits: Limits, used: Amounts): QuotaPart[] => quotaParts.filter((part) => used[part] > (limits[part] ?? Number.POSITIVE_INFINITY));

/** The parts that were just made larger and are beyond what the grace allows. What shrinks is never refused. */
export function refusedParts(quota: Limits & { gracePercent: number; mode: string }, { used, growth }: { used: Amounts; growth: Amounts }): QuotaPart[] {
  return quota.mode === 'audit' ? [] : quotaParts.filter((part) => {
    const limit = quota[part];
    return limit !== null && growth[part] > 0 && used[part] > ceiling(limit, quota.gracePercent);
  });
}

const words: Record<QuotaPart, (amount: number) => string> = {
  vcpus: (count) => `${count} ${count === 1 ? 'vCPU' : 'vCPUs'}`,
  memoryBytes: (bytes) => `${formatBytes(bytes)} of memory`,
  diskBytes: (bytes) => `${formatBytes(bytes)} of disks`,
};

/** Such as: allows 8 vCPUs (taken: 6 vCPUs, left: 2 vCPUs), and this needs 4 vCPUs. `used` includes the growth. */
export function refusal(part: QuotaPart, { limit, used, growth, gracePercent }: { limit: number; used: number; growth: number; gracePercent: number }): string {
  const before = used - growth;
  const left = Math.max(0, ceiling(limit, gracePercent) - before);
  const grace = gracePercent > 0 ? ` and ${gracePercent} % more for a while` : '';
  return `allows ${words[part](limit)}${grace} (taken: ${words[part](before)}, left: ${words[part](left)}), and this needs ${words[part](growth)}`;
}

/** Things that count. */
export const quotaKinds: ReadonlySet<string> = new Set(['vm', 'disk', 'snapshot']);

/**
 * What such a thing takes, read from its row as the journal has it; `undefined` where the row does not say. A snapshot takes what its layers may come to take: it holds
 * on to what the disks were, beside what they become.
 */
export function amountsOf(kind: string, row: unknown): Amounts | undefined {
  const number = (name: string) => {
    const value = (row as Record<string, unknown> | null)?.[name];
    return typeof value === 'number' ? value : 0;
  };
  if (kind === 'snapshot') return number('diskBytes') > 0 ? { ...nothing, diskBytes: number('diskBytes') } : undefined;
  if (kind === 'vm') return { ...nothing, vcpus: number('vcpus'), memoryBytes: number('memoryBytes') };
  if (kind === 'disk') return { ...nothing, diskBytes: number('sizeBytes') };
  return undefined;
}
