/** New layers for the disks of a VM, made beside what is in use: the first half of taking a snapshot and of going back to one. */
import * as z from 'zod';
import { exclusive } from '../../core/locks.ts';
import type { Step } from '../../core/task.ts';
import type { VmServices } from '../services.ts';

/** A disk, and the volume that its new layer gets. */
const layer = z.object({ disk: z.string(), volume: z.string() });
/** The file that the guest's memory goes to, and how much of the state folder it may take. */
const memoryWish = z.object({ file: z.string(), bytes: z.number(), wasPaused: z.boolean() });
export const layersInput = z.object({ vm: z.string(), snapshot: z.string(), layers: z.array(layer), memory: memoryWish.optional() });
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

/** What the firmware remembers, kept in a name; of a guest that runs, of the instant at which this is done. */
export function keepVariables<M>({ database, variables }: VmServices, holder: (input: LayersInput) => string): Step<LayersInput, M> {
  return {
    name: 'Keep what its firmware remembers',
    async do({ input, origin }) {
      database.write(origin, (tx) => variables.keep(tx, holder(input), input.vm));
    },
    async undo({ input, origin }) {
      database.write(origin, (tx) => variables.drop(tx, holder(input)));
    },
  };
}

export const diskBytesOf = ({ storage, rows }: VmServices, vmId: string): number =>
  storage.disks(rows.disks(vmId).map(({ diskId }) => diskId)).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
