/**
 * XML as libvirt writes it (elements, attributes, text, the five entities; no namespaces, no CDATA), as a tree that a simulation can change
 * and a test can look into. Throws on anything that is not well-formed.
 */
export interface Element {
  name: string;
  attributes: Record<string, string>;
  children: Element[];
  text: string;
}

const entities: Record<string, string> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

function decodeText(text: string): string {
  return text.replace(/&(#x?[0-9a-fA-F]+|\w+);/g, (_all, name: string) => {
    if (name.startsWith('#x')) return String.fromCodePoint(Number.parseInt(name.slice(2), 16));
    if (name.startsWith('#')) return String.fromCodePoint(Number(name.slice(1)));
    const char = entities[name];
    if (char === undefined) throw new Error(`XML with an unknown entity: ${name}`);
    return char;
  });
}

function encodeText(text: string): string {
  return text.replace(/[<>&'"]/g, (char) => `&${Object.keys(entities).find((name) => entities[name] === char)};`);
}

const tokenPattern = /<\?[\s\S]*?\?>|<!--[\s\S]*?-->|<\/([\w:.-]+)\s*>|<([\w:.-]+)((?:\s+[\w:.-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>|([^<]+)/gy;
const attributePattern = /([\w:.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g;

function readAttributes(text: string): Record<string, string> {
  const attributes: Record<string, string> = {};
  for (const [, name = '', double, single] of text.matchAll(attributePattern)) attributes[name] = decodeText(double ?? single ?? '');
  return attributes;
}

export function parseXml(text: string): Element {
  const root: Element = { name: '', attributes: {}, children: [], text: '' };
  const open = [root];
  let position = 0;
  for (const token of text.matchAll(tokenPattern)) {
    position = token.index + token[0].length;
    const [, closes, opens, attributes = '', isEmpty, words] = token;
    const parent = open.at(-1) ?? root;
    if (closes !== undefined) {
      if (open.pop()?.name !== closes || open.length === 0) throw new Error(`XML closes <${closes}> that is not open`);
    } else if (opens !== undefined) {
      const element = { name: opens, attributes: readAttributes(attributes), children: [], text: '' };
      parent.children.push(element);
      if (!isEmpty) open.push(element);
    } else if (words !== undefined) {
      parent.text += decodeText(words).trim();
    }
  }
  const [element, more] = root.children;
  if (position !== text.length || open.length !== 1 || !element || more || root.text) throw new Error(`XML is not well-formed: ${text.slice(position, position + 40)}`);
  return element;
}

export function formatXml(element: Element, indent = ''): string {
  const attributes = Object.entries(element.attributes).map(([name, value]) => ` ${name}='${encodeText(value)}'`).join('');
  if (element.children.length === 0) {
    return element.text ? `${indent}<${element.name}${attributes}>${encodeText(element.text)}</${element.name}>\n` : `${indent}<${element.name}${attributes}/>\n`;
  }
  const children = element.children.map((child) => formatXml(child, `${indent}  `)).join('');
  return `${indent}<${element.name}${attributes}>\n${children}${indent}</${element.name}>\n`;
}

/** The first element at `path`, such as `devices/disk`. */
export function find(element: Element, path: string): Element | undefined {
  return findAll(element, path)[0];
}

export function findAll(element: Element, path: string): Element[] {
  return path.split('/').reduce((found, name) => found.flatMap((each) => each.children.filter((child) => child.name === name)), [element]);
}

/** The element's child of that name, made if it is missing. */
export function ensureChild(element: Element, name: string): Element {
  const child = find(element, name) ?? { name, attributes: {}, children: [], text: '' };
  if (!element.children.includes(child)) element.children.push(child);
  return child;
}
