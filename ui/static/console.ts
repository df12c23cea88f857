/**
 * A VM's console in the page: noVNC for the screen, xterm.js for the serial line, each loaded only here. A console needs a
 * ticket that works once, so every connection, also the one after a loss, asks the API for a new one.
 *
 *   connecting -> connected -> lost -> connecting ...      until the page is left
 */
interface Texts {
  connecting: string;
  connected: string;
  lost: string;
}

interface Session {
  frame: HTMLElement;
  box: HTMLElement;
  texts: Texts;
  /** Opens one connection; resolves when it has ended. */
  open(address: string): Promise<void>;
}

const longestPauseMs = 10_000;
const started = new WeakSet<Element>();

function say(frame: HTMLElement, text: string): void {
  const output = frame.querySelector('output');
  if (output) output.textContent = text;
}

/** The WebSocket address of one connection, or what the appliance says against it. */
async function askTicket(frame: HTMLElement): Promise<string> {
  const csrf = document.querySelector<HTMLMetaElement>('meta[name="csrf"]')?.content ?? '';
  const response = await fetch(frame.dataset['ticket'] ?? '', {
    method: 'POST', headers: { 'content-type': 'application/json', 'x-csrf-token': csrf }, body: JSON.stringify({ type: frame.dataset['console'] }),
  });
  const answer = (await response.json()) as { url?: string; detail?: string }; // ticket or problem, by the API's schemas
  if (!answer.url) throw new Error(answer.detail ?? response.statusText);
  return Object.assign(new URL(answer.url, location.href), { protocol: location.protocol === 'https:' ? 'wss:' : 'ws:' }).href;
}

async function run({ frame, texts, open }: Session): Promise<void> {
  for (let pauseMs = 500; frame.isConnected; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    say(frame, texts.connecting);
    const startedAt = Date.now();
    try {
      await open(await askTicket(frame));
      if (Date.now() - startedAt > longestPauseMs) pauseMs = 500;
      say(frame, texts.lost);
    } catch (error) {
      say(frame, error instanceof Error ? error.message : texts.lost);
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

// ------------------------------------------------------------------------------------------------ screen

interface Rfb extends EventTarget {
  scaleViewport: boolean;
  resizeSession: boolean;
  background: string;
  focus(): void;
  disconnect(): void;
  sendCtrlAltDel(): void;
  sendKey(keysym: number, code: string | null, isDown?: boolean): void;
}

async function screenSession(frame: HTMLElement, box: HTMLElement, texts: Texts): Promise<Session> {
  const { default: RFB } = (await import(frame.dataset['module'] ?? '')) as { default: new (target: Element, url: string, options: object) => Rfb }; // noVNC
  let current: Rfb | undefined;
  frame.addEventListener('click', (event) => {
    const { verb } = (event.target as Element).closest<HTMLElement>('[data-verb]')?.dataset ?? {}; // click events come from elements
    if (verb === 'ctrl-alt-del') current?.sendCtrlAltDel();
    if (verb) current?.focus();
  });
  frame.addEventListener('submit', (event) => {
    if (event.target instanceof HTMLFormElement && current) typeText(current, event.target);
  });
  document.addEventListener('htmx:after:swap', () => { if (!frame.isConnected) current?.disconnect(); });
  return {
    frame, box, texts,
    open: (address) => new Promise((resolve) => {
      const rfb = new RFB(box, address, { wsProtocols: ['binary'] });
      current = rfb;
      Object.assign(rfb, { scaleViewport: true, background: 'transparent' });
      rfb.addEventListener('connect', () => { say(frame, texts.connected); rfb.focus(); });
      rfb.addEventListener('disconnect', () => { current = undefined; box.replaceChildren(); resolve(); });
    }),
  };
}

/** Types what a guest without clipboard cannot be given otherwise: one key after the other, Latin-1 and Unicode keysyms. */
function typeText(rfb: Rfb, form: HTMLFormElement): void {
  const field = form.querySelector('textarea');
  for (const character of field?.value ?? '') {
    const point = character.codePointAt(0) ?? 0;
    rfb.sendKey(character === '\n' ? 0xff0d : character === '\t' ? 0xff09 : point < 0x100 ? point : 0x1000000 + point, null);
  }
  if (field) field.value = '';
}

// ------------------------------------------------------------------------------------------------ serial

interface Terminal {
  open(box: Element): void;
  write(data: string | Uint8Array): void;
  reset(): void;
  focus(): void;
  loadAddon(addon: object): void;
  onData(listener: (data: string) => void): void;
}

async function serialSession(frame: HTMLElement, box: HTMLElement, texts: Texts): Promise<Session> {
  const { Terminal: Xterm } = (await import(frame.dataset['module'] ?? '')) as { Terminal: new (options: object) => Terminal }; // xterm.js
  const { FitAddon } = (await import(frame.dataset['fit'] ?? '')) as { FitAddon: new () => { fit(): void } }; // its fit add-on
  const terminal = new Xterm({ scrollback: 5_000, fontFamily: getComputedStyle(box).fontFamily, fontSize: 14, theme: { background: '#0b0d0c', foreground: '#d8dcd2', cursor: '#f5b544' } });
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  terminal.open(box);
  fit.fit();
  new ResizeObserver(() => fit.fit()).observe(box);
  let socket: WebSocket | undefined;
  document.addEventListener('htmx:after:swap', () => { if (!frame.isConnected) socket?.close(); });
  terminal.onData((data) => { if (socket?.readyState === WebSocket.OPEN) socket.send(new TextEncoder().encode(data)); });
  return {
    frame, box, texts,
    open: (address) => new Promise((resolve) => {
      socket = new WebSocket(address, ['binary']);
      socket.binaryType = 'arraybuffer';
      socket.addEventListener('open', () => { terminal.reset(); say(frame, texts.connected); terminal.focus(); });
      socket.addEventListener('message', ({ data }) => terminal.write(typeof data === 'string' ? data : new Uint8Array(data)));
      socket.addEventListener('close', () => resolve());
    }),
  };
}

async function start(frame: HTMLElement): Promise<void> {
  const box = frame.querySelector<HTMLElement>('.console-box');
  if (!box || started.has(frame)) return;
  started.add(frame);
  const texts = JSON.parse(frame.dataset['texts'] ?? '{}') as Texts; // written by vm-console.tsx
  const make = frame.dataset['console'] === 'serial' ? serialSession : screenSession;
  frame.querySelector('[data-verb="full-screen"]')?.addEventListener('click', () => void frame.requestFullscreen());
  await run(await make(frame, box, texts));
}

function scan(): void {
  for (const frame of document.querySelectorAll<HTMLElement>('[data-console]')) void start(frame);
}

document.addEventListener('htmx:after:swap', scan);
scan();

export {};
