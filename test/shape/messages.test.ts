/**
 * What the appliance tells people stands in the language of the reader: each text of an event, an explanation, a refusal, a wrong field, a cause of failure or a
 * next step in the sources is looked up as a page would, with something in its places, and nothing English may be left. A text that is for programs, logs or
 * files only is named below with the reason.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as z from 'zod';
import { explainIssue } from '../../appliance/core/explain-issue.ts';
import { problemTypes, Problem } from '../../appliance/core/problem.ts';
import { diskAllows, diskFault, type DiskState, type DiskVerb } from '../../appliance/storage/rules.ts';
import { refusal, vmAllows, vmCan, vmStates, type VmVerb } from '../../appliance/vm/rules.ts';
import { snapshotFault } from '../../appliance/vm/snapshot/rules.ts';
import { templateFault } from '../../appliance/vm/template/rules.ts';
import { zhMessages } from '../../ui/locales/zh-CN-messages.ts';
import { zhProblems } from '../../ui/locales/zh-CN-problems.ts';
import { makeTranslator } from '../../ui/text.ts';
import { literalsOf } from './literals.ts';
import { readSources } from './sources.ts';

/** Files whose texts nobody reads on a page or in an answer. */
const notForPages = [
  /^appliance\/(?:cli|console-screen)\/|^appliance\/(?:cli|main|config|paths|server)\.ts$/, // the terminal and the screen of the box have texts of their own
  /core\/(?:claim|schema|run|operation)\.ts$|update\/(?:bundle|bundle-tool|tar)\.ts$/, // the service does not start, a tool ends: told on the terminal and in the log
  /http\/openapi\.ts$|json-schema\.ts$|metrics\.ts$|host\/health\.ts$|storage\/storage\.ts:metric$/, // for those who write programs
  /table\.ts$|activity\/(?:sample|config-history)|network-xml\.ts$|port-file\.ts$|machine-settings\.ts$|provision\/export\.ts$|ovf-write\.ts$/, // databases and files
  /vm\/observe\/(?:guest-log|said)\.ts$/, // words of QEMU that are looked for
  /activity\/delivery-rules\.ts$|http\/assets\.ts$/, // mails and plain answers, whose readers have told no language
];
/** Lines that are for the log, for who writes programs, or a bug's; labels and help texts are looked at by `forms.test.ts`. */
const notForPeople = /description: ['`]|\blog\.(?:warn|error|info)\(|new (?:Type)?Error\(|summary: ['`]|\b(?:help|label): '|kind: '(?:gauge|counter)'/;
const isQuery = /^\s*(?:select|insert|update|delete|create|drop|pragma|with|vacuum|begin|alter|exists)\b|\(select |^<|^change\.|^--/;
const isWords = (text: string) => /[A-Za-z]{2,} [a-z]{2,}/.test(text.replaceAll('{}', 'xx'));

/** Names of programs and settings, and what is typed, are the same in every language. */
const asTyped = /bothy update install|bothy\.db\.newer-\*|BOTHY_\w+|modprobe x1|systemctl [\w &-]+|Intel VT|Virtualization|bothy (?:site|user|token|setup-code)[\w -]*|qemu-img [\w -]+|openssl pkey [\w -]+|streamOptimized|QEMU fw_cfg|"[\w :,=.*&!%-]+"/g;
const { phrase } = makeTranslator('zh-CN');
const isLeftEnglish = (text: string) => /[A-Za-z]{2,} [a-z]{2,}/.test(phrase(text).replace(asTyped, ''));
/** As it may be shown: with a word in each place; what stands at an end may be a sentence. */
const filled = (text: string) => text.trim().replace(/^\{\} (?=[A-Z])/, 'x1. ').replace(/\. \{\}$/, '. X1').replace(/\.\{\}/g, '.').replaceAll('{}', 'x1');

const told = readSources(['appliance']).filter(({ path }) => path.endsWith('.ts') && !notForPages.some((pattern) => pattern.test(path)))
  .flatMap(({ path, text }) => literalsOf(text).filter((each) => isWords(each.text) && !notForPeople.test(each.line) && !isQuery.test(each.text)).map((each) => ({ path, ...each })));

test('what is told stands in Chinese on Chinese pages', () => {
  assert.ok(told.length > 700, `${told.length} texts`);
  const left = told.filter(({ text }) => isLeftEnglish(filled(text)));
  assert.is([...new Set(left.map(({ path, text }) => `${path}: ${text}`))].join('\n'), '');
});

const verbsOf = <V extends string>(allows: Record<V, unknown>) => Object.keys(allows) as V[];
const refusals = [
  ...verbsOf(vmAllows).flatMap((verb: VmVerb) => vmStates.map((state) => ({ state, reason: '', isDeleting: false })).filter((standing) => !vmCan(verb, standing)).map((standing) => refusal(verb, 'till 2', standing))),
  refusal('start', 'till 2', { state: 'down', reason: '', isDeleting: true }),
  ...verbsOf(diskAllows).flatMap((verb: DiskVerb) => (['creating', 'ok', 'locked', 'illegal', 'template'] as DiskState[]).flatMap((state) => diskFault(verb, { name: 'Disk 2', state }) ?? [])),
  ...(['creating', 'deleting', 'broken'] as const).flatMap((state) => [snapshotFault('preview', { name: 'Before 2', state }), templateFault('use', { name: 'Till 2', version: 2, state })].flatMap((fault) => fault ?? [])),
];

test('why a button is grey is told whole in Chinese, around names as they are', () => {
  assert.ok(refusals.length > 100);
  assert.equal(refusals.filter((text) => isLeftEnglish(text)), []);
  assert.is(phrase(refusal('reset', 'till 2', { state: 'down', reason: '', isDeleting: false })), 'till 2 已关机。要复位，请等待其正在运行或已暂停。');
  assert.is(phrase(templateFault('use', { name: 'Till 2', version: 2, state: 'creating' }) ?? ''), '模板“Till 2”版本 2 仍在制作。请等待其任务结束。');
});

test('who refuses in VMs, storage, networks, templates and pools says what to do next', () => {
  const details = told.filter(({ path, text, line }) => /^appliance\/(?:vm|storage|network)\//.test(path) && /new Problem\('/.test(line) && /^(?:[A-Z]|\{\} [a-z])/.test(text) && !line.includes(`message: '${text}`) && !line.includes(`message: \`${text.split('{}')[0]}`));
  assert.ok(details.length > 80, `${details.length} refusals`);
  const ends = [/ was cancelled\.$/, /^The network "default" stays/, /^It would wait for itself/, /^\{\} is used by /, /^\{\} does not run, so nothing/];
  const mute = details.filter(({ text }) => !/^(?:Say|Choose|Give) |[.:}] (?:[A-Z]|\{\}$)|[;,:] (?:else|or|it |not )| must name |\{\}$/.test(text) && !ends.some((end) => end.test(text)));
  assert.equal(mute.map(({ path, text }) => `${path}: ${text}`), []);
});

test('what the schema library finds is told in our words, in both languages', () => {
  const schemas: [schema: z.ZodType, wrong: unknown][] = [
    [z.string(), undefined], [z.string(), 1], [z.int(), 1.5], [z.boolean(), 'x'], [z.array(z.string()), 'x'], [z.object({}), 'x'], [z.enum(['one', 'two']), 'x'], [z.literal('one'), 'x'],
    [z.string().min(2), 'x'], [z.string().max(2), 'xxx'], [z.array(z.string()).min(1), []], [z.array(z.string()).max(0), ['x']], [z.number().min(2), 1], [z.number().max(2), 3], [z.number().gt(2), 2], [z.number().lt(2), 2],
    [z.number().multipleOf(512), 3], [z.uuid(), 'x'], [z.string().regex(/y/), 'x'], [z.union([z.string(), z.number()]), null],
  ];
  const messages = schemas.map(([schema, wrong]) => schema.safeParse(wrong, { error: explainIssue }).error?.issues[0]?.message ?? 'nothing was wrong');
  assert.equal(messages.filter((text) => /expected|Invalid|nothing/.test(text) || isLeftEnglish(text) || phrase(text) === text), []);
  assert.equal(problemTypes.map((type) => new Problem(type, '').toJson().title).filter((title) => phrase(title) === title), []);
});

test('a sentence that holds another one is translated whole; names stay as they are; what is not known stays English', () => {
  assert.is(phrase('Version 1.2.0 did not come up well, so the appliance is back at version 1.1.0. The VM "till 2" ran before and does not.'), '版本 1.2.0 未能正常启动，设备已回到版本 1.1.0。虚拟机“till 2”之前在运行，现在没有。');
  assert.is(phrase('till-server: It could not be started. It is down.'), `till-server：${phrase('It could not be started.')}${phrase('It is down.')}`);
  assert.is(phrase('VMs run in slow software emulation: the kernel module kvm_intel is not loaded.'), '虚拟机以缓慢的软件模拟运行：内核模块 kvm_intel 未加载。');
  assert.is(phrase('The disk "my system" is used by the VM "till 2", the VM "disk". Detach it there first.'), '磁盘“my system”正由虚拟机“till 2”、虚拟机“disk”使用。请先在那里分离。');
  assert.is(phrase('There is no storage domain "disk". It may have been deleted or renamed.'), '没有名为“disk”的存储域。它可能已被删除或重命名。');
  assert.is(phrase('Nobody knows this sentence.'), 'Nobody knows this sentence.');
  assert.is(makeTranslator('en').phrase('Version 1 lies at example.'), 'Version 1 lies at example.');
});

test('a translation has the places of its sentence and no others', () => {
  const places = (text: string) => [...text.matchAll(/\{(?:\.\.\.|=)?(\w+)\}/g)].map(([, name]) => name).sort();
  const wrong = Object.entries({ ...zhMessages, ...zhProblems }).filter(([english, chinese]) => places(english).join() !== places(chinese).join());
  assert.equal(wrong.map(([english]) => english), []);
});

test.run();
