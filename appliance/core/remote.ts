/** What an address says of who asks. */
import { isIP } from 'node:net';

/** Whether a request came from another machine. `from` is an address, or a word for what is on this machine, such as the local socket. */
export function isRemote(from: string): boolean {
  return isIP(from) !== 0 && from !== '::1' && !/^(::ffff:)?127\./.test(from);
}
