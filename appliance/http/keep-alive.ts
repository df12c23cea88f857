/**
 * Ends WebSockets whose browser is gone without a word: a lost line, a laptop that was closed. The line is asked every so often;
 * an answer, or anything else that comes, is a sign of life. A slow line has time: what waits before the question is sent first.
 */
import type { WebSocket } from 'ws';
import type { Clock } from '../core/clock.ts';

/** A silent socket ends after so many periods. */
const silentPeriods = 3;

export interface KeepAlive {
  watch(socket: WebSocket): void;
  /** Asks until `signal` aborts. */
  run(signal: AbortSignal): Promise<void>;
}

export function createKeepAlive({ clock, periodMs }: { clock: Clock; periodMs: number }): KeepAlive {
  /** Periods since the last sign of life. */
  const silent = new Map<WebSocket, number>();
  const ask = () => {
    for (const [socket, periods] of silent) {
      if (periods >= silentPeriods) socket.terminate();
      else {
        silent.set(socket, periods + 1);
        if (socket.readyState === socket.OPEN) socket.ping();
      }
    }
  };
  return {
    watch(socket) {
      const isAlive = () => { if (silent.has(socket)) silent.set(socket, 0); };
      silent.set(socket, 0);
      socket.on('pong', isAlive);
      socket.on('message', isAlive);
      socket.once('close', () => silent.delete(socket));
    },
    async run(signal) {
      while (!signal.aborted) {
        await clock.sleep(periodMs, signal).catch(() => {}); // the loop sees the abort
        if (!signal.aborted) ask();
      }
    },
  };
}
