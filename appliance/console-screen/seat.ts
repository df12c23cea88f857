/** Where the person sits who uses this program: the name of its terminal, such as `tty1` or `pts/3`. */
import { readlinkSync } from 'node:fs';

export function seatName(): string {
  try {
    return readlinkSync('/proc/self/fd/0').replace('/dev/', '');
  } catch {
    return 'console';
  }
}
