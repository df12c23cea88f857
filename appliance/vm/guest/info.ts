/**
 * What guest agents tell of the systems inside: kept in memory, read when an agent comes, once more when its guest has had time to get
 * an address, and again while somebody looks. Nobody is asked otherwise.
 */
import type { GuestInfo } from '../../world.ts';
import { isDisconnected, isNoDomain } from '../domain.ts';
import { observerOrigin } from '../observe/facts.ts';
import type { VmServices } from '../services.ts';

/** Older than that is read again for who looks. */
const freshMs = 20_000;
/** Names of addresses that only the guest itself can reach. */
const loopback = /^(127\.|::1$)/;

export interface Guests {
  /** What is known, for somebody who looks. */
  look(vmId: string): GuestInfo | null;
  /** Its agent speaks, or does no longer. */
  follow(vmId: string, hasAgent: boolean): void;
  /** The reconciler's round: asks those that are due. */
  read(services: VmServices): Promise<void>;
}

interface Known {
  info: GuestInfo | null;
  readAt: number;
  /** When it is to be asked; `undefined` until somebody wants to know. */
  dueAt: number | undefined;
}

export function createGuests({ clock, wake }: { clock: VmServices['clock']; wake(): void }): Guests {
  const known = new Map<string, Known>();
  return {
    look(vmId) {
      const guest = known.get(vmId) ?? { info: null, readAt: 0, dueAt: undefined };
      known.set(vmId, guest);
      if (clock.now() - guest.readAt >= freshMs) {
        guest.dueAt = clock.now();
        wake();
      }
      return guest.info;
    },
    follow(vmId, hasAgent) {
      if (!hasAgent) return void known.delete(vmId);
      known.set(vmId, { info: null, readAt: 0, dueAt: clock.now() });
      wake();
    },
    async read(services) {
      for (const [id, guest] of known) {
        if (guest.dueAt === undefined || guest.dueAt > clock.now()) continue;
        const isFirst = guest.info === null;
        guest.readAt = clock.now();
        guest.dueAt = isFirst ? clock.now() + freshMs : undefined;
        await ask(services, id, guest);
        if (guest.info === null) guest.dueAt = undefined;
      }
    },
  };
}

async function ask({ hypervisor, rows, journal, database, log }: VmServices, id: string, guest: Known): Promise<void> {
  if (!rows.find(id)?.fact.hasAgent) return;
  try {
    const info = shown(await hypervisor.guestInfo(id));
    if (JSON.stringify(info) === JSON.stringify(guest.info)) return;
    guest.info = info;
    database.write(observerOrigin, (tx) => journal.observed(tx, { kind: 'vm', id, what: 'updated' }));
  } catch (error) {
    if (!isDisconnected(error) && !isNoDomain(error)) log.info('the guest agent does not answer', { vm: id, error });
  }
}

const mostItems = 64;
const longestText = 256;
const text = (value: string) => value.slice(0, longestText);

/** A guest says what it likes: so much of it is kept and no more. */
function shown(info: GuestInfo): GuestInfo {
  return {
    hostname: text(info.hostname), os: text(info.os), kernel: text(info.kernel), timeZone: text(info.timeZone),
    users: info.users.slice(0, mostItems).map(({ name, since }) => ({ name: text(name), since })),
    filesystems: info.filesystems.slice(0, mostItems).map(({ mountPoint, type, ...sizes }) => ({ mountPoint: text(mountPoint), type: text(type), ...sizes })),
    interfaces: info.interfaces.slice(0, mostItems)
      .map(({ name, mac, addresses }) => ({ name: text(name), mac: text(mac), addresses: addresses.filter((address) => !loopback.test(address)).slice(0, mostItems).map(text) }))
      .filter(({ addresses }) => addresses.length > 0),
  };
}
