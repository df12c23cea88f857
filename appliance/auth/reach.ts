/**
 * What somebody may do to single things, as conditions of SQL: the same rows of `role_assignment` filter a list, decide on one thing
 * and tell the pages what to offer, so the three cannot differ.
 *
 *   held on a thing = assigned on it  +  held on what it belongs to (`Objects.within`)
 */
import { and, eq, inArray, or, type SQL, type SQLWrapper, sql } from 'drizzle-orm';
import type { Sql } from '../core/db.ts';
import type { ObjectRef, Objects, Reach } from '../core/objects.ts';
import { appliesTo, type ObjectKindName, objectKinds, type Permission } from './rules.ts';
import { assignmentTable } from './table.ts';

export interface Holder {
  userId: string;
  groupIds: string[];
  /** Held on the whole appliance. */
  whole: ReadonlySet<string>;
  /** What a token allows at most; null without such a bound. */
  limit: readonly string[] | null;
  permissionsOfRole(name: string): ReadonlySet<string>;
}

export function createReach({ sql: db, objects }: { sql: Sql; objects: Objects }, holder: Holder): Reach {
  const { whole } = holder;
  const isHolder = holderCondition(holder);
  const roleNames = once(() => db.selectDistinct({ role: assignmentTable.role, kind: assignmentTable.kind }).from(assignmentTable).where(isHolder).all());
  const marks = new Map<string, Map<string, string>>();
  const known = new Map<string, ReadonlySet<string>>();
  const permissionsOf = (role: string) => {
    const found = known.get(role) ?? holder.permissionsOfRole(role);
    known.set(role, found);
    return found;
  };

  const allows = (role: string, permission: string) => permissionsOf(role).has(permission) && (holder.limit === null || holder.limit.includes(permission));
  /** The roles among those held on single things that hold that permission. */
  const rolesWith = (permission: string) => [...new Set(roleNames().map(({ role }) => role))].filter((role) => allows(role, permission));
  const rows: Reach['rows'] = (permission, kind, id) => {
    if (whole.has(permission)) return undefined;
    const names = rolesWith(permission);
    return names.length === 0 ? sql`0` : sql`${id} in (select id from (${pairs(kind, names)}))`;
  };
  const pairs = (kind: string, names: string[]): SQL => {
    const own = sql`select ${assignmentTable.objectId} as id, ${assignmentTable.role} as role from ${assignmentTable} where ${and(eq(assignmentTable.kind, kind as ObjectKindName), isHolder, inArray(assignmentTable.role, names))}`;
    const inherited = objects.within(kind).map((above) => sql`select links.child as id, held.role as role from (${above.links}) links join (${pairs(above.kind, names)}) held on held.id = links.parent`);
    return sql.join([own, ...inherited], sql` union `);
  };
  const marksOf = (kind: string): Map<string, string> => {
    const found = marks.get(kind) ?? loadMarks(db, pairs(kind, [...new Set(roleNames().map(({ role }) => role))]));
    marks.set(kind, found);
    return found;
  };
  const mark = ({ kind, id }: ObjectRef) => (roleNames().length === 0 ? '' : (marksOf(kind).get(id) ?? ''));

  return {
    rows, mark,
    held() {
      const roles = roleNames().map(({ role }) => `${role}: ${[...permissionsOf(role)].sort().join()}`);
      const things = db.select({ kind: assignmentTable.kind, id: assignmentTable.objectId, role: assignmentTable.role }).from(assignmentTable).where(isHolder).all();
      return [...new Set(roles), ...things.map(({ kind, id, role }) => `${kind} ${id} ${role}`)].sort().join('\n');
    },
    somewhere: (permission) => whole.has(permission) || roleNames().some(({ role, kind }) => appliesTo(permission as Permission, kind) && allows(role, permission)),
    on: (permission, { kind, id }) => {
      const condition = rows(permission, kind, sql`${id}`);
      return condition === undefined || db.get(sql`select 1 where ${condition}`) !== undefined;
    },
    sees: (permission, object) => whole.has(permission) || mark(object).split(' ').some((role) => role !== '' && allows(role, permission)),
    anyRows(permission, id: SQLWrapper) {
      const conditions = objectKinds.filter((kind) => appliesTo(permission as Permission, kind)).map((kind) => rows(permission, kind, id));
      return conditions.includes(undefined) ? undefined : (or(...conditions) ?? sql`0`);
    },
  };
}

function holderCondition({ userId, groupIds }: Holder): SQL | undefined {
  return or(eq(assignmentTable.userId, userId), groupIds.length > 0 ? inArray(assignmentTable.groupId, groupIds) : undefined);
}

function loadMarks(db: Sql, pairs: SQL): Map<string, string> {
  const found = db.all<{ id: string; roles: string }>(sql`select id, group_concat(role, ' ') as roles from (select id, role from (${pairs}) order by role) group by id`);
  return new Map(found.map(({ id, roles }) => [id, roles]));
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
