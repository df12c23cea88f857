/**
 * The kinds of things that somebody may hold rights on one by one: how such a thing is found, and what it belongs to.
 *
 * Each slice defines its own kinds; a slice to the right may add that things of a left one belong to its own. Rights on a thing reach
 * all that belongs to it. `Reach` is what one actor may do to which things; the slice of people makes it, everyone asks it.
 */
import { type SQL, type SQLWrapper, sql } from 'drizzle-orm';

export interface ObjectRef {
  kind: string;
  id: string;
}

/** Rows of two columns: `child`, the id of a thing, and `parent`, the id of what it belongs to. */
export interface Within {
  kind: string;
  links: SQL;
}

export interface ObjectKind {
  /** Id of the thing with that id or name. */
  find(ref: string): string | undefined;
  /** Name of the thing with that id. */
  nameOf(id: string): string | undefined;
}

export interface Objects {
  define(kind: string, definition: ObjectKind): void;
  /** Things of that kind belong to things of another one. */
  belong(kind: string, to: Within): void;
  find(kind: string, ref: string): string | undefined;
  nameOf(object: ObjectRef): string | undefined;
  within(kind: string): readonly Within[];
  kinds(): string[];
}

export function createObjects(): Objects {
  const known = new Map<string, ObjectKind>();
  const above = new Map<string, Within[]>();
  return {
    define: (kind, definition) => void known.set(kind, definition),
    belong: (kind, to) => void above.set(kind, [...(above.get(kind) ?? []), to]),
    find: (kind, ref) => known.get(kind)?.find(ref),
    nameOf: ({ kind, id }) => known.get(kind)?.nameOf(id),
    within: (kind) => above.get(kind) ?? [],
    kinds: () => [...known.keys()],
  };
}

/** What an actor may do, and to what. */
export interface Reach {
  /** On the whole appliance, or on something in it. */
  somewhere(permission: string): boolean;
  /** On that very thing, as the database says now: for decisions. */
  on(permission: string, object: ObjectRef): boolean;
  /** As `on`, but as it was when it was first asked: for many things of one answer or page, without a query for each. */
  sees(permission: string, object: ObjectRef): boolean;
  /** Condition on a column of ids of such things; `undefined` when it is true of all. */
  rows(permission: string, kind: string, id: SQLWrapper): SQL | undefined;
  /** The same for things of any kind. */
  anyRows(permission: string, id: SQLWrapper): SQL | undefined;
  /** All that is held on single things, in words that are the same as long as that is. */
  held(): string;
  /** A word that is the same for things on which the same is allowed. */
  mark(object: ObjectRef): string;
}

/** The reach of who holds what they hold on everything. */
export function wholeReach(permissions: ReadonlySet<string>): Reach {
  const has = (permission: string) => permissions.has(permission);
  const rows = (permission: string) => (has(permission) ? undefined : sql`0`);
  return { somewhere: has, on: has, sees: has, rows, anyRows: rows, held: () => '', mark: () => '' };
}
