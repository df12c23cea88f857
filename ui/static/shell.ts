/**
 * Small manners of every page: colours and language, local times, menus placed at their button, the navigation's mark and
 * focus after a page change, copy buttons, the number of running tasks, and a way out when the session has ended.
 */
import type { Htmx, HtmxRequestCtx } from 'htmx.org';

declare const htmx: Htmx;

/** The page's language as the reader writes it: dates of a Briton are not those of an American. */
const locales = [...navigator.languages.filter((tag) => tag.startsWith(document.documentElement.lang)), document.documentElement.lang];
const relative = new Intl.RelativeTimeFormat(locales, { numeric: 'auto', style: 'short' });
const clock = new Intl.DateTimeFormat(locales, { dateStyle: 'medium', timeStyle: 'medium' });
const steps: [limitSeconds: number, unit: Intl.RelativeTimeFormatUnit, seconds: number][] = [
  [45, 'second', 1], [2_700, 'minute', 60], [79_200, 'hour', 3_600], [Number.POSITIVE_INFINITY, 'day', 86_400],
];

function writeTimes(root: ParentNode): void {
  for (const element of root.querySelectorAll<HTMLTimeElement>('time[data-time]')) {
    const at = new Date(element.dateTime);
    const exact = clock.format(at);
    const text = element.dataset['time'] === 'clock' ? exact : ago((at.getTime() - Date.now()) / 1000);
    if (element.title !== exact) element.title = exact;
    if (element.textContent !== text) element.textContent = text;
  }
}

function ago(seconds: number): string {
  const [, unit, size] = steps.find(([limit]) => Math.abs(seconds) < limit) ?? [0, 'day', 86_400];
  return relative.format(Math.round(seconds / size), unit);
}

function showChoices(): void {
  const chosen = localStorage.getItem('bothy-theme') ?? 'auto';
  for (const input of document.querySelectorAll<HTMLInputElement>('[data-theme-choice]')) input.checked = input.value === chosen;
}

function chooseTheme(value: string): void {
  if (value === 'auto') {
    localStorage.removeItem('bothy-theme');
    delete document.documentElement.dataset['theme'];
  } else {
    localStorage.setItem('bothy-theme', value);
    document.documentElement.dataset['theme'] = value;
  }
  showChoices();
  document.dispatchEvent(new CustomEvent('bothy:theme'));
}

/** Marks where we are; the navigation itself is not replaced when the page is. */
function markNavigation(): void {
  for (const link of document.querySelectorAll<HTMLAnchorElement>('a[data-nav]')) {
    const path = link.pathname;
    const isHere = path === '/' ? location.pathname === '/' : location.pathname === path || location.pathname.startsWith(`${path}/`);
    if (isHere) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
}

/** Puts a menu below its button, or above where there is no room; sheets place themselves. */
function placeMenu(menu: HTMLElement): void {
  const opener = document.querySelector(`[popovertarget="${CSS.escape(menu.id)}"]`);
  if (!opener || menu.classList.contains('menu-sheet')) return;
  const at = opener.getBoundingClientRect();
  const gap = 6;
  const isBelow = at.bottom + gap + menu.offsetHeight < innerHeight;
  menu.style.top = `${Math.max(gap, isBelow ? at.bottom + gap : at.top - gap - menu.offsetHeight)}px`;
  menu.style.left = `${Math.max(gap, Math.min(at.right - menu.offsetWidth, innerWidth - menu.offsetWidth - gap))}px`;
  if (at.left < innerWidth / 3) menu.style.left = `${Math.max(gap, at.left)}px`;
}

function showTaskCount(): void {
  const count = Number(document.querySelector<HTMLElement>('[data-active-tasks]')?.dataset['activeTasks'] ?? 0);
  for (const badge of document.querySelectorAll<HTMLElement>('[data-task-count]')) {
    badge.textContent = String(count);
    badge.hidden = count === 0;
  }
}

async function copy(button: HTMLElement): Promise<void> {
  const box = button.parentElement?.querySelector('[data-copy-from], pre, code, input');
  const text = box instanceof HTMLInputElement ? box.value : box?.textContent;
  await navigator.clipboard.writeText(text ?? '');
  button.dataset['done'] = '';
  window.setTimeout(() => delete button.dataset['done'], 1_500);
}

document.addEventListener('change', (event) => {
  const input = event.target as HTMLElement; // change events come from form controls
  if (input instanceof HTMLInputElement && input.dataset['themeChoice'] !== undefined) chooseTheme(input.value);
  if (input instanceof HTMLSelectElement && input.dataset['localeChoice'] !== undefined) {
    document.cookie = `bothy_locale=${input.value}; path=/; max-age=31536000; samesite=strict`;
    location.reload();
  }
});

document.addEventListener('toggle', (event) => {
  const menu = event.target;
  if (menu instanceof HTMLElement && menu.classList.contains('menu') && menu.matches(':popover-open')) placeMenu(menu);
}, true);

document.addEventListener('click', (event) => {
  const target = event.target as Element; // click events come from elements
  const button = target.closest<HTMLElement>('[data-copy]');
  if (button) void copy(button);
  if (target.closest('[data-print]')) print();
  // A choice in a menu closes it, except for its own controls.
  if (target.closest('.menu a, .menu button')) target.closest<HTMLElement>('.menu')?.hidePopover();
});

document.addEventListener('htmx:before:swap', (event) => {
  const { ctx } = event.detail;
  const isPage = ctx.target instanceof Element && ctx.target.id === 'page' && ctx.select === '#page';
  // The answer is not one of our pages (signed out, or another version): load it as a whole.
  if (isPage && ctx.text && !ctx.text.includes('class="rail"')) {
    event.preventDefault();
    location.assign(ctx.response?.raw.redirected ? ctx.response.raw.url : location.href);
  }
});

/** What the server wrote the same as before (`data-same`, by list.tsx) stays as it is, with all that scripts have done to it. */
htmx.registerExtension('same', {
  htmx_before_morph_node: (old: Node, { newNode }: { newNode: Node }) =>
    !(old instanceof HTMLElement && newNode instanceof HTMLElement && old.dataset['same'] !== undefined && old.dataset['same'] === newNode.dataset['same']),
});

document.addEventListener('htmx:after:swap', (event) => {
  writeTimes(document);
  showTaskCount();
  if (event.detail.ctx.swap !== 'outerHTML') return;
  markNavigation();
  document.querySelector<HTMLElement>('#page')?.focus({ preventScroll: true });
});

/** What proves that a change comes from our own page. Set here, because a form's own `hx-headers` would hide an inherited one. */
document.addEventListener('htmx:config:request', (event) => {
  const csrf = document.querySelector<HTMLMetaElement>('meta[name="csrf"]')?.content;
  const { request } = event.detail.ctx;
  if (csrf) request.headers['x-csrf-token'] = csrf;
  // An empty choice of a filter says nothing and has no place in the address.
  if (request.method === 'GET' && request.body instanceof FormData) {
    for (const [name, value] of [...request.body]) if (value === '') request.body.delete(name);
  }
});

/** Where an answer leads. Taken from htmx so that the toasts of the same answer are shown too, and the way out of sign-in is a full load. */
const leads = new WeakMap<HtmxRequestCtx, string>();

document.addEventListener('htmx:after:request', (event) => {
  const ctx = event.detail.ctx as HtmxRequestCtx & { hx?: { location?: string } }; // set by htmx, not in its types
  const header = ctx.hx?.location;
  if (!ctx.hx || !header) return;
  delete ctx.hx.location;
  leads.set(ctx, header.startsWith('{') ? (JSON.parse(header) as { path: string }).path : header); // our own server's header
});

document.addEventListener('htmx:finally:swap', (event) => {
  const path = leads.get(event.detail.ctx);
  if (path === undefined) return;
  if (!document.body.classList.contains('shell') || path === '/sign-in') location.assign(path);
  else void htmx.ajax('GET', path, { target: '#page', select: '#page', swap: 'outerHTML', push: 'true' });
});

writeTimes(document);
showChoices();
window.setInterval(() => { if (!document.hidden) writeTimes(document); }, 20_000);
