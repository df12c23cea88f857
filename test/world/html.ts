/**
 * HTML as our pages write it, as a tree that a test can look into. Stricter than a browser: throws where an element is not
 * closed, closed twice or an attribute is not quoted, because a browser would repair that in silence.
 */
export interface HtmlElement {
  name: string;
  attributes: Record<string, string>;
  children: (HtmlElement | string)[];
  parent: HtmlElement | undefined;
}

const voidNames = new Set(['area', 'base', 'br', 'col', 'embed', 'hr', 'img', 'input', 'link', 'meta', 'source', 'track', 'wbr']);
const entities: Record<string, string> = { lt: '<', gt: '>', amp: '&', quot: '"', '#39': "'", nbsp: '\u00a0' };
const token = /<!doctype html>|<\/([\w-]+)>|<([\w-]+)((?:\s+[^\s"'<>/=]+(?:="[^"]*")?)*)\s*(\/?)>|([^<]+)/gy;
const attribute = /([^\s"'<>/=]+)(?:="([^"]*)")?/g;

function decode(text: string): string {
  return text.replace(/&(#?\w+);/g, (all, name: string) => entities[name] ?? all);
}

export function parseHtml(text: string): HtmlElement {
  const root: HtmlElement = { name: '', attributes: {}, children: [], parent: undefined };
  let open = root;
  let position = 0;
  for (const [all, closing, name, attributes = '', slash, words] of text.matchAll(token)) {
    position += all.length;
    if (words !== undefined) open.children.push(decode(words));
    else if (closing !== undefined) {
      if (closing !== open.name || !open.parent) throw new Error(`</${closing}> closes <${open.name}>: ${text.slice(Math.max(0, position - 300), position)}`);
      open = open.parent;
    } else if (name !== undefined) {
      const element: HtmlElement = { name, attributes: readAttributes(attributes), children: [], parent: open };
      open.children.push(element);
      if (!voidNames.has(name) && !slash) open = element;
    }
  }
  if (position !== text.length) throw new Error(`not HTML: ${text.slice(position, position + 200)}`);
  if (open !== root) throw new Error(`<${open.name}> is never closed`);
  return root;
}

function readAttributes(text: string): Record<string, string> {
  return Object.fromEntries([...text.matchAll(attribute)].map(([, name = '', value = '']) => [name, decode(value)]));
}

/** Every element below in the order of the text, templates included. */
export function elements(root: HtmlElement): HtmlElement[] {
  return root.children.flatMap((child) => (typeof child === 'string' ? [] : [child, ...elements(child)]));
}

/** What a screen reader would say of it: its text without what is hidden from them. */
export function textOf(element: HtmlElement): string {
  const words = element.children.map((child) => {
    if (typeof child === 'string') return child;
    const { attributes } = child;
    return attributes['aria-hidden'] === 'true' || child.name === 'script' ? '' : (attributes['aria-label'] ?? attributes['alt'] ?? textOf(child));
  });
  return words.join(' ').replace(/\s+/g, ' ').trim();
}

/** The element itself and what it lies in, innermost first. */
export function ancestors(element: HtmlElement): HtmlElement[] {
  return [element, ...(element.parent ? ancestors(element.parent) : [])];
}
