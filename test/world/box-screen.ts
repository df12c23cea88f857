/** The console program on an emulated terminal, at the simulated appliance through its local door. */
import { type BoxApi, Away, readAnswer, readChanges } from '../../appliance/console-screen/api.ts';
import { runConsole } from '../../appliance/console-screen/console.ts';
import type { Glyphs } from '../../appliance/console-screen/stage.ts';
import { type Clock, systemClock } from '../../appliance/core/clock.ts';
import type { TestApp } from './app.ts';
import { createEmulator, type EmulatedTerminal } from './emulator.ts';

export interface BoxScreen {
  terminal: EmulatedTerminal;
  /** Waits until the screen shows it; throws with what it shows instead. */
  shows(pattern: RegExp): Promise<string>;
  /** The service is away from now on, with this reason; `undefined` brings it back. */
  setAway(reason: string | undefined): void;
  close(): Promise<void>;
}

export interface BoxScreenOptions {
  columns?: number;
  rows?: number;
  glyphs?: Glyphs;
  clock?: Clock;
}

const patienceMs = 10_000;

export function openBoxScreen(site: TestApp, { columns = 80, rows = 25, glyphs = { hasBlocks: true, hasChinese: false }, clock = systemClock }: BoxScreenOptions = {}): BoxScreen {
  const terminal = createEmulator(columns, rows);
  const stopping = new AbortController();
  const door = site.app.http('local');
  let away: string | undefined;
  let leave = new AbortController();
  const request = async (method: string, path: string, init: RequestInit = {}) => {
    if (away !== undefined) throw new Away('no answer');
    return door.request(`http://bothy/api/v1${path}`, { method, ...init, headers: { 'bothy-console': 'tty1', ...(init.body !== undefined && { 'content-type': 'application/json' }) } });
  };
  const api: BoxApi = {
    async ask<T>(method: string, path: string, body?: object) {
      const response = await request(method, path, body ? { body: JSON.stringify(body) } : {});
      return readAnswer<T>(response.status, await response.text());
    },
    async follow(onChange, signal) {
      const end = AbortSignal.any([signal, leave.signal]);
      const response = await request('GET', '/changes', { signal: end });
      const reader = response.body?.getReader();
      end.addEventListener('abort', () => { reader?.cancel().catch(() => {}); }, { once: true });
      if (reader) await readChanges(chunks(reader), onChange);
    },
  };
  const running = runConsole({ api, terminal, glyphs, clock, signal: stopping.signal, whyAway: async () => away ?? '' });
  return {
    terminal,
    async shows(pattern) {
      for (const until = performance.now() + patienceMs; ; await systemClock.sleep(20)) {
        const text = await terminal.text();
        if (pattern.test(text)) return text;
        if (performance.now() > until) throw new Error(`never shown: ${pattern}, but\n${text}`);
      }
    },
    setAway(reason) {
      away = reason;
      if (reason === undefined) return;
      leave.abort();
      leave = new AbortController();
    },
    async close() {
      stopping.abort();
      await running;
    },
  };
}

async function* chunks(reader: ReadableStreamDefaultReader<Uint8Array>): AsyncGenerator<Uint8Array> {
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    yield value;
  }
}
