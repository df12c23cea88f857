/** A file system of the simulated World: as large and as full as a test says. */
import { ToolError } from '../../appliance/core/run.ts';
import { GiB } from '../../appliance/core/units.ts';
import type { DiskSpace } from '../../appliance/world.ts';

export interface SimulatedDisk extends DiskSpace {
  setFree(freeBytes: number): void;
  /** Makes every look at it fail, as when the storage is gone; `undefined` brings it back. */
  setFault(fault: Error | undefined): void;
  /** What a tool meets that writes `sizeBytes`: nothing, or its own "No space left on device". */
  requireRoom(argv: string[], sizeBytes: number): void;
}

export function createSimulatedDisk(totalBytes = 100 * GiB): SimulatedDisk {
  let free = totalBytes;
  let fault: Error | undefined;
  return {
    setFree: (bytes) => { free = bytes; },
    setFault: (error) => { fault = error; },
    async capacity() {
      if (fault) throw fault;
      return { totalBytes, freeBytes: free };
    },
    requireRoom(argv, sizeBytes) {
      if (sizeBytes <= free) return;
      const stderr = `${argv[0]}: error while writing: No space left on device\n`;
      throw new ToolError(argv, 'exit', { exitCode: 1, killedBy: null, stdout: '', stderr });
    },
  };
}
