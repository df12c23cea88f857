/** The layers of disks as slices to the right use them: they decide who wants what kept, and say it in their own transactions. */
import type { Tx } from '../core/db.ts';
import { requireNotCopied } from './copying.ts';
import type { DiskRow } from './disks.ts';
import type { LayerRow, NewLayer } from './layers.ts';
import { collapse, type CollapseOptions, dropLayer, layerBytes, makeLayer } from './layer-work.ts';
import { diskKey } from './readers.ts';
import type { StorageServices } from './services.ts';

export type { Merge } from './layer-work.ts';

export interface DiskLayers {
  /** Keeps others from changing the disk until `unlock`. Throws unless it is ready, its domain has room, and nobody reads it. */
  lock(tx: Tx, diskId: string): DiskRow;
  unlock(tx: Tx, diskId: string): void;
  /** The layer of that disk that `holder` keeps. */
  held(diskId: string, holder: string): LayerRow | undefined;
  /** All but the leaf. */
  of(diskId: string): LayerRow[];
  /** Where QEMU finds a volume of the disk. */
  path(diskId: string, volumeId: string): string;
  /** An empty layer on another or on the leaf; nothing uses it until `stack`. Resolves to its path. */
  make(diskId: string, layer: { volumeId: string; on: string; signal: AbortSignal }): Promise<string>;
  drop(diskId: string, volumeId: string): Promise<void>;
  /** What was made becomes the leaf. */
  stack(tx: Tx, diskId: string, layer: NewLayer): void;
  /** What `holder` keeps becomes the leaf; nobody keeps what was it until now: a collapse must follow. */
  goBack(tx: Tx, diskId: string, holder: string): void;
  release(tx: Tx, diskId: string, holder: string): void;
  /** Deletes and merges until each layer is wanted. May be repeated. */
  collapse(diskId: string, options: CollapseOptions): Promise<void>;
  /** The same as a task of its own, which unlocks the disk at its end. */
  startCollapse(tx: Tx, diskId: string): string;
}

export function diskLayers(services: StorageServices): DiskLayers {
  const { disks, domains, layers, space, readers, tasks } = services;
  return {
    lock(tx, diskId) {
      const disk = disks.requireFor('snapshot', diskId);
      readers.requireNone(diskKey(disk.id), `The disk "${disk.name}"`);
      requireNotCopied(services, disk, `The disk "${disk.name}"`);
      space.require(tx.sql, space.recall(domains.require(disk.domainId)), layerBytes);
      return disks.update(tx, disk, { state: 'locked' });
    },
    unlock(tx, diskId) {
      const disk = disks.find(diskId);
      if (disk?.state === 'locked') disks.update(tx, disk, { state: 'ok' });
    },
    held: layers.held,
    of: layers.of,
    path: (diskId, volumeId) => domains.images(domains.require(disks.require(diskId).domainId)).volumePath({ imageId: diskId, volumeId }),
    make: (diskId, layer) => makeLayer(services, diskId, layer),
    drop: (diskId, volumeId) => dropLayer(services, diskId, volumeId),
    stack: (tx, diskId, layer) => void layers.stack(tx, disks.require(diskId), layer),
    goBack(tx, diskId, holder) {
      const layer = layers.held(diskId, holder);
      if (layer) layers.activate(tx, disks.require(diskId), { layer, holder: null });
    },
    release: (tx, diskId, holder) => layers.release(tx, diskId, holder),
    collapse: (diskId, options) => collapse(services, diskId, options),
    startCollapse(tx, diskId) {
      const { id, name } = disks.require(diskId);
      return tasks.start(tx, 'disk.merge', { disk: id }, [{ kind: 'disk', id, name }]);
    },
  };
}
