/** Child processes, with real ones: outcome, bounds, and that nothing outlives its deadline, its signal or its parent. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../appliance/core/clock.ts';
import { run, ToolError } from '../../appliance/core/run.ts';

const test = suite('run', { folder: '' });
test.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'bothy-run-'));
});
test.after.each((context) => rmSync(context.folder, { recursive: true }));

/** The error of a run that must fail. */
async function failure(argv: string[], options: Partial<Parameters<typeof run>[1]> = {}): Promise<ToolError> {
  try {
    await run(argv, { timeoutMs: 10_000, ...options });
  } catch (error) {
    assert.instance(error, ToolError);
    return error as ToolError; // asserted above
  }
  throw new Error(`${argv.join(' ')} succeeded`);
}

/** A process is gone when it has no entry in /proc, or is a zombie that only waits to be counted. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

async function eventually(isTrue: () => boolean, what: string): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (isTrue()) return;
    await systemClock.sleep(50);
  }
  assert.unreachable(what);
}

test('returns what the program wrote', async () => {
  const { stdout, stderr } = await run(['sh', '-c', 'cat; echo warned >&2'], { timeoutMs: 10_000, input: 'hello' });
  assert.is(stdout, 'hello');
  assert.is(stderr, 'warned\n');
});

test('passes arguments as they are, never through a shell', async () => {
  const odd = '$(id) `id` ; | "quoted" \n --option';
  assert.is((await run(['printf', '%s', odd], { timeoutMs: 10_000 })).stdout, odd);
});

test('passes on no environment but a path, a locale and what it is told', async () => {
  process.env['BOTHY_TEST_SECRET'] = 'secret';
  const { stdout } = await run(['env'], { timeoutMs: 10_000, env: { EXTRA: '1' } });
  assert.equal(stdout.trim().split('\n').map((line) => line.split('=')[0]).sort(), ['EXTRA', 'LC_ALL', 'PATH']);
});

test('tells the exit code and the first line of standard error', async () => {
  const error = await failure(['sh', '-c', 'echo first >&2; echo second >&2; exit 3']);
  assert.is(error.failure, 'exit');
  assert.is(error.exitCode, 3);
  assert.is(error.message, 'sh failed with exit code 3: first');
  assert.is(error.stderr, 'first\nsecond\n');
});

test('tells a missing program from a failing one, with and without limits', async () => {
  const limits = { addressSpaceBytes: 2 ** 30, cpuSeconds: 5 };
  for (const options of [{}, { limits }]) {
    const error = await failure(['no-such-program'], options);
    assert.is(error.failure, 'missing');
    assert.is(error.message, 'no-such-program is not installed');
  }
});

test('ends the whole process group at the deadline', async ({ folder }) => {
  const file = join(folder, 'pids');
  const error = await failure(['sh', '-c', `sleep 60 & echo $$ $! > ${file}; wait`], { timeoutMs: 500 });
  assert.is(error.failure, 'deadline');
  const pids = readFileSync(file, 'utf8').trim().split(' ').map(Number);
  assert.is(pids.length, 2);
  await eventually(() => !pids.some(isAlive), 'a process outlived the deadline');
});

test('ends the program when its signal aborts, and does not start it when it has', async () => {
  const controller = new AbortController();
  const running = failure(['sh', '-c', 'echo ready; sleep 60'], { signal: controller.signal, onLine: () => controller.abort() });
  assert.is((await running).failure, 'aborted');
  assert.is((await failure(['true'], { signal: controller.signal })).failure, 'aborted');
});

test('ends a program that writes too much', async () => {
  const error = await failure(['yes'], { maxOutputBytes: 10_000 });
  assert.is(error.failure, 'output');
  assert.ok(error.stdout.length <= 10_000);
});

test('ends a program that uses too much memory or processor time', async () => {
  const limits = { addressSpaceBytes: 256 * 2 ** 20, cpuSeconds: 1 };
  const greedy = await failure(['sh', '-c', 'x=0123456789; while :; do x=$x$x$x$x; done'], { limits });
  assert.not.equal(greedy.failure, 'deadline', greedy.message);
  const busy = await failure(['sh', '-c', 'while :; do :; done'], { limits });
  assert.is(busy.failure, 'killed', busy.message);
});

test('calls back for each line, also those that a progress meter overwrites', async () => {
  const lines: string[] = [];
  await run(['printf', '10%%\\r20%%\\r\\n30%%\\nrest'], { timeoutMs: 10_000, onLine: (line) => lines.push(line) });
  assert.equal(lines, ['10%', '20%', '30%', 'rest']);
});

test('survives a program that does not read its input', async () => {
  assert.is((await run(['true'], { timeoutMs: 10_000, input: 'x'.repeat(1_000_000) })).stdout, '');
});

test('no program outlives this process, even when it is killed', async ({ folder }) => {
  const file = join(folder, 'pid');
  const module = new URL('../../appliance/core/run.js', import.meta.url).href;
  const script = `
    const { run } = await import(${JSON.stringify(module)});
    setInterval(() => { if (require('node:fs').existsSync(${JSON.stringify(file)})) process.kill(process.pid, 'SIGKILL'); }, 20);
    await run(['sh', '-c', 'echo $$ > ${file}; exec sleep 60'], { timeoutMs: 50_000 });`;
  const wrapped = `const require = (await import('node:module')).createRequire(${JSON.stringify(fileURLToPath(import.meta.url))});${script}`;
  const error = await failure([process.execPath, '--input-type=module', '-e', wrapped], { timeoutMs: 20_000 });
  assert.is(error.killedBy, 'SIGKILL');
  assert.is(error.failure, 'killed');
  const pid = Number(readFileSync(file, 'utf8'));
  await eventually(() => !isAlive(pid), 'the program outlived its parent');
});

test.run();
