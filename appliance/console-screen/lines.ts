/** Text in cells: pieces with a style, cut and wrapped by the columns that they take. Chinese letters take two. */
export type Style = 'plain' | 'strong' | 'bar' | 'good' | 'warn' | 'bad' | 'chosen' | 'code' | 'reverse';

export interface Piece {
  text: string;
  style: Style;
}

export type Line = Piece[];

export const say = (text: string, style: Style = 'plain'): Line => [{ text, style }];

const wide = /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6]/;

export const widthOf = (text: string): number => [...text].reduce((sum, letter) => sum + (wide.test(letter) ? 2 : 1), 0);
export const lineWidth = (line: Line): number => line.reduce((sum, { text }) => sum + widthOf(text), 0);

/** The beginning of the text that fits into so many columns. */
export function cut(text: string, columns: number): string {
  let used = 0;
  let end = 0;
  for (const letter of text) {
    used += widthOf(letter);
    if (used > columns) break;
    end += letter.length;
  }
  return text.slice(0, end);
}

/** Exactly so many columns: cut, or filled with spaces in the style `filling`. */
export function fit(line: Line, columns: number, filling: Style = 'plain'): Line {
  const fitted: Line = [];
  let left = columns;
  for (const { text, style } of line) {
    const shown = cut(text, left);
    if (shown !== '') fitted.push({ text: shown, style });
    left -= widthOf(shown);
    if (shown !== text) break;
  }
  return left > 0 ? [...fitted, { text: ' '.repeat(left), style: filling }] : fitted;
}

/** Lines of at most so many columns, broken at spaces; what has none is broken where it must be. */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/).flatMap((each) => chop(each, columns))) {
    const joined = line === '' ? word : `${line} ${word}`;
    if (widthOf(joined) <= columns) {
      line = joined;
      continue;
    }
    if (line !== '') lines.push(line);
    line = word;
  }
  return line === '' ? lines : [...lines, line];
}

function chop(word: string, columns: number): string[] {
  const parts: string[] = [];
  for (let rest = word; rest !== '';) {
    const part = cut(rest, Math.max(2, columns));
    parts.push(part);
    rest = rest.slice(part.length);
  }
  return parts;
}

/** Wrapped text with its first line after `mark`, the others below the text. */
export function paragraph(text: string, columns: number, { mark = '', style = 'plain' }: { mark?: string; style?: Style } = {}): Line[] {
  const indent = widthOf(mark);
  return wrap(text, Math.max(4, columns - indent)).map((line, index) => say(`${index === 0 ? mark : ' '.repeat(indent)}${line}`, style));
}
