/** New layers for the disks of a VM, made beside what is in use: the first half of taking a snapshot and of going back to one. */
import * as z from 'zod';
import { exclusive } from '../../core/locks.ts';
import type { Step } from '../../core/task.ts';
import type { VmServices } from '../services.ts';

/** A disk, and the volume that its new layer gets. */
const layer = z.object({ disk: z.string(), volume: z.string() });
export const layersInput = z.object({ vm: z.string(), snapshot: z.string(), layers: z.array(layer) });
export type LayersInput = z.output<typeof layersInput>;

export const locksOf = (vm: string, disks: string[]) => [exclusive('vm', vm), ...disks.map((disk) => exclusive('image', disk))];

/** Layers that nothing uses yet. One that has come into use is left when this is undone. */
export function makeLayers<M>({ storage }: VmServices, on: (disk: string, input: LayersInput) => string): Step<LayersInput, M> {
  return {
    name: 'Make the layers',
    async do({ input, signal }) {
      for (const { disk, volume } of input.layers) await storage.layers.make(disk, { volumeId: volume, on: on(disk, input), signal });
    },
    async undo({ input }) {
      for (const { disk, volume } of input.layers) if (storage.findDisk(disk)?.volumeId !== volume) await storage.layers.drop(disk, volume);
    },
  };
}
