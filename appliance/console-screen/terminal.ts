/**
 * A terminal: raw, without echo, so that no key of it ends the program. What it can show is found out by asking it where its cursor is:
 * after a letter of two bytes, which a terminal without UTF-8 shows as two; and in the far corner, which tells the size of one at a serial
 * line, where the kernel knows none. A terminal that does not answer is taken for a VT100.
 *
 * Writing never waits: what a terminal that stands still does not take is left out, and the whole screen is painted when it goes on.
 * Node's own stream for writing to terminals would stop the program until then, and with it the other terminals.
 */
import { constants, openSync } from 'node:fs';
import { ReadStream, WriteStream } from 'node:tty';
import type { Clock } from '../core/clock.ts';
import type { Terminal } from './console.ts';
import { createKeyReader, type Key } from './keys.ts';
import type { Size } from './painter.ts';
import type { Seat } from './seat.ts';
import type { Glyphs } from './stage.ts';

export interface OpenTerminal extends Terminal {
  glyphs: Glyphs;
  /** Gives it back as it was. */
  close(): void;
}

const answerMs = 1_000;
const smallest: Size = { columns: 20, rows: 10 };
const usual: Size = { columns: 80, rows: 24 };
/** For so long a size is believed: nothing tells when that of the kernel's console changes. */
const measureMs = 1_000;

/** Throws where no terminal is. `onEnd` is called when it hangs up. */
export async function openTerminal({ path, kind }: Seat, { clock, onEnd }: { clock: Clock; onEnd(): void }): Promise<OpenTerminal> {
  const stream = new ReadStream(open(path), { writable: true });
  for (const event of ['error', 'end', 'close']) stream.on(event, onEnd);
  stream.setRawMode(true);
  stream.setEncoding('utf8');
  const heard = listen(stream);
  const isKernel = kind === 'linux';
  const [corner, letter] = isKernel ? [] : await question(stream, heard.early, clock);
  const hasUtf8 = isKernel || letter?.column === 2;
  const asked = corner && corner.row > 1 ? { columns: corner.column, rows: corner.row } : usual;
  return {
    glyphs: { hasBlocks: hasUtf8, hasChinese: hasUtf8 && !isKernel },
    size: createMeasure(path, asked, clock),
    write: (text) => {
      if (!stream.writableNeedDrain && !stream.destroyed) stream.write(text);
    },
    onInput: heard.to,
    onResize: (listener) => {
      stream.on('drain', listener);
      process.on('SIGWINCH', listener); // comes only from the terminal that the program was started on
      stream.once('close', () => process.off('SIGWINCH', listener));
    },
    close() {
      if (!stream.destroyed) stream.setRawMode(false);
      stream.destroySoon();
    },
  };
}

const open = (path: string): number => openSync(path, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);

/** What comes before somebody listens is the answers of the terminal. */
function listen(stream: ReadStream) {
  const listeners: ((text: string) => void)[] = [];
  let early = '';
  stream.on('data', (text: string) => {
    if (listeners.length === 0) early += text;
    for (const listener of listeners) listener(text);
  });
  return { early: () => early, to: (listener: (text: string) => void) => { listeners.push(listener); } };
}

function createMeasure(path: string, asked: Size, clock: Clock): () => Size {
  let size = usual;
  let measuredAt = Number.NEGATIVE_INFINITY;
  return () => {
    if (clock.now() - measuredAt < measureMs) return size;
    measuredAt = clock.now();
    const { columns, rows } = kernelSize(path);
    const known = columns > 0 && rows > 0 ? { columns, rows } : asked;
    size = { columns: Math.max(smallest.columns, known.columns), rows: Math.max(smallest.rows, known.rows) };
    return size;
  };
}

/** As the kernel knows it; zeros where it does not. */
function kernelSize(path: string): Size {
  try {
    const stream = new WriteStream(open(path));
    const { columns = 0, rows = 0 } = stream;
    stream.destroy();
    return { columns, rows };
  } catch {
    return { columns: 0, rows: 0 }; // it has hung up: its end tells
  }
}

type Report = Extract<Key, { name: 'report' }>;

/** Far corner, then after `é` in the first column: 2 where that is one letter. */
async function question(stream: ReadStream, heard: () => string, clock: Clock): Promise<Report[]> {
  stream.write('\x1b[999;999H\x1b[6n\x1b[1;1Hé\x1b[6n\x1b[1;1H\x1b[K');
  const until = clock.now() + answerMs;
  for (;;) {
    const reports = createKeyReader().feed(heard()).filter((key): key is Report => key.name === 'report');
    if (reports.length >= 2 || clock.now() >= until) return reports;
    await clock.sleep(20);
  }
}
