/**
 * YAML as text to plain values, with the place of each value, and every trap of the language refused in our own words.
 *
 * YAML 1.2 core schema: `yes`, `no`, `on` and `NO` are text. Messages never quote the file: a slip may lie in a password.
 */
import { isMap, isNode, isPair, isScalar, isSeq, LineCounter, type Node, type ParsedNode, parseDocument, type YAMLError } from 'yaml';

export interface Place {
  line: number;
  column: number;
}

export interface YamlFault extends Place {
  message: string;
}

export type Path = (string | number)[];

export interface Parsed {
  /** `undefined` when there are faults. */
  value: unknown;
  faults: YamlFault[];
  /** Where the value at `path` begins, or the nearest thing around it. */
  placeOf(path: Path): Place;
  /** Where the key at the end of `path` is written. */
  placeOfKey(path: Path): Place;
}

/** More aliases than people write; fewer than it takes to blow a file up. */
const mostAliases = 50;
const deepest = 40;

const words: Partial<Record<YAMLError['code'], string>> = {
  DUPLICATE_KEY: 'This key stands here twice. Keep one of them.',
  TAB_AS_INDENT: 'Indent with spaces: YAML allows no tabs here.',
  BAD_INDENT: 'This line is indented by more or fewer spaces than the lines beside it.',
  MULTIPLE_DOCS: 'There is a second document ("---") in the file. Only one is read.',
  TAG_RESOLVE_FAILED: 'Tags ("!...") have no meaning here. Remove it.',
  NON_STRING_KEY: 'Keys must be plain text.',
  BAD_ALIAS: 'There is no anchor ("&...") of this name before.',
  BAD_DIRECTIVE: 'Directives ("%...") have no meaning here. Remove it.',
  BAD_DQ_ESCAPE: 'There is no such escape after a backslash. Use single quotes for text with backslashes.',
  MISSING_CHAR: 'A quote, bracket or comma is missing here or before.',
  MULTILINE_IMPLICIT_KEY: 'A key must stand on one line and be followed by a colon. Is a colon or a quote missing?',
  BLOCK_AS_IMPLICIT_KEY: 'A key with its value cannot stand in the value of another on the same line. Is a line break missing, or are quotes missing around a text with ": " in it?',
  BAD_SCALAR_START: 'Text that begins with this character needs quotes around it.',
  UNEXPECTED_TOKEN: 'This is not expected here. Is a quote, bracket or dash missing or too much?',
  RESOURCE_EXHAUSTION: 'This is nested too deeply.',
};

export function parseYaml(text: string): Parsed {
  const lines = new LineCounter();
  const at = (offset: number): Place => {
    const { line, col } = lines.linePos(Math.min(offset, text.length));
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const whole = { line: 1, column: 1 };
  const broken = (message: string, place = whole): Parsed => ({ value: undefined, faults: [{ ...place, message }], placeOf: () => whole, placeOfKey: () => whole });
  if (text.includes('\uFFFD') || text.includes('\0')) return broken('The file is not UTF-8 text.');
  try {
    const document = parseDocument(text, { version: '1.2', schema: 'core', merge: false, strict: true, uniqueKeys: true, stringKeys: true, prettyErrors: false, lineCounter: lines, logLevel: 'error' });
    const faults = [...document.errors, ...document.warnings].map((error) => ({ ...at(error.pos[0]), message: words[error.code] ?? 'This is not YAML.' }));
    if (/^%/m.test(text.slice(0, document.contents?.range?.[0] ?? 0))) faults.unshift({ ...whole, message: 'Directives ("%...") have no meaning here. Remove it.' });
    const root = document.contents;
    if (faults.length === 0 && (root === null || (isScalar(root) && root.value === null))) return broken('The file is empty. Begin it with "bothy: 1".');
    if (faults.length > 0) return { ...broken(''), faults };
    if (depthOf(root) > deepest) return broken('This is nested too deeply.');
    return {
      value: document.toJS({ maxAliasCount: mostAliases }), faults,
      placeOf: (path) => at(find(root, path).range?.[0] ?? 0),
      placeOfKey: (path) => at(findKey(root, path)?.range?.[0] ?? find(root, path).range?.[0] ?? 0),
    };
  } catch (error) {
    if (error instanceof RangeError) return broken('This is nested too deeply.');
    if (error instanceof ReferenceError) return broken(`The file has more than ${mostAliases} aliases ("*..."), or one for which there is no anchor. Write out what they stand for.`);
    throw error;
  }
}

function depthOf(node: unknown): number {
  if (isSeq(node)) return 1 + Math.max(0, ...node.items.map(depthOf));
  if (isMap(node)) return 1 + Math.max(0, ...node.items.map(({ value }) => depthOf(value)));
  return 0;
}

function step(node: unknown, key: string | number): Node | undefined {
  const next = isMap(node) || isSeq(node) ? node.get(key, true) : undefined;
  return isNode(next) ? next : undefined;
}

/** As deep along `path` as there is something. */
function find(root: ParsedNode | null, path: Path): Node {
  let node: Node | null = root;
  for (const key of path) {
    const next = step(node, key);
    if (!next) break;
    node = next;
  }
  return node ?? ({ range: null } as unknown as Node); // an empty document has no place
}

function findKey(root: ParsedNode | null, path: Path): Node | undefined {
  const parent = find(root, path.slice(0, -1));
  const pair = isMap(parent) ? parent.items.find((item) => isPair(item) && isScalar(item.key) && item.key.value === path.at(-1)) : undefined;
  return pair && isNode(pair.key) ? pair.key : undefined;
}
