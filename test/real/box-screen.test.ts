/**
 * The program `bothy console` itself on a real pseudo-terminal, at a service behind the real socket: that it finds out what the terminal can
 * show, takes keys, survives the service's restart, and leaves the terminal as it was. util-linux's `script` makes the terminal, an emulator is its screen.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import headless from '@xterm/headless';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { silentLog } from '../../appliance/core/log.ts';
import { rootPath } from '../../appliance/paths.ts';
import { serve } from '../../appliance/server.ts';
import { openTestApp, type TestApp } from '../world/app.ts';

const { Terminal: Emulator } = headless;
type Screen = InstanceType<typeof Emulator>;

interface Seat {
  shows(pattern: RegExp): Promise<string>;
  type(text: string): void;
  ended: Promise<number | null>;
  child: ChildProcess;
}

/** The service's sockets for a simulated appliance; `stop` closes them as a restart does. */
async function listen(site: TestApp): Promise<() => Promise<void>> {
  const stopping = new AbortController();
  const config = { statePath: site.statePath, listen: { host: '127.0.0.1', port: 0 }, viewerPorts: { first: 45_900, last: 45_903 }, libvirtUri: 'test', accel: 'auto' as const, managesHost: false, watchdog: { isWanted: false, patienceMs: 60_000 }, keysPath: '/nonexistent', logLevel: 'error' as const, version: '0.0.0' };
  const { app } = site;
  let isUp = () => {};
  const up = new Promise<void>((resolve) => { isUp = resolve; });
  const served = serve({ config, log: silentLog, network: app.http('network'), local: app.http('local'), openConsole: app.openConsole, certificates: app.certificates }, stopping.signal, () => isUp());
  await up;
  return async () => {
    stopping.abort();
    await served;
  };
}

interface SeatOptions {
  statePath: string;
  term: string;
  columns: number;
  rows: number;
  /** False for a terminal that shows each byte as a letter. */
  knowsUtf8?: boolean;
  /** A serial line, of which the kernel knows no size. */
  isSerial?: boolean;
}

/** Waits until the screen shows it; throws with what it shows instead. */
async function shows(screen: Screen, pattern: RegExp): Promise<string> {
  for (const until = performance.now() + 20_000; ; await sleep(50)) {
    await new Promise<void>((resolve) => screen.write('', resolve));
    const text = Array.from({ length: screen.rows }, (_none, row) => screen.buffer.active.getLine(row)?.translateToString(true) ?? '').join('\n');
    if (pattern.test(text)) return text;
    if (performance.now() > until) throw new Error(`never shown: ${pattern}, but\n${text}`);
  }
}

function sitDown({ statePath, term, columns, rows, knowsUtf8 = true, isSerial = false }: SeatOptions): Seat {
  const program = `stty ${isSerial ? 'cols 0 rows 0' : `cols ${columns} rows ${rows}`}; exec node ${join(rootPath, 'build/appliance/console-screen/main.js')}`;
  const child = spawn('script', ['--quiet', '--return', '--flush', '--command', program, '/dev/null'], { env: { PATH: process.env['PATH'], TERM: term, BOTHY_STATE: statePath }, stdio: ['pipe', 'pipe', 'inherit'] });
  const screen: Screen = new Emulator({ cols: columns, rows, allowProposedApi: true });
  screen.onData((answer) => child.stdin?.write(answer));
  child.stdout?.on('data', (data: Buffer) => screen.write(knowsUtf8 ? data : data.toString('latin1')));
  return {
    child, type: (text) => child.stdin?.write(text), ended: new Promise((resolve) => child.once('exit', resolve)),
    shows: (pattern) => shows(screen, pattern),
  };
}

async function withSeat(options: Omit<SeatOptions, 'statePath'>, work: (seat: Seat, site: TestApp) => Promise<void>): Promise<void> {
  const site = await openTestApp();
  const stop = await listen(site);
  const seat = sitDown({ ...options, statePath: site.statePath });
  try {
    await work(seat, site);
  } finally {
    seat.child.kill('SIGKILL');
    await seat.ended;
    await stop();
    await site.close();
  }
}

test('on the console of the kernel: blocks, keys, no way out by control characters', () => withSeat({ term: 'linux', columns: 80, rows: 25 }, async ({ shows, type }) => {
  assert.match(await shows(/All is well/), /█ ▄▄▄▄▄ █/);
  type('\x03\x1a\x1c\x04');
  type('m');
  await shows(/> V {2}Virtual machines/);
  type('\x1b[B');
  await shows(/> N {2}Show the network/);
  type('\x1b');
  await shows(/All is well/);
}));

test('at a serial line with UTF-8: its size is asked for, Chinese is offered', () => withSeat({ term: 'vt220', columns: 100, rows: 30, isSerial: true }, async ({ shows, type }) => {
  const text = await shows(/All is well/);
  assert.match(text.split('\n').at(-1) ?? '', /^ M menu/, 'the last row of thirty');
  assert.match(text, /█ ▄▄▄▄▄ █/);
  type('m');
  await shows(/L {2}简体中文/);
}));

test('at a serial line without UTF-8: ASCII alone', () => withSeat({ term: 'vt100', columns: 80, rows: 24, isSerial: true, knowsUtf8: false }, async ({ shows, type }) => {
  assert.not.match(await shows(/\* All is well/), /[^\x20-\x7e\n]/);
  type('q');
  await shows(/^ shop-7 {2}http:/);
}));

test('it lives through a restart of the service, and ends when the line hangs up', async () => {
  const site = await openTestApp();
  let stop = await listen(site);
  const seat = sitDown({ statePath: site.statePath, term: 'linux', columns: 80, rows: 25 });
  await seat.shows(/All is well/);
  await stop();
  await seat.shows(/The service is starting/);
  stop = await listen(site);
  await seat.shows(/All is well/);
  const program = Number(readFileSync(`/proc/${seat.child.pid}/task/${seat.child.pid}/children`, 'utf8').trim());
  seat.child.kill('SIGKILL'); // with it the terminal goes
  await seat.ended;
  for (const until = performance.now() + 10_000; existsSync(`/proc/${program}/exe`) && performance.now() < until;) await sleep(50);
  assert.not.ok(existsSync(`/proc/${program}/exe`), 'it has ended with its terminal');
  await stop();
  await site.close();
});

/** A terminal that the program does not start on: `script` makes it and holds it. */
async function makeTerminal(folder: string, { columns, rows }: { columns: number; rows: number }) {
  const file = join(folder, `terminal-${columns}`);
  const child = spawn('script', ['--quiet', '--flush', '--command', `stty cols ${columns} rows ${rows}; tty >${file}; exec sleep 1000`, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const screen: Screen = new Emulator({ cols: columns, rows, allowProposedApi: true });
  screen.onData((answer) => child.stdin.write(answer));
  child.stdout.on('data', (data: Buffer) => screen.write(data));
  while (!existsSync(file) || !readFileSync(file, 'utf8').includes('\n')) await sleep(20);
  return {
    child, name: readFileSync(file, 'utf8').trim().replace('/dev/', ''),
    shows: (pattern: RegExp) => shows(screen, pattern),
  };
}

test('one program serves two terminals: each its own screen, and one that stands still or hangs up does not hold the other', async () => {
  const site = await openTestApp();
  const stop = await listen(site);
  const one = await makeTerminal(site.statePath, { columns: 80, rows: 25 });
  const large = await makeTerminal(site.statePath, { columns: 300, rows: 100 }); // more than the kernel keeps for one that does not read
  const program = spawn('node', [join(rootPath, 'build/appliance/console-screen/main.js'), one.name, 'ttyS99', large.name], { env: { PATH: process.env['PATH'], BOTHY_STATE: site.statePath }, stdio: ['ignore', 'inherit', 'ignore'] });
  const ended = new Promise((resolve) => program.once('exit', resolve));
  try {
    await one.shows(/All is well/);
    await large.shows(/All is well/);
    one.child.stdin.write('m');
    await one.shows(/> V {2}Virtual machines/);
    assert.not.match(await large.shows(/All is well/), /Virtual machines/, 'what one types the other does not see');
    large.child.kill('SIGSTOP');
    for (let n = 0; n < 40; n += 1) {
      program.kill('SIGWINCH'); // paints all of both
      await sleep(50);
    }
    one.child.stdin.write('\x1b');
    await one.shows(/All is well/);
    large.child.kill('SIGCONT');
    await large.shows(/All is well/);
    large.child.stdin.write('m');
    await large.shows(/> V {2}Virtual machines/);
    large.child.kill('SIGKILL');
    await sleep(1_500);
    one.child.stdin.write('m');
    await one.shows(/> V {2}Virtual machines/);
    assert.is(program.exitCode, null);
    program.kill('SIGTERM');
    assert.is(await ended, 0);
  } finally {
    program.kill('SIGKILL');
    for (const { child } of [one, large]) child.kill('SIGKILL');
    await stop();
    await site.close();
  }
});

test('without a terminal it says so and ends with 69', async () => {
  const program = join(rootPath, 'build/appliance/console-screen/main.js');
  assert.ok(existsSync(program));
  const child = spawn('node', [program], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (data) => { said += data; });
  assert.is(await new Promise((resolve) => child.once('exit', resolve)), 69);
  assert.match(said, /this is no terminal/);
});

test.run();
