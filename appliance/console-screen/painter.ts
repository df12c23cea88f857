/**
 * Puts a frame on a terminal: only lines that changed are written, each whole, so nothing flickers and a slow serial line is not
 * flooded. Nothing ever scrolls: the cursor is placed for each line and automatic wrap is off.
 */
import { fit, type Line, type Style } from './lines.ts';

export interface Size {
  columns: number;
  rows: number;
}

export interface Cursor {
  row: number;
  column: number;
}

/** Attributes and the sixteen colours; a terminal without colours ignores those. */
const codes: Record<Style, string> = {
  plain: '0', strong: '0;1', bar: '0;7', good: '0;1;32', warn: '0;1;33', bad: '0;1;31', chosen: '0;7', code: '0;97;40', reverse: '0;7',
};

export interface Painter {
  /** Shows the lines from the first row on; rows without a line are empty. */
  paint(lines: Line[], cursor?: Cursor): void;
  /** Everything is written anew with the next frame: something else has written on the screen. `clear` when its size changed. */
  forget(clear?: boolean): void;
  /** Leaves the terminal as it should be. */
  close(): void;
}

/** `spell` puts letters that the terminal has in the place of those that it has not, one for one. */
export function createPainter(write: (text: string) => void, size: () => Size, spell: (text: string) => string): Painter {
  let shown: string[] = [];
  let wasCursor = '';
  let prefix = '\x1b[?7l\x1b[?25l\x1b[0m\x1b[2J';
  return {
    paint(lines, cursor) {
      const { columns, rows } = size();
      const wanted = Array.from({ length: rows }, (_none, row) => encode(fit(lines[row] ?? [], columns), spell));
      const changed = wanted.flatMap((text, row) => (text === shown[row] ? [] : [`\x1b[${row + 1};1H${text}`]));
      const place = cursor ? `\x1b[${cursor.row + 1};${cursor.column + 1}H\x1b[?25h` : '\x1b[?25l';
      shown = wanted;
      if (changed.length === 0 && place === wasCursor && prefix === '') return;
      write(`${prefix}${changed.length > 0 ? '\x1b[?25l' : ''}${changed.join('')}\x1b[0m${place}`);
      wasCursor = place;
      prefix = '';
    },
    forget(clear = false) {
      shown = [];
      prefix = `\x1b[?7l\x1b[?25l${clear ? '\x1b[0m\x1b[2J' : ''}`;
    },
    close: () => write('\x1b[0m\x1b[2J\x1b[H\x1b[?7h\x1b[?25h'),
  };
}

/** Control characters in names that others gave must not reach the terminal. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: exactly those are meant
const harmful = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/g;

function encode(line: Line, spell: (text: string) => string): string {
  return line.map(({ text, style }) => `\x1b[${codes[style]}m${spell(text.replace(harmful, '?'))}`).join('');
}
