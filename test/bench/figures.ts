/** Figures of a bench: percentiles of a list of times, printed the same way everywhere. */

export interface Figures {
  p50: number;
  p99: number;
  max: number;
}

export function figuresOf(samples: number[]): Figures {
  const sorted = [...samples].sort((left, right) => left - right);
  const at = (fraction: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

export function print(what: string, samples: number[]): void {
  const { p50, p99, max } = figuresOf(samples);
  console.log(`${what}: p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, max ${max.toFixed(1)} ms (n=${samples.length})`);
}

/** Milliseconds that `work` took. */
export async function time(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}
