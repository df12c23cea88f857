/** A list to choose from: arrows or a letter, Enter does, Escape goes back. */
import type { Key } from './keys.ts';
import { type Line, paragraph, say, widthOf } from './lines.ts';
import type { Size } from './painter.ts';
import type { Screen, Stage, View } from './stage.ts';

export interface Item {
  /** Chooses it at once. */
  letter?: string;
  text: string;
  aside?: string;
  act(): void;
}

export interface ChoiceOptions {
  title(): string;
  /** Above the list. */
  lead?(): string[];
  items(): Item[];
  /** Shown where there are none. */
  none?(): string;
  /** Which is chosen first. */
  start?: number;
}

export function choice(stage: Stage, options: ChoiceOptions): Screen {
  let chosen = options.start ?? 0;
  const clamp = (count: number) => { chosen = Math.max(0, Math.min(chosen, count - 1)); };

  const onKey = (key: Key) => {
    const items = options.items();
    clamp(items.length);
    if (key.name === 'escape' || key.name === 'left') return stage.pop();
    const byLetter = key.name === 'text' ? items.findIndex(({ letter }) => letter === key.text.toLowerCase()) : -1;
    if (byLetter >= 0) chosen = byLetter;
    if (byLetter >= 0 || key.name === 'enter' || key.name === 'right') return items[chosen]?.act();
    if (key.name === 'up') chosen = (chosen + items.length - 1) % Math.max(1, items.length);
    if (key.name === 'down' || key.name === 'tab') chosen = (chosen + 1) % Math.max(1, items.length);
    if (key.name === 'page-up' || key.name === 'home') chosen = key.name === 'home' ? 0 : chosen - 10;
    if (key.name === 'page-down' || key.name === 'end') chosen = key.name === 'end' ? items.length - 1 : chosen + 10;
    clamp(items.length);
  };
  const view = ({ columns, rows }: Size): View => {
    const items = options.items();
    clamp(items.length);
    const { t } = stage.ui();
    const head = [say(` ${t('console.keysList')}`), say(''), ...(options.lead?.() ?? []).flatMap((text) => paragraph(text, columns - 2, { mark: ' ' })), ...(options.lead ? [say('')] : [])];
    if (items.length === 0) return { lines: [...head, ...paragraph(options.none?.() ?? '', columns - 2, { mark: ' ' })] };
    const room = Math.max(1, rows - head.length);
    const first = Math.max(0, Math.min(chosen - Math.floor(room / 2), items.length - room));
    const width = Math.min(columns - 4, Math.max(...items.map(({ text }) => widthOf(text))) + 4);
    return { lines: [...head, ...items.slice(first, first + room).map((item, index) => itemLine(item, first + index === chosen, width))] };
  };
  return { title: options.title, help: () => stage.ui().t('console.keysBack'), needsService: true, onKey, view };
}

function itemLine({ letter, text, aside }: Item, isChosen: boolean, width: number): Line {
  const label = `${isChosen ? ' >' : '  '} ${letter ? `${letter.toUpperCase()}  ` : ''}${text} `;
  return [{ text: label + ' '.repeat(Math.max(0, width + 4 - widthOf(label))), style: isChosen ? 'chosen' : 'plain' }, ...(aside ? say(`  ${aside}`) : [])];
}

/** Asks before something is done; the answer that does nothing is chosen first. */
export function confirm(stage: Stage, { title, lead, yes, act }: { title: string; lead(): string[]; yes: string; act(): void }): Screen {
  return choice(stage, {
    title: () => title, lead,
    items: () => [{ letter: 'n', text: stage.ui().t('console.no'), act: () => stage.pop() }, { letter: 'y', text: yes, act }],
  });
}

/** Says something until a key is pressed. */
export function message(stage: Stage, title: string, texts: string[], strong?: string): Screen {
  return {
    title: () => title, help: () => stage.ui().t('console.keysBack'),
    onKey: () => stage.pop(),
    view: ({ columns }) => ({
      lines: [say(''), ...texts.flatMap((text) => [...paragraph(text, columns - 2, { mark: ' ' }), say('')]), ...(strong === undefined ? [] : [say(`   ${strong}`, 'strong')])],
    }),
  };
}
