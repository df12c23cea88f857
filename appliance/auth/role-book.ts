/** Roles by name: the predefined ones of `rules.ts`, and those that were made here. */
import { asc, eq, sql } from 'drizzle-orm';
import type { Tx } from '../core/db.ts';
import { type FieldError, Problem } from '../core/problem.ts';
import type { Core } from '../core/services.ts';
import { isPredefined, type Permission, permissionsOf, roles as predefined } from './rules.ts';
import { assignmentTable, groupTable, roleTable, userTable } from './table.ts';

export type RoleRow = typeof roleTable.$inferSelect;
export type RoleBook = ReturnType<typeof createRoleBook>;

export function createRoleBook({ database, journal, clock }: Core) {
  const { sql: db } = database;
  const find = (name: string) => db.select().from(roleTable).where(eq(roleTable.name, name)).get();
  const ownPermissions = (name: string) => find(name)?.permissions ?? [];
  const exists = (name: string) => isPredefined(name) || find(name) !== undefined;
  const has = (column: typeof userTable.roles | typeof groupTable.roles, name: string) => sql`exists (select 1 from json_each(${column}) where value = ${name})`;
  return {
    find,
    own: (): RoleRow[] => db.select().from(roleTable).orderBy(asc(roleTable.name)).all(),
    names: (): string[] => [...predefined, ...db.select({ name: roleTable.name }).from(roleTable).orderBy(asc(roleTable.name)).all().map(({ name }) => name)],
    /** What these roles allow together. */
    permissionsOf: (names: readonly string[]): Set<Permission> => permissionsOf(names, ownPermissions),
    /** What that role alone allows, without what everybody may. */
    permissionsOfRole: (name: string): Set<Permission> => {
      const all = permissionsOf([name], ownPermissions);
      all.delete('self.edit');
      return all;
    },
    /** Throws `invalid-input` for a role that there is not. `path` names the field. */
    requireAll(names: readonly string[], path: string): void {
      const errors: FieldError[] = names.flatMap((name, index) => (exists(name) ? [] : [{ path: path === 'roles' ? `roles.${index}` : path, message: `There is no role "${name}".` }]));
      if (errors[0]) throw new Problem('invalid-input', errors[0].message, { errors });
    },
    /** Who holds it, for people: names of users and groups, and how many single things. */
    holders(name: string): string[] {
      const users = db.select({ name: userTable.name }).from(userTable).where(has(userTable.roles, name)).all();
      const groups = db.select({ name: groupTable.name }).from(groupTable).where(has(groupTable.roles, name)).all();
      const assigned = db.select({ id: assignmentTable.id }).from(assignmentTable).where(eq(assignmentTable.role, name)).all().length;
      return [...users.map((user) => user.name), ...groups.map((group) => group.name), ...(assigned > 0 ? [`${assigned} assignments on single things`] : [])];
    },
    insert(tx: Tx, role: Pick<RoleRow, 'name' | 'description' | 'permissions'>): RoleRow {
      const row = { ...role, generation: 1, createdAt: clock.now() };
      tx.sql.insert(roleTable).values(row).run();
      journal.site(tx, { kind: 'role', id: row.name, what: 'created', after: row });
      return row;
    },
    update(tx: Tx, row: RoleRow, changes: Partial<Pick<RoleRow, 'description' | 'permissions'>>): RoleRow {
      const after = { ...row, ...changes, generation: row.generation + 1 };
      tx.sql.update(roleTable).set(after).where(eq(roleTable.name, row.name)).run();
      journal.site(tx, { kind: 'role', id: row.name, what: 'updated', after });
      return after;
    },
    remove(tx: Tx, row: RoleRow): void {
      tx.sql.delete(roleTable).where(eq(roleTable.name, row.name)).run();
      journal.site(tx, { kind: 'role', id: row.name, what: 'deleted', after: null });
    },
  };
}
