/** Who may import whom: the house of the design, kept by looking at every import. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readSources, type Source } from './sources.ts';

const sources = readSources();
/** Left to right: a slice imports slices to its left only. */
const order = ['core', 'auth', 'activity', 'host', 'network', 'storage', 'cluster', 'spm', 'vm', 'ha', 'update', 'provision'];
const sliceOf = (path: string) => /^appliance\/([a-z]+)\//.exec(path)?.[1];

/** Every import that `isWrong`, as text that says what to do. */
function faults(isWrong: (source: Source, target: Source['imports'][number]) => boolean): string[] {
  return sources.flatMap((source) => source.imports.filter((target) => isWrong(source, target)).map((target) => `${source.path} imports ${target.path}`));
}

test('the sources are found', () => {
  assert.ok(sources.length > 60, `only ${sources.length} files`);
  assert.ok(sources.some(({ imports }) => imports.length > 5));
});

test('a slice imports slices to its left only', () => {
  const wrong = faults((source, target) => {
    const from = order.indexOf(sliceOf(source.path) ?? '');
    const to = order.indexOf(sliceOf(target.path) ?? '');
    return from >= 0 && to >= 0 && to > from;
  });
  assert.equal(wrong, []);
});

test('a slice imports nothing of the composition root but the types of the World', () => {
  const wrong = faults((source, { path, isTypeOnly }) => {
    const isSlice = order.includes(sliceOf(source.path) ?? '');
    const isRoot = /^appliance\/[a-z-]+\.tsx?$/.test(path) || path.startsWith('appliance/http/') || path.startsWith('ui/');
    return isSlice && isRoot && !(path === 'appliance/world.ts' && (isTypeOnly || source.path.startsWith('appliance/')));
  });
  assert.equal(wrong, []);
});

test('core imports nothing of ours', () => {
  assert.equal(faults((source, { path }) => source.path.startsWith('appliance/core/') && !path.startsWith('appliance/core/')), []);
});

test('native imports nothing of ours but types', () => {
  assert.equal(faults((source, { path, isTypeOnly }) => source.path.startsWith('native/') && !path.startsWith('native/') && !isTypeOnly), []);
});

test('only the real world imports native', () => {
  const allowed = ['appliance/real-world.ts', 'appliance/world.ts'];
  assert.equal(faults((source, { path }) => path.startsWith('native/') && !source.path.startsWith('native/') && !allowed.includes(source.path)), []);
});

test('the UI sees schemas, rules, operation records and core types only', () => {
  const allowed = /\/(schema|rules|operations|[a-z-]+-operations|operation|problem|units|id)\.ts$/;
  assert.equal(faults((source, { path, isTypeOnly }) => source.path.startsWith('ui/') && path.startsWith('appliance/') && !isTypeOnly && !allowed.test(path)), []);
});

test('a table is imported in its own slice only', () => {
  const isElsewhere = (source: Source, path: string) => sliceOf(source.path) !== sliceOf(path);
  const mayReadCore = (source: Source, path: string) => path === 'appliance/core/table.ts' && /^appliance\/(activity|http)\//.test(source.path);
  assert.equal(faults((source, { path, isTypeOnly }) => path.endsWith('/table.ts') && !isTypeOnly && isElsewhere(source, path) && !mayReadCore(source, path)), []);
});

const homes: [string, RegExp, RegExp][] = [
  ['child_process', /['"](node:)?child_process['"]/, /^appliance\/core\/run\.ts$/],
  ['ffi-rs', /['"]ffi-rs['"]/, /^native\/ffi\.ts$/],
  ['node-pty', /['"]node-pty['"]/, /^appliance\/host\/terminal\.ts$/],
  ['systeminformation', /['"]systeminformation['"]/, /^appliance\/host\/machine\.ts$/],
  // A connection's own deadline is no timer of ours.
  ['timers', /(?<!\b(outgoing|response|socket)\.)\b(setTimeout|setInterval)\(/, /^(appliance\/core\/(clock|reconciler)\.ts|ui\/static\/.*)$/],
  ['worker_threads', /worker_threads/, /^never$/],
];

for (const [what, pattern, home] of homes) {
  test(`${what} has one home`, () => {
    assert.equal(sources.filter(({ path, text }) => pattern.test(text) && !home.test(path)).map(({ path }) => path), []);
  });
}

test('rules and domain-xml are pure', () => {
  const pure = sources.filter(({ path }) => /^appliance\/.*\/(rules|[a-z-]*-?rules|domain-xml|device-xml)\.ts$/.test(path));
  assert.ok(pure.length >= 3);
  const impure = /\bawait\b|\basync\b|Date\.now|new Date\(\)|Math\.random|randomUUID|process\.|from 'node:/;
  assert.equal(pure.filter(({ text }) => impure.test(text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, ''))).map(({ path }) => path), []);
});

test.run();
