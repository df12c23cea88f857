/**
 * Dialogs and toasts. `hx-confirm` opens our own dialog instead of the browser's; `data-dialog` opens a dialog of the page,
 * which closes when its form succeeded; toasts go by themselves unless they must stay.
 */
import type {} from 'htmx.org';

const toastMs = 6_000;

interface Question {
  title: string;
  body: string;
  label: string;
  /** Name that must be typed first; empty if none. */
  name: string;
}

function ask(question: Question): Promise<boolean> {
  const dialog = document.querySelector<HTMLDialogElement>('#confirm');
  const ok = dialog?.querySelector<HTMLButtonElement>('[data-ok]');
  const field = dialog?.querySelector<HTMLElement>('[data-type-name]');
  const input = field?.querySelector('input');
  if (!dialog || !ok || !field || !input) return Promise.resolve(window.confirm(question.title));
  setText(dialog, 'h2', question.title);
  setText(dialog, '[data-body]', question.body);
  setText(dialog, '[data-name]', question.name);
  ok.textContent = question.label;
  field.hidden = question.name === '';
  input.value = '';
  const check = () => { ok.disabled = question.name !== '' && input.value !== question.name; };
  input.oninput = check;
  // Enter would press the first button, which is "cancel".
  input.onkeydown = (event) => {
    if (event.key !== 'Enter') return;
    event.preventDefault();
    if (!ok.disabled) ok.click();
  };
  check();
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'ok'), { once: true });
  });
}

function setText(root: Element, selector: string, text: string): void {
  const element = root.querySelector(selector);
  if (element) element.textContent = text;
}

document.addEventListener('htmx:confirm', (event) => {
  const { ctx, issueRequest, dropRequest } = event.detail;
  const { dataset, textContent } = ctx.sourceElement as HTMLElement; // a button or a form
  const title = ctx.sourceElement.getAttribute('hx-confirm') ?? '';
  event.preventDefault();
  void ask({ title, body: dataset['confirmBody'] ?? '', label: dataset['confirmLabel'] ?? textContent ?? '', name: dataset['confirmType'] ?? '' })
    .then((isOk) => (isOk ? issueRequest() : dropRequest()));
});

document.addEventListener('click', (event) => {
  const target = event.target as Element; // click events come from elements
  const opener = target.closest<HTMLElement>('[data-dialog]');
  const dialog = opener && document.getElementById(opener.dataset['dialog'] ?? '');
  if (dialog instanceof HTMLDialogElement) dialog.showModal();
  // A click on the backdrop lands on the dialog itself.
  if (target instanceof HTMLDialogElement) target.close();
  if (target.closest('[data-toast-close]')) target.closest('.toast')?.remove();
});

document.addEventListener('htmx:after:request', (event) => {
  const { response, sourceElement } = event.detail.ctx;
  if (response && response.status < 400) sourceElement.closest('dialog')?.close();
});

/** The request never got an answer: say so, and that nothing was lost. */
document.addEventListener('htmx:error', (event) => {
  const { ctx } = event.detail;
  if (!ctx || ctx.response || ctx.request.method === 'GET') return;
  const template = document.querySelector<HTMLTemplateElement>('#toast-offline');
  if (template) document.querySelector('#toasts')?.append(template.content.cloneNode(true));
});

const timers = new WeakMap<Element, number>();

function watchToast(toast: HTMLElement): void {
  window.clearTimeout(timers.get(toast));
  if (toast.dataset['stays'] !== undefined) return;
  timers.set(toast, window.setTimeout(() => {
    if (toast.matches(':hover, :focus-within')) watchToast(toast);
    else toast.remove();
  }, toastMs));
}

const toasts = document.querySelector('#toasts');
if (toasts) {
  new MutationObserver(() => {
    for (const toast of toasts.querySelectorAll<HTMLElement>('.toast')) if (!timers.has(toast) || toast.dataset['stays'] === undefined) watchToast(toast);
  }).observe(toasts, { childList: true, subtree: false, attributes: true, attributeFilter: ['data-tone'] });
  // A task's toast is morphed in place when its task ends; only then may it go.
  document.addEventListener('htmx:after:swap', () => {
    for (const toast of toasts.querySelectorAll<HTMLElement>('.toast:not([data-stays])')) if (!timers.has(toast)) watchToast(toast);
  });
}
