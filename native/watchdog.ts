/**
 * wdmd from Node: typed, a deadline on every call, no policy. Times are seconds of the monotonic clock, as wdmd counts them.
 */
import type { Clock } from '../appliance/core/clock.ts';
import type { WatchdogDaemon } from '../appliance/host/watchdog-device.ts';
import { type Channel, openChannel } from './channel.ts';
import { loadShim } from './ffi.ts';

const answerMs = 10_000;

/** Nothing is begun before the first call, which fails where the shim cannot be loaded. */
export function openWatchdogDaemon({ library, clock }: { library: string; clock: Clock }): WatchdogDaemon {
  let channel: Channel | undefined;
  const call = (verb: string, ...numbers: number[]) => {
    channel ??= openChannel({ shim: loadShim(library, 'bothy_watchdog'), uri: '', peer: 'wdmd', clock, onEvent: () => {} });
    return channel.call(verb, numbers.map((number) => String(Math.floor(number))), answerMs);
  };
  return {
    connect: async ({ fireSeconds, keptDescriptor = -1 }) => (await call('connect', fireSeconds, keptDescriptor)) as { fireSeconds: number; testSeconds: number }, // what watchdog.c writes
    async live(now, until) { await call('live', now, until); },
    async release() { if (channel) await call('release'); },
    async close() { await channel?.close(); },
  };
}
