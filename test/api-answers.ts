/**
 * All that an appliance answers: every GET of its OpenAPI document, for every thing that its lists name, made comparable with
 * another machine's. So a field that is added tomorrow is compared tomorrow, without a line here.
 *
 * Ids become the names of what they belong to, instants become "time", how often a thing was changed is passed over; what else may differ, a caller must name with its reason, and
 * a reason that is no longer needed fails. Called by test/api/site-export.test.ts and test/lab/site-export.test.ts.
 */

/** Gives status and JSON of a path below /api/v1. */
export type Get = (path: string) => Promise<{ status: number; body: unknown }>;

/** Why a path or a field (`path: field`) is left out, by its path in the OpenAPI document. */
export type LeftOut = Readonly<Record<string, string>>;

/** What an appliance and the one that its export makes need not have in common, and why. */
export const ownToEach: LeftOut = {
  '/audit': 'who did what on which of them', '/config-changes': 'who changed what on which of them', '/reports/{report}': 'made of what was measured',
  '/history: bytes': 'measured', '/history: series': 'measured', '/history: since': 'measured', '/events': 'what happened to which', '/tasks': 'what each did', '/tasks/{task}': 'what each did',
  '/tokens': 'keys of one machine', '/sessions': 'who is signed in there', '/sessions/current': 'who asks',
  '/site': 'which file each was given', '/setup-code': 'for the local socket alone', '/update/gate': 'for the local socket alone',
  '/hosts: items[].reconcilers': 'how often each has looked', '/hosts/{host}: reconcilers': 'how often each has looked',
  '/disks: items[].occupiedBytes': 'measured once a minute', '/disks/{disk}: occupiedBytes': 'measured once a minute',
  '/vms/{vm}/cloud-init: instanceId': 'each guest is another one',
  '/storage-domains: items[].freeBytes': 'measured', '/storage-domains/{domain}: freeBytes': 'measured',
};

interface Document {
  paths: Record<string, { get?: { responses: Record<string, { content?: Record<string, unknown> }> } }>;
}

interface Thing {
  id?: string;
  name?: string;
}

const uuid = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;
/** Readings of instruments: nobody expects the same twice. */
const measured = /^\/.+\/(history|load|stats)$/;
/** Milliseconds since the epoch, from 2017 to 2065. */
const isInstant = (value: unknown) => typeof value === 'number' && value > 1.5e12 && value < 3e12;

export async function apiAnswers(get: Get, leftOut: LeftOut): Promise<Record<string, unknown>> {
  const { paths } = (await get('/openapi.json')).body as Document; // what the document is
  const gets = Object.keys(paths).filter((path) => isJson(paths[path]) && !(path in leftOut) && !measured.test(path)).sort();
  const names = new Map<string, string>();
  const raw = new Map<string, { template: string; status: number; body: unknown }>();
  for (const template of gets) {
    for (const path of await expand(get, template)) raw.set(path, { template, ...await get(path) });
  }
  for (const { body } of raw.values()) learnNames(body, names);
  const used = new Set<string>();
  const answers = [...raw].map(([path, { template, status, body }]) => [path, { status, body: comparable(body, { names, isLeftOut: (field) => `${template}: ${field}` in leftOut && used.add(`${template}: ${field}`) !== undefined }, '') }]);
  requireNeeded(leftOut, paths, used);
  return Object.fromEntries(answers);
}

const isJson = (path: Document['paths'][string] | undefined) => Object.values(path?.get?.responses ?? {}).some(({ content }) => content?.['application/json'] !== undefined);

function requireNeeded(leftOut: LeftOut, paths: Document['paths'], used: ReadonlySet<string>): void {
  const stale = Object.keys(leftOut).filter((key) => !used.has(key) && !isJson(paths[key]));
  if (stale.length > 0) throw new Error(`left out, but not there: ${stale.join()}`);
}

/** A path for everything that stands in the list above each of its parameters. */
async function expand(get: Get, template: string): Promise<string[]> {
  const [, before, after] = /^(.*?)\/\{\w+\}(.*)$/.exec(template) ?? [];
  if (before === undefined || after === undefined) return [template];
  const { body } = await get(before);
  const items = (body as { items?: Thing[] }).items ?? []; // a list, or why there is none
  const paths = await Promise.all(items.map(({ id, name }) => expand(get, `${before}/${encodeURIComponent(name ?? id ?? '')}${after}`)));
  return paths.flat();
}

function learnNames(value: unknown, names: Map<string, string>): void {
  if (typeof value !== 'object' || value === null) return;
  const { id, name } = value as Thing; // or neither
  if (typeof id === 'string' && typeof name === 'string') names.set(id, name);
  for (const child of Object.values(value)) learnNames(child, names);
}

interface Rules {
  names: ReadonlyMap<string, string>;
  /** By the field's place in the answer, such as `items[].id`. */
  isLeftOut: (field: string) => boolean;
}

function comparable(value: unknown, rules: Rules, field: string): unknown {
  if (field !== '' && rules.isLeftOut(field)) return 'left out';
  if (isInstant(value)) return 'time';
  if (typeof value === 'string') return value.replace(uuid, (id) => `(${rules.names.get(id) ?? 'id'})`);
  if (Array.isArray(value)) return value.map((each) => comparable(each, rules, `${field}[]`));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).filter(([key]) => key !== 'generation').map(([key, child]) => [key, comparable(child, rules, field === '' ? key : `${field}.${key}`)]));
}

/** Where two such collections differ, a line each; empty when they are the same. */
export function differences(first: unknown, second: unknown, place = ''): string[] {
  if (JSON.stringify(first) === JSON.stringify(second)) return [];
  if (!isCollection(first) || !isCollection(second)) return [`${place}: ${JSON.stringify(first)} and ${JSON.stringify(second)}`];
  const [one, other] = [new Map(Object.entries(first)), new Map(Object.entries(second))];
  return [...new Set([...one.keys(), ...other.keys()])].flatMap((key) => differences(one.get(key), other.get(key), `${place} ${key}`));
}

const isCollection = (value: unknown): value is object => typeof value === 'object' && value !== null;
