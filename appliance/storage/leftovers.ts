/**
 * Volumes that nothing refers to: the old content of a disk after an import, old copies that were made for downloads, what a
 * deletion that failed has left. Deleting them is nobody's task: what a kill leaves is found again at the next start.
 */
import { and, eq, lt } from 'drizzle-orm';
import type { DiskRow } from './disks.ts';
import { diskKey } from './readers.ts';
import type { StorageServices } from './services.ts';
import { exportTable } from './table.ts';

const exportLifeMs = 3_600_000;

/** Deletes volumes of a disk that nothing refers to any more. Never throws. */
export async function deleteVolumes({ domains, log }: Pick<StorageServices, 'domains' | 'log'>, disk: DiskRow, volumeIds: string[]): Promise<void> {
  try {
    const backend = domains.images(domains.require(disk.domainId));
    for (const volumeId of volumeIds) await backend.deleteVolume({ imageId: disk.id, volumeId });
  } catch (error) {
    log.warn('left-over volumes were not deleted', { disk: disk.id, volumes: volumeIds, error });
  }
}

/** Deletes what lies beside a disk's leaf and layers and is no copy for a download, unless a task or an upload is at work there. */
export async function deleteLeftovers(services: StorageServices, diskId: string): Promise<void> {
  const { disks, layers, domains, database, tasks } = services;
  const found = disks.find(diskId);
  if (!found) return;
  const volumes = await domains.images(domains.require(found.domainId)).volumes(diskId);
  // Looked at again without waiting in between: whatever begins from here on has volumes of its own.
  const disk = disks.find(diskId);
  if (disk?.state !== 'ok' || tasks.list({ limit: 1, isActive: true, about: diskId }).length > 0) return;
  const kept = new Set(database.sql.select().from(exportTable).where(eq(exportTable.diskId, diskId)).all().map(({ volumeId }) => volumeId)).add(disk.volumeId);
  for (const { id } of layers.of(diskId)) kept.add(id);
  if (disk.baseDiskId !== null) kept.add(disks.require(disk.baseDiskId).volumeId);
  await deleteVolumes(services, disk, volumes.map(({ volumeId }) => volumeId).filter((volumeId) => !kept.has(volumeId)));
}

/** Forgets the copies that nobody has used for an hour, and deletes them. */
export async function deleteOldExports(services: StorageServices): Promise<void> {
  const { database, readers, clock } = services;
  const isOld = and(eq(exportTable.state, 'ok'), lt(exportTable.usedAt, clock.now() - exportLifeMs));
  for (const { volumeId, diskId } of database.sql.select().from(exportTable).where(isOld).all()) {
    if (readers.isReading(diskKey(diskId))) continue;
    database.write({ actor: 'system', operation: 'storage.watch' }, (tx) => tx.sql.delete(exportTable).where(eq(exportTable.volumeId, volumeId)).run());
    await deleteLeftovers(services, diskId);
  }
}
