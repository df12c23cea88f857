/**
 * Console tickets: a WebSocket cannot carry a token in a header and its address lands in logs, so what it carries works once
 * and for 30 seconds. Kept in memory only: a restart of the service voids them.
 */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../../core/clock.ts';

export type ConsoleType = 'vnc' | 'serial';

export interface Ticket {
  vmId: string;
  type: ConsoleType;
  actor: string;
  /** Whether who asked for it may still use the console. */
  isHeld(): boolean;
}

export const ticketLifeMs = 30_000;

export interface Tickets {
  issue(ticket: Ticket): { ticket: string; expiresAt: number };
  /** The ticket's meaning, once; `undefined` if it was used, is too old or was never issued. */
  redeem(ticket: string): Ticket | undefined;
  /** Tickets of a VM that can still be used. */
  count(vmId: string): number;
}

export function createTickets(clock: Clock): Tickets {
  const open = new Map<string, Ticket & { expiresAt: number }>();
  const dropOld = () => {
    for (const [key, { expiresAt }] of open) if (expiresAt <= clock.now()) open.delete(key);
  };
  return {
    count(vmId) {
      dropOld();
      return [...open.values()].filter((ticket) => ticket.vmId === vmId).length;
    },
    issue(ticket) {
      dropOld();
      const key = randomBytes(24).toString('base64url');
      const expiresAt = clock.now() + ticketLifeMs;
      open.set(key, { ...ticket, expiresAt });
      return { ticket: key, expiresAt };
    },
    redeem(key) {
      const found = open.get(key);
      open.delete(key);
      if (!found || found.expiresAt <= clock.now()) return undefined;
      const { vmId, type, actor, isHeld } = found;
      return { vmId, type, actor, isHeld };
    },
  };
}
