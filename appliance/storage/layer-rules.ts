/**
 * The layers of a disk as a tree, and what becomes of those that nobody wants any more. Pure.
 *
 *   bottom <- A <- B <- leaf        A and B are frozen, each kept by its holder (a snapshot)
 *              \- C <- D            a branch: what was there before someone went back to A
 *
 * Who lets go of a layer only takes its name off. What then can go, goes: a layer with nothing above it is deleted; one with a single
 * layer above it takes that one's content in, which is then gone as a file and kept under the lower one's name. With two above it
 * stays, for both need it.
 */
export interface LayerNode {
  id: string;
  parentId: string | null;
  /** The leaf is held by the disk itself. */
  isHeld: boolean;
}

export type CollapseStep =
  | { kind: 'delete'; layer: string }
  /** `from` is written into `into`; what lay above `from` then lies above `into`. */
  | { kind: 'merge'; from: string; into: string; above: string[] };

/** What to do next with the layers of a disk; `undefined` when each is wanted. */
export function nextCollapse(nodes: readonly LayerNode[]): CollapseStep | undefined {
  const above = (id: string) => nodes.filter(({ parentId }) => parentId === id).map((node) => node.id);
  const unwanted = nodes.filter(({ isHeld }) => !isHeld);
  // Deleting comes first: it costs nothing, and may leave one layer above another where there were two.
  const bare = unwanted.find(({ id }) => above(id).length === 0);
  if (bare) return { kind: 'delete', layer: bare.id };
  for (const { id } of unwanted) {
    const [from, ...others] = above(id);
    if (from !== undefined && others.length === 0) return { kind: 'merge', from, into: id, above: above(from) };
  }
  return undefined;
}

/** Ids from `top` down to the bottom. */
export function chainOf(nodes: readonly Pick<LayerNode, 'id' | 'parentId'>[], top: string): string[] {
  const chain: string[] = [];
  for (let id: string | null = top; id !== null; ) {
    const node = nodes.find((each) => each.id === id);
    if (!node || chain.includes(id)) throw new Error(`the chain of ${top} breaks at ${id}`);
    chain.push(id);
    id = node.parentId;
  }
  return chain;
}
