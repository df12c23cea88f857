/**
 * Forms: rows of lists, sizes with their unit, errors at their fields, and the same request as a curl command.
 * Loaded on every page, as dialogs with forms may be anywhere.
 */
import type {} from 'htmx.org';

/** `20` and `GiB` become `20 GiB` in what is sent. */
document.addEventListener('formdata', (event) => {
  const form = event.target as HTMLFormElement; // formdata events come from forms
  for (const unit of form.querySelectorAll<HTMLSelectElement>('select[data-unit-of]')) {
    const name = unit.dataset['unitOf'] ?? '';
    const amount = event.formData.get(name);
    if (typeof amount === 'string' && amount !== '') event.formData.set(name, `${amount} ${unit.value}`);
  }
});

function renumber(list: HTMLElement): void {
  const name = list.dataset['rows'] ?? '';
  const pattern = new RegExp(`(^|-)${name.replaceAll('.', '\\.')}\\.(?:\\d+|#)\\.`);
  list.querySelectorAll('[data-rows-body] > [data-row]').forEach((row, index) => {
    for (const element of row.querySelectorAll('*')) {
      for (const attribute of ['name', 'id', 'for', 'data-error-for', 'data-unit-of', 'aria-describedby']) {
        const value = element.getAttribute(attribute);
        if (value) element.setAttribute(attribute, value.split(' ').map((part) => part.replace(pattern, `$1${name}.${index}.`)).join(' '));
      }
    }
  });
}

function addRow(list: HTMLElement): void {
  const template = list.querySelector('template');
  const body = list.querySelector('[data-rows-body]');
  if (!template || !body) return;
  body.append(template.content.cloneNode(true));
  renumber(list);
  body.lastElementChild?.querySelector<HTMLElement>('input, select')?.focus();
}

document.addEventListener('click', (event) => {
  const target = event.target as Element; // click events come from elements
  const list = target.closest<HTMLElement>('[data-rows]');
  if (!list) return;
  if (target.closest('[data-row-add]')) addRow(list);
  if (target.closest('[data-row-remove]')) {
    target.closest('[data-row]')?.remove();
    renumber(list);
    list.querySelector<HTMLElement>('[data-row-add]')?.focus();
  }
  refreshCall(list.closest('form'));
});

document.addEventListener('htmx:before:request', (event) => {
  const form = event.detail.ctx.sourceElement;
  for (const slot of form.querySelectorAll('[data-form-problem], [data-error-for]')) slot.replaceChildren();
  for (const control of form.querySelectorAll('[aria-invalid]')) control.removeAttribute('aria-invalid');
});

document.addEventListener('htmx:after:swap', (event) => {
  const form = event.detail.ctx.sourceElement;
  if (!(form instanceof HTMLFormElement)) return;
  callByLabel(form);
  let first: HTMLElement | undefined;
  for (const slot of form.querySelectorAll<HTMLElement>('[data-error-for]:not(:empty)')) {
    const control = form.querySelector<HTMLElement>(`[name="${CSS.escape(slot.dataset['errorFor'] ?? '')}"]`);
    control?.setAttribute('aria-invalid', 'true');
    control?.closest('details')?.setAttribute('open', '');
    first ??= control ?? undefined;
  }
  first?.focus();
});

/** A list of faults calls each field as the form does, not as the API. */
function callByLabel(form: HTMLFormElement): void {
  for (const path of form.querySelectorAll<HTMLElement>('[data-form-problem] [data-path]')) {
    const control = form.querySelector<HTMLInputElement>(`[name="${CSS.escape(path.dataset['path'] ?? '')}"]`);
    const label = control?.labels?.[0]?.firstChild?.textContent;
    if (label) path.replaceWith(Object.assign(document.createElement('strong'), { textContent: `${label}:` }));
  }
}

/** A choice that makes its neighbours needless (an existing disk has its size) puts them away. */
function showNeeded(select: HTMLSelectElement): void {
  const group = select.closest('[data-row], form');
  for (const name of (select.dataset['instead'] ?? '').split(' ')) {
    const control = group?.querySelector<HTMLInputElement>(`[name="${CSS.escape(select.name.replace(/[^.]+$/, name))}"]`);
    if (!control) continue;
    control.disabled = select.value !== '';
    const field = control.closest<HTMLElement>('.field');
    if (field) field.hidden = control.disabled;
  }
}

document.addEventListener('change', (event) => {
  if (event.target instanceof HTMLSelectElement && event.target.dataset['instead']) showNeeded(event.target);
});

// ------------------------------------------------------------------------------------------------ as API call

const factors: Record<string, number> = { MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };

function readValue(control: HTMLInputElement, sent: string): unknown {
  const kind = control.dataset['kind'];
  if (sent === 'on' || sent === 'off') return sent === 'on';
  if (kind === 'number') return Number(sent);
  if (kind === 'lines') return sent.split('\n').map((line) => line.trim()).filter((line) => line !== '');
  if (kind === 'list') return sent.split(/[\s,]+/).filter((word) => word !== '');
  if (kind !== 'bytes') return sent;
  const [amount = '', unit = ''] = sent.split(' ');
  return Math.round(Number(amount) * (factors[unit] ?? 1));
}

/** Sets `disks.0.sizeBytes` in a tree of plain objects and arrays. */
function place(tree: Record<string, unknown>, path: string[], value: unknown): void {
  const [key = '', ...rest] = path;
  if (rest.length === 0) {
    tree[key] = value;
    return;
  }
  tree[key] ??= /^\d+$/.test(rest[0] ?? '') ? [] : {};
  place(tree[key] as Record<string, unknown>, rest, value); // made here as an object or an array
}

function bodyOf(form: HTMLFormElement): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  for (const [name, sent] of new FormData(form)) {
    const control = form.querySelector<HTMLInputElement>(`[name="${CSS.escape(name)}"]`);
    if (control?.dataset['kind'] === 'set') place(body, name.split('.'), []);
    if (!control || typeof sent !== 'string') continue;
    if (sent === '') {
      if (control.dataset['null'] !== undefined) place(body, name.split('.'), null);
      continue;
    }
    place(body, name.split('.'), control.type === 'password' ? '…' : readValue(control, sent));
  }
  return body;
}

function refreshCall(form: HTMLFormElement | null | undefined): void {
  const call = form?.querySelector<HTMLDetailsElement>('details.api-call');
  const box = call?.querySelector('[data-curl]');
  if (!form || !call?.open || !box) return;
  // Of a set of boxes only those that are ticked are sent: their places have gaps.
  const body = JSON.stringify(bodyOf(form), (_key, value: unknown) => (Array.isArray(value) ? value.filter((item) => item !== undefined) : value), 2).replaceAll("'", "'\\''");
  box.textContent = `curl -X ${form.dataset['method']} ${location.origin}${form.dataset['address']} \\\n`
    + `  -H "Authorization: Bearer $TOKEN" -H 'content-type: application/json' \\\n  -d '${body}'`;
}

for (const type of ['input', 'change']) {
  document.addEventListener(type, (event) => {
    if (event.target instanceof Element) refreshCall(event.target.closest('form'));
  });
}
document.addEventListener('toggle', (event) => {
  if (event.target instanceof Element) refreshCall(event.target.closest('form'));
}, true);
