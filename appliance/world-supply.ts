/** The part of the World through which things come to the machine: the slots of its next version, files from addresses, sticks. Slices see it through `world.ts`. */
export interface SlotFact {
  version: string;
  /**
   * `written`: its file system is there, but no kernel to start it. `trying`: the next start counts as a try. `good`: it has come up
   * well. `bad`: it is started only where nothing else is left.
   */
  state: 'written' | 'trying' | 'good' | 'bad';
  isRunning: boolean;
}

export interface SlotFacts {
  /** Why this machine does not start from slots, a whole sentence; empty where it does. */
  lack: string;
  /** The version that runs; empty where there are no slots. */
  running: string;
  /** Such as `x86_64`. */
  architecture: string;
  /** Most bytes that a root file system may have. */
  slotBytes: number;
  slots: SlotFact[];
}

/** The two slots of the host image and its boot loader: systemd-sysupdate, systemd-boot with boot counting. */
export interface Slots {
  facts(): Promise<SlotFacts>;
  /** Where the files of the next version must lie, named `bothy_<version>.root.squashfs` and `bothy_<version>.efi`. */
  stagingPath: string;
  /** Writes the staged root file system of `version` to the slot that does not run. The next start does not use it yet. */
  write(version: string, signal: AbortSignal): Promise<void>;
  /** The next start tries `version`, a few times; its kernel comes from staging unless it is there already. Others stay behind it. */
  arm(version: string, signal: AbortSignal): Promise<void>;
  /** Takes that back: `version` is bad, the next start is the version that runs. */
  disarm(version: string, signal: AbortSignal): Promise<void>;
  /** The version that runs is bad: the next start is the other one. */
  giveUp(signal: AbortSignal): Promise<void>;
}

// ---------------------------------------------------------------------------------------------- site file

/** A site file that lies before the machine, or why the place that names one could not be read. */
export interface FoundSite {
  /** Where it was found, in words for people: `volume BOTHY on sdb1`. */
  source: string;
  text?: string;
  fault?: string;
}

export interface OpenedFile {
  stream: ReadableStream<Uint8Array>;
  sizeBytes: number;
  /** Lets go of the stick; always to be called. */
  close(): Promise<void>;
}

/** A file at the top of a stick or disc. */
export interface CarriedFile {
  /** Where it lies, in words for people: `the volume UPDATES (/dev/sdb1)`. */
  source: string;
  name: string;
  sizeBytes: number;
}

/** Sticks, discs, the boot's own arguments: where a site file, its images and updates may come from. Everything is only ever read. */
export interface SiteSources {
  /** Changes when something is plugged in or taken out; empty on a machine whose sticks are none of our business. */
  fingerprint(): Promise<string>;
  /** The first site file, in the order of the places. */
  find(signal: AbortSignal): Promise<FoundSite | undefined>;
  /** A file on the stick that holds a site file, else on any other; `undefined` when there is none of that name. */
  openFile(path: string, signal: AbortSignal): Promise<OpenedFile | undefined>;
  /** What lies at the top of sticks and discs under a name with this ending. */
  listFiles(ending: string, signal: AbortSignal): Promise<CarriedFile[]>;
}
