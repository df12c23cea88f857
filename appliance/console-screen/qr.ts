/**
 * The QR code of an address, in letters: two rows of it in one line by half blocks where the terminal has them, else two reversed
 * spaces for each light module. An address without capitals is written in capitals, which browsers read the same and which makes a smaller code.
 */
import qrcode from 'qrcode-generator';
import { type Line, say } from './lines.ts';

export interface Qr {
  lines: Line[];
  columns: number;
}

/** Modules: `true` is dark. With a light border of `border` modules. */
function modulesOf(text: string, border: number): boolean[][] {
  const code = qrcode(0, 'L');
  const capitals = text.toUpperCase();
  if (/^[0-9A-Z $%*+./:-]+$/.test(capitals)) code.addData(capitals, 'Alphanumeric');
  else code.addData(text, 'Byte');
  code.make();
  const size = code.getModuleCount();
  const isDark = (row: number, column: number) => row >= 0 && column >= 0 && row < size && column < size && code.isDark(row, column);
  return Array.from({ length: size + 2 * border }, (_row, row) => Array.from({ length: size + 2 * border }, (_column, column) => isDark(row - border, column - border)));
}

/** `hasBlocks`: the terminal shows U+2580 and its like. */
export function drawQr(text: string, { hasBlocks, border }: { hasBlocks: boolean; border: number }): Qr {
  const modules = modulesOf(text, border);
  return hasBlocks ? drawBlocks(modules) : drawReversed(modules);
}

/** Light is what shines: the code is right on a dark screen, whose colours are set with it. */
function drawBlocks(modules: boolean[][]): Qr {
  const lines: Line[] = [];
  for (let row = 0; row < modules.length; row += 2) {
    const below = modules[row + 1];
    const text = (modules[row] ?? []).map((isDark, column) => letters[Number(isDark) * 2 + Number(below?.[column] ?? true)] ?? ' ').join('');
    lines.push(say(text, 'code'));
  }
  return { lines, columns: modules.length };
}

/** Upper dark (2) and lower dark (1). */
const letters = ['█', '▀', '▄', ' '];

function drawReversed(modules: boolean[][]): Qr {
  const lines = modules.map((row) => row.reduce<Line>((line, isDark) => {
    const style = isDark ? 'plain' : 'reverse';
    const last = line.at(-1);
    if (last?.style === style) last.text += '  ';
    else line.push({ text: '  ', style });
    return line;
  }, []));
  return { lines, columns: modules.length * 2 };
}
