/** Names of keys, and what they are called in Linux's input layer: what libvirt passes on to a guest whatever its keyboard is set to. Pure. */

const row = (first: number, letters: string) => [...letters].map((letter, index) => [letter, first + index] as const);

const codes: Record<string, number> = Object.fromEntries<number>([
  ['esc', 1], ...row(2, '1234567890-='), ['backspace', 14], ['tab', 15], ...row(16, 'qwertyuiop[]'), ['enter', 28], ['ctrl', 29],
  ...row(30, "asdfghjkl;'`"), ['shift', 42], ...row(43, '\\zxcvbnm,./'), ['alt', 56], ['space', 57], ['capslock', 58],
  ...Array.from({ length: 10 }, (_none, index) => [`f${index + 1}`, 59 + index] as const), ['f11', 87], ['f12', 88],
  ['print', 99], ['sysrq', 99], ['altgr', 100], ['home', 102], ['up', 103], ['pageup', 104], ['left', 105], ['right', 106], ['end', 107], ['down', 108],
  ['pagedown', 109], ['insert', 110], ['delete', 111], ['power', 116], ['pause', 119], ['win', 125], ['menu', 127],
]);

/** More at once than libvirt takes. */
const mostTogether = 16;

/** The codes of a chord such as `ctrl+alt+delete`, in the order in which they are pressed; `undefined` where it names no key. */
export function chordCodes(chord: string): number[] | undefined {
  const pressed = chord.toLowerCase().split('+').map((name) => codes[name.trim()]);
  return pressed.length <= mostTogether && pressed.every((code) => code !== undefined) ? pressed : undefined;
}

/** What is wrong with a chord; `undefined` when nothing is. */
export function chordFault(chord: string): string | undefined {
  if (chordCodes(chord)) return undefined;
  const unknown = chord.toLowerCase().split('+').map((name) => name.trim()).find((name) => codes[name] === undefined);
  return unknown === undefined ? `At most ${mostTogether} keys together.` : 'There is no such key. Keys are named such as a, 7, f2, enter, tab, esc, ctrl, alt, shift, win, delete, up, pagedown, sysrq, and joined by +.';
}
