/**
 * What the appliance tells of what happened stands in the language of the reader: each sentence of an event, an explanation, a reason or a next step
 * in the files that make them is looked up as a page would, with something in its places, and nothing English may be left.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { zhMessages } from '../../ui/locales/zh-CN-messages.ts';
import { makeTranslator } from '../../ui/text.ts';
import { readSources } from './sources.ts';

/** Beside the files that tell events. */
const reasons = ['vm/explanations', 'activity/delivery-faults', 'host/boot-rules', 'host/rules', 'host/watch', 'update/policy-rules', 'update/rules', 'update/manifest', 'auth/quota-rules'].map((name) => `appliance/${name}.ts`);
const tellsEvents = /\bevent\(tx, \{|\bevent\(tx, lostEvent|nextStep: ['`]/;
/** Such as field errors of a request: they stand in the answer to who asked, as all problems do. */
const ofRequests = /throw new Problem\(|path: '|addIssue|summary: '|help: '|description: '|log\.(warn|error|info)\(|new Error\(/;
const literal = /'((?:[^'\\\n]|\\.)*)'|`((?:[^`\\$]|\\.|\$(?!\{)|\$\{(?:[^{}`]|`(?:[^`\\]|\\.)*`|\{[^{}]*\})*\})*)`/g;
const isSentence = (text: string) => /^(?:[A-Z]|\{\})/.test(text) && /[a-z]{2,} [a-z]/.test(text) && /(?:\.|: \{\}|\. \{\})$/.test(text);

function sentences(text: string): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').split('\n').filter((line) => !/^\s*\/\//.test(line) && !ofRequests.test(line)).join('\n');
  return [...code.matchAll(literal)].map(([, plain, template]) => plain?.replace(/\\(.)/g, '$1') ?? (template ?? '').replace(/\$\{(?:[^{}`]|`(?:[^`\\]|\\.)*`|\{[^{}]*\})*\}/g, '{}')).filter(isSentence);
}

/** Names of programs and settings, and what is typed, are the same in every language. */
const asTyped = /bothy update install|bothy\.db\.newer-\*|BOTHY_\w+|modprobe x1|Intel VT|Virtualization/g;

test('what happened is told in Chinese to who reads Chinese', () => {
  const { phrase } = makeTranslator('zh-CN');
  const told = readSources(['appliance']).filter(({ path, text }) => !/\/(cli|console-screen)\//.test(path) && (reasons.includes(path) || tellsEvents.test(text)));
  assert.ok(told.length > 15, `${told.length} files`);
  const all = told.flatMap(({ path, text }) => sentences(text).map((sentence) => ({ path, sentence })));
  assert.ok(all.length > 100, `${all.length} sentences`);
  const left = all.filter(({ sentence }) => /[A-Za-z]{2,} [a-z]{2,}/.test(phrase(sentence.replace(/^\{\} (?=[A-Z])/, 'x1. ').replace(/\. \{\}$/, '. X1').replaceAll('{}', 'x1')).replace(asTyped, '')));
  assert.is(left.map(({ path, sentence }) => `${path}: ${sentence}`).join('\n'), '');
});

test('a sentence that holds another one is translated whole; names stay as they are; what is not known stays English', () => {
  const { phrase } = makeTranslator('zh-CN');
  assert.is(phrase('Version 1.2.0 did not come up well, so the appliance is back at version 1.1.0. The VM "till 2" ran before and does not.'), '版本 1.2.0 未能正常启动，设备已回到版本 1.1.0。虚拟机“till 2”之前在运行，现在没有。');
  assert.is(phrase('till-server: It could not be started. It is down.'), `till-server：${phrase('It could not be started.')}${phrase('It is down.')}`);
  assert.is(phrase('VMs run in slow software emulation: the kernel module kvm_intel is not loaded.'), '虚拟机以缓慢的软件模拟运行：内核模块 kvm_intel 未加载。');
  assert.is(phrase('Nobody knows this sentence.'), 'Nobody knows this sentence.');
  assert.is(makeTranslator('en').phrase('Version 1 lies at example.'), 'Version 1 lies at example.');
});

test('a translation has the places of its sentence and no others', () => {
  const places = (text: string) => [...text.matchAll(/\{(?:\.\.\.)?(\w+)\}/g)].map(([, name]) => name).sort();
  const wrong = Object.entries(zhMessages).filter(([english, chinese]) => places(english).join() !== places(chinese).join());
  assert.equal(wrong.map(([english]) => english), []);
});

test.run();
