/** The simulated network: addresses and what lies there. */
import { writeFileSync } from 'node:fs';
import { Problem } from '../../appliance/core/problem.ts';
import type { Downloads } from '../../appliance/world.ts';

export interface SimulatedDownloads extends Downloads {
  offer(url: string, content: Uint8Array): void;
}

export function createSimulatedDownloads(): SimulatedDownloads {
  const offers = new Map<string, Uint8Array>();
  return {
    offer: (url, content) => void offers.set(url, content),
    async fetch({ url, path, limitBytes, signal, progress }) {
      signal.throwIfAborted();
      const content = offers.get(url);
      if (!content) throw new Problem('unavailable', `${new URL(url).host} answers 404: there is no such file for us. Check the address.`);
      if (content.length > limitBytes) throw new Problem('too-large', 'The file is larger than allowed. Check the address.');
      writeFileSync(path, content);
      progress(content.length, content.length);
    },
  };
}
