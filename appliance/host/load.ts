/**
 * The last hour of the host's load, in memory: a sample every five seconds. Counters become rates here, so that a
 * restart or an overflow of a counter shows as nothing instead of as a peak.
 */
import type { MachineLoad } from '../world.ts';

export interface LoadSample {
  at: number;
  cpuFraction: number;
  memoryUsedBytes: number;
  memoryTotalBytes: number;
  receivedBytesPerSecond: number;
  sentBytesPerSecond: number;
}

export const samplePeriodMs = 5_000;
const mostSamples = 720;

export interface LoadHistory {
  add(at: number, load: MachineLoad): void;
  since(at: number): LoadSample[];
  latest(): { at: number; load: MachineLoad } | undefined;
}

export function createLoadHistory(): LoadHistory {
  const samples: LoadSample[] = [];
  let latest: { at: number; load: MachineLoad } | undefined;
  return {
    latest: () => latest,
    since: (at) => samples.filter((sample) => sample.at > at),
    add(at, load) {
      const seconds = latest ? (at - latest.at) / 1000 : 0;
      const rate = (counter: 'receivedBytes' | 'sentBytes') => (latest && seconds > 0 ? Math.max(0, Math.round((load[counter] - latest.load[counter]) / seconds)) : 0);
      const { cpuFraction, memoryUsedBytes, memoryTotalBytes } = load;
      samples.push({ at, cpuFraction, memoryUsedBytes, memoryTotalBytes, receivedBytesPerSecond: rate('receivedBytes'), sentBytesPerSecond: rate('sentBytes') });
      if (samples.length > mostSamples) samples.shift();
      latest = { at, load };
    },
  };
}
