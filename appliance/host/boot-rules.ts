/** How a boot ended, judged from the traces that it left. Pure. */
export type End = 'planned' | 'watchdog' | 'panic' | 'power-lost' | 'unknown';

/** What could not be shown to be well any more. */
export type Vital = 'database' | 'hypervisor';

/** Written before the machine is left to the watchdog. */
export interface Fault {
  bootId: string;
  at: number;
  vital: Vital;
}

export interface EndedBoot {
  /** When the service last noted that it was alive. */
  seenAt: number;
  /** When the service ended in order; null when it never did. */
  leftAt: number | null;
  /** It ended because the system went down. */
  isPlanned: boolean;
}

export interface Traces {
  wasShutDown: boolean;
  missed?: { client: string; at: number };
  panic?: string;
  lastAt?: number;
}

export interface Verdict {
  end: End;
  at: number;
  message: string;
  nextStep: string | null;
}

const because: Record<Vital | 'service' | 'leases' | 'nobody', string> = {
  database: 'The machine restarted itself, because the appliance could not write its database.',
  hypervisor: 'The machine restarted itself, because libvirt did not answer.',
  service: 'The machine restarted itself, because the service did not answer.',
  leases: 'The machine restarted itself, because it could not keep its leases on storage.',
  nobody: 'The machine restarted itself, because its watchdog was not answered.',
};
const watchdogStep = 'VMs that start with the host run again. If it happens again, look at the events before it and at the disks of this machine.';
const powerStep = 'VMs that start with the host run again. If nobody switched it off, look at its power supply.';
const panicStep = 'VMs that start with the host run again. If it happens again, look at its memory and processor, or install an update.';

export function judgeEnd(boot: EndedBoot, traces: Traces, { fault, hasFired }: { fault: Fault | undefined; hasFired: boolean }): Verdict {
  const lastAt = Math.max(boot.seenAt, traces.lastAt ?? 0);
  if (traces.panic !== undefined) return { end: 'panic', at: lastAt, message: 'The machine restarted itself, because its kernel could not go on.', nextStep: panicStep };
  if (traces.missed) {
    const cause = traces.missed.client === 'bothy' ? (fault?.vital ?? 'service') : 'leases';
    return { end: 'watchdog', at: traces.missed.at, message: because[cause], nextStep: watchdogStep };
  }
  if (boot.isPlanned || traces.wasShutDown) return { end: 'planned', at: boot.leftAt ?? lastAt, message: 'The machine was shut down in order.', nextStep: null };
  if (hasFired) return { end: 'watchdog', at: lastAt, message: because[fault?.vital ?? 'nobody'], nextStep: watchdogStep };
  if (boot.leftAt !== null) return { end: 'unknown', at: lastAt, message: 'How the machine went down is not known: the service had been stopped before.', nextStep: null };
  return { end: 'power-lost', at: lastAt, message: 'Power was lost, or the machine was switched off without being shut down.', nextStep: powerStep };
}

export interface JournalLine {
  /** Microseconds since the epoch. */
  __REALTIME_TIMESTAMP: string;
  MESSAGE?: unknown;
}

/** The first sign of life that was missed and never made up for, in what wdmd has written, oldest first. */
export function missedIn(lines: JournalLine[]): Traces['missed'] {
  let missed: Traces['missed'];
  for (const { MESSAGE, __REALTIME_TIMESTAMP } of lines) {
    const message = typeof MESSAGE === 'string' ? MESSAGE : '';
    if (/ (reopen|disarmed)$|open with timeout/.test(message)) missed = undefined;
    const client = /^test failed .* client \d+ (\S+)$/.exec(message)?.[1];
    if (client !== undefined) missed ??= { client, at: Number(__REALTIME_TIMESTAMP) / 1000 };
  }
  return missed;
}

export function panicIn(kernelLog: string): string | undefined {
  return /Kernel panic - not syncing: .*/.exec(kernelLog)?.[0];
}

const manyResets = 3;
const resetWindowMs = 3_600_000;

/** Resets that come one after another cure nothing: then people had better find a machine that stays on. */
export function isTooOften(ends: { end: End | null; at: number }[], now: number): boolean {
  return ends.filter(({ end, at }) => end === 'watchdog' && now - at < resetWindowMs).length >= manyResets;
}
