/**
 * What people give cloud-init in its own words: whether it is that, told before a guest finds out at its first boot. Pure.
 *
 * Read as YAML 1.1, which is what cloud-init reads: there `yes` is true. Aliases are bounded: a few lines of them can mean gigabytes.
 */
import { type Document, isMap, parseDocument, type YAMLMap } from 'yaml';

const mostAliases = 100;

/** The document, or a sentence about what is wrong with it. */
export function readYaml(text: string): Document | string {
  const document = parseDocument(text, { version: '1.1', uniqueKeys: true, merge: true, prettyErrors: true });
  const [error] = document.errors;
  if (error) return `This is not YAML: look at line ${error.linePos?.[0].line ?? 1}.`;
  if (document.contents !== null && !isMap(document.contents)) return 'It must be a list of settings: "name: value", one a line.';
  try {
    document.toJS({ maxAliasCount: mostAliases });
  } catch {
    return 'Its aliases (*name) mean too much. Write out what they stand for.';
  }
  return document;
}

export const isCloudConfig = (text: string) => /^#cloud-config[ \t]*(\r?\n|$)/.test(text);
export const isScript = (text: string) => text.startsWith('#!');

export function userDataFault(text: string): string | undefined {
  if (text.trim() === '' || isScript(text)) return undefined;
  if (!isCloudConfig(text)) return 'The first line must be "#cloud-config", or begin with "#!" for a script.';
  const document = readYaml(text);
  return typeof document === 'string' ? document : undefined;
}

export function networkConfigFault(text: string): string | undefined {
  if (text.trim() === '') return undefined;
  const document = readYaml(text);
  if (typeof document === 'string') return document;
  const inner = document.get('network');
  const version = isMap(inner) ? (inner as YAMLMap).get('version') : document.get('version'); // just seen to be one
  return version === 2 || version === 1 ? undefined : 'It must say "version: 2".';
}
