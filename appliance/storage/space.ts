/**
 * Room on a domain: nothing starts a write that cannot fit.
 *
 * A write says beforehand how much it will take at most; that is reserved until it ends. Looking at a domain is
 * asynchronous and a decision is not, so it comes in two halves: `look` asks the file system how much is free and how
 * much of each reservation is already written; `require` decides inside the transaction, where it also sees what was
 * reserved since. The critical limit of the domain stays free in any case: running guests grow into it.
 */
import { eq } from 'drizzle-orm';
import type { Database, Tx } from '../core/db.ts';
import { Problem } from '../core/problem.ts';
import { formatBytes } from '../core/units.ts';
import type { DomainRow, Domains } from './domains.ts';
import { occupiedBytes } from './occupied.ts';
import { reservationTable } from './table.ts';

/** What a domain had free at one moment. */
export interface Room {
  domain: DomainRow;
  freeBytes: number;
  /** Reservations of that moment, by id, with what was still to be written. */
  pending: ReadonlyMap<string, number>;
}

export interface Reservation {
  id: string;
  bytes: number;
  path: string;
}

export interface Space {
  /** Rejects with `unavailable` when the domain does not answer. */
  look(domain: DomainRow): Promise<Room>;
  /** For a decision that cannot wait: what the last look of the reconciler found. The task that writes looks again. */
  recall(domain: DomainRow): Room;
  /** Looks, and rejects with `insufficient-storage` unless what was reserved as `id` still fits. */
  requireReserved(domain: DomainRow, id: string): Promise<void>;
  /** Throws `insufficient-storage` unless `bytes` more fit. */
  require(sql: Database['sql'], room: Room, bytes: number): void;
  /** As `require`, and holds the room until `release`; the same id replaces what it held. */
  reserve(tx: Tx, room: Room, reservation: Reservation): void;
  release(tx: Tx, id: string): void;
  reservedBytes(domainId: string): number;
}

export function createSpace({ database, domains }: { database: Database; domains: Domains }): Space {
  const reservations = (sql: Database['sql'], domainId: string) => sql.select().from(reservationTable).where(eq(reservationTable.domainId, domainId)).all();

  const requireRoom = (sql: Database['sql'], room: Room, bytes: number, ownId = '') => {
    const others = reservations(sql, room.domain.id).filter(({ id }) => id !== ownId);
    const promisedBytes = others.reduce((sum, each) => sum + (room.pending.get(each.id) ?? each.bytes), 0);
    const availableBytes = Math.max(0, room.freeBytes - promisedBytes - room.domain.criticalSpaceBytes);
    if (bytes <= availableBytes) return;
    throw new Problem('insufficient-storage', tooFull(room, { bytes, promisedBytes, availableBytes }));
  };

  const look = async (domain: DomainRow) => {
    const { freeBytes } = await domains.requireActive(domain).capacity().catch((error) => {
      throw new Problem('unavailable', `The storage domain "${domain.name}" does not answer. Check its disk.`, { cause: error });
    });
    const pending = new Map<string, number>();
    for (const { id, bytes, path } of reservations(database.sql, domain.id)) pending.set(id, path ? Math.max(0, bytes - (await occupiedBytes(path))) : bytes);
    return { domain, freeBytes, pending };
  };

  return {
    look,
    recall(domain) {
      domains.requireActive(domain);
      return { domain, freeBytes: domains.fact(domain.id)?.freeBytes ?? Number.MAX_SAFE_INTEGER, pending: new Map() };
    },
    async requireReserved(domain, id) {
      const room = await look(domain);
      requireRoom(database.sql, room, room.pending.get(id) ?? 0, id);
    },
    require: (sql, room, bytes) => requireRoom(sql, room, bytes),
    reserve(tx, room, { id, bytes, path }) {
      requireRoom(tx.sql, room, bytes, id);
      const domainId = room.domain.id;
      tx.sql.insert(reservationTable).values({ id, domainId, bytes, path }).onConflictDoUpdate({ target: reservationTable.id, set: { bytes, path } }).run();
    },
    release(tx, id) {
      tx.sql.delete(reservationTable).where(eq(reservationTable.id, id)).run();
    },
    reservedBytes: (domainId) => reservations(database.sql, domainId).reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

function tooFull({ domain, freeBytes }: Room, figures: { bytes: number; promisedBytes: number; availableBytes: number }): string {
  const { bytes, promisedBytes, availableBytes } = figures;
  const promised = promisedBytes > 0 ? `, ${formatBytes(promisedBytes)} promised to writes under way` : '';
  const kept = domain.criticalSpaceBytes > 0 ? `, ${formatBytes(domain.criticalSpaceBytes)} kept for running guests` : '';
  return `This needs ${formatBytes(bytes)}, but the storage domain "${domain.name}" has room for ${formatBytes(availableBytes)} (${formatBytes(freeBytes)} free${promised}${kept}). Delete disks or images that are not needed, enlarge its file system, or choose a smaller or sparse disk.`;
}
