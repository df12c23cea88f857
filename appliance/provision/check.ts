/**
 * Checks the text of a site file and tells everything that is wrong at once, each with its line and what was expected.
 *
 *   text -> YAML -> unknown keys, sizes, sealed secrets -> the schema -> what must fit together
 *
 * Needs no service, so `bothy site check` works anywhere. No message quotes a value: it may be a secret.
 */
import type * as z from 'zod';
import { explainIssue } from '../core/explain-issue.ts';
import { parseBytes } from '../core/units.ts';
import { bareSchema, type JsonSchema } from './json-schema.ts';
import { nearest } from './nearest.ts';
import { clashes } from './rules.ts';
import { type Fault, largestFileBytes, type Site, SiteFile } from './schema.ts';
import { isSealed, sealedPattern } from './sealed.ts';
import { type Parsed, parseYaml, type Path, type Place } from './yaml.ts';

export type SiteFault = z.output<typeof Fault>;

export interface CheckedSite {
  site: Site | undefined;
  faults: SiteFault[];
  /** The file as plain values, sizes in bytes, secrets as they were given: what is kept of it once they are sealed. */
  document: unknown;
  /** Where secrets stand. */
  secrets: Path[];
}

export interface CheckOptions {
  /** Opens sealed secrets; without it they are taken to be good. */
  unseal?: (sealed: string) => string | undefined;
}

export function checkSite(text: string, options: CheckOptions = {}): CheckedSite {
  if (Buffer.byteLength(text) > largestFileBytes) return refused([{ line: 1, column: 1, path: '', message: 'The file is larger than 512 KiB.' }]);
  const parsed = parseYaml(text);
  if (parsed.faults.length > 0) return refused(parsed.faults.map((fault) => ({ path: '', ...fault })));
  return checkDocument(parsed.value, options, parsed);
}

const refused = (faults: SiteFault[]): CheckedSite => ({ site: undefined, faults, document: undefined, secrets: [] });
const nowhere: Place = { line: 0, column: 0 };

/** The same for what was kept of a file. */
export function checkDocument(value: unknown, options: CheckOptions = {}, places: Pick<Parsed, 'placeOf' | 'placeOfKey'> = { placeOf: () => nowhere, placeOfKey: () => nowhere }): CheckedSite {
  const walk: Walk = { options, faults: [], secrets: [], unread: [] };
  const document = visit(value, bareSchema, [], walk);
  const open = visitSecrets(document, walk);
  const result = SiteFile.safeParse(open, { error: explainIssue });
  const issues = result.success ? clashes(result.data) : result.error.issues.map(({ path, message }) => ({ path: path as Path, message })); // no symbols in YAML
  const known = [...walk.faults.map(({ path }) => path), ...walk.unread].map(keyOf);
  const all = [...walk.faults, ...issues.filter(({ path }) => !known.includes(keyOf(path))).map((issue) => ({ ...issue, isKey: false }))];
  const faults = all.map(({ path, message, isKey }) => ({ ...(isKey ? places.placeOfKey(path) : places.placeOf(path)), path: path.join('.'), message }));
  faults.sort((a, b) => a.line - b.line || a.column - b.column);
  return { site: faults.length === 0 && result.success ? result.data : undefined, faults, document, secrets: walk.secrets };
}

const keyOf = (path: Path) => path.join('\u0000');

interface Walk {
  options: CheckOptions;
  faults: { path: Path; message: string; isKey: boolean }[];
  secrets: Path[];
  /** Sealed, and not opened. */
  unread: Path[];
}

/** A copy of `value` with sizes as numbers; notes unknown keys and secrets on the way. */
function visit(value: unknown, schema: JsonSchema, path: Path, walk: Walk): unknown {
  const fault = (message: string) => { walk.faults.push({ path, message, isKey: false }); };
  if (Array.isArray(value)) return value.map((item, index) => visit(item, schema.items ?? {}, [...path, index], walk));
  if (typeof value === 'object' && value !== null) return visitObject(value as Record<string, unknown>, schema, path, walk); // neither list nor null
  if (schema.secret && value !== undefined) walk.secrets.push(path);
  if (typeof value !== 'string') return value;
  if (isSealed(value) && !schema.secret) fault('Only secrets can be sealed: passwords, their hashes, tokens.');
  if (isSealed(value) && !sealedPattern.test(value)) fault('This was sealed, and is cut off or changed. Seal the secret again with "bothy site seal".');
  if (schema.unit === 'bytes') return readSize(value, fault);
  if (schema.type === 'boolean' && /^(y|yes|no?|on|off)$/i.test(value)) fault('Write true or false: other words are plain text.');
  return value;
}

function readSize(value: string, fault: (message: string) => void): unknown {
  const bytes = parseBytes(value);
  if (bytes === undefined) fault('This must be a size, such as 20 GiB, or a number of bytes.');
  return bytes ?? value;
}

function visitObject(value: Record<string, unknown>, schema: JsonSchema, path: Path, walk: Walk): unknown {
  const { properties } = schema;
  if (!properties) return value;
  const known = Object.entries(value).flatMap(([key, inner]) => {
    const innerSchema = Object.hasOwn(properties, key) ? properties[key] : undefined;
    if (!innerSchema) {
      const meant = nearest(key, Object.keys(properties));
      walk.faults.push({ path: [...path, key], isKey: true, message: meant ? `There is no "${key}" here. Is "${meant}" meant?` : `There is no "${key}" here. There are: ${Object.keys(properties).join(', ')}.` });
      return [];
    }
    return [[key, visit(inner, innerSchema, [...path, key], walk)] as const];
  });
  return Object.fromEntries(known);
}

/** The document with its sealed secrets open. One that cannot be opened here has no value that the schema could judge. */
function visitSecrets(document: unknown, walk: Walk): unknown {
  const open = structuredClone(document);
  for (const path of walk.secrets) {
    const holder = path.slice(0, -1).reduce<unknown>((inner, key) => (inner as Record<string | number, unknown>)[key], open) as Record<string | number, unknown>; // the walk came this way
    const last = path.at(-1) ?? '';
    const value = holder[last];
    if (!isSealed(value)) continue;
    const secret = walk.options.unseal?.(value);
    if (secret !== undefined) holder[last] = secret;
    else if (!walk.options.unseal) walk.unread.push(path);
    else walk.faults.push({ path, isKey: false, message: 'This was sealed to another machine. Seal the secret again with the key of this one.' });
  }
  return open;
}
