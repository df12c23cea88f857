/**
 * A rack host: a real Linux host with its own libvirt for one test, in namespaces of this machine, up in half a second.
 *
 * It has its own mounts, network, processes, host name and control groups over a disposable copy of the machine's
 * root (rack/init says how), so tests never touch the machine's libvirt, run beside each other, and end with the
 * process that opened them. Nothing of /etc, /var or /run outlives a host; `scratch` does, for as long as the test
 * wants, at the same path inside and outside. The checkout is readable inside at its own path.
 *
 * States: up -> (powerCut -> off -> boot -> up)* -> closed. Needs root. A power cut here loses no page cache: the
 * kernel lives on, so what a program never synced is still found. Called by the tests in test/real.
 */
import { spawn as spawnChild, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { openForward, type Forward } from './rack/forward.ts';
import { makePlace, removeControlGroups, removePlace, sweepStalePlaces, type Place } from './rack/place.ts';
import {
  childOf, killGroup, runProcess, startProcess, type RackProcess, type RunOptions, type RunResult, type StartOptions,
} from '../process.ts';

export type { RackProcess, RunResult } from '../process.ts';

export type Daemon = 'virtlogd' | 'libvirtd';

export interface RackHostOptions {
  /** What runs from the start; both by default, none for a host without libvirt. */
  daemons?: readonly Daemon[];
  /** Starts libvirt's NAT network `default`. */
  network?: boolean;
}

/** How a command runs inside: `env` comes on top of a clean environment; `cwd` is the checkout unless told. */
export type Inside<Options> = Options & { cwd?: string };

/** The checkout that the running test was built from. */
export const checkout = resolve(import.meta.dirname, '../../..');

const BOOT_MS = 60_000;
const GONE_MS = 5_000;
const CLEAN_ENV = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  LANG: 'C.UTF-8',
};

export async function openRackHost(options: RackHostOptions = {}): Promise<RackHost> {
  if (process.getuid?.() !== 0) throw new Error('a rack host needs root: run the tests with sudo');
  sweepStalePlaces();
  const host = new RackHost(makePlace(), options);
  await host.boot().catch(async (cause) => {
    await host.close();
    throw cause;
  });
  return host;
}

/** Runs one command, such as a whole test file, inside a host made for it. */
export async function runInside(
  argv: readonly string[], options: RackHostOptions & Inside<RunOptions> = {},
): Promise<RunResult> {
  const host = await openRackHost(options);
  try {
    return await host.run(argv, options);
  } finally {
    await host.close();
  }
}

export class RackHost {
  readonly name: string;
  /** Shared folder on disk; may be entered by everyone, as QEMU's own user must. */
  readonly scratch: string;
  readonly #place: Place;
  readonly #options: RackHostOptions;
  readonly #forwards = new Map<number, Promise<Forward>>();
  #keeper: ChildProcess | undefined;
  #answers: AsyncIterator<string> | undefined;
  #pid = 0;
  #disks = 0;

  constructor(place: Place, options: RackHostOptions) {
    this.#place = place;
    this.#options = options;
    this.name = place.name;
    this.scratch = place.scratch;
    mkdirSync(join(this.scratch, 'logs'), { recursive: true });
  }

  /** Pid of the host's PID 1 as this machine sees it; 0 while the host is off. */
  get pid(): number {
    return this.#pid;
  }

  /** A path in the shared folder. */
  path(...parts: string[]): string {
    return join(this.scratch, ...parts);
  }

  /** Switches the host on, again after a power cut: a fresh root, the same scratch folder and outside addresses. */
  async boot(): Promise<void> {
    const { daemons = ['virtlogd', 'libvirtd'], network = false } = this.#options;
    const script = join(checkout, 'test/real/rack/boot');
    const complaints = openSync(this.path('logs/init.log'), 'a');
    const keeper = spawnChild(script, [this.name, this.scratch, checkout, ...daemons], {
      env: CLEAN_ENV, detached: true, stdio: ['pipe', 'pipe', complaints],
    });
    closeSync(complaints);
    if (!keeper.stdin || !keeper.stdout) throw new Error('the host has no control channel');
    keeper.stdin.on('error', () => {}); // the host may be gone; the missing answer tells
    this.#keeper = keeper;
    this.#answers = createInterface({ input: keeper.stdout })[Symbol.asyncIterator]();
    await this.#expect('ready');
    this.#pid = childOf(keeper.pid ?? 0) ?? 0;
    if (network) await this.must(['virsh', '-q', 'net-start', 'default']);
    for (const forward of this.#forwards.values()) await (await forward).reopen();
  }

  run(argv: readonly string[], options: Inside<RunOptions> = {}): Promise<RunResult> {
    return runProcess(this.#inside(argv, options), { ...options, env: { ...CLEAN_ENV, ...options.env } });
  }

  /** As `run`, but rejects unless the command ends with 0; gives what it printed. */
  async must(argv: readonly string[], options: Inside<RunOptions> = {}): Promise<string> {
    const result = await this.run(argv, options);
    if (result.code === 0) return result.stdout;
    throw new Error(`${argv.join(' ')}: exit ${result.code}\n${result.stdout}${result.stderr}`);
  }

  /** For what stays, such as the service. It ends with the host. */
  spawn(argv: readonly string[], options: Inside<StartOptions> = {}): RackProcess {
    return startProcess(this.#inside(argv, options), { ...options, env: { ...CLEAN_ENV, ...options.env } });
  }

  /** An address of this machine that leads to a loopback port of the host, whether or not somebody listens yet. */
  async forward(port: number): Promise<{ url: string }> {
    let forward = this.#forwards.get(port);
    if (!forward) {
      forward = openForward(port, this.path(`forward-${port}`), (argv) => this.spawn(argv));
      this.#forwards.set(port, forward);
    }
    return { url: (await forward).url };
  }

  /** HTTP to the service, which listens on the host's 127.0.0.1:8080. */
  async fetch(path: string, init?: RequestInit): Promise<Response> {
    return fetch(new URL(path, (await this.forward(8080)).url), init);
  }

  /** A small file system that only the host sees; QEMU's user may write in it. */
  async smallDisk(sizeBytes: number): Promise<string> {
    const folder = `/srv/disk-${++this.#disks}`;
    await this.must(['mkdir', '-p', folder]);
    await this.must(['mount', '-t', 'tmpfs', '-o', `mode=755,size=${sizeBytes}`, 'small', folder]);
    return folder;
  }

  /** SIGKILL, and waits until it is gone. */
  async kill(daemon: Daemon): Promise<void> {
    await this.run(['pkill', '-KILL', '-x', daemon]);
    while ((await this.run(['pgrep', '-x', daemon])).code === 0) await sleep(10);
  }

  /** Starts a daemon that does not run and waits until it answers. */
  async start(daemon: Daemon): Promise<void> {
    this.#keeper?.stdin?.write(`start ${daemon}\n`);
    await this.#expect(`started ${daemon}`);
  }

  /** Ends a daemon as an upgrade would, with SIGTERM, and starts it. */
  async restart(daemon: Daemon): Promise<void> {
    await this.run(['pkill', '-TERM', '-x', daemon]);
    while ((await this.run(['pgrep', '-x', daemon])).code === 0) await sleep(10);
    await this.start(daemon);
  }

  /** Every process of the host ends at once, without a last word; its memory file systems are gone. */
  async powerCut(): Promise<void> {
    const keeper = this.#keeper;
    if (!keeper) return;
    const gone = keeper.exitCode === null && keeper.signalCode === null ? once(keeper, 'exit') : undefined;
    if (this.#pid) process.kill(this.#pid, 'SIGKILL');
    else killGroup(keeper.pid ?? -1);
    // The kernel lets the keeper see the end of PID 1 when all others have ended and been reaped, which never comes
    // where orphans have no one to reap them, as in a container without an init.
    await Promise.race([gone, sleep(GONE_MS, undefined, { ref: false })]);
    killGroup(keeper.pid ?? -1);
    this.#keeper = undefined;
    this.#pid = 0;
    removeControlGroups(this.#place);
  }

  /** Ends the host and removes all that it left, the scratch folder too. */
  async close(): Promise<void> {
    for (const forward of this.#forwards.values()) await (await forward).close();
    this.#forwards.clear();
    await this.powerCut();
    removePlace(this.#place);
  }

  #inside(argv: readonly string[], options: { cwd?: string }): string[] {
    if (!this.#pid) throw new Error(`${this.name} is off`);
    const folder = `--chdir=${options.cwd ?? checkout}`; // by env(1): nsenter would take it from outside
    return ['nsenter', `--target=${this.#pid}`, '--all', '--', 'env', folder, ...argv];
  }

  async #expect(answer: string): Promise<void> {
    const late = new AbortController();
    const line = await Promise.race([
      this.#answers?.next(),
      sleep(BOOT_MS, undefined, { signal: late.signal }).catch(() => undefined),
    ]);
    late.abort();
    if (line?.value === answer) return;
    const complaints = readFileSync(this.path('logs/init.log'), 'utf8');
    throw new Error(`${this.name}: expected "${answer}", got "${line?.value ?? 'nothing'}"\n${complaints}`);
  }
}
