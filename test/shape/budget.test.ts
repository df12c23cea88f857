/** The sizes that keep the code readable, the names that say nothing, and headers that say why. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readSources, type Source } from './sources.ts';

const sources = readSources().filter(({ path }) => !path.startsWith('ui/locales/'));
const hardFileLines = 400;
const hardFunctionLines = 60;

test('no file is longer than the hard limit', () => {
  assert.equal(sources.filter(({ lines }) => lines.length > hardFileLines).map(({ path, lines }) => `${path}: ${lines.length}`), []);
});

test('nine files of ten are within the budget of 250 lines', () => {
  const over = sources.filter(({ lines }) => lines.length > 250).map(({ path, lines }) => `${path}: ${lines.length}`);
  assert.ok(over.length <= sources.length / 10, `over 250 lines:\n${over.join('\n')}`);
});

test('no function is longer than the hard limit', () => {
  assert.equal(sources.flatMap(longFunctions), []);
});

/** Functions that start at the left margin or as a method, up to the closing brace at the same indentation. */
function longFunctions({ path, lines }: Source): string[] {
  return lines.flatMap((line, start) => {
    const match = /^(\s*)(?:export )?(?:async )?(?:function\*? |const \w+ = (?:async )?\([^)]*\)[^=]*=> \{$|(?:async )?\w+\([^)]*\)[^;]*\{$)/.exec(line);
    if (!match || !line.endsWith('{') || /^\s*(if|for|while|switch|return|catch)\b/.test(line)) return [];
    const end = lines.findIndex((other, index) => index > start && other.startsWith(`${match[1]}}`));
    const isFactory = /function (create|connect|open|make)\w*\(/.test(line) || /\w+Operations\(/.test(line);
    const length = end - start + 1;
    return end > 0 && length > (isFactory ? hardFunctionLines * 1.75 : hardFunctionLines) ? [`${path}:${start + 1} has ${length} lines`] : [];
  });
}

test('no file has a name that says nothing', () => {
  const empty = /(^|[/-])(managers?|helpers?|utils?|utilities|common|misc|base)(-|\.tsx?$)/;
  assert.equal(sources.filter(({ path }) => empty.test(path)).map(({ path }) => path), []);
});

test('file names are kebab-case', () => {
  assert.equal(sources.filter(({ path }) => !/^[a-z0-9/.-]+$/.test(path)).map(({ path }) => path), []);
});

test('every file opens with why it exists', () => {
  const headless = sources.filter(({ text }) => !/^(#!.*\n)?\/\*\*[\s\S]{20,}?\*\//.test(text));
  assert.equal(headless.map(({ path }) => path), []);
});

test('no `any` without a written reason, and no non-null assertion', () => {
  const wrong = sources.flatMap(({ path, lines }) =>
    lines.flatMap((line, index) => {
      const code = line.replace(/\/\*\*.*|\/\/.*|'[^']*'|"[^"]*"|`[^`]*`|^\s*\*.*/g, '');
      const hasAny = /[:<|&(]\s*any\b|\bas any\b/.test(code) && !/biome-ignore/.test(lines[index - 1] ?? '');
      const hasBang = /[\w)\]]!(\.|\[|;|,|\))/.test(code);
      return hasAny || hasBang ? [`${path}:${index + 1} ${line.trim()}`] : [];
    }),
  );
  assert.equal(wrong, []);
});

test('no words that mark unfinished work', () => {
  const marks = /\b(TODO(?!\(#)|FIXME|XXX|not implemented|for now)\b/;
  assert.equal(sources.flatMap(({ path, lines }) => lines.filter((line) => marks.test(line)).map((line) => `${path}: ${line.trim()}`)), []);
});

test.run();
