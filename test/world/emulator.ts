/** A terminal emulator as the terminal of the console program: what a person would see, as text and as attributes of cells. */
import headless from '@xterm/headless';
import type { Terminal } from '../../appliance/console-screen/console.ts';

const { Terminal: Emulator } = headless;

export interface EmulatedTerminal extends Terminal {
  /** What stands on the screen, one string for each row, without the spaces at its end. */
  rows(): Promise<string[]>;
  text(): Promise<string>;
  /** Presses keys: names in angle brackets, the rest as typed, such as `m<down><enter>`. */
  type(keys: string): void;
  resize(columns: number, rows: number): void;
  /** Something else writes on the screen. */
  intrude(text: string): void;
  isBold(row: number, column: number): Promise<boolean>;
  /** Everything that was written since the last call. */
  written(): string;
  /** Rows that have scrolled out of the screen. */
  scrolled(): number;
}

const keys: Record<string, string> = { up: '\x1b[A', down: '\x1b[B', left: '\x1b[D', right: '\x1b[C', enter: '\r', escape: '\x1b', backspace: '\x7f', clear: '\x15' };

export function createEmulator(columns: number, rows: number): EmulatedTerminal {
  const emulator = new Emulator({ cols: columns, rows, allowProposedApi: true, scrollback: 1000 });
  const inputs: ((text: string) => void)[] = [];
  const resizes: (() => void)[] = [];
  let written = '';
  const settled = () => new Promise<void>((resolve) => emulator.write('', resolve));
  const read = async () => {
    await settled();
    const { active } = emulator.buffer;
    return Array.from({ length: emulator.rows }, (_none, row) => active.getLine(active.baseY + row)?.translateToString(true) ?? '');
  };
  return {
    rows: read,
    text: async () => (await read()).join('\n'),
    size: () => ({ columns: emulator.cols, rows: emulator.rows }),
    write(text) {
      written += text;
      emulator.write(text);
    },
    onInput: (listener) => inputs.push(listener),
    onResize: (listener) => resizes.push(listener),
    type(text) {
      for (const [part, name] of text.matchAll(/<([a-z]+)>|[^<]+/g)) for (const listener of inputs) listener(name === undefined ? part : keys[name] ?? part);
    },
    resize(wide, high) {
      emulator.resize(wide, high);
      for (const listener of resizes) listener();
    },
    intrude: (text) => emulator.write(text),
    async isBold(row, column) {
      await settled();
      return emulator.buffer.active.getLine(emulator.buffer.active.baseY + row)?.getCell(column)?.isBold() !== 0;
    },
    written() {
      const all = written;
      written = '';
      return all;
    },
    scrolled: () => emulator.buffer.active.baseY,
  };
}
