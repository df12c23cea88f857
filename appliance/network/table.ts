/** `network` is a wish that peers share; `network_fact` is what this host has of it, and outlives it until libvirt has let go. */
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';
import { networkStates } from './rules.ts';

export const networkTable = sqliteTable('network', {
  id: text().primaryKey(),
  /** Also libvirt's name for it; never changes, VMs refer to it. */
  name: text().notNull().unique(),
  kind: text({ enum: ['nat', 'bridge'] }).notNull(),
  description: text().notNull(),
  /** NAT: CIDR; null where libvirt's own network is used as it is. */
  subnet: text(),
  /** Bridge: its name on the host; null for NAT, where libvirt chooses it. */
  bridge: text(),
  generation: integer().notNull(),
  createdAt: integer().notNull(),
});

export const networkFactTable = sqliteTable('network_fact', {
  name: text().primaryKey(),
  state: text({ enum: networkStates }).notNull(),
  reason: text().notNull(),
  since: integer().notNull(),
  /** Bridge that it has on this host; empty while it has none. */
  bridge: text().notNull(),
  /** CIDR that the host has on it. */
  subnet: text(),
  /** We defined it in libvirt, so we remove it there. */
  isOurs: integer({ mode: 'boolean' }).notNull(),
});

/** Bridges of this host that were offered as networks once; so one that people delete does not come back. */
export const offeredBridgeTable = sqliteTable('offered_bridge', {
  name: text().primaryKey(),
  at: integer().notNull(),
});

/** Addresses of a port that somebody has confirmed while their task still waits for it. */
export const portTrialTable = sqliteTable('port_trial', {
  taskId: text().primaryKey(),
  confirmedAt: integer().notNull(),
});
