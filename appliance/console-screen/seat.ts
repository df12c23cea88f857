/**
 * A seat: one terminal and the person at it. Those that the unit names are the box's own; without a name it is the terminal that the
 * program was started on.
 */
import { readlinkSync } from 'node:fs';

export interface Seat {
  /** For the audit trail: `tty1`, `pts/3`. */
  name: string;
  path: string;
  /** As TERM says it: `linux` for the kernel's own console. */
  kind: string;
}

/** `tty1`, `ttyS0` and the like, as the kernel names them below /dev. */
export function seatNamed(name: string): Seat {
  return { name, path: `/dev/${name}`, kind: /^tty\d+$/.test(name) ? 'linux' : 'vt220' };
}

export function ownSeat(kind: string): Seat {
  const path = '/proc/self/fd/0';
  return { name: readlinkSync(path).replace('/dev/', ''), path, kind };
}
