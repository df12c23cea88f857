/**
 * Calls to the shim as promises, and its events. One channel is one session of the shim (bothy.h).
 *
 * Each call has a deadline: it rejects with kind `timeout`, and the shim drops it if it has not begun by then. One that
 * has begun goes on inside libvirt, so after a timeout the caller must look at what came of it. Answers and events
 * arrive in the order in which the shim wrote them.
 */
import { Socket } from 'node:net';
import type { Clock } from '../appliance/core/clock.ts';
import type { Shim } from './ffi.ts';
import { HypervisorError, type HypervisorErrorKind } from './hypervisor-error.ts';

/** An event as the shim writes it; its fields depend on `event`. */
export interface RawEvent {
  event: string;
  [field: string]: unknown;
}

interface RawError {
  code: number;
  isConnected: boolean;
  message: string;
}

type Line = RawEvent | { id: number; ok: unknown } | { id: number; error: RawError };

interface Waiter {
  resolve(answer: unknown): void;
  reject(error: HypervisorError): void;
}

export interface Channel {
  call(operation: string, args: readonly string[], timeoutMs: number): Promise<unknown>;
  /** Rejects every open call and resolves when the pipe is closed. */
  close(): Promise<void>;
}

const kinds: Record<number, HypervisorErrorKind> = { 42: 'no-domain', 55: 'invalid-operation', 68: 'timeout' }; // virErrorNumber
const closedMessage = 'The connection to the hypervisor is closed.';

export interface ChannelOptions {
  shim: Shim;
  uri: string;
  /** Whose answers are waited for. */
  peer?: string;
  clock: Clock;
  onEvent(event: RawEvent): void;
}

export function openChannel(options: ChannelOptions): Channel {
  const { shim, clock, peer = 'libvirt' } = options;
  const handle = shim.open(options.uri);
  const waiters = new Map<number, Waiter>();
  let lastId = 0;
  let isClosed = false;

  const dispatch = (line: Line) => {
    if (!('id' in line)) return options.onEvent(line);
    const waiter = waiters.get(Number(line.id));
    if ('error' in line) waiter?.reject(toError(line.error as RawError)); // the other kind of line has no `error`
    else waiter?.resolve(line.ok);
  };
  const pipe = readLines(shim.output(handle), dispatch);

  return {
    async call(operation, args, timeoutMs) {
      if (isClosed) throw new HypervisorError(closedMessage, 0, 'disconnected');
      const id = nextId(lastId, waiters);
      lastId = id;
      shim.submit(handle, { id, deadlineMs: timeoutMs, bytes: encode(operation, args) });
      const isDone = new AbortController();
      try {
        return await new Promise((resolve, reject) => {
          waiters.set(id, { resolve, reject });
          const late = new HypervisorError(`${peer} did not answer "${operation}" within ${timeoutMs / 1000} s.`, 0, 'timeout');
          clock.sleep(timeoutMs, isDone.signal).then(() => reject(late), () => {});
        });
      } finally {
        waiters.delete(id);
        isDone.abort();
      }
    },
    async close() {
      if (isClosed) return;
      isClosed = true;
      shim.close(handle);
      for (const waiter of waiters.values()) waiter.reject(new HypervisorError(closedMessage, 0, 'disconnected'));
      await new Promise((resolve) => pipe.once('close', resolve).destroy());
    },
  };
}

/** Numbers wrap at 32 bits; one that still waits is passed over. */
function nextId(last: number, waiters: ReadonlyMap<number, Waiter>): number {
  let id = last;
  do id = id >= 0xffff_fffe ? 1 : id + 1;
  while (waiters.has(id));
  return id;
}

function encode(operation: string, args: readonly string[]): Buffer {
  const parts = [operation, ...args];
  if (parts.some((part) => part.includes('\0') || part.includes('\x1f'))) {
    throw new HypervisorError(`An argument of "${operation}" contains a control character.`, 0, 'other');
  }
  return Buffer.from(parts.join('\x1f'));
}

function toError({ code, isConnected, message }: RawError): HypervisorError {
  return new HypervisorError(message, code, isConnected ? (kinds[code] ?? 'other') : 'disconnected');
}

/** Calls `dispatch` for each line. What it throws is a bug that ends the process, but not before the next line is read. */
function readLines(fd: number, dispatch: (line: Line) => void): Socket {
  const pipe = new Socket({ fd, readable: true, writable: false });
  let pieces: Buffer[] = [];

  const take = (text: string) => {
    try {
      dispatch(JSON.parse(text) as Line); // the shim writes nothing else
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  };
  pipe.on('data', (chunk: Buffer) => {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      pieces.push(chunk.subarray(start, end));
      take(Buffer.concat(pieces).toString());
      pieces = [];
      start = end + 1;
    }
    if (start < chunk.length) pieces.push(chunk.subarray(start));
  });
  return pipe;
}
