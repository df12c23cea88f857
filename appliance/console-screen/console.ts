/**
 * The screen of the box: keeps what it shows true, hands keys to the topmost screen, and never ends by itself.
 *
 *   change feed -> read the box anew -> draw        keys -> topmost screen -> API
 *
 * While the service is away it says so, and why as far as the system knows, and tries again; nothing else is polled.
 */
import type { Clock } from '../core/clock.ts';
import { makeTranslator, type Translator } from '../../ui/text.ts';
import { type BoxApi, Refused } from './api.ts';
import { readBox, type Service, shownKinds } from './box.ts';
import { message } from './choice.ts';
import { homeView } from './home.ts';
import { createKeyReader, type Key } from './keys.ts';
import { fit, type Line, lineWidth, say } from './lines.ts';
import { menuItems, menuScreen } from './menu.ts';
import { createPainter, type Size } from './painter.ts';
import { spellingFor } from './spelling.ts';
import type { Glyphs, Screen, Stage } from './stage.ts';

export interface Terminal {
  size(): Size;
  write(text: string): void;
  /** Calls `listener` with what was typed. */
  onInput(listener: (input: string) => void): void;
  onResize(listener: () => void): void;
}

export interface ConsoleOptions {
  api: BoxApi;
  terminal: Terminal;
  glyphs: Glyphs;
  clock: Clock;
  signal: AbortSignal;
  /** Why the service does not answer, in the words of the system; empty where it cannot tell. */
  whyAway(): Promise<string>;
  locale?: Translator['locale'];
}

/** A burst of changes is one reading. */
const gatherMs = 150;
const retryMs = 1_000;
/** Asking the system why takes more than trying again: only now and then. */
const askEvery = 5;
/** Whatever else wrote on the screen, the kernel for one, is written over within this time. */
const repaintMs = 60_000;
/** Nobody finds a half-filled form of somebody who went away. */
const idleMs = 300_000;
/** From an Escape until it is a key of its own; a slow serial line needs that long for the rest of a sequence. */
const escapeMs = 80;

/** Resolves when `signal` aborts. */
export async function runConsole(options: ConsoleOptions): Promise<void> {
  const { terminal, clock, signal } = options;
  const screen = createScreens(options);
  const reader = createKeyReader();
  const take = (keys: Key[]) => { for (const key of keys) screen.onKey(key); };
  terminal.onInput((input) => {
    take(reader.feed(input));
    if (reader.isWaiting()) clock.sleep(escapeMs, signal).then(() => take(reader.flush()), () => {});
  });
  terminal.onResize(() => screen.repaint(true));
  screen.redraw();
  await Promise.all([followService(options, screen), repeat(options, repaintMs, () => screen.repaint(false))]);
  screen.close();
}

async function repeat({ clock, signal }: ConsoleOptions, ms: number, work: () => void): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(ms, signal).catch(() => {});
    if (!signal.aborted) work();
  }
}

type Screens = ReturnType<typeof createScreens>;

async function followService(options: ConsoleOptions, screens: Screens): Promise<void> {
  const { api, clock, signal, whyAway } = options;
  let reason = '';
  let tries = 0;
  while (!signal.aborted) {
    try {
      screens.setService({ state: 'up', box: await readBox(api) });
      tries = 0;
      const refresh = createRefresh(options, screens);
      await api.follow((kind) => refresh(kind), signal);
    } catch (error) {
      if (signal.aborted) return;
      if (tries++ % askEvery === 0) reason = error instanceof Refused ? error.message : await whyAway().catch(() => '');
      screens.setService({ state: 'away', reason });
      await clock.sleep(retryMs, signal).catch(() => {});
    }
  }
}

/** Reads the box soon after a change, never twice at once, and once more after a change that came meanwhile. */
function createRefresh({ api, clock, signal }: ConsoleOptions, screens: Screens): (kind: string) => void {
  let isDue = false;
  let isReading = false;
  const read = async () => {
    isReading = true;
    while (isDue) {
      await clock.sleep(gatherMs, signal);
      isDue = false;
      screens.setService({ state: 'up', box: await readBox(api) });
    }
  };
  return (kind) => {
    screens.onChange(kind);
    if (!shownKinds.has(kind)) return;
    isDue = true;
    if (!isReading) read().catch(() => {}).finally(() => { isReading = false; }); // a service that went away ends its change feed, too
  };
}

function createScreens({ api, terminal, glyphs, clock, signal, locale = 'en' }: ConsoleOptions) {
  const painter = createPainter((text) => terminal.write(text), () => terminal.size(), spellingFor(glyphs));
  const stack: Screen[] = [];
  let ui = makeTranslator(locale);
  let service: Service = { state: 'away', reason: '' };
  let touchedAt = clock.now();

  const redraw = () => {
    const size = terminal.size();
    const body = { columns: size.columns, rows: Math.max(1, size.rows - 2) };
    const top = stack.at(-1);
    const { lines, cursor } = top ? top.view(body) : homeView(stage, body);
    const frame = [headLine(stage, top, size.columns), ...Array.from({ length: body.rows }, (_none, row) => lines[row] ?? []), footLine(stage, top, size.columns)];
    painter.paint(frame, cursor && { row: cursor.row + 1, column: cursor.column });
  };
  const stage: Stage = {
    glyphs, api, redraw,
    ui: () => ui,
    setLocale: (next) => { ui = makeTranslator(next); stack.length = 0; redraw(); },
    service: () => service,
    size: () => terminal.size(),
    push: (screen) => { stack.push(screen); redraw(); },
    pop: (to) => { stack.splice(to ? stack.indexOf(to) + 1 : Math.max(0, stack.length - 1)); redraw(); },
    home: () => { stack.length = 0; redraw(); },
    now: () => clock.now(),
    later: (ms, work) => { clock.sleep(ms, signal).then(work, () => {}); },
    attempt: (work) => {
      work().catch((error: unknown) => stage.push(message(stage, ui.t('console.failed'), [error instanceof Error && error instanceof Refused ? error.message : ui.t('console.away')])));
    },
  };
  const goHomeWhenIdle = () => {
    const left = touchedAt + idleMs - clock.now();
    if (left > 0) return stage.later(left, goHomeWhenIdle);
    if (stack.length > 0) stage.home();
  };

  return {
    redraw,
    repaint(clear: boolean) { painter.forget(clear); redraw(); },
    close: painter.close,
    onChange(kind: string) { stack.at(-1)?.onChange?.(kind); },
    setService(next: Service) {
      service = next;
      if (next.state === 'away') while (stack.at(-1)?.needsService) stack.pop();
      redraw();
    },
    onKey(key: Key) {
      if (clock.now() - touchedAt >= 1_000 || stack.length === 0) stage.later(idleMs, goHomeWhenIdle);
      touchedAt = clock.now();
      if (key.name === 'redraw') return this.repaint(true);
      const top = stack.at(-1);
      if (top) top.onKey(key);
      else if (service.state === 'up') homeKey(stage, key);
      redraw();
    },
  };
}

/** On the first screen each letter of the menu works at once. */
function homeKey(stage: Stage, key: Key): void {
  if (key.name === 'enter' || (key.name === 'text' && key.text.toLowerCase() === 'm')) stage.push(menuScreen(stage));
  else if (key.name === 'text') menuItems(stage).find(({ letter }) => letter === key.text.toLowerCase())?.act();
}

function headLine(stage: Stage, top: Screen | undefined, columns: number): Line {
  const service = stage.service();
  const name = service.state === 'up' ? service.box.status.name : 'Bothy';
  const left = say(` ${name}${top ? `  ${top.title()}` : ''}`, 'bar');
  const right = service.state === 'up' && !top ? ` Bothy ${service.box.status.versions.bothy} ` : ' ';
  const room = columns - right.length;
  return [...fit(left, Math.max(room, Math.min(lineWidth(left), columns)), 'bar'), ...say(right, 'bar')];
}

function footLine(stage: Stage, top: Screen | undefined, columns: number): Line {
  const { t } = stage.ui();
  const text = top ? top.help() : stage.service().state === 'up' ? t('console.keysHome') : '';
  return fit(say(` ${text}`, 'bar'), columns, 'bar');
}
