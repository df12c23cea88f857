/**
 * Runs the test files: each in a process of its own with a hard deadline, kind after kind from quick to slow.
 *
 * A file that ends badly, prints no totals or skips a case has failed. After a whole run the cases that used real
 * parts (test/real/count.ts) must not be fewer than test/floor.json says. The last line is `N passed, N failed`.
 *
 * usage: node build/test/run.js [--all | --lab] [PATH...]    a path is a folder or file of test/, such as test/real/rack-host.test.ts
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { runProcess, type RunResult } from './process.ts';

interface Outcome {
  file: string;
  passed: number;
  failed: number;
  /** Cases per real part. */
  real: Record<string, number>;
}

interface Choice {
  /** Files or folders by name; none for a whole run. */
  wanted: readonly string[];
  isAll: boolean;
  /** The third tier alone: test/lab. */
  isLab: boolean;
}

const root = resolve(import.meta.dirname, '../..');

/** Folders of test/ in the order in which they run; one that is not named here runs before `contract`. */
const quick = ['shape', 'rules', 'core', 'api', 'task', 'scenario'];
const slow = ['contract', 'native', 'real', 'lab'];

function findKinds(): string[] {
  const folders = readdirSync(join(root, 'test'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const others = folders.map((entry) => entry.name).filter((name) => !quick.includes(name) && !slow.includes(name));
  return [...quick, ...others.sort(), ...slow].filter((kind) => folders.some((entry) => entry.name === kind));
}

/**
 * Files of the second tier: minutes each, for what the first tier proves in part already. They run with `--all`
 * (`npm run test:all`, before a release) or when a path names them.
 */
const secondTier = /^test\/task\/site-apply|^test\/real\/(service-(kill-|scale|guest|space|generalise|pools|startup)|vm-guest|vm-hardware|vm-secure-boot|vm-size|browser-looks)/;

/** Boxes that boot under software emulation: each test file takes what a site visit takes. */
const isThirdTier = (kind: string) => kind === 'lab';

/** Test files of a kind as paths in the checkout. From the sources: `build` may still hold what was deleted. */
function findFiles(kind: string, { wanted, isAll, isLab }: Choice): string[] {
  const isInRun = (path: string) => (isLab ? isThirdTier(kind) : !isThirdTier(kind) && (isAll || !secondTier.test(path)));
  return readdirSync(join(root, 'test', kind), { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.test\.tsx?$/.test(path))
    .map((path) => join('test', kind, path))
    .filter((path) => (wanted.length === 0 && isInRun(path)) || wanted.some((prefix) => path === prefix || path.startsWith(`${prefix}/`)))
    .sort();
}

async function runKind(kind: string, files: readonly string[]): Promise<Outcome[]> {
  const isSlow = slow.includes(kind);
  const atOnce = isSlow ? Math.max(1, Math.floor(cpus().length / 2)) : 2; // a box of the lab keeps one processor busy
  const queue = [...files];
  const outcomes: Outcome[] = [];
  const work = async () => {
    for (let file = queue.shift(); file; file = queue.shift()) outcomes.push(await runTwice(file, kind));
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return outcomes;
}

/**
 * Real parts run against the clock of a machine that others load, too: a file of theirs that fails is run once more, and
 * the run tells of both. What fails twice has failed.
 */
async function runTwice(file: string, kind: string): Promise<Outcome> {
  const first = await runFile(file, kind);
  // A box has its own clock, which waits for it: what fails in the lab has failed.
  if (first.failed === 0 || !slow.includes(kind) || isThirdTier(kind)) return first;
  console.log(`AGAIN ${file}: it failed once`);
  const second = await runFile(file, kind);
  if (second.failed === 0) unsteady.push(file);
  return second;
}

/** Files that passed only when they were run again. */
const unsteady: string[] = [];

/** Quick kinds test no power cut of a kernel, so their many synced commits may go to memory where there is enough of it. */
function quickFolder(): string {
  if (!existsSync('/dev/shm')) return tmpdir();
  const { bavail, bsize } = statfsSync('/dev/shm');
  return bavail * bsize > 2 * 2 ** 30 ? '/dev/shm' : tmpdir();
}

/** One guest that boots whole, three times under software emulation, and is generalised in between. */
const longest = /^test\/real\/service-guest-cloud/;

/** After this a file has failed. */
function deadlineMs(file: string, kind: string): number {
  if (isThirdTier(kind)) return 4 * 3600_000;
  if (longest.test(file)) return 3600_000;
  return slow.includes(kind) || secondTier.test(file) ? 600_000 : 180_000;
}

async function runFile(file: string, kind: string): Promise<Outcome> {
  const isSlow = slow.includes(kind);
  const startedAt = performance.now();
  const folder = mkdtempSync(join(isSlow ? tmpdir() : quickFolder(), 'bothy-tests-'));
  const program = join(root, 'build', file.replace(/\.tsx?$/, '.js'));
  // The kernel ends the file when this process dies, however it dies; a rack host in turn ends with its file.
  const argv = ['setpriv', '--pdeathsig', 'KILL', '--', 'node', '--enable-source-maps', program];
  const result = await runProcess(argv, { timeoutMs: deadlineMs(file, kind), env: { ...process.env, NO_COLOR: '1', ...(!isSlow && { TMPDIR: folder }) } });
  rmSync(folder, { recursive: true, force: true });
  const outcome = judge(file, result);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  const verdict = outcome.failed === 0 ? 'ok  ' : 'FAIL';
  console.log(`${verdict}  ${file}  ${outcome.passed} of ${outcome.passed + outcome.failed}, ${seconds} s`);
  if (outcome.failed > 0) console.log(`${result.stdout}${result.stderr}\n(exit ${result.code})`);
  return outcome;
}

/** Reads uvu's totals. Without them, or with a bad end after good totals, the file itself counts as one failure. */
function judge(file: string, { stdout, code }: RunResult): Outcome {
  const total = readNumber(stdout, /^ {2}Total: +(\d+)$/gm);
  const passed = readNumber(stdout, /^ {2}Passed: +(\d+)$/gm);
  const isWhole = total > 0 && (code === 0 || total > passed);
  const counts = [...stdout.matchAll(/^real-cases (\{.*\})$/gm)].at(-1)?.[1];
  return { file, passed, failed: isWhole ? total - passed : total - passed + 1, real: counts ? JSON.parse(counts) : {} };
}

function readNumber(text: string, pattern: RegExp): number {
  return Number([...text.matchAll(pattern)].at(-1)?.[1] ?? 0);
}

/** Prints how many cases used each real part; gives the parts that fell below the floor. */
function countReal(outcomes: readonly Outcome[], isLab: boolean): string[] {
  const floors: Record<string, number> = JSON.parse(readFileSync(join(root, 'test/floor.json'), 'utf8'));
  const floor = Object.fromEntries(Object.entries(floors).filter(([part]) => isThirdTier(part) === isLab));
  const seen = new Map<string, number>();
  for (const { real } of outcomes) {
    for (const [part, cases] of Object.entries(real)) seen.set(part, (seen.get(part) ?? 0) + cases);
  }
  for (const part of Object.keys(floor)) console.log(`cases on real ${part}: ${seen.get(part) ?? 0}`);
  return Object.keys(floor).filter((part) => (seen.get(part) ?? 0) < (floor[part] ?? 0))
    .map((part) => `only ${seen.get(part) ?? 0} cases ran on real ${part}; test/floor.json asks for ${floor[part]}`);
}

async function main(args: readonly string[]): Promise<number> {
  const isAll = args.includes('--all');
  const isLab = args.includes('--lab');
  const wanted = args.filter((arg) => !arg.startsWith('--')).map((path) => path.replace(/^build\//, '').replace(/\.js$/, '.ts').replace(/\/$/, ''));
  const outcomes: Outcome[] = [];
  for (const kind of findKinds()) outcomes.push(...await runKind(kind, findFiles(kind, { wanted, isAll, isLab })));
  const failures = outcomes.filter(({ failed }) => failed > 0).map(({ file, failed }) => `${file}: ${failed} failed`);
  const isWholeRun = wanted.length === 0;
  const missing = isWholeRun ? countReal(outcomes, isLab) : [];
  if (outcomes.length === 0) missing.push('no test file has such a name');
  for (const file of unsteady) console.log(`UNSTEADY  ${file} passed only the second time`);
  for (const line of [...failures, ...missing]) console.log(`FAIL  ${line}`);
  const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0);
  const failed = outcomes.reduce((sum, outcome) => sum + outcome.failed, missing.length);
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
