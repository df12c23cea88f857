/**
 * The rows of VMs: reading them, and changing a wish so that generation, journal and change feed follow in the same commit.
 */
import { and, asc, count, eq, gt, inArray, ne, or, type SQL, sql } from 'drizzle-orm';
import type { Sql, Tx } from '../core/db.ts';
import { type Id, newId } from '../core/id.ts';
import { Problem } from '../core/problem.ts';
import type { Core } from '../core/services.ts';
import { deviceSlots } from './definition/device-xml.ts';
import { type DiskSettings, freeIdeUnit, type NicSettings, plainDisk, plainHardware, plainNic } from './definition/hardware.ts';
import type { VmState } from './rules.ts';
import type { KeptConfig } from './snapshot/snapshots.ts';
import { vmDiskTable, vmFactTable, vmHostDeviceTable, vmNicTable, vmPoolMemberTable, vmPoolTable, vmTable } from './table.ts';

export type VmRow = typeof vmTable.$inferSelect;
export type FactRow = typeof vmFactTable.$inferSelect;
export type NicRow = typeof vmNicTable.$inferSelect;
export type DiskLink = typeof vmDiskTable.$inferSelect;
/** `pool`: name of the one that it is of. */
export type Vm = VmRow & { fact: FactRow; pool: string | null };

const poolName = sql<string | null>`(select ${vmPoolTable.name} from ${vmPoolMemberTable} join ${vmPoolTable} on ${vmPoolTable.id} = ${vmPoolMemberTable.poolId} where ${vmPoolMemberTable.vmId} = ${vmTable.id})`;

export interface PageQuery {
  limit: number;
  after?: string | undefined;
  search?: string | undefined;
  state?: VmState | undefined;
}

export type VmRows = ReturnType<typeof createVmRows>;

export function createVmRows({ database, journal, clock }: Pick<Core, 'database' | 'journal' | 'clock'>) {
  const joined = () => database.sql.select({ vm: vmTable, fact: vmFactTable, pool: poolName }).from(vmTable).innerJoin(vmFactTable, eq(vmFactTable.vmId, vmTable.id));
  // Asked all the time, and making a statement takes ten times as long as carrying it out: so these three are made once.
  const [ref, vmId] = [sql.placeholder('ref'), sql.placeholder('vmId')];
  const byRef = joined().where(or(eq(vmTable.id, ref), eq(vmTable.name, ref))).prepare();
  const disksOf = database.sql.select().from(vmDiskTable).where(eq(vmDiskTable.vmId, vmId)).orderBy(asc(vmDiskTable.slot)).prepare();
  const nicsOf = database.sql.select().from(vmNicTable).where(eq(vmNicTable.vmId, vmId)).orderBy(asc(vmNicTable.slot)).prepare();
  const find = (ref: string): Vm | undefined => {
    const row = byRef.get({ ref });
    return row && vmOf(row);
  };

  return {
    find,
    /** Columns for what somebody may see: the id of a VM, and which disks belong to which VM. */
    idColumn: vmTable.id,
    diskLinks: sql`select ${vmDiskTable.diskId} as child, ${vmDiskTable.vmId} as parent from ${vmDiskTable}`,
    /** By id or name. */
    require(ref: string): Vm {
      const vm = find(ref);
      if (!vm) throw new Problem('not-found', `There is no VM "${ref}". It may have been deleted or renamed.`);
      return vm;
    },
    /** One query, in order of name. Reads one row more than `limit`, which tells whether there is a next page. */
    page: (query: PageQuery, visible: SQL | undefined) => readPage(database.sql, query, visible),
    idOf: (ref: string): string | undefined => database.sql.select({ id: vmTable.id }).from(vmTable).where(or(eq(vmTable.id, ref), eq(vmTable.name, ref))).get()?.id,
    withState: (states: VmState[]): Vm[] =>
      joined().where(inArray(vmFactTable.state, states)).all().map(vmOf),
    /** How many VMs are in each state that any is in. */
    countByState: (): { state: VmState; vms: number }[] =>
      database.sql.select({ state: vmFactTable.state, vms: count() }).from(vmFactTable).groupBy(vmFactTable.state).all(),
    all: (): Vm[] => joined().all().map(vmOf),
    disks: (vmId: string): DiskLink[] => disksOf.all({ vmId }).map(linkOf),
    /** Of all VMs, for what looks at all of them at once. */
    everyDisk: (): DiskLink[] => database.sql.select().from(vmDiskTable).all().map(linkOf),
    nics: (vmId: string): NicRow[] => nicsOf.all({ vmId }).map(nicOf),
    /** The VM that it belongs to, and a guest that has not let it go yet. */
    usersOfDisk: (diskId: string): User[] => joined().where(or(
      inArray(vmTable.id, database.sql.select({ id: vmDiskTable.vmId }).from(vmDiskTable).where(eq(vmDiskTable.diskId, diskId))),
      sql`exists (select 1 from json_each(${vmFactTable.running}, '$.disks') where value = ${diskId})`,
    )).all().map(userOf),
    usersOfIso: (name: string): User[] => joined().where(or(eq(vmTable.cdrom, name), sql`json_extract(${vmTable.hardware}, '$.floppy') = ${name}`)).all().map(userOf),
    usersOfNetwork: (name: string): User[] => joined().where(inArray(vmTable.id, database.sql.select({ id: vmNicTable.vmId }).from(vmNicTable).where(eq(vmNicTable.network, name)))).all().map(userOf),
    /** Of a network interface that is not `exceptId`, or of one that runs with it until its guest starts anew. */
    hasMac: (mac: string, exceptId = ''): boolean =>
      database.sql.select({ id: vmNicTable.id }).from(vmNicTable).where(and(eq(vmNicTable.mac, mac), ne(vmNicTable.id, exceptId))).get() !== undefined ||
      database.sql.select({ id: vmFactTable.vmId }).from(vmFactTable).where(sql`exists (select 1 from json_each(${vmFactTable.running}, '$.nicSettings') where json_extract(value, '$.mac') = ${mac} and key <> ${exceptId})`).get() !== undefined,
    ...createChanges({ journal, now: () => clock.now() }),
  };
}

// Rows of before a setting was added have what every VM had then.
const vmOf = ({ vm, fact, pool }: { vm: VmRow; fact: FactRow; pool: string | null }): Vm => ({ ...vm, hardware: { ...plainHardware, ...vm.hardware }, fact, pool });
const linkOf = (link: DiskLink): DiskLink => ({ ...link, settings: { ...plainDisk, ...link.settings } });
const nicOf = (nic: NicRow): NicRow => ({ ...nic, settings: { ...plainNic, ...nic.settings } });

/** A VM that uses something; `isActive` while it may have it open. */
export interface User {
  kind: 'vm';
  id: string;
  name: string;
  isActive: boolean;
}

const userOf = ({ vm, fact }: { vm: VmRow; fact: FactRow }): User => ({ kind: 'vm', id: vm.id, name: vm.name, isActive: fact.state !== 'down' });

function readPage(reader: Sql, { limit, after, search, state }: PageQuery, visible: SQL | undefined) {
  const filters = [
    visible,
    after === undefined ? undefined : gt(vmTable.name, after),
    search ? sql`instr(lower(${vmTable.name}), lower(${search})) > 0` : undefined,
    state === undefined ? undefined : eq(vmFactTable.state, state),
  ];
  const { id, name, description, vcpus, memoryBytes, firmware, autostart, generation } = vmTable;
  const { state: stateColumn, reason, since, isDeleting } = vmFactTable;
  const columns = { id, name, description, state: stateColumn, reason, since, vcpus, memoryBytes, firmware, autostart, isDeleting, pool: poolName, generation };
  return reader.select(columns).from(vmTable).innerJoin(vmFactTable, eq(vmFactTable.vmId, vmTable.id))
    .where(and(...filters)).orderBy(asc(vmTable.name)).limit(limit + 1).all();
}

export type NewVm = Omit<VmRow, 'id' | 'generation' | 'createdAt'>;

/** Each of these is a change of a wish: the VM's generation goes up and the journal gets the VM whole, devices included. */
function createChanges({ journal, now }: { journal: Core['journal']; now: () => number }) {
  const note = (tx: Tx, id: string, what: 'created' | 'updated') => {
    const row = tx.sql.select().from(vmTable).where(eq(vmTable.id, id)).get();
    const disks = tx.sql.select().from(vmDiskTable).where(eq(vmDiskTable.vmId, id)).all();
    const nics = tx.sql.select().from(vmNicTable).where(eq(vmNicTable.vmId, id)).all();
    const hostDevices = tx.sql.select().from(vmHostDeviceTable).where(eq(vmHostDeviceTable.vmId, id)).all();
    journal.site(tx, { kind: 'vm', id, what, after: { ...row, disks, nics, hostDevices } });
  };
  const touch = (tx: Tx, id: string, values: Partial<VmRow> = {}) => {
    tx.sql.update(vmTable).set({ ...values, generation: sql`${vmTable.generation} + 1` }).where(eq(vmTable.id, id)).run();
    note(tx, id, 'updated');
  };
  return {
    insert(tx: Tx, vm: NewVm, devices: (id: string) => void): string {
      const id = newId<'vm'>();
      refuseTaken(tx, vm.name);
      tx.sql.insert(vmTable).values({ ...vm, id, generation: 1, createdAt: now() }).run();
      tx.sql.insert(vmFactTable).values({ vmId: id, state: 'down', reason: 'new', said: '', since: now(), startedAt: null, running: null, hasAgent: false, isDeleting: false }).run();
      devices(id);
      note(tx, id, 'created');
      return id;
    },
    update(tx: Tx, id: string, values: Partial<VmRow>): void {
      if (values.name !== undefined) refuseTaken(tx, values.name, id);
      touch(tx, id, values);
    },
    remove(tx: Tx, id: string): void {
      tx.sql.delete(vmTable).where(eq(vmTable.id, id)).run();
      journal.site(tx, { kind: 'vm', id, what: 'deleted', after: null });
    },
    /** Links a disk; does not touch the VM's generation, so that `insert` can use it. */
    linkDisk(tx: Tx, vmId: string, diskId: string, settings: DiskSettings, slot?: number): void {
      tx.sql.insert(vmDiskTable).values({ diskId, vmId, slot: slot ?? freeSlot(tx, vmId), settings }).run();
    },
    setDisk(tx: Tx, vmId: string, diskId: string, settings: DiskSettings): void {
      tx.sql.update(vmDiskTable).set({ settings }).where(eq(vmDiskTable.diskId, diskId)).run();
      touch(tx, vmId);
    },
    setLeaving(tx: Tx, vmId: string, diskId: string, leaving: DiskLink['leaving']): void {
      tx.sql.update(vmDiskTable).set({ leaving }).where(eq(vmDiskTable.diskId, diskId)).run();
      touch(tx, vmId);
    },
    setNic(tx: Tx, vmId: string, nicId: string, nic: { settings: NicSettings; network?: string; mac?: string }): void {
      tx.sql.update(vmNicTable).set(nic).where(eq(vmNicTable.id, nicId)).run();
      touch(tx, vmId);
    },
    addNic(tx: Tx, vmId: string, nic: { network: string; mac: string; settings: NicSettings; slot?: number }): string {
      const id: Id<'nic'> = newId();
      tx.sql.insert(vmNicTable).values({ id, vmId, slot: freeSlot(tx, vmId), ...nic }).run();
      return id;
    },
    unlinkDisk(tx: Tx, vmId: string, diskId: string): void {
      tx.sql.delete(vmDiskTable).where(eq(vmDiskTable.diskId, diskId)).run();
      touch(tx, vmId);
    },
    removeNic(tx: Tx, vmId: string, nicId: string): void {
      tx.sql.delete(vmNicTable).where(eq(vmNicTable.id, nicId)).run();
      touch(tx, vmId);
    },
    /**
     * Hardware, NICs and how disks are plugged in, as they once were. A NIC whose port a later disk has taken gets another; one whose address
     * another VM has by now, or for which no port is left, is left out: the request has told of both, so that is what changed since.
     */
    restore(tx: Tx, vmId: string, { hardware, disks, nics }: KeptConfig): void {
      tx.sql.delete(vmNicTable).where(eq(vmNicTable.vmId, vmId)).run();
      for (const nic of nics) {
        const free = freeSlots(tx, vmId);
        const slot = free.includes(nic.slot) ? nic.slot : free[0];
        const isTaken = tx.sql.select({ id: vmNicTable.id }).from(vmNicTable).where(eq(vmNicTable.mac, nic.mac)).get() !== undefined;
        if (slot !== undefined && !isTaken) tx.sql.insert(vmNicTable).values({ ...nic, slot }).run();
      }
      restoreDisks(tx, vmId, disks);
      touch(tx, vmId, hardware);
    },
    touch,
  };
}

/** A disk that came later stays as it is, but for its place on the IDE cables if an earlier one has that back. */
function restoreDisks(tx: Tx, vmId: string, kept: DiskLink[]): void {
  const settingsThen = new Map(kept.map(({ diskId, settings }) => [diskId, settings]));
  const links = tx.sql.select().from(vmDiskTable).where(eq(vmDiskTable.vmId, vmId)).all();
  const units: number[] = [];
  for (const { diskId, settings: settingsNow } of links.sort((one, other) => Number(settingsThen.has(other.diskId)) - Number(settingsThen.has(one.diskId)))) {
    const settings = settingsThen.get(diskId) ?? settingsNow;
    const unit = settings.bus === 'ide' && units.includes(settings.unit) ? freeIdeUnit(units) : settings.unit;
    if (settings.bus === 'ide') units.push(unit);
    tx.sql.update(vmDiskTable).set({ settings: { ...settings, unit } }).where(eq(vmDiskTable.diskId, diskId)).run();
  }
}

/** One that was renamed while it runs has two names until it ends. */
function refuseTaken(tx: Tx, name: string, exceptId?: string): void {
  const holder = tx.sql.select({ id: vmTable.id, name: vmTable.name }).from(vmTable).innerJoin(vmFactTable, eq(vmFactTable.vmId, vmTable.id))
    .where(and(ne(vmTable.id, exceptId ?? ''), or(eq(vmTable.name, name), sql`json_extract(${vmFactTable.running}, '$.name') = ${name}`))).get();
  if (!holder) return;
  if (holder.name !== name) throw new Problem('name-taken', `${holder.name} was "${name}" and still runs under that name. Choose another, or shut ${holder.name} down first.`, { errors: [{ path: 'name', message: 'This name is taken.' }] });
  throw new Problem('name-taken', `There is already a VM "${name}". Choose another name.`, { errors: [{ path: 'name', message: 'This name is taken.' }] });
}

/** Ports that no disk and no NIC of the VM has, the lowest first. */
function freeSlots(tx: Tx, vmId: string): number[] {
  const taken = new Set([
    ...tx.sql.select({ slot: vmDiskTable.slot }).from(vmDiskTable).where(eq(vmDiskTable.vmId, vmId)).all(),
    ...tx.sql.select({ slot: vmNicTable.slot }).from(vmNicTable).where(eq(vmNicTable.vmId, vmId)).all(),
  ].map(({ slot }) => slot));
  return Array.from({ length: deviceSlots }, (_none, slot) => slot).filter((slot) => !taken.has(slot));
}

function freeSlot(tx: Tx, vmId: string): number {
  const [slot] = freeSlots(tx, vmId);
  if (slot === undefined) throw new Problem('invalid-input', `A VM can have at most ${deviceSlots} disks and network interfaces together. Remove one first.`);
  return slot;
}
