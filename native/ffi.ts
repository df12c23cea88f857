/**
 * The one place where Node calls C: loads libbothy.so through ffi-rs and types its functions: four for libvirt (bothy.h) and the same four for wdmd (watchdog.h).
 *
 * Only numbers, strings and byte arrays go in and only 32-bit numbers come out: every other type of ffi-rs either leaks or
 * may abort the process. All calls are synchronous, from the main thread, and return within microseconds.
 */
import { getSystemErrorName } from 'node:util';
import { DataType, load, open } from 'ffi-rs';

export interface Shim {
  /** Starts a session and returns its handle. */
  open(uri: string): number;
  /** The file descriptor that the session writes its lines to; the caller owns it. */
  output(handle: number): number;
  /** Queues a call; `bytes` is copied before this returns. */
  submit(handle: number, call: { id: number; deadlineMs: number; bytes: Buffer }): void;
  close(handle: number): void;
}

/** Loads the shim; throws with the loader's message when `path` or a library that it needs is missing. */
export function loadShim(path: string, part: 'bothy' | 'bothy_watchdog' = 'bothy'): Shim {
  const library = path; // ffi-rs keeps libraries by name, so loading the same path again is harmless
  open({ library, path });

  const call = (funcName: string, paramsType: DataType[], paramsValue: unknown[]): number => {
    // SAFETY: every caller below states the C signature; a wrong one would corrupt memory. The result is an int.
    const result: number = load({ library, funcName, retType: DataType.I32, paramsType, paramsValue });
    if (result < 0) throw new Error(`${funcName}: ${getSystemErrorName(result)}`);
    return result;
  };

  return {
    // SAFETY: int bothy_open(const char *uri). The string is copied by C; a NUL would cut it off.
    open: (uri) => call(`${part}_open`, [DataType.String], [uri]),
    // SAFETY: int bothy_output(int handle). An unknown handle is -EBADF.
    output: (handle) => call(`${part}_output`, [DataType.I32], [handle]),
    submit: (handle, { id, deadlineMs, bytes }) => {
      // SAFETY: int bothy_submit(int, uint32_t, int, const uint8_t *, int). C reads `bytes.length` bytes and copies
      // them before it returns; the call is synchronous and `bytes` is referenced here, so it cannot be collected.
      const types = [DataType.I32, DataType.U32, DataType.I32, DataType.U8Array, DataType.I32];
      call(`${part}_submit`, types, [handle, id, deadlineMs, bytes, bytes.length]);
    },
    // SAFETY: int bothy_close(int handle). Closing twice is -EBADF.
    close: (handle) => {
      call(`${part}_close`, [DataType.I32], [handle]);
    },
  };
}
