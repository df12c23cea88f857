/**
 * XML as a tree: the only way that Bothy writes or reads XML.
 *
 * Writing escapes everything, so no name or path can end an attribute or an element; a character that XML 1.0 cannot hold is
 * refused. Reading understands what libvirt prints: elements, attributes, text, entities; comments, declarations and blank
 * text between elements are passed over. `parseXml(printXml(tree))` is `tree`.
 */
export interface Element {
  name: string;
  attributes: Record<string, string>;
  children: (Element | string)[];
}

type Value = string | number | undefined;
type Child = Element | string | undefined;

/** An element; attributes and children that are `undefined` are left out. */
export function element(name: string, attributes: Record<string, Value> = {}, ...children: Child[]): Element {
  const kept = Object.entries(attributes).flatMap(([key, value]) => (value === undefined ? [] : [[key, String(value)] as const]));
  return { name, attributes: Object.fromEntries(kept), children: children.filter((child) => child !== undefined) };
}

/** Text with one element a line, as people read it; text is never mixed with added blanks. */
export function printXml(tree: Element, indent = ''): string {
  const attributes = Object.entries(tree.attributes).map(([key, value]) => ` ${key}="${encode(value)}"`).join('');
  const open = `${indent}<${tree.name}${attributes}`;
  if (tree.children.length === 0) return `${open}/>`;
  if (tree.children.some((child) => typeof child === 'string')) {
    const inside = tree.children.map((child) => (typeof child === 'string' ? encode(child) : printXml(child))).join('');
    return `${open}>${inside}</${tree.name}>`;
  }
  const inside = tree.children.map((child) => (typeof child === 'string' ? '' : printXml(child, `${indent}  `))).join('\n');
  return `${open}>\n${inside}\n${indent}</${tree.name}>`;
}

// Everything but tab, newline, carriage return and the characters that XML 1.0 allows, lone surrogates included.
const forbidden = /[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/u;
const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;', '\t': '&#9;', '\n': '&#10;', '\r': '&#13;' };

function encode(text: string): string {
  if (forbidden.test(text)) throw new Error('a text holds a character that XML cannot hold');
  return text.replace(/[&<>"'\t\n\r]/g, (character) => entities[character] ?? '');
}

const names: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function decode(text: string): string {
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (all, hex?: string, decimal?: string, name?: string) => {
    if (hex) return String.fromCodePoint(Number.parseInt(hex, 16));
    if (decimal) return String.fromCodePoint(Number(decimal));
    return names[name ?? ''] ?? all;
  });
}

// One comment, declaration, closing tag, opening tag or run of text at a time.
const token = /<!--[\s\S]*?-->|<[?!][^>]*>|<\/([^\s>]+)\s*>|<([^\s/>]+)((?:\s+[^\s=]+\s*=\s*(?:"[^"]*"|'[^']*'))*)\s*(\/?)>|([^<]+)/y;
const attribute = /([^\s=]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g;

/** The root element of `text`. Throws when tags do not match. */
export function parseXml(text: string): Element {
  const root = element('');
  const open = [root];
  let end = 0;
  for (const match of tokens(text)) {
    end += match[0].length;
    const [, closing, opening, attributes = '', isEmpty, words] = match;
    const parent = open.at(-1) ?? root;
    if (closing !== undefined) {
      if (open.length === 1 || parent.name !== closing) throw new Error(`XML closes <${closing}> where <${parent.name}> is open`);
      open.pop();
    } else if (opening !== undefined) {
      const child = element(opening, readAttributes(attributes));
      parent.children.push(child);
      if (!isEmpty) open.push(child);
    } else if (words !== undefined && words.trim() !== '') {
      parent.children.push(decode(words));
    }
  }
  const [first] = root.children;
  if (end !== text.length || open.length > 1 || first === undefined || typeof first === 'string') throw new Error('XML ends before its root element does');
  return first;
}

function* tokens(text: string): Generator<RegExpExecArray> {
  const reader = new RegExp(token);
  for (let match = reader.exec(text); match && match[0] !== ''; match = reader.exec(text)) yield match;
}

function readAttributes(text: string): Record<string, string> {
  return Object.fromEntries([...text.matchAll(attribute)].map(([, key = '', double, single]) => [key, decode(double ?? single ?? '')]));
}

/** The elements at a path of names below `tree`, such as `findAll(domain, 'devices', 'disk')`. */
export function findAll(tree: Element, ...path: string[]): Element[] {
  return path.reduce<Element[]>(
    (found, name) => found.flatMap((parent) => parent.children.filter((child) => typeof child !== 'string' && child.name === name) as Element[]), // strings are filtered out
    [tree],
  );
}

/** The first of `findAll`. */
export function find(tree: Element, ...path: string[]): Element | undefined {
  return findAll(tree, ...path)[0];
}

/** The text directly inside. */
export function textOf(tree: Element | undefined): string {
  return (tree?.children ?? []).filter((child) => typeof child === 'string').join('');
}
