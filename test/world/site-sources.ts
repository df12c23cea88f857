/** The simulated places of a site file: sticks that are plugged in and taken out. */
import type { FoundSite, SiteSources } from '../../appliance/world.ts';

export interface SimulatedSources extends SiteSources {
  /** Plugs in a stick with a site file and other files; takes the one before out. */
  plugIn(found: FoundSite | undefined, files?: Record<string, Uint8Array>): void;
  takeOut(): void;
  /** How often a stick was read. */
  reads(): number;
  /** Files that are open now. */
  openFiles(): number;
}

export function createSimulatedSources(): SimulatedSources {
  let stick: { found: FoundSite | undefined; files: Record<string, Uint8Array> } | undefined;
  let change = 0;
  let reads = 0;
  let open = 0;
  return {
    plugIn(found, files = {}) {
      stick = { found, files };
      change += 1;
    },
    takeOut() {
      stick = undefined;
      change += 1;
    },
    reads: () => reads,
    openFiles: () => open,
    fingerprint: async () => `change ${change}`,
    async find() {
      reads += 1;
      return stick?.found && { ...stick.found };
    },
    listFiles: async (ending) => Object.entries(stick?.files ?? {}).filter(([name]) => name.endsWith(ending) && !name.startsWith('.') && !name.includes('/'))
      .map(([name, content]) => ({ source: 'the volume BOTHY (/dev/sdx1)', name, sizeBytes: content.length })),
    async openFile(path) {
      const content = stick?.files[path];
      if (!content) return undefined;
      open += 1;
      return { stream: new Blob([new Uint8Array(content)]).stream(), sizeBytes: content.length, close: async () => { open -= 1; } };
    },
  };
}
