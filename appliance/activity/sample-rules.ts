/**
 * What is sampled, in which steps it is kept, which steps answer a question, and how samples are packed. Pure.
 *
 * Times here are whole seconds. A *slot* is ten seconds; a *frame* is what one minute brought: all series, six slots each.
 */

/** Quantities in their order of storage: `level` is averaged, `rate` is what a counter gained in a second. */
export const quantities = {
  host: { cpuFraction: 'level', memoryUsedBytes: 'level', receivedBytesPerSecond: 'rate', sentBytesPerSecond: 'rate' },
  vm: { cpuFraction: 'rate', memoryUsedBytes: 'level', readBytesPerSecond: 'rate', writtenBytesPerSecond: 'rate', receivedBytesPerSecond: 'rate', sentBytesPerSecond: 'rate' },
  disk: { readBytesPerSecond: 'rate', writtenBytesPerSecond: 'rate', readsPerSecond: 'rate', writesPerSecond: 'rate' },
  nic: { receivedBytesPerSecond: 'rate', sentBytesPerSecond: 'rate' },
  'storage-domain': { usedBytes: 'level', totalBytes: 'level' },
} as const satisfies Record<string, Record<string, 'level' | 'rate'>>;

export type SampleKind = keyof typeof quantities;
export type Quantity<K extends SampleKind> = keyof (typeof quantities)[K] & string;
export const sampleKinds = Object.keys(quantities) as SampleKind[]; // the keys are exactly the union
export const namesOf = (kind: SampleKind): string[] => Object.keys(quantities[kind]);
export const isRate = (kind: SampleKind): boolean[] => Object.values(quantities[kind]).map((how) => how === 'rate');

export const slotSeconds = 10;
export const slotsInFrame = 6;
export const minute = 60;
export const hour = 3_600;
export const day = 86_400;

/** How long each step is kept, in seconds. */
export interface Retention {
  slots: number;
  minutes: number;
  hours: number;
  days: number;
}

export type Tier = keyof Retention;
export const tierSeconds: Record<Tier, number> = { slots: slotSeconds, minutes: minute, hours: hour, days: day };
const tiers: Tier[] = ['slots', 'minutes', 'hours', 'days'];
/** More steps than that are not read for one answer where a coarser tier has the same time. */
const mostSteps = 4_000;

/** The finest tier that still reaches back to `from` and needs no more than `mostSteps`; else the coarsest. */
export function chooseTier({ from, to, now }: { from: number; to: number; now: number }, kept: Retention): Tier {
  return tiers.find((tier) => now - kept[tier] <= from + tierSeconds[tier] && (to - from) / tierSeconds[tier] <= mostSteps) ?? 'days';
}

/** The step of an answer: a whole number of the tier's own, so that no more than `points` are told. */
export function chooseStep({ from, to }: { from: number; to: number }, tier: Tier, points: number): number {
  const own = tierSeconds[tier];
  return own * Math.max(1, Math.ceil((to - from) / own / points));
}

// ---------------------------------------------------------------------------------------------- frames

/**
 * One frame is a row of numbers: for each series its id, how many quantities, then each quantity's six slots (NaN: not known). What comes later
 * in a frame completes what came earlier: a service that was started anew within the minute adds its part.
 */
export function packFrame(series: ReadonlyMap<number, Float32Array>): Float32Array {
  let length = 0;
  for (const values of series.values()) length += 2 + values.length;
  const frame = new Float32Array(length);
  let at = 0;
  for (const [id, values] of series) {
    frame[at] = id;
    frame[at + 1] = values.length / slotsInFrame;
    frame.set(values, at + 2);
    at += 2 + values.length;
  }
  return frame;
}

/** Calls `visit` for those series of a frame. A frame that is cut off ends there. */
export function visitFrame(frame: Float32Array, visit: (id: number, values: Float32Array) => void, only: ReadonlySet<number>): void {
  for (let at = 0; at + 2 <= frame.length; ) {
    const id = frame[at] ?? 0;
    const end = at + 2 + (frame[at + 1] ?? 0) * slotsInFrame;
    if (!(end > at) || end > frame.length) return;
    if (only.has(id)) visit(id, frame.subarray(at + 2, end));
    at = end;
  }
}

export const toBlob = (values: Float32Array): Buffer => Buffer.from(values.buffer, values.byteOffset, values.byteLength);

/** Copies: SQLite gives no promise about where in memory a blob begins. */
export const fromBlob = (blob: Buffer): Float32Array => new Float32Array(new Uint8Array(blob).buffer, 0, Math.floor(blob.length / 4));

// ---------------------------------------------------------------------------------------------- sums

/** Many samples as one: averages weighted by their seconds, and the highest. NaN where nothing is known. */
export interface Sum {
  seconds: number;
  average: number[];
  peak: number[];
}

export function createGather(count: number) {
  const total = new Float64Array(count);
  const weight = new Float64Array(count);
  const peak = new Float64Array(count).fill(Number.NaN);
  let seconds = 0;
  return {
    /** `at` is the place of the quantity. */
    add(at: number, value: number, highest: number, weightSeconds: number): void {
      if (Number.isNaN(value)) return;
      total[at] = (total[at] ?? 0) + value * weightSeconds;
      weight[at] = (weight[at] ?? 0) + weightSeconds;
      if (!(highest <= (peak[at] ?? Number.NaN))) peak[at] = highest;
    },
    lasts(more: number): void {
      seconds += more;
    },
    sum: (): Sum => ({ seconds, average: [...total].map((value, at) => value / (weight[at] ?? 0)), peak: [...peak] }),
  };
}

/** Six slots of each quantity as one minute. */
export function sumOfFrame(values: Float32Array): Sum {
  const count = values.length / slotsInFrame;
  const gather = createGather(count);
  for (let slot = 0; slot < slotsInFrame; slot++) {
    let isKnown = false;
    for (let at = 0; at < count; at++) {
      const value = values[at * slotsInFrame + slot] ?? Number.NaN;
      gather.add(at, value, value, slotSeconds);
      isKnown ||= !Number.isNaN(value);
    }
    if (isKnown) gather.lasts(slotSeconds);
  }
  return gather.sum();
}

/** Lays `later` over `earlier`: what is known of it counts. */
export function complete(earlier: Float32Array | undefined, later: Float32Array): Float32Array {
  if (earlier?.length !== later.length) return later;
  return later.map((value, at) => (Number.isNaN(value) ? (earlier[at] ?? Number.NaN) : value));
}

/** Shares keep four digits, bytes none: what nobody sees is not stored. */
export function rounded(value: number): number | null {
  if (Number.isNaN(value)) return null;
  return value < 10 ? Math.round(value * 10_000) / 10_000 : Math.round(value);
}
