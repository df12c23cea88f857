/** The simulated network: addresses and what lies there. */
import { writeFileSync } from 'node:fs';
import { Problem } from '../../appliance/core/problem.ts';
import type { Downloads } from '../../appliance/world.ts';

export interface SimulatedDownloads extends Downloads {
  offer(url: string, content: Uint8Array): void;
}

export function createSimulatedDownloads(): SimulatedDownloads {
  const offers = new Map<string, Uint8Array>();
  const find = (url: string) => {
    const content = offers.get(url);
    if (content) return content;
    throw new Problem('unavailable', `${new URL(url).host} answers 404: there is no such file for us. Check the address.`);
  };
  return {
    offer: (url, content) => void offers.set(url, content),
    readBeginning: async ({ url, bytes }) => find(url).subarray(0, bytes),
    async fetch({ url, path, limitBytes, signal, progress }) {
      signal.throwIfAborted();
      const content = find(url);
      if (content.length > limitBytes) throw new Problem('too-large', 'The file is larger than allowed. Check the address.');
      writeFileSync(path, content);
      progress(content.length, content.length);
    },
  };
}
