/**
 * What differs between two states of a thing, as deep as it goes: each difference with its path, before and after. Pure.
 *
 *   hardware.watchdog                 a field inside a field
 *   disks[web-disk1].settings.cache   a thing in a list, found again by its id; it is called by its name where one is known
 *   startup.after                     a list of words is told whole
 *
 * Of what is secret only that it changed; a thing in a list that came or went is told whole, without what is secret in it.
 */

export interface FieldChange {
  field: string;
  /** The same in pieces; things in lists in square brackets. */
  path: string[];
  before: unknown;
  after: unknown;
  /** Neither is told. */
  isSecret: boolean;
}

type Fields = Record<string, unknown>;
type NameOf = (id: string) => string | undefined;

const secretField = /password|hash|secret|token|key$|code/i;
/** Ids, places and counters: they change with everything, or never, and say nothing. */
const dullFields = new Set(['id', 'generation', 'vmId', 'diskId', 'slot', 'unit']);
/** What tells things in a list apart, the surest first. */
const identities = ['id', 'diskId', 'name', 'path', 'mac'];

/** From one state to another; a missing state has no fields, and a field that is missing is as good as null. */
export function differencesOf(before: unknown, after: unknown, nameOf: NameOf = () => undefined): FieldChange[] {
  return compare([], before ?? {}, after ?? {}, nameOf);
}

function compare(path: string[], before: unknown, after: unknown, nameOf: NameOf): FieldChange[] {
  const isSecret = secretField.test(path.at(-1) ?? '');
  if (isSecret) return same(before, after) ? [] : [change(path, null, null, true)];
  const items = [before, after].map(itemsOf);
  if (items[0] && items[1]) return compareItems(path, items[0], items[1], nameOf);
  if (isFields(before ?? {}) && isFields(after ?? {})) return compareFields(path, before, after, nameOf);
  return same(before, after) ? [] : [change(path, tellable(before), tellable(after), false)];
}

function compareFields(path: string[], before: unknown, after: unknown, nameOf: NameOf): FieldChange[] {
  const [was, is] = [before, after].map((value) => (isFields(value) ? value : {}));
  const names = [...new Set([...Object.keys(was ?? {}), ...Object.keys(is ?? {})])].filter((name) => !dullFields.has(name));
  return names.flatMap((name) => compare([...path, name], was?.[name], is?.[name], nameOf));
}

function compareItems(path: string[], before: Map<string, Fields>, after: Map<string, Fields>, nameOf: NameOf): FieldChange[] {
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((id) => {
    const [was, is] = [before.get(id), after.get(id)];
    const inside = [...path, `[${calledIn(is ?? was, nameOf) ?? id}]`];
    return was && is ? compareFields(inside, was, is, nameOf) : [change(inside, tellable(was), tellable(is), false)];
  });
}

function calledIn(item: Fields | undefined, nameOf: NameOf): string | undefined {
  const id = item?.['diskId'] ?? item?.['id'];
  const found = item?.['name'] ?? (typeof id === 'string' ? nameOf(id) : undefined) ?? item?.['mac'];
  return typeof found === 'string' ? found : undefined;
}

/** A list of things by what tells them apart, else by their place; undefined for anything else. No list is an empty one. */
function itemsOf(value: unknown): Map<string, Fields> | undefined {
  if (value === null || value === undefined) return new Map();
  if (!Array.isArray(value) || !value.every(isFields)) return undefined;
  const identity = identities.find((name) => value.every((item) => typeof item[name] === 'string') && new Set(value.map((item) => item[name])).size === value.length);
  return new Map(value.map((item, index) => [identity ? String(item[identity]) : String(index + 1), item]));
}

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);
/** In any order of fields, and whether a field is null or not there. */
const same = (a: unknown, b: unknown) => JSON.stringify(sorted(a) ?? null) === JSON.stringify(sorted(b) ?? null);

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  return isFields(value) ? Object.fromEntries(Object.keys(value).sort().filter((name) => value[name] !== null && value[name] !== undefined).map((name) => [name, sorted(value[name])])) : value;
}

/** Without secrets and what says nothing. */
function tellable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(tellable);
  if (!isFields(value)) return value ?? null;
  return Object.fromEntries(Object.entries(value).filter(([name]) => !dullFields.has(name) && !secretField.test(name)).map(([name, inner]) => [name, tellable(inner)]));
}

function change(path: string[], before: unknown, after: unknown, isSecret: boolean): FieldChange {
  return { field: path.join('.').replaceAll('.[', '['), path, before, after, isSecret };
}
