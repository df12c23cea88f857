/**
 * `bothy console [TERMINAL]...`: the screen of the box, run by systemd for its first console and its serial port together
 * (bothy-console.service), since each further program would cost its own memory and start. It needs no password, because whoever sits
 * there could as well pull the plug; it gives no shell.
 *
 * Each terminal has a state of its own and none waits for another. One that hangs up is opened anew. Ends with 69 where there is no
 * terminal at all, such as a serial port that no hardware is behind: nothing to try again.
 */
import { join, resolve } from 'node:path';
import { isatty } from 'node:tty';
import { systemClock } from '../core/clock.ts';
import { rootPath } from '../paths.ts';
import { createSocketApi } from './api.ts';
import { runConsole } from './console.ts';
import { ownSeat, type Seat, seatNamed } from './seat.ts';
import { openTerminal } from './terminal.ts';
import { whyAway } from './why-away.ts';

const noTerminal = 69;
/** Between a terminal that hung up and the next try; one at a cable may be away for hours. */
const reopenMs = 1_000;
const absentMs = 30_000;

interface Place {
  socketPath: string;
  stopping: AbortSignal;
}

export async function startConsole(environment: NodeJS.ProcessEnv, names: readonly string[]): Promise<void> {
  const stopping = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => stopping.abort());
  const socketPath = join(resolve(environment['BOTHY_STATE'] ?? join(rootPath, 'state')), 'run/bothy.sock');
  const place: Place = { socketPath, stopping: stopping.signal };
  const were = names.length > 0 ? await Promise.all(names.map((name) => keepSeat(seatNamed(name), place))) : [await ownTerminal(environment, place)];
  if (!were.includes(true)) process.exitCode = noTerminal;
  process.exit();
}

async function ownTerminal(environment: NodeJS.ProcessEnv, place: Place): Promise<boolean> {
  if (isatty(0)) return sitAt(ownSeat(environment['TERM'] ?? 'linux'), place);
  tell('this is no terminal');
  return false;
}

/** Serves it until the program ends. False when there never was a terminal. */
async function keepSeat(seat: Seat, place: Place): Promise<boolean> {
  let isKnown = false;
  while (!place.stopping.aborted) {
    const wasThere = await sitAt(seat, place);
    isKnown ||= wasThere;
    if (!isKnown) return false;
    await systemClock.sleep(wasThere ? reopenMs : absentMs, place.stopping).catch(() => {});
  }
  return isKnown;
}

/** Until it hangs up. False when it is none. */
async function sitAt(seat: Seat, { socketPath, stopping }: Place): Promise<boolean> {
  const gone = new AbortController();
  const signal = AbortSignal.any([gone.signal, stopping]);
  try {
    const terminal = await openTerminal(seat, { clock: systemClock, onEnd: () => gone.abort() });
    await runConsole({ api: createSocketApi(socketPath, seat.name), terminal, glyphs: terminal.glyphs, clock: systemClock, signal, whyAway })
      .catch((error: unknown) => tell(`${seat.name}: ${error instanceof Error ? error.stack : String(error)}`));
    terminal.close();
    return true;
  } catch (error) {
    tell(`${seat.name}: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
}

function tell(what: string): void {
  process.stderr.write(`bothy console: ${what}\n`);
}

if (import.meta.url === `file://${process.argv[1]}`) await startConsole(process.env, process.argv.slice(2));
