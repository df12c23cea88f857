/**
 * Uploads that survive a bad line. A file goes out as one stream; when the connection breaks, the appliance is asked how much
 * of it is safe and the rest follows. Shown among the toasts, with pause, resume and cancel; a disk image first gets its disk.
 *
 *   preparing -> sending <-> waiting (line lost, tries again) -> checking -> done
 *                   |-> paused -> sending                           any -> refused (stays, with the reason)
 */
import { csrf, prepareDisk, prepareIso, prepareUpdate, Refused, type Target, type UploadTexts } from './upload-target.ts';

type State = 'preparing' | 'sending' | 'waiting' | 'paused' | 'checking' | 'done' | 'refused';
const longestPauseMs = 15_000;
const rateWindowMs = 4_000;
/** A connection that has just broken may count as live for some seconds; after that many refusals in a row it is meant. */
const mostRefusals = 6;
const active = new Set<Upload>();

class Upload {
  readonly #file: File;
  readonly #texts: UploadTexts;
  readonly #toast: HTMLElement;
  #state: State = 'preparing';
  #request: XMLHttpRequest | undefined;
  #wake: (() => void) | undefined;
  #target: Target | undefined;
  #isCancelled = false;
  #marks: { at: number; bytes: number }[] = [];

  constructor(file: File, template: HTMLTemplateElement) {
    this.#file = file;
    this.#texts = JSON.parse(template.dataset['texts'] ?? '{}') as UploadTexts; // written by upload.tsx
    const copy = template.content.cloneNode(true) as DocumentFragment; // a template's content is a fragment
    this.#toast = copy.querySelector('li') ?? document.createElement('li');
    document.querySelector('#toasts')?.append(copy);
    const name = this.#toast.querySelector('[data-name]');
    if (name) name.textContent = file.name;
    this.#on('[data-pause]', () => { this.#show('paused'); this.#request?.abort(); });
    this.#on('[data-resume]', () => { this.#show('waiting'); this.#wake?.(); });
    this.#on('[data-cancel]', () => void this.#cancel());
  }

  /** Sends the file to where `prepare` says. Never throws: what goes wrong is shown. */
  async run(prepare: (file: File, texts: UploadTexts) => Promise<Target>): Promise<void> {
    active.add(this);
    this.#show('preparing');
    try {
      if (this.#file.size === 0) throw new Refused(this.#texts.empty);
      this.#target = await prepare(this.#file, this.#texts);
      await this.#sendAll(this.#target);
      this.#show('done');
      window.setTimeout(() => this.#toast.remove(), 8_000);
    } catch (error) {
      if (!this.#isCancelled) this.#show('refused', error instanceof Error ? error.message : String(error));
    } finally {
      active.delete(this);
    }
  }

  async #sendAll(target: Target): Promise<void> {
    let offset = await this.#askOffset(target);
    let refusals = 0;
    for (let pauseMs = 1_000; offset < this.#file.size; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      this.#show('sending');
      const before = offset;
      const outcome = await this.#send(target, offset);
      if (outcome === 'whole') return;
      if (this.#isCancelled) throw new Refused('');
      refusals = outcome === 'broken' ? 0 : refusals + 1;
      if (outcome !== 'broken' && refusals >= mostRefusals) throw outcome;
      await this.#rest(pauseMs);
      offset = await this.#askOffset(target);
      if (offset > before) pauseMs = 500;
    }
  }

  /** Sends the rest. A refusal that may pass by itself is returned, any other is thrown. */
  #send({ address, headers }: Target, offset: number): Promise<'whole' | 'broken' | Refused> {
    const { size } = this.#file;
    const request = new XMLHttpRequest();
    this.#request = request;
    this.#marks = [];
    return new Promise((resolve, reject) => {
      request.open('PUT', address);
      for (const [name, value] of Object.entries({ ...headers, 'content-range': `bytes ${offset}-${size - 1}/${size}`, 'x-csrf-token': csrf() })) request.setRequestHeader(name, value);
      request.upload.onprogress = ({ loaded }) => this.#progress(offset + loaded);
      request.onload = () => {
        const { type, detail } = problemOf(request.responseText, request.statusText);
        if (request.status < 300) resolve('whole');
        else if (request.status >= 502) resolve('broken');
        else if (type === 'in-use' || type === 'wrong-state') resolve(new Refused(detail));
        else reject(new Refused(detail));
      };
      request.onerror = request.onabort = request.ontimeout = () => resolve('broken');
      request.send(this.#file.slice(offset));
    });
  }

  /** How much is safe there; 0 when nothing has begun. Asks until there is an answer. */
  async #askOffset({ address, headers }: Target): Promise<number> {
    for (let pauseMs = 1_000; !this.#isCancelled; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      const response = await fetch(address, { method: 'PUT', headers: { ...headers, 'content-range': `bytes */${this.#file.size}`, 'x-csrf-token': csrf() } }).catch(() => undefined);
      if (response?.ok) {
        const { receivedBytes } = (await response.json()) as { receivedBytes?: number }; // the upload's state; without it, it is whole
        return receivedBytes ?? this.#file.size;
      }
      const problem = (await response?.json().catch(() => undefined)) as { type?: string; detail?: string } | undefined;
      if (problem?.type === 'wrong-state') return 0;
      if (problem && response && response.status < 500 && problem.type !== 'in-use') throw new Refused(problem.detail);
      await this.#rest(pauseMs);
    }
    return 0;
  }

  /** Waits, or until resumed where it was paused. */
  async #rest(pauseMs: number): Promise<void> {
    const isPaused = this.#state === 'paused';
    if (!isPaused) this.#show('waiting');
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (!isPaused) window.setTimeout(resolve, pauseMs);
    });
  }

  async #cancel(): Promise<void> {
    this.#isCancelled = true;
    this.#request?.abort();
    this.#wake?.();
    this.#toast.remove();
    const isOver = this.#state === 'done' || this.#state === 'refused';
    for (const address of isOver ? [] : (this.#target?.traces ?? [])) await fetch(address, { method: 'DELETE', headers: { 'x-csrf-token': csrf() } }).catch(() => undefined);
  }

  #progress(bytes: number): void {
    const now = Date.now();
    this.#marks = [...this.#marks.filter(({ at }) => now - at < rateWindowMs), { at: now, bytes }];
    const [first] = this.#marks;
    const rate = first && now > first.at ? ((bytes - first.bytes) / (now - first.at)) * 1000 : 0;
    const { size } = this.#file;
    const bar = this.#toast.querySelector('progress');
    if (bar) bar.value = bytes / size;
    if (bytes >= size) {
      this.#show('checking');
      return;
    }
    const rest = rate > 0 ? ` · ${mebibytes(rate)}/s · ${duration((size - bytes) / rate)}` : '';
    this.#show('sending', `${Math.floor((bytes / size) * 100)} % · ${mebibytes(bytes)} / ${mebibytes(size)}${rest}`);
  }

  #show(state: State, text?: string): void {
    this.#state = state;
    const isOver = state === 'done' || state === 'refused';
    this.#toast.dataset['tone'] = state === 'done' ? 'ok' : state === 'refused' ? 'bad' : state === 'paused' || state === 'waiting' ? 'warn' : 'busy';
    const line = this.#toast.querySelector('[data-text]');
    if (line) line.textContent = text ?? (state === 'refused' ? '' : this.#texts[state]);
    this.#hide('[data-pause]', state !== 'sending' && state !== 'waiting');
    this.#hide('[data-resume]', state !== 'paused');
    this.#hide('progress', isOver);
  }

  #hide(selector: string, isHidden: boolean): void {
    const element = this.#toast.querySelector<HTMLElement>(selector);
    if (element) element.hidden = isHidden;
  }

  #on(selector: string, act: () => void): void {
    this.#toast.querySelector(selector)?.addEventListener('click', act);
  }
}

function problemOf(body: string, otherwise: string): { type: string; detail: string } {
  try {
    const { type = '', detail = otherwise } = JSON.parse(body) as { type?: string; detail?: string }; // problem+json
    return { type, detail };
  } catch {
    return { type: '', detail: otherwise };
  }
}

function mebibytes(bytes: number): string {
  return bytes >= 2 ** 30 ? `${(bytes / 2 ** 30).toFixed(2)} GiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

function duration(seconds: number): string {
  return seconds < 90 ? `${Math.ceil(seconds)} s` : seconds < 5_400 ? `${Math.ceil(seconds / 60)} min` : `${(seconds / 3_600).toFixed(1)} h`;
}

function begin(drop: HTMLElement, files: FileList | null | undefined): void {
  const template = document.querySelector<HTMLTemplateElement>('#upload-template');
  const { upload: kind, address = '' } = drop.dataset;
  if (!template) return;
  const prepare = kind === 'disk' ? prepareDisk(address) : kind === 'update' ? prepareUpdate(address) : prepareIso(address);
  for (const file of files ?? []) void new Upload(file, template).run(prepare);
}

function take(input: EventTarget | null): void {
  if (!(input instanceof HTMLInputElement) || input.type !== 'file') return;
  const drop = input.closest<HTMLElement>('[data-upload]');
  if (!drop) return;
  begin(drop, input.files);
  input.value = '';
}

document.addEventListener('change', ({ target }) => take(target));
// On a slow line somebody may choose before this script has come.
for (const input of document.querySelectorAll('[data-upload] input')) take(input);

for (const type of ['dragover', 'dragleave', 'drop'] as const) {
  document.addEventListener(type, (event) => {
    const drop = event.target instanceof Element ? event.target.closest<HTMLElement>('[data-upload]') : null;
    if (!drop) return;
    event.preventDefault();
    if (type === 'dragover') drop.dataset['over'] = '';
    else delete drop.dataset['over'];
    if (type === 'drop') begin(drop, event.dataTransfer?.files);
  });
}

window.addEventListener('beforeunload', (event) => {
  if (active.size > 0) event.preventDefault();
});
