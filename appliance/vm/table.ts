/**
 * `vm`, `vm_disk` and `vm_nic` are wishes that peers share; `vm_fact` is what this host has seen of them. A VM's row in
 * `vm_fact` is made and removed with the VM, so a list joins the two and nothing else.
 */
import { blob, index, integer, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core';
import type { CloudInit } from './cloud-init/settings.ts';
import type { BootDevice } from './definition/domain-xml.ts';
import type { DiskSettings, FirmwareName, Hardware, NicSettings } from './definition/hardware.ts';
import type { KeptState } from './kept-rules.ts';
import type { SavedMemory } from './memory/files.ts';
import type { Before, KeptConfig } from './snapshot/snapshots.ts';
import type { SnapshotMemory } from './snapshot/take-memory.ts';
import type { TemplateHardware, TemplateNic } from './template/templates.ts';
import { vmStates } from './rules.ts';
import type { Startup } from './power/startup-rules.ts';
import type { Running } from './definition/running.ts';

export const vmTable = sqliteTable('vm', {
  id: text().primaryKey(),
  name: text().notNull().unique(),
  description: text().notNull(),
  vcpus: integer().notNull(),
  memoryBytes: integer().notNull(),
  firmware: text().$type<FirmwareName>().notNull(),
  /** Settings that a later version adds are not in rows of before: `rows.ts` completes them. So are those of disks and NICs. */
  hardware: text({ mode: 'json' }).$type<Hardware>().notNull(),
  bootOrder: text({ mode: 'json' }).$type<BootDevice[]>().notNull(),
  /** Name of an ISO image; null for an empty drive. */
  cdrom: text(),
  autostart: integer({ mode: 'boolean' }).notNull(),
  /** When it starts among those that start with the host. */
  startup: text({ mode: 'json' }).$type<Startup>().notNull(),
  generation: integer().notNull(),
  createdAt: integer().notNull(),
});

/** A disk belongs to one VM at most. Slots are unique among a VM's disks and NICs: see `device-xml.ts`. */
export const vmDiskTable = sqliteTable('vm_disk', {
  diskId: text().primaryKey(),
  vmId: text().notNull().references(() => vmTable.id, { onDelete: 'cascade' }),
  slot: integer().notNull(),
  settings: text({ mode: 'json' }).$type<DiskSettings>().notNull(),
  /** It goes when its guest has ended (`device/leaving.ts`); null for one that stays. */
  leaving: text({ enum: ['detach', 'delete'] }),
}, (table) => [uniqueIndex('vm_disk_slot').on(table.vmId, table.slot)]);

export const vmNicTable = sqliteTable('vm_nic', {
  id: text().primaryKey(),
  vmId: text().notNull().references(() => vmTable.id, { onDelete: 'cascade' }),
  slot: integer().notNull(),
  network: text().notNull(),
  mac: text().notNull().unique(),
  settings: text({ mode: 'json' }).$type<NicSettings>().notNull(),
}, (table) => [uniqueIndex('vm_nic_slot').on(table.vmId, table.slot), index('vm_nic_network').on(table.network)]);

export const vmFactTable = sqliteTable('vm_fact', {
  vmId: text().primaryKey().references(() => vmTable.id, { onDelete: 'cascade' }),
  state: text({ enum: vmStates }).notNull(),
  reason: text().notNull(),
  /** What QEMU, libvirt or the failed task said of it, in its own words; empty where nothing was said. */
  said: text().notNull(),
  /** Since when it is in this state. */
  since: integer().notNull(),
  startedAt: integer(),
  /** What the running domain was given: null while there is none. */
  running: text({ mode: 'json' }).$type<Running>(),
  hasAgent: integer({ mode: 'boolean' }).notNull(),
  isDeleting: integer({ mode: 'boolean' }).notNull(),
  /** It is held still for an instant, and from which state (`hold.ts`); null while it is not. */
  heldFrom: text({ enum: ['up', 'paused'] }),
  /** Its memory in a file, while it is suspended to disk: null from the instant on at which its guest goes on. */
  saved: text({ mode: 'json' }).$type<SavedMemory>(),
}, (table) => [index('vm_fact_state').on(table.state)]);

/** What a guest is told about itself at its first boot. A VM without a row is told nothing. */
export const vmCloudInitTable = sqliteTable('vm_cloud_init', {
  vmId: text().primaryKey().references(() => vmTable.id, { onDelete: 'cascade' }),
  settings: text({ mode: 'json' }).$type<CloudInit>().notNull(),
  instanceId: text().notNull(),
});

/** A device of the host that a VM gets when it is there (`pass/rules.ts`). */
export const vmHostDeviceTable = sqliteTable('vm_host_device', {
  id: text().primaryKey(),
  vmId: text().notNull().references(() => vmTable.id, { onDelete: 'cascade' }),
  rule: text().notNull(),
  createdAt: integer().notNull(),
}, (table) => [uniqueIndex('vm_host_device_rule').on(table.vmId, table.rule)]);

/** A point in a VM's life that it can go back to: its configuration, and a layer of each of its disks (storage keeps them). */
export const vmSnapshotTable = sqliteTable('vm_snapshot', {
  id: text().primaryKey(),
  vmId: text().notNull().references(() => vmTable.id, { onDelete: 'cascade' }),
  /** The snapshot that it follows from; null for a first one. */
  parentId: text(),
  name: text().notNull(),
  description: text().notNull(),
  state: text().$type<KeptState>().notNull(),
  /** What a guest finds that comes up from it: disks of a VM that was down, file systems that the guest agent had stilled, or what a power cut leaves. */
  consistency: text({ enum: ['stopped', 'quiet', 'crash'] }).notNull(),
  config: text({ mode: 'json' }).$type<KeptConfig>().notNull(),
  /** The guest's memory of that instant; null where only its disks are kept. */
  memory: text({ mode: 'json' }).$type<SnapshotMemory>(),
  createdAt: integer().notNull(),
}, (table) => [uniqueIndex('vm_snapshot_name').on(table.vmId, table.name)]);

/** UEFI variables that are kept in a name, and those that a VM has from its next start on (`firmware/variables.ts`). */
export const vmVariablesTable = sqliteTable('vm_variables', {
  holder: text().primaryKey(),
  plain: blob({ mode: 'buffer' }).$type<Buffer>(),
  secure: blob({ mode: 'buffer' }).$type<Buffer>(),
});

/** Where a VM stands among its snapshots; a VM without a row has never had one. */
export const vmPresentTable = sqliteTable('vm_present', {
  vmId: text().primaryKey().references(() => vmTable.id, { onDelete: 'cascade' }),
  /** The snapshot that its present state follows from. */
  snapshotId: text(),
  /** While it previews that snapshot: what it goes back to when that is undone. */
  before: text({ mode: 'json' }).$type<Before>(),
});

/** What VMs get that have not chosen themselves: one row once somebody has said so. */
export const vmDefaultsTable = sqliteTable('vm_defaults', {
  id: integer().primaryKey(),
  cpu: text().$type<Hardware['cpu']>().notNull(),
  generation: integer().notNull(),
});

/** What VMs are made from: hardware without identity, and images that nobody changes. */
export const vmTemplateTable = sqliteTable('vm_template', {
  id: text().primaryKey(),
  /** Of all its versions. */
  name: text().notNull(),
  version: integer().notNull(),
  description: text().notNull(),
  state: text().$type<KeptState>().notNull(),
  /** Name that the VM had. */
  madeFrom: text().notNull(),
  /** What made its system that one machine has been taken out of it. */
  isGeneralised: integer({ mode: 'boolean' }).notNull(),
  hardware: text({ mode: 'json' }).$type<TemplateHardware>().notNull(),
  nics: text({ mode: 'json' }).$type<TemplateNic[]>().notNull(),
  generation: integer().notNull(),
  createdAt: integer().notNull(),
}, (table) => [uniqueIndex('vm_template_version').on(table.name, table.version)]);

export const vmTemplateDiskTable = sqliteTable('vm_template_disk', {
  /** The image. */
  diskId: text().primaryKey(),
  templateId: text().notNull().references(() => vmTemplateTable.id, { onDelete: 'cascade' }),
  slot: integer().notNull(),
  settings: text({ mode: 'json' }).$type<DiskSettings>().notNull(),
}, (table) => [index('vm_template_disk_by_template').on(table.templateId)]);

/** VMs that are there for whoever of many asks. */
export const vmPoolTable = sqliteTable('vm_pool', {
  id: text().primaryKey(),
  name: text().notNull().unique(),
  description: text().notNull(),
  templateId: text().notNull().references(() => vmTemplateTable.id),
  /** How many VMs it has. */
  size: integer().notNull(),
  /** How many of those that nobody has run. */
  prestarted: integer().notNull(),
  /** What its VMs are told about themselves; null for nothing. */
  cloudInit: text({ mode: 'json' }).$type<CloudInit>(),
  isDeleting: integer({ mode: 'boolean' }).notNull(),
  generation: integer().notNull(),
  createdAt: integer().notNull(),
});

export const vmPoolMemberTable = sqliteTable('vm_pool_member', {
  vmId: text().primaryKey().references(() => vmTable.id, { onDelete: 'cascade' }),
  poolId: text().notNull().references(() => vmPoolTable.id),
  templateId: text().notNull(),
  number: integer().notNull(),
  /** Who has it; null for nobody. */
  userId: text(),
  /** Was started since it was as its template: it is not given to anybody, nor started again, before it is so once more. */
  isDirty: integer({ mode: 'boolean' }).notNull(),
}, (table) => [uniqueIndex('vm_pool_member_number').on(table.poolId, table.number), uniqueIndex('vm_pool_member_user').on(table.poolId, table.userId)]);

/** Who waits for a VM. */
export const vmPoolRequestTable = sqliteTable('vm_pool_request', {
  id: integer().primaryKey({ autoIncrement: true }),
  poolId: text().notNull().references(() => vmPoolTable.id, { onDelete: 'cascade' }),
  userId: text().notNull(),
  createdAt: integer().notNull(),
}, (table) => [uniqueIndex('vm_pool_request_user').on(table.poolId, table.userId)]);
