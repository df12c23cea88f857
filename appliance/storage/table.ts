/**
 * Storage domains and disks are wishes that peers share; what is known of them, uploads and reserved room belong to
 * this host. Sizes are bytes, times are milliseconds since the epoch.
 */
import { type AnySQLiteColumn, index, integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core';
import type { DiskState } from './rules.ts';

export const storageDomainTable = sqliteTable('storage_domain', {
  /** Also the name of its folder. */
  id: text().primaryKey(),
  name: text().notNull().unique(),
  description: text().notNull(),
  kind: text({ enum: ['data', 'iso'] }).notNull(),
  /** What it is made of. */
  type: text({ enum: ['local'] }).notNull(),
  /** The folder that holds it, below the state folder. */
  folder: text().notNull(),
  /** Less free than this share of the whole is low. */
  lowSpacePercent: integer().notNull(),
  /** Room that no new write may take: what lies there grows on it. */
  criticalSpaceBytes: integer().notNull(),
  generation: integer().notNull(),
  createdAt: integer().notNull(),
});

/** What the last look at a domain found. */
export const storageDomainFactTable = sqliteTable('storage_domain_fact', {
  domainId: text().primaryKey().references(() => storageDomainTable.id, { onDelete: 'cascade' }),
  status: text({ enum: ['active', 'inactive'] }).notNull(),
  /** Why it is inactive; empty while it is active. */
  reason: text().notNull(),
  space: text({ enum: ['ok', 'low', 'critical'] }).notNull(),
  totalBytes: integer().notNull(),
  freeBytes: integer().notNull(),
  /** When the status last changed. */
  since: integer().notNull(),
});

export const diskTable = sqliteTable(
  'disk',
  {
    /** Also the id of the image. */
    id: text().primaryKey(),
    name: text().notNull().unique(),
    description: text().notNull(),
    domainId: text().notNull().references(() => storageDomainTable.id),
    /** The leaf of the image's chain. */
    volumeId: text().notNull(),
    /** The layer below the leaf; null while the leaf is all there is. */
    parentId: text(),
    /** The image of a template at the bottom of its chain, in the same domain; it cannot go while this is here. */
    baseDiskId: text().references((): AnySQLiteColumn => diskTable.id),
    /** Of the leaf, as size and allocation are. */
    format: text({ enum: ['raw', 'cow'] }).notNull(),
    allocation: text({ enum: ['sparse', 'preallocated'] }).notNull(),
    sizeBytes: integer().notNull(),
    state: text().$type<DiskState>().notNull(),
    generation: integer().notNull(),
    createdAt: integer().notNull(),
  },
  (table) => [index('disk_by_domain').on(table.domainId), index('disk_by_base').on(table.baseDiskId)],
);

/** What lies below a disk's leaf, or beside it: frozen content. Together with the leaf the layers of a disk are a tree. */
export const diskLayerTable = sqliteTable(
  'disk_layer',
  {
    /** Also the id of its volume. */
    id: text().primaryKey(),
    diskId: text().notNull().references(() => diskTable.id, { onDelete: 'cascade' }),
    /** The layer below; null at the bottom. */
    parentId: text(),
    format: text({ enum: ['raw', 'cow'] }).notNull(),
    allocation: text({ enum: ['sparse', 'preallocated'] }).notNull(),
    sizeBytes: integer().notNull(),
    /** Who wants this content kept, such as `snapshot/<id>`. Null: nobody; it goes as soon as what lies above lets it. */
    holder: text(),
    createdAt: integer().notNull(),
  },
  (table) => [index('disk_layer_by_disk').on(table.diskId)],
);

/** What a disk occupies, as last seen. */
export const diskFactTable = sqliteTable('disk_fact', {
  diskId: text().primaryKey().references(() => diskTable.id, { onDelete: 'cascade' }),
  occupiedBytes: integer().notNull(),
});

/** Installation images found in ISO domains. */
export const isoTable = sqliteTable(
  'iso',
  {
    domainId: text().notNull().references(() => storageDomainTable.id, { onDelete: 'cascade' }),
    name: text().notNull(),
    sizeBytes: integer().notNull(),
    modifiedAt: integer().notNull(),
    /** Known of what came through an upload. */
    sha256: text(),
    state: text({ enum: ['ok', 'deleting'] }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.domainId, table.name] })],
);

/** Uploads that have begun and not ended: what is received of them, so that a broken one can go on. */
export const uploadTable = sqliteTable('upload', {
  id: text().primaryKey(),
  /** `disk/<id>` or `iso/<domain>/<name>`: one upload each. */
  target: text().notNull().unique(),
  state: text({ enum: ['receiving', 'importing'] }).notNull(),
  domainId: text().notNull().references(() => storageDomainTable.id, { onDelete: 'cascade' }),
  /** The disk whose content it is; null for an ISO file. */
  diskId: text(),
  /** The volume that receives it; null for an ISO file. */
  volumeId: text(),
  /** Name of the ISO file; null for a disk. */
  name: text(),
  /** As declared by the uploader; null for an ISO file. */
  format: text({ enum: ['raw', 'qcow2', 'vmdk', 'vhdx', 'vdi'] }),
  /** Size of the whole; null until it is known. */
  totalBytes: integer(),
  /** How much has reached the disk for sure. */
  receivedBytes: integer().notNull(),
  actor: text().notNull(),
  createdAt: integer().notNull(),
  touchedAt: integer().notNull(),
});

/** Room promised to writes under way, by task or upload. */
export const reservationTable = sqliteTable('storage_reservation', {
  id: text().primaryKey(),
  domainId: text().notNull().references(() => storageDomainTable.id, { onDelete: 'cascade' }),
  bytes: integer().notNull(),
  /** The file that is written: what it already occupies is no longer to come. Empty where that cannot be told. */
  path: text().notNull(),
});

/** Copies in another format that were made for a download, kept for a while so that it can be resumed. */
export const exportTable = sqliteTable('storage_export', {
  volumeId: text().primaryKey(),
  diskId: text().notNull().references(() => diskTable.id, { onDelete: 'cascade' }),
  /** The volume that it is a copy of, and when that was last written: a later one makes the copy old. */
  sourceVolumeId: text().notNull(),
  sourceModifiedAt: integer().notNull(),
  format: text({ enum: ['raw', 'qcow2'] }).notNull(),
  state: text({ enum: ['making', 'ok'] }).notNull(),
  usedAt: integer().notNull(),
});
