/** Fields to fill in: Enter goes to the next, and after the last one on; Escape goes back. */
import type { Key } from './keys.ts';
import { cut, type Line, paragraph, say, widthOf } from './lines.ts';
import type { Size } from './painter.ts';
import type { Screen, Stage, View } from './stage.ts';

export interface Field {
  label: string;
  value: string;
  help?: string;
}

export interface EntryOptions {
  title: string;
  lead: string[];
  fields: Field[];
  /** Gets the values in the order of the fields. */
  act(values: string[]): void;
}

const longest = 128;

export function entry(stage: Stage, { title, lead, fields, act }: EntryOptions): Screen {
  const values = fields.map(({ value }) => value);
  let at = 0;
  const edit = (change: (value: string) => string) => { values[at] = change(values[at] ?? '').slice(0, longest); };

  const onKey = (key: Key) => {
    if (key.name === 'escape') return stage.pop();
    if (key.name === 'enter' && at === fields.length - 1) return act(values.map((value) => value.trim()));
    if (key.name === 'enter' || key.name === 'down' || key.name === 'tab') at = Math.min(fields.length - 1, at + 1);
    if (key.name === 'up') at = Math.max(0, at - 1);
    if (key.name === 'backspace') edit((value) => [...value].slice(0, -1).join(''));
    if (key.name === 'clear') edit(() => '');
    if (key.name === 'text') edit((value) => value + key.text);
  };
  const view = ({ columns }: Size): View => {
    const head: Line[] = [say(` ${stage.ui().t('console.keysEntry')}`), say(''), ...lead.flatMap((text) => paragraph(text, columns - 2, { mark: ' ' })), say('')];
    const width = Math.max(...fields.map(({ label }) => widthOf(label)));
    const room = Math.max(8, columns - width - 6);
    const lines = fields.map(({ label }, index): Line => [
      { text: ` ${' '.repeat(width - widthOf(label))}${label}  `, style: index === at ? 'strong' : 'plain' },
      { text: shownEnd(values[index] ?? '', room).padEnd(Math.min(room, 44), '_'), style: index === at ? 'strong' : 'plain' },
    ]);
    const help = fields[at]?.help;
    return {
      lines: [...head, ...lines, say(''), ...(help ? paragraph(help, columns - 2, { mark: ' ' }) : [])],
      cursor: { row: head.length + at, column: width + 3 + widthOf(shownEnd(values[at] ?? '', room)) },
    };
  };
  return { title: () => title, help: () => stage.ui().t('console.keysBack'), needsService: true, onKey, view };
}

/** The end of a text that is longer than its place. */
function shownEnd(value: string, columns: number): string {
  return widthOf(value) < columns ? value : [...cut([...value].reverse().join(''), columns - 1)].reverse().join('');
}
