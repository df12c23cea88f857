/**
 * The serial console of one VM: one connection to QEMU, shared by all who watch, because QEMU serves one at a time.
 *
 *   joined by a first viewer -> connected -> ended (last viewer gone, or QEMU gone)
 *
 * A viewer first gets the last 64 KiB that the guest wrote, also before anyone watched: they stand in the log that QEMU keeps. What
 * arrives while the log is read may be in both; `overlapBytes` finds the seam. Anyone may type.
 */
import { open } from 'node:fs/promises';
import { connect } from 'node:net';
import { closeCodes, type Early, type Viewer } from './console.ts';

export const scrollBackBytes = 64 * 1024;
/** A serial line is slow; a viewer that is so far behind has stopped reading. */
const longestQueueBytes = 1024 * 1024;

export interface SerialHub {
  join(viewer: Viewer, early: Early): void;
}

export interface HubOptions {
  socketPath: string;
  logPath: string;
  onEnd: () => void;
}

export function createSerialHub({ socketPath, logPath, onEnd }: HubOptions): SerialHub {
  const viewers = new Set<Viewer>();
  let kept: Uint8Array = new Uint8Array();
  let isReady = false;

  const socket = connect(socketPath);
  const keep = (chunk: Uint8Array) => { kept = Buffer.concat([kept, chunk]).subarray(-scrollBackBytes); };
  const show = (viewer: Viewer, chunk: Uint8Array) => {
    if (chunk.length > 0 && viewer.send(chunk) > longestQueueBytes) viewer.close(closeCodes.tooSlow, 'The connection is too slow.');
  };
  const leave = (viewer: Viewer) => {
    viewers.delete(viewer);
    if (viewers.size === 0) socket.destroy();
  };

  socket.on('data', (chunk) => {
    keep(chunk);
    if (isReady) for (const viewer of viewers) show(viewer, chunk);
  });
  socket.on('error', () => {}); // `close` follows
  socket.on('close', () => {
    onEnd();
    for (const viewer of viewers) viewer.close(closeCodes.ended, 'The console has ended.');
  });
  socket.once('connect', async () => {
    const logged = await readTail(logPath, scrollBackBytes).catch(() => new Uint8Array()); // the console matters more than its past
    const live = kept;
    kept = Buffer.concat([logged, live.subarray(overlapBytes(logged, live))]).subarray(-scrollBackBytes);
    isReady = true;
    for (const viewer of viewers) show(viewer, kept);
  });

  return {
    join(viewer, early) {
      if (early.isClosed) return leave(viewer);
      viewers.add(viewer);
      viewer.onClose(() => leave(viewer));
      early.onMessage((data) => {
        if (socket.writableLength < longestQueueBytes) socket.write(data);
      });
      if (isReady) show(viewer, kept);
    },
  };
}

/** How many bytes at the start of `live` are already the end of `logged`. */
export function overlapBytes(logged: Uint8Array, live: Uint8Array): number {
  for (let length = Math.min(logged.length, live.length); length > 0; length--) {
    if (Buffer.compare(logged.subarray(-length), live.subarray(0, length)) === 0) return length;
  }
  return 0;
}

/** The last bytes of a file; none of one that is not there. */
async function readTail(path: string, lengthBytes: number): Promise<Uint8Array> {
  const file = await open(path).catch(() => undefined);
  if (!file) return new Uint8Array();
  try {
    const { size } = await file.stat();
    const start = Math.max(0, size - lengthBytes);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size - start), 0, size - start, start);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
