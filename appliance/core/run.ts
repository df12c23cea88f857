/**
 * Child processes: the only import of `child_process` in the appliance.
 *
 * A program is started from an argument vector, never through a shell, with a deadline and in its own process group,
 * so that aborting it also ends what it has started. `setpriv --pdeathsig` makes the kernel end it when this process
 * dies, however it dies: a task resumed after a crash must not meet a tool of its earlier life still writing.
 * Output is bounded. Adapters (`qemu-img.ts` and the like) call this; nothing else does.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { deadline } from './clock.ts';

export interface RunOptions {
  /** Ends the program after this long. There is no default: every caller knows its tool. */
  timeoutMs: number;
  signal?: AbortSignal;
  /** Written to standard input, which is empty otherwise. */
  input?: string | Uint8Array;
  /** Added to `PATH` and `LC_ALL=C`; nothing else is passed on. */
  env?: Record<string, string>;
  /** Kernel limits, for a tool that reads what a stranger wrote. */
  limits?: { addressSpaceBytes: number; cpuSeconds: number };
  /** More than this on one stream ends the program; 1 MiB unless told. */
  maxOutputBytes?: number;
  /** Called for each line of standard output as it comes. A carriage return ends a line too: progress meters use it. */
  onLine?: (line: string) => void;
}

export interface RunResult {
  stdout: string;
  stderr: string;
}

export type ToolFailure = 'missing' | 'exit' | 'killed' | 'deadline' | 'aborted' | 'output';

/** Why a program did not succeed. The message is short; argv and the full standard error are for the log. */
export class ToolError extends Error {
  override readonly name = 'ToolError';
  readonly argv: readonly string[];
  readonly failure: ToolFailure;
  readonly exitCode: number | null;
  readonly killedBy: string | null;
  readonly stdout: string;
  readonly stderr: string;
  constructor(argv: readonly string[], failure: ToolFailure, outcome: Outcome) {
    super(describe(argv, failure, outcome));
    this.argv = argv;
    this.failure = failure;
    this.exitCode = outcome.exitCode;
    this.killedBy = outcome.killedBy;
    this.stdout = outcome.stdout;
    this.stderr = outcome.stderr;
  }
}

interface Outcome extends RunResult {
  exitCode: number | null;
  killedBy: string | null;
}

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Runs `argv` to its end. Rejects with a ToolError unless it exits with 0. */
export async function run(argv: readonly string[], options: RunOptions): Promise<RunResult> {
  const timeout = deadline(options.timeoutMs);
  const stop = options.signal ? AbortSignal.any([timeout, options.signal]) : timeout;
  if (stop.aborted) throw new ToolError(argv, 'aborted', { exitCode: null, killedBy: null, stdout: '', stderr: '' });

  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...limited(argv, options.limits)], {
    detached: true,
    env: { PATH, LC_ALL: 'C', ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let isOverflowing = false;
  const onOverflow = () => {
    isOverflowing = true;
    killGroup(child);
  };
  const onStop = () => killGroup(child);
  stop.addEventListener('abort', onStop, { once: true });
  try {
    const outcome = await collect(child, options, onOverflow);
    if (outcome.exitCode === 0 && !isOverflowing) return { stdout: outcome.stdout, stderr: outcome.stderr };
    throw new ToolError(argv, isOverflowing ? 'output' : classify(outcome, timeout, stop), outcome);
  } finally {
    stop.removeEventListener('abort', onStop);
  }
}

function limited(argv: readonly string[], limits: RunOptions['limits']): readonly string[] {
  return limits ? ['prlimit', `--as=${limits.addressSpaceBytes}`, `--cpu=${limits.cpuSeconds}`, '--', ...argv] : argv;
}

function collect(child: ChildProcess, options: RunOptions, onOverflow: () => void): Promise<Outcome> {
  const limitBytes = options.maxOutputBytes ?? 1024 * 1024;
  const stdout = gather(child.stdout, limitBytes, onOverflow, options.onLine);
  const stderr = gather(child.stderr, limitBytes, onOverflow);
  // A program that exits without reading its input makes this pipe fail; its exit code says enough.
  child.stdin?.on('error', () => {});
  child.stdin?.end(options.input ?? '');
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exitCode, killedBy) => resolve({ exitCode, killedBy, stdout: stdout(), stderr: stderr() }));
  });
}

function gather(
  stream: NodeJS.ReadableStream | null, limitBytes: number, onOverflow: () => void, onLine?: (line: string) => void,
): () => string {
  let text = '';
  let pending = '';
  stream?.setEncoding('utf8');
  stream?.on('data', (chunk: string) => {
    if (text.length + chunk.length > limitBytes) return onOverflow();
    text += chunk;
    if (!onLine) return;
    const lines = (pending + chunk).split(/[\r\n]+/);
    pending = lines.pop() ?? '';
    for (const line of lines) onLine(line);
  });
  stream?.on('end', () => {
    if (onLine && pending) onLine(pending);
  });
  return () => text;
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // The group has ended by itself.
  }
}

function classify(outcome: Outcome, timeout: AbortSignal, stop: AbortSignal): ToolFailure {
  // setpriv and prlimit both say this when the program that they should become is not installed.
  if (outcome.exitCode === 127 && outcome.stderr.includes('failed to execute')) return 'missing';
  if (outcome.exitCode !== null) return 'exit';
  if (timeout.aborted) return 'deadline';
  return stop.aborted ? 'aborted' : 'killed';
}

const failureText: Record<ToolFailure, (outcome: Outcome) => string> = {
  missing: () => 'is not installed',
  exit: ({ exitCode, stderr }) => `failed with exit code ${exitCode}${firstLine(stderr)}`,
  killed: ({ killedBy, stderr }) => `was ended by ${killedBy}${firstLine(stderr)}`,
  deadline: () => 'did not finish in time',
  aborted: () => 'was cancelled',
  output: () => 'wrote more than expected',
};

function describe(argv: readonly string[], failure: ToolFailure, outcome: Outcome): string {
  return `${argv[0] ?? 'program'} ${failureText[failure](outcome)}`;
}

function firstLine(stderr: string): string {
  const line = stderr.trim().split('\n')[0] ?? '';
  return line ? `: ${line.slice(0, 300)}` : '';
}
