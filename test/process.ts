/**
 * Child processes of the tests, each in a group of its own so that one signal ends a whole tree.
 *
 * A process that a test starts inside a host is the child of an `nsenter`, which only waits for it. `signal` goes to
 * that child alone, as `kill -9 <service>` would; `end` takes the group. Called by rack-host.ts and its parts.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface RunResult {
  stdout: string;
  stderr: string;
  /** Exit status; -1 when a signal ended it. */
  code: number;
}

export interface RackProcess {
  /** Pid as this machine sees it. */
  readonly pid: number;
  /** All that it printed so far, both streams in order of arrival. */
  output(): string;
  /** The first line of either stream that matches, past or future. Rejects when the process ends or time is up. */
  line(pattern: RegExp, timeoutMs?: number): Promise<string>;
  readonly ended: Promise<Ended>;
  signal(name: NodeJS.Signals): void;
  /** SIGKILL for it and all that it started, and waits. */
  end(): Promise<void>;
}

export interface StartOptions {
  env?: NodeJS.ProcessEnv;
  /** Prints every line as it comes, with this in front. */
  echo?: string;
}

export function startProcess(argv: readonly string[], options: StartOptions = {}): RackProcess {
  const child = launch(argv, options, 'ignore');
  const pid = child.pid ?? -1;
  const lines: string[] = [];
  const watchers = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    if (!stream) continue;
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      if (options.echo) console.log(options.echo + line);
      for (const look of watchers) look();
    });
  }
  const ended = waitForEnd(child).finally(() => {
    for (const look of watchers) look();
  });
  return {
    pid,
    output: () => lines.join('\n'),
    line: (pattern, timeoutMs = 30_000) => waitForLine({ argv, lines, watchers, child, pattern, timeoutMs }),
    ended,
    signal: (name) => process.kill(childOf(pid) ?? pid, name),
    end: async () => {
      killGroup(pid);
      await ended;
    },
  };
}

export interface RunOptions extends StartOptions {
  /** One minute unless told. */
  timeoutMs?: number;
  input?: string | Uint8Array;
}

export async function runProcess(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const child = launch(argv, options, 'pipe');
  child.stdin?.on('error', () => {}); // a program that does not read its input is no error
  child.stdin?.end(options.input ?? '');
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => err.push(chunk));
  const timeoutMs = options.timeoutMs ?? 60_000;
  const timer = setTimeout(() => {
    err.push(Buffer.from(`\n${argv.join(' ')}: killed after ${timeoutMs} ms`));
    killGroup(child.pid ?? -1);
  }, timeoutMs);
  const end = await waitForEnd(child).finally(() => clearTimeout(timer));
  return { stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString(), code: end.code ?? -1 };
}

/** The process that `pid` waits for, if it has one child. */
export function childOf(pid: number): number | undefined {
  try {
    const first = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0];
    return first ? Number(first) : undefined;
  } catch {
    return undefined;
  }
}

export function killGroup(pid: number): void {
  if (pid <= 1) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Already gone.
  }
}

function launch(argv: readonly string[], options: StartOptions, stdin: 'pipe' | 'ignore'): ChildProcess {
  const [file = '', ...rest] = argv;
  return spawn(file, rest, { env: options.env ?? process.env, detached: true, stdio: [stdin, 'pipe', 'pipe'] });
}

/** Resolves when the process is gone and its output read. */
async function waitForEnd(child: ChildProcess): Promise<Ended> {
  await once(child, 'close');
  return { code: child.exitCode, signal: child.signalCode };
}

interface LineWait {
  argv: readonly string[];
  lines: string[];
  watchers: Set<() => void>;
  child: ChildProcess;
  pattern: RegExp;
  timeoutMs: number;
}

function waitForLine(wait: LineWait): Promise<string> {
  const { lines, watchers, child, pattern, timeoutMs } = wait;
  return new Promise((resolve, reject) => {
    let seen = 0;
    const fail = (why: string) => {
      settle();
      reject(new Error(`${wait.argv.join(' ')}: ${why} without a line like ${pattern}:\n${lines.join('\n')}`));
    };
    const timer = setTimeout(() => fail(`${timeoutMs} ms passed`), timeoutMs);
    const look = () => {
      for (; seen < lines.length; seen++) {
        const line = lines[seen] ?? '';
        if (!pattern.test(line)) continue;
        settle();
        return resolve(line);
      }
      if (child.exitCode !== null || child.signalCode !== null) fail('it ended');
    };
    const settle = () => {
      clearTimeout(timer);
      watchers.delete(look);
    };
    watchers.add(look);
    look();
  });
}
