/** The part of the World that restarts a machine which hangs, and what tells afterwards how it went down. Slices see it through `world.ts`. */
export interface WatchdogFacts {
  /** `software`: a timer of the kernel, which a kernel that stands still does not run. */
  kind: 'hardware' | 'software' | 'none';
  /** What the device calls itself, such as `i6300ESB timer`; empty where it does not tell. */
  model: string;
  /** Why the machine cannot be watched, a whole sentence; empty where it can. */
  lack: string;
  /** The device says that it started this boot. False also where it cannot tell. */
  hasFired: boolean;
}

/** The device that resets the machine unless it is told again and again that all is well. Times are of its own clock, in milliseconds. */
export interface Watchdog {
  /** Goes on evenly, also when somebody sets the time of the machine. */
  now(): number;
  facts(): Promise<WatchdogFacts>;
  /** A promise of this life, or of one before it in the same boot, stands: without a new one the machine is going to be reset. */
  isPromised(): boolean;
  /**
   * All was well at `wellAtMs`, which counts until `untilMs`. The machine is reset `resetAfterMs` after that at the latest,
   * also when this process is gone by then; each call takes the place of the one before.
   */
  promise(wellAtMs: number, untilMs: number): Promise<{ resetAfterMs: number }>;
  /** Takes every promise back. Does nothing where none stands. */
  release(): Promise<void>;
  /** This life ends; what it promised stands. */
  close(): Promise<void>;
}

/** What the system itself has kept about how a boot ended. */
export interface BootTraces {
  /** It was shut down or restarted in order. */
  wasShutDown: boolean;
  /** The watchdog's daemon stopped telling the device that all is well, because of this client, and never began again. */
  missed?: { client: string; at: number };
  /** What the kernel said when it could not go on. */
  panic?: string;
  /** When anybody last wrote to the journal. */
  lastAt?: number;
}

export interface PastBoots {
  /** Of a boot before this one. Knows nothing of one that the journal has forgotten. */
  traces(bootId: string): Promise<BootTraces>;
}
