/**
 * The simulated generaliser: takes away what a test has written where keys would lie, the block at `identityAt` of each disk. It writes in halves, so
 * that what a kill leaves is neither a system with its identity nor one without.
 */
import { open } from 'node:fs/promises';
import { headerBytes } from '../../appliance/storage/image-header.ts';
import type { Generaliser } from '../../appliance/world.ts';

export const identityAt = 7 * 65_536;
const blockBytes = 65_536;

export interface SimulatedGeneraliser extends Generaliser {
  /** As if the package came or went. */
  setInstalled(isInstalled: boolean): void;
  /** Makes the next call fail with this, after the first half. */
  failNext(error: Error): void;
}

export function createSimulatedGeneraliser(): SimulatedGeneraliser {
  let isInstalled = true;
  let failure: Error | undefined;
  return {
    isInstalled: () => isInstalled,
    setInstalled(value) {
      isInstalled = value;
    },
    failNext(error) {
      failure = error;
    },
    async generalise(images, { signal, progress }) {
      for (const half of [0, 1]) {
        signal.throwIfAborted();
        for (const { path, format } of images) {
          await using file = await open(path, 'r+');
          await file.write(Buffer.alloc(blockBytes / 2), 0, blockBytes / 2, (format === 'raw' ? 0 : headerBytes) + identityAt + (half * blockBytes) / 2);
        }
        progress((half + 1) / 2);
        const error = failure;
        failure = undefined;
        if (error) throw error;
      }
    },
  };
}
