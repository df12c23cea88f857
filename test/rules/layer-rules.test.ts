/** What becomes of layers that nobody wants, on any tree and in any order; and how trees of snapshots are drawn. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { chainOf, type CollapseStep, type LayerNode, nextCollapse } from '../../appliance/storage/layer-rules.ts';
import { treeRows } from '../../ui/snapshot-tree.ts';

/** A tree with the content of each layer: what it holds itself, by block. */
interface Layered extends LayerNode {
  blocks: Map<number, number>;
}

const shown = (nodes: readonly Layered[], top: string) => {
  const seen = new Map<number, number>();
  for (const id of chainOf(nodes, top).reverse()) for (const [block, value] of nodes.find((node) => node.id === id)?.blocks ?? []) seen.set(block, value);
  return JSON.stringify([...seen].sort());
};

/** What a step does, as the files and the rows do it. */
function carryOut(nodes: Layered[], step: CollapseStep): Layered[] {
  if (step.kind === 'delete') return nodes.filter(({ id }) => id !== step.layer);
  const [from, into] = [step.from, step.into].map((id) => nodes.find((node) => node.id === id));
  if (!from || !into) throw new Error('a step names layers that are not there');
  const merged = { ...into, isHeld: from.isHeld, blocks: new Map([...into.blocks, ...from.blocks]) };
  return nodes.filter(({ id }) => id !== from.id).map((node) => {
    if (node.id === into.id) return merged;
    return step.above.includes(node.id) ? { ...node, parentId: into.id } : node;
  });
}

const trees = fc.array(fc.record({ parent: fc.nat(), isHeld: fc.boolean(), block: fc.nat(5), value: fc.nat(99) }), { minLength: 1, maxLength: 12 }).map((parts) => parts.map((part, index): Layered => ({
  id: `L${index}`, parentId: index === 0 ? null : `L${part.parent % index}`, isHeld: part.isHeld || index === parts.length - 1, blocks: new Map([[part.block, part.value]]),
})));

test('whatever is let go, what is kept shows the same, and nothing is left that could go', () => {
  fc.assert(fc.property(trees, (tree) => {
    const wanted = tree.filter(({ isHeld }) => isHeld).map(({ id }) => shown(tree, id)).sort();
    let nodes = tree;
    for (let step = nextCollapse(nodes), count = 0; step; step = nextCollapse(nodes), count++) {
      assert.ok(count < tree.length, 'it never ends');
      if (step.kind === 'merge') assert.is(nodes.find(({ id }) => id === step?.['into' as never])?.isHeld, false, 'what is kept is written to');
      nodes = carryOut(nodes, step);
      assert.equal(nodes.filter(({ isHeld }) => isHeld).map(({ id }) => shown(nodes, id)).sort(), wanted);
    }
    for (const { id } of nodes.filter(({ isHeld }) => !isHeld)) assert.ok(nodes.filter(({ parentId }) => parentId === id).length > 1, `${id} could have gone`);
  }));
});

test('a chain that breaks is told, not passed over', () => {
  assert.throws(() => chainOf([{ id: 'top', parentId: 'gone' }], 'top'), /breaks at gone/);
});

test('the picture: a line goes straight down, a branch leaves the dot that it follows from', () => {
  const line = treeRows([{ id: 'now', parent: 'b' }, { id: 'b', parent: 'a' }, { id: 'a', parent: null }]);
  assert.equal([line.lanes, line.rows.map(({ lane }) => lane)], [1, [0, 0, 0]]);
  const { rows, lanes } = treeRows([{ id: 'now', parent: 'a' }, { id: 'c', parent: 'b' }, { id: 'b', parent: 'a' }, { id: 'a', parent: null }]);
  assert.is(lanes, 2);
  assert.equal(rows.map(({ id, lane, passing, arriving, hasParent }) => [id, lane, passing, arriving, hasParent]), [
    ['now', 0, [], [], true], ['c', 1, [0], [], true], ['b', 1, [0], [1], true], ['a', 0, [], [0, 1], false],
  ]);
});

test.run();
