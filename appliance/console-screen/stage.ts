/** What a screen is and what it may use. Screens lie on each other: the topmost is seen and gets the keys, Escape takes it away. */
import type { Translator } from '../../ui/text.ts';
import type { BoxApi } from './api.ts';
import type { Box, Service } from './box.ts';
import type { Key } from './keys.ts';
import type { Line } from './lines.ts';
import type { Cursor, Size } from './painter.ts';

/** What the terminal can show. */
export interface Glyphs {
  /** UTF-8 with block and box letters; else ASCII alone. */
  hasBlocks: boolean;
  /** Letters of Chinese: never on the kernel's own console, whose fonts have 512 letters at most. */
  hasChinese: boolean;
}

export interface Stage {
  readonly glyphs: Glyphs;
  readonly api: BoxApi;
  ui(): Translator;
  setLocale(locale: Translator['locale']): void;
  service(): Service;
  size(): Size;
  push(screen: Screen): void;
  /** Takes the topmost away; `to` takes all above that one. */
  pop(to?: Screen): void;
  home(): void;
  redraw(): void;
  /** Does something that may fail; what went wrong is shown. */
  attempt(work: () => Promise<void>): void;
  now(): number;
  /** Calls `work` after a time, unless the console ends before. */
  later(ms: number, work: () => void): void;
}

export interface View {
  lines: Line[];
  cursor?: Cursor;
}

export interface Screen {
  title(): string;
  /** Keys and what they do, for the last line. */
  help(): string;
  view(size: Size): View;
  onKey(key: Key): void;
  /** Something of that kind changed. */
  onChange?(kind: string): void;
  /** It needs the appliance: it goes when the service is away. */
  needsService?: boolean;
}

/** The box as last read; only for screens that go with the service. */
export function boxOf(stage: Stage): Box {
  const service = stage.service();
  if (service.state === 'away') throw new Error('this screen goes when the service is away');
  return service.box;
}

export const isText = (key: Key, letter: string): boolean => key.name === 'text' && key.text.toLowerCase() === letter;
