/**
 * The layers of disks as rows. The database decides which volume lies on which; the files' metadata and headers follow.
 *
 * The leaf is the disk's own row, everything else a row of its own, but for the image of a template at the bottom: that is another disk's leaf, and
 * held for ever as seen from here.
 * A layer is found by who holds it: its id changes when another one
 * is merged away.
 */
import { and, asc, eq } from 'drizzle-orm';
import type { Tx } from '../core/db.ts';
import type { Core } from '../core/services.ts';
import type { ImageSource } from '../world.ts';
import type { ImageDomain } from './backend.ts';
import { type DiskRow, type Disks, toolFormat, volumeOf } from './disks.ts';
import { chainOf, type CollapseStep, type LayerNode, nextCollapse } from './layer-rules.ts';
import { diskLayerTable } from './table.ts';
import type { Volume } from './volume-metadata.ts';

export type LayerRow = typeof diskLayerTable.$inferSelect;

export interface NewLayer {
  volumeId: string;
  /** The layer that it lies on, or the leaf. */
  on: string;
  /** Who keeps what has been the leaf until now; null for nobody. */
  holder: string | null;
}

export type Layers = ReturnType<typeof createLayers>;

export function createLayers({ database, clock }: Pick<Core, 'database' | 'clock'>, disks: Disks) {
  const of = (diskId: string) => database.sql.select().from(diskLayerTable).where(eq(diskLayerTable.diskId, diskId)).orderBy(asc(diskLayerTable.createdAt), asc(diskLayerTable.id)).all();
  const held = (diskId: string, holder: string) => of(diskId).find((layer) => layer.holder === holder);
  const volumes = (disk: DiskRow): Volume[] => [volumeOf(disk), ...of(disk.id).map((layer) => volumeOfLayer(disk, layer))];
  /** The image of a template below it all, as this disk's folder has it. */
  const baseOf = (disk: DiskRow): Volume[] => (disk.baseDiskId === null ? [] : [{ ...volumeOf(disks.require(disk.baseDiskId)), imageId: disk.id }]);
  const nodes = (disk: DiskRow): LayerNode[] => [
    { id: disk.volumeId, parentId: disk.parentId, isHeld: true },
    ...of(disk.id).map(({ id, parentId, holder }) => ({ id, parentId, isHeld: holder !== null })),
    ...baseOf(disk).map(({ volumeId }) => ({ id: volumeId, parentId: null, isHeld: true })),
  ];
  /** The volume of that id, be it the leaf or a layer. */
  const volumeFor = (disk: DiskRow, volumeId: string): Volume => {
    const found = [...volumes(disk), ...baseOf(disk)].find((volume) => volume.volumeId === volumeId);
    if (!found) throw new Error(`the disk ${disk.id} has no layer ${volumeId}`);
    return found;
  };
  const remove = (tx: Tx, id: string) => tx.sql.delete(diskLayerTable).where(eq(diskLayerTable.id, id)).run();

  const activate = (tx: Tx, disk: DiskRow, { layer, holder }: { layer: LayerRow; holder: string | null }) => {
    remove(tx, layer.id);
    const { volumeId, parentId, format, allocation, sizeBytes } = disk;
    tx.sql.insert(diskLayerTable).values({ id: volumeId, diskId: disk.id, parentId, format, allocation, sizeBytes, holder, createdAt: clock.now() }).run();
    return disks.update(tx, disk, { volumeId: layer.id, parentId: layer.parentId, format: layer.format, allocation: layer.allocation, sizeBytes: layer.sizeBytes });
  };

  return {
    of, held, volumes,
    volume: volumeFor,
    next: (disk: DiskRow): CollapseStep | undefined => nextCollapse(nodes(disk)),
    /** A volume with all that lies below it, as tools open it. */
    source(disk: DiskRow, backend: ImageDomain, volumeId = disk.volumeId): ImageSource {
      return chainOf(nodes(disk), volumeId).reverse().reduce<ImageSource | undefined>((below, id) => {
        const volume = volumeFor(disk, id);
        return { path: backend.volumePath(volume), format: toolFormat[volume.format], ...(below && { below }) };
      }, undefined) as ImageSource; // a chain has at least the volume itself
    },
    /** A new layer becomes the leaf. */
    stack(tx: Tx, disk: DiskRow, { volumeId, on, holder }: NewLayer): DiskRow {
      const { sizeBytes } = volumeFor(disk, on);
      const layer = { id: volumeId, diskId: disk.id, parentId: on, format: 'cow', allocation: 'sparse', sizeBytes, holder: null, createdAt: clock.now() } as const;
      return activate(tx, disk, { layer, holder });
    },
    /** A layer becomes the leaf again. */
    activate,
    release(tx: Tx, diskId: string, holder: string): void {
      tx.sql.update(diskLayerTable).set({ holder: null }).where(and(eq(diskLayerTable.diskId, diskId), eq(diskLayerTable.holder, holder))).run();
    },
    remove,
    /** `into` holds what `from` held, and takes its place. */
    merged(tx: Tx, disk: DiskRow, { from, into }: { from: string; into: string }): void {
      const lower = of(disk.id).find(({ id }) => id === into);
      if (!lower) throw new Error(`the disk ${disk.id} has no layer ${into}`);
      if (from === disk.volumeId) {
        remove(tx, into);
        disks.update(tx, disk, { volumeId: into, parentId: lower.parentId, format: lower.format, allocation: lower.allocation });
        return;
      }
      const { holder, sizeBytes } = of(disk.id).find(({ id }) => id === from) ?? lower;
      remove(tx, from);
      tx.sql.update(diskLayerTable).set({ holder, sizeBytes }).where(eq(diskLayerTable.id, into)).run();
      tx.sql.update(diskLayerTable).set({ parentId: into }).where(and(eq(diskLayerTable.diskId, disk.id), eq(diskLayerTable.parentId, from))).run();
      disks.update(tx, disk, { parentId: disk.parentId === from ? into : disk.parentId });
    },
  };
}

function volumeOfLayer(disk: DiskRow, layer: LayerRow): Volume {
  const { parentId: _parent, ...leaf } = volumeOf(disk);
  return {
    ...leaf, volumeId: layer.id, ...(layer.parentId !== null && { parentId: layer.parentId }), role: 'internal',
    format: layer.format, allocation: layer.allocation, sizeBytes: layer.sizeBytes, createdAt: Math.floor(layer.createdAt / 1000),
  };
}
