/** Every form of the pages: each of its fields has a label and a help text, in English and in Chinese, and is shown as an API call unless it holds secrets only. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type AnyOperation, pathParameters } from '../../appliance/core/operation.ts';
import { rootPath } from '../../appliance/paths.ts';
import { type FieldInfo, objectFields } from '../../ui/field-info.ts';
import { makeTranslator } from '../../ui/text.ts';
import { readSources } from './sources.ts';

/** The operation records by the name that pages import them by. */
async function readRecords(): Promise<Map<string, AnyOperation>> {
  const files = readdirSync(join(rootPath, 'appliance'), { recursive: true, encoding: 'utf8' }).filter((name) => /operations\.ts$/.test(name));
  const modules = await Promise.all(files.map((name) => import(new URL(`../../appliance/${name.replace(/\.ts$/, '.js')}`, import.meta.url).href)));
  const isRecord = (value: unknown): value is AnyOperation => typeof value === 'object' && value !== null && 'summary' in value && 'path' in value;
  return new Map(modules.flatMap((module) => Object.entries(module as Record<string, unknown>).flatMap(([name, value]) => (isRecord(value) ? [[name, value] as const] : []))));
}

const records = await readRecords();
const forms = readSources(['ui']).flatMap(({ path, text }) => [...text.matchAll(/<Form operation=\{(\w+)\}([\s\S]*?)>/g)].map(([, name = '', rest = '']) => ({ path, name, hasNoCall: /\bhasNoCall\b/.test(rest) })));

interface Shown {
  form: string;
  field: FieldInfo;
}

/** Fields as people fill them in: those of a row one by one. */
function fieldsOf(form: string, fields: FieldInfo[]): Shown[] {
  return fields.flatMap((field) => [...(field.kind === 'object' ? [] : [{ form, field }]), ...fieldsOf(form, field.fields)]).filter(({ field }) => field.widget !== 'hidden');
}

const shown = [...new Set(forms.map(({ name }) => name))].flatMap((name) => {
  const record = records.get(name);
  if (!record) return [];
  const inPath = new Set(pathParameters(record.path));
  return fieldsOf(record.id, objectFields(record.input).filter((field) => !inPath.has(field.name)));
});
const told = ({ form, field }: Shown) => `${form}: ${field.name}`;

test('all forms are found', () => {
  assert.ok(forms.length > 25, `${forms.length} forms`);
  // Forms whose operation is a parameter of a component are seen where that component is used with a name.
  assert.equal(forms.filter(({ name }) => !records.has(name)).map(({ path, name }) => `${path}: ${name}`).filter((place) => !/: operation$/.test(place)), []);
});

test('each field has a label and says what it is for', () => {
  assert.equal(shown.filter(({ field }) => !field.label).map(told), []);
  assert.equal(shown.filter(({ field }) => !field.help).map(told), []);
});

test('label and help stand in Chinese on Chinese pages', () => {
  const { phrase } = makeTranslator('zh-CN');
  const isEnglish = (text: string | undefined) => text !== undefined && phrase(text) === text && /[a-z]{3}/.test(text) && !/^(?:DNS|MAC|NTP|IP|SSH|PEM)\b/.test(text);
  assert.equal(shown.filter(({ field: { label, help } }) => isEnglish(label) || isEnglish(help)).map((each) => `${told(each)}: ${each.field.label} / ${each.field.help}`), []);
});

test('a form without its API call is one of passwords, codes and keys, or of a whole file', () => {
  assert.equal([...new Set(forms.filter(({ hasNoCall }) => hasNoCall).map(({ name }) => name))].sort(), ['certificateSet', 'passwordChange', 'sessionCreate', 'setupOperation', 'siteApply', 'totpBegin', 'totpConfirm', 'totpOff', 'totpRenew']);
});

test.run();
