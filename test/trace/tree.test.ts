import fc from "fast-check";
import { expect, it } from "vitest";
import { flatten, type Tree } from "../../src/trace/tree.js";

const { tree: trees } = fc.letrec<{ tree: Tree<number> }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    fc.nat(),
    fc.array(tie("tree"), { maxLength: 3 }),
    fc.dictionary(
      fc.string({ maxLength: 3 }).filter((key) => key !== "__proto__"),
      tie("tree"),
      { maxKeys: 3, noNullPrototype: true },
    ),
  ),
}));

it("takes trees apart and puts them together", () => {
  fc.assert(
    fc.property(trees, (tree) => {
      const flat = flatten<number>(tree);
      expect(flat.rebuild(flat.leaves)).toEqual(tree);
      const other = flatten<string>(flat.rebuild(flat.leaves.map((leaf) => `<${leaf}>`)));
      expect(other.leaves).toEqual(flat.leaves.map((leaf) => `<${leaf}>`));
      expect(other.structure).toBe(flat.structure);
    }),
  );
});

it("tells where each leaf is", () => {
  expect(flatten<number>({ b: [1, { "c.d": 2 }], a: 3 }).paths()).toEqual([
    ["a"],
    ["b", 0],
    ["b", 1, "c.d"],
  ]);
  const at = (tree: unknown, [key, ...path]: (string | number)[]): unknown =>
    key === undefined ? tree : at((tree as Record<string | number, unknown>)[key], path);
  fc.assert(
    fc.property(trees, (tree) => {
      const flat = flatten<number>(tree);
      expect(flat.paths().map((path) => at(tree, path))).toEqual(flat.leaves);
    }),
  );
});

it("tells structures apart", () => {
  const structure = (tree: Tree<number>) => flatten<number>(tree).structure;
  const different = [
    1,
    [],
    [1],
    [[1]],
    [1, 1],
    { a: 1 },
    { b: 1 },
    { a: [1] },
    { "a: *, b": 1 },
    { a: 1, b: 1 },
    {},
  ];
  expect(new Set(different.map(structure)).size).toBe(different.length);
  expect(structure({ b: 1, a: [2, 3] })).toBe('{"a": [*, *], "b": *}');
});

it("objects of classes are leaves; keys have no order", () => {
  const leaf = new Date(0);
  expect(flatten<unknown>([leaf, { b: 1, a: 2 }] as Tree<unknown>).leaves).toEqual([leaf, 2, 1]);
});
