/**
 * Keys from the bytes of a terminal: arrows and the like as the Linux console, VT100 and VT220 send them, and what a terminal answers
 * to a question for its cursor. A lone Escape looks like the beginning of a sequence: `flush` decides, once nothing follows.
 */
export type KeyName = 'up' | 'down' | 'left' | 'right' | 'home' | 'end' | 'page-up' | 'page-down' | 'enter' | 'escape' | 'backspace' | 'tab' | 'redraw' | 'clear';

export type Key =
  | { name: KeyName }
  | { name: 'text'; text: string }
  /** Where the cursor is, counted from 1. */
  | { name: 'report'; row: number; column: number };

export interface KeyReader {
  feed(input: string): Key[];
  /** What began and was not finished. */
  flush(): Key[];
  isWaiting(): boolean;
}

const sequences: Record<string, KeyName> = {
  '[A': 'up', '[B': 'down', '[C': 'right', '[D': 'left', OA: 'up', OB: 'down', OC: 'right', OD: 'left',
  '[H': 'home', '[F': 'end', '[1~': 'home', '[4~': 'end', '[7~': 'home', '[8~': 'end', OH: 'home', OF: 'end',
  '[5~': 'page-up', '[6~': 'page-down', OM: 'enter',
};
const controls: Record<string, KeyName> = {
  '\r': 'enter', '\n': 'enter', '\t': 'tab', '\x7f': 'backspace', '\b': 'backspace', '\x0c': 'redraw', '\x12': 'redraw', '\x15': 'clear',
  '\x10': 'up', '\x0e': 'down', '\x02': 'left', '\x06': 'right',
};

/** `ESC [ [ A` is F1 on the Linux console; the others end with a letter or a tilde. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the bytes that terminals send
const whole = /^\x1b(\[\[[A-Z]|\[[0-9;?]*[A-Za-z~]|O[A-Za-z])/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the same
const begun = /^\x1b(\[\[?[0-9;?]*|O)?$/;

export function createKeyReader(): KeyReader {
  let pending = '';

  const next = (): Key | 'nothing' | 'wait' => {
    const found = whole.exec(pending)?.[1];
    if (found !== undefined) {
      pending = pending.slice(found.length + 1);
      return keyOf(found);
    }
    if (begun.test(pending)) return 'wait';
    const first = String.fromCodePoint(pending.codePointAt(0) ?? 0);
    pending = pending.slice(first.length);
    if (first === '\x1b') return { name: 'escape' };
    const control = controls[first];
    if (control) return { name: control };
    return first < ' ' || (first >= '\x7f' && first < '\xa0') ? 'nothing' : { name: 'text', text: first };
  };

  return {
    isWaiting: () => pending !== '',
    feed(input) {
      pending += input;
      const keys: Key[] = [];
      while (pending !== '') {
        const key = next();
        if (key === 'wait') break;
        if (key !== 'nothing') keys.push(key);
      }
      return keys;
    },
    flush() {
      const isEscape = pending !== '';
      pending = '';
      return isEscape ? [{ name: 'escape' }] : [];
    },
  };
}

function keyOf(sequence: string): Key | 'nothing' {
  const report = /^\[(\d+);(\d+)R$/.exec(sequence);
  if (report) return { name: 'report', row: Number(report[1]), column: Number(report[2]) };
  const name = sequences[sequence];
  return name ? { name } : 'nothing';
}
