/** Pages of lists in order of name. Pure. */

/** One page of rows that were asked for with one more than `limit`, and the name to go on from. */
export function pageOf<Row extends { name: string }>(rows: Row[], limit: number): { rows: Row[]; next: string | null } {
  const page = rows.slice(0, limit);
  return { rows: page, next: rows.length > limit ? (page.at(-1)?.name ?? null) : null };
}
