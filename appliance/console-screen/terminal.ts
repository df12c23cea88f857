/**
 * The terminal that this program was started on: raw, without echo, so that no key of it ends the program. What it can show is found out
 * by asking it where its cursor is: after a letter of two bytes, which a terminal without UTF-8 shows as two; and in the far corner, which tells
 * the size of one at a serial line, where the kernel knows none. A terminal that does not answer is taken for a VT100.
 */
import type { ReadStream, WriteStream } from 'node:tty';
import { createKeyReader, type Key } from './keys.ts';
import type { Terminal } from './console.ts';
import type { Size } from './painter.ts';
import type { Glyphs } from './stage.ts';
import type { Clock } from '../core/clock.ts';

export interface OpenTerminal extends Terminal {
  glyphs: Glyphs;
}

const answerMs = 1_000;
const smallest: Size = { columns: 20, rows: 10 };
const usual: Size = { columns: 80, rows: 24 };

/** `kind` is TERM: `linux` for the kernel's own console. */
export async function openTerminal(input: ReadStream, output: WriteStream, { kind, clock }: { kind: string; clock: Clock }): Promise<OpenTerminal> {
  input.setRawMode(true);
  input.setEncoding('utf8');
  const listeners: ((text: string) => void)[] = [];
  let early = '';
  input.on('data', (text: string) => {
    if (listeners.length === 0) early += text;
    for (const listener of listeners) listener(text);
  });
  const isKernel = kind === 'linux';
  const answers = isKernel ? [] : await question(output, () => early, clock);
  early = '';
  const [corner, letter] = answers;
  const hasUtf8 = isKernel || letter?.column === 2;
  const asked = corner && corner.row > 1 ? { columns: corner.column, rows: corner.row } : usual;
  return {
    glyphs: { hasBlocks: hasUtf8, hasChinese: hasUtf8 && !isKernel },
    size: () => bounded(output.columns > 0 && output.rows > 0 ? { columns: output.columns, rows: output.rows } : asked),
    write: (text) => { output.write(text); },
    onInput: (listener) => listeners.push(listener),
    onResize: (listener) => output.on('resize', listener),
  };
}

const bounded = ({ columns, rows }: Size): Size => ({ columns: Math.max(smallest.columns, columns), rows: Math.max(smallest.rows, rows) });

type Report = Extract<Key, { name: 'report' }>;

/** Far corner, then after `é` in the first column: 2 where that is one letter. */
async function question(output: WriteStream, heard: () => string, clock: Clock): Promise<Report[]> {
  output.write('\x1b[999;999H\x1b[6n\x1b[1;1Hé\x1b[6n\x1b[1;1H\x1b[K');
  const until = clock.now() + answerMs;
  for (;;) {
    const reports = createKeyReader().feed(heard()).filter((key): key is Report => key.name === 'report');
    if (reports.length >= 2 || clock.now() >= until) return reports;
    await clock.sleep(20);
  }
}
