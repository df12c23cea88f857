/**
 * The World's watchdog: what device there is, from /sys, and wdmd, which owns it and lets sanlock use it, too.
 *
 * wdmd opens the device only while somebody has promised something, so a machine whose service is off is not watched. It takes the
 * first device, and its unit loads the kernel's software timer where there is none (softdog).
 */
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Watchdog, WatchdogFacts } from '../world.ts';

/** wdmd as native/watchdog.ts speaks with it. Times are seconds of the monotonic clock. */
export interface WatchdogDaemon {
  /** Goes on with the connection of an earlier life where there is one, else makes one and has the device opened. */
  connect(options: { fireSeconds: number; keptDescriptor: number | undefined }): Promise<{ fireSeconds: number; testSeconds: number }>;
  /** All was well at `now`, and that counts until `until`; `fireSeconds` after that at the latest the machine is reset. */
  live(now: number, until: number): Promise<void>;
  /** Nothing of ours resets the machine any more. */
  release(): Promise<void>;
  /** Leaves what was promised as it is. */
  close(): Promise<void>;
}

export interface WatchdogDeviceOptions {
  daemon: WatchdogDaemon;
  /** The connection of an earlier life, kept by systemd. */
  keptDescriptor?: number | undefined;
  /** Where /sys and /run are found: another folder in tests. */
  root?: string;
}

/** The same as sanlock's: whoever comes second must ask for the same. Every common device takes it. */
const fireSeconds = 60;
/** What softdog calls itself. Its place in /sys tells nothing: drivers of hardware such as i6300esb lie among the virtual devices, too. */
const softdog = 'Software Watchdog';
/** WDIOF_CARDRESET of linux/watchdog.h. */
const cardReset = 0x20;

export function createWatchdogDevice({ daemon, keptDescriptor, root = '/' }: WatchdogDeviceOptions): Watchdog {
  let kept = keptDescriptor;
  let isConnected = false;
  let resetAfterMs = fireSeconds * 1000;
  const connect = async () => {
    resetAfterMs = (await daemon.connect({ fireSeconds, keptDescriptor: kept })).fireSeconds * 1000;
    kept = undefined; // the daemon's side has it now
    isConnected = true;
  };
  return {
    now: () => Number(process.hrtime.bigint() / 1_000_000n), // CLOCK_MONOTONIC, as wdmd reads it
    facts: () => readFacts(root),
    isPromised: () => isConnected || kept !== undefined,
    async promise(wellAtMs, untilMs) {
      if (!isConnected) await connect();
      try {
        await daemon.live(wellAtMs / 1000, untilMs / 1000);
      } catch (error) {
        isConnected = false; // the next one looks whether the connection stands
        throw error;
      }
      return { resetAfterMs };
    },
    async release() {
      if (!isConnected && kept === undefined) return;
      if (!isConnected) await connect();
      await daemon.release();
      isConnected = false;
    },
    close: () => daemon.close(),
  };
}

async function readFacts(root: string): Promise<WatchdogFacts> {
  const folder = join(root, 'sys/class/watchdog');
  const [name] = (await readdir(folder).catch(() => [])).sort();
  if (name === undefined) return { kind: 'none', model: '', lack: 'This machine has no watchdog, and the kernel has not loaded its own (softdog).', hasFired: false };
  const read = (file: string) => readFile(join(folder, name, file), 'utf8').then((text) => text.trim(), () => '');
  const model = await read('identity');
  const isRunning = existsSync(join(root, 'run/wdmd/wdmd.sock'));
  return {
    kind: model === softdog ? 'software' : 'hardware', model,
    lack: isRunning ? '' : 'The watchdog daemon wdmd does not run. It is part of the package sanlock.',
    hasFired: (Number(await read('bootstatus')) & cardReset) !== 0,
  };
}

/** The descriptor that systemd has kept under our name for a service that starts again (sd_listen_fds(3)). */
export function keptDescriptorIn(environment: Record<string, string | undefined>, pid: number): number | undefined {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES = '' } = environment;
  if (Number(LISTEN_PID) !== pid) return undefined;
  const index = LISTEN_FDNAMES.split(':').indexOf('bothy-watchdog');
  return index >= 0 && index < Number(LISTEN_FDS) ? firstDescriptor + index : undefined;
}

const firstDescriptor = 3;
