/**
 * The picture of a VM's snapshots: what follows from what, as rows from now back to the first, each with a dot in a lane. A lane is a line of
 * descent; where someone went back and on from there, a second one leaves the same dot.
 */
export interface TreeNode {
  id: string;
  /** What it follows from; null for a first one. */
  parent: string | null;
}

export interface TreeRow {
  id: string;
  /** Of its dot, from 0. */
  lane: number;
  /** Other lanes that pass by. */
  passing: number[];
  /** Lanes from above that end in its dot; its own may be among them. */
  arriving: number[];
  /** Its own lane goes on below. */
  hasParent: boolean;
}

/** `nodes` in the order in which they are shown: each before what it follows from. */
export function treeRows(nodes: readonly TreeNode[]): { rows: TreeRow[]; lanes: number } {
  const awaited: (string | null)[] = [];
  const known = new Set(nodes.map(({ id }) => id));
  const rows = nodes.map(({ id, parent }) => {
    const arriving = awaited.flatMap((wanted, lane) => (wanted === id ? [lane] : []));
    const free = awaited.indexOf(null);
    const lane = arriving[0] ?? (free < 0 ? awaited.length : free);
    const passing = awaited.flatMap((wanted, other) => (wanted !== null && wanted !== id ? [other] : []));
    for (const each of arriving) awaited[each] = null;
    const hasParent = parent !== null && known.has(parent);
    awaited[lane] = hasParent ? parent : null;
    return { id, lane, passing, arriving, hasParent };
  });
  return { rows, lanes: Math.max(1, awaited.length) };
}
