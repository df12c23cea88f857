/** The page of the site file: reads a chosen file into the text, and shows what check and plan answer, with a way to each faulty line. */
import { csrf } from './upload-target.ts';

interface Texts {
  good: string;
  nothing: string;
  failed: string;
  place: string;
  verbs: Record<string, string>;
  sections: Record<string, string>;
}

interface Fault { line: number; column: number; path: string; message: string }
interface Step { section: string; verb: string; name: string; details: string[] }
interface Answer { faults?: Fault[]; steps?: Step[]; detail?: string; errors?: { message: string }[] }

const element = (tag: string, text: string, className = '') => Object.assign(document.createElement(tag), { textContent: text, className });
const areaOf = (root: HTMLElement) => root.querySelector<HTMLTextAreaElement>('textarea[name="text"]');

async function ask(root: HTMLElement, verb: 'check' | 'plan'): Promise<Answer> {
  const response = await fetch(`/api/v1/site/${verb}`, {
    method: 'POST', headers: { 'content-type': 'application/json', 'x-csrf-token': csrf() }, body: JSON.stringify({ text: areaOf(root)?.value ?? '' }),
  });
  return (await response.json()) as Answer; // an answer or a problem; every key is looked for
}

/** Puts the cursor where the mistake is. */
function goTo(area: HTMLTextAreaElement, { line, column }: Fault): void {
  const lines = area.value.split('\n');
  const start = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0) + column - 1;
  area.focus();
  area.setSelectionRange(start, start + Math.max(0, (lines[line - 1]?.length ?? 0) - column + 1));
  area.scrollTop = (area.scrollHeight / lines.length) * Math.max(0, line - 4);
}

function faultItem(root: HTMLElement, texts: Texts, fault: Fault): HTMLElement {
  const item = document.createElement('li');
  const place = element('button', texts.place.replace('{line}', String(fault.line)).replace('{column}', String(fault.column)), 'link') as HTMLButtonElement;
  place.type = 'button';
  place.addEventListener('click', () => { const area = areaOf(root); if (area) goTo(area, fault); });
  item.append(place, ' ', element('strong', fault.path), ' ', fault.message);
  return item;
}

function stepItem(texts: Texts, { verb, section, name, details }: Step): HTMLElement {
  const item = document.createElement('li');
  item.dataset['verb'] = verb;
  item.append(element('span', texts.verbs[verb] ?? verb, 'verb'), ' ', `${texts.sections[section] ?? section} `, element('strong', name), ' ', element('span', details.join('; '), 'quiet'));
  return item;
}

function show(root: HTMLElement, texts: Texts, answer: Answer): void {
  const box = root.querySelector('[data-site-answer]');
  if (!box) return;
  const { faults, steps, detail, errors = [] } = answer;
  const list = element('ul', '', 'faults');
  if (faults) list.append(...faults.map((fault) => faultItem(root, texts, fault)));
  else if (steps) list.append(...steps.map((step) => stepItem(texts, step)));
  else list.append(...errors.map(({ message }) => element('li', message)));
  const isEmpty = faults ? faults.length === 0 : steps ? steps.length === 0 : false;
  const line = faults || steps ? (isEmpty ? (faults ? texts.good : texts.nothing) : '') : (detail ?? texts.failed);
  box.replaceChildren(...(line ? [element('p', line, isEmpty ? 'good' : 'bad')] : []), ...(list.children.length > 0 ? [list] : []));
}

document.addEventListener('click', async (event) => {
  const button = (event.target as Element).closest<HTMLButtonElement>('[data-site-check], [data-site-plan]'); // click events come from elements
  const root = button?.closest<HTMLElement>('[data-site-file]');
  if (!button || !root) return;
  const texts = JSON.parse(root.dataset['texts'] ?? '{}') as Texts; // written by the page
  button.disabled = true;
  // A plan of a wrong file is its list of mistakes.
  const checked = await ask(root, 'check').catch(() => ({}));
  const isGood = 'faults' in checked && checked.faults?.length === 0;
  show(root, texts, isGood && 'sitePlan' in button.dataset ? await ask(root, 'plan').catch(() => ({})) : checked);
  button.disabled = false;
});

document.addEventListener('change', async (event) => {
  const input = event.target as HTMLInputElement; // change events come from controls
  const root = 'siteRead' in input.dataset ? input.closest<HTMLElement>('[data-site-file]') : null;
  const [file] = input.files ?? [];
  const area = root && areaOf(root);
  if (!file || !area) return;
  area.value = await file.text();
  input.value = '';
});
