/**
 * `bothy console`: the screen of the box, run by systemd on its first console and its serial port (bothy-console@.service). It needs
 * no password, because whoever sits there could as well pull the plug; it gives no shell.
 *
 * Ends with 69 where there is no terminal, such as a serial port that no hardware is behind: nothing to try again.
 */
import { join, resolve } from 'node:path';
import { ReadStream, WriteStream } from 'node:tty';
import { systemClock } from '../core/clock.ts';
import { rootPath } from '../paths.ts';
import { createSocketApi } from './api.ts';
import { runConsole } from './console.ts';
import { seatName } from './seat.ts';
import { openTerminal } from './terminal.ts';
import { whyAway } from './why-away.ts';

const noTerminal = 69;

export async function startConsole(environment: NodeJS.ProcessEnv): Promise<void> {
  const { stdin, stdout } = process;
  if (!(stdin instanceof ReadStream && stdout instanceof WriteStream)) return giveUp('this is no terminal');
  const stopping = new AbortController();
  // A line that hangs up takes the program with it; systemd starts a new one.
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => stopping.abort());
  stdin.on('error', () => stopping.abort());
  stdin.on('end', () => stopping.abort());
  stdout.on('error', () => stopping.abort());
  try {
    const terminal = await openTerminal(stdin, stdout, { kind: environment['TERM'] ?? 'linux', clock: systemClock });
    const socketPath = join(resolve(environment['BOTHY_STATE'] ?? join(rootPath, 'state')), 'run/bothy.sock');
    await runConsole({ api: createSocketApi(socketPath, seatName()), terminal, glyphs: terminal.glyphs, clock: systemClock, signal: stopping.signal, whyAway });
  } catch (error) {
    giveUp(error instanceof Error ? error.message : String(error));
  }
  process.exit();
}

function giveUp(why: string): void {
  process.stderr.write(`bothy console: ${why}\n`);
  process.exitCode = noTerminal;
}

if (import.meta.url === `file://${process.argv[1]}`) await startConsole(process.env);
