import { isPlainObject } from "../realm.js";

/** A leaf, or arrays and plain objects of trees. */
export type Tree<Leaf> = Leaf | readonly Tree<Leaf>[] | { readonly [key: string]: Tree<Leaf> };

/** A tree taken apart: its leaves in order, and what puts leaves like them together again. */
export interface Flat<Leaf> {
  readonly leaves: Leaf[];
  /** The structure as text, such as `{"a": *, "b": [*, *]}`: equal for trees of the same shape. */
  readonly structure: string;
  /** Where each leaf is: the object keys and list indices that lead to it. */
  paths(): (string | number)[][];
  /** A tree of the same shape with other leaves. */
  rebuild<Other>(leaves: readonly Other[]): Tree<Other>;
}

/** Takes a tree apart. Everything that is no array and no plain object is a leaf; object keys count in sorted order. */
export function flatten<Leaf>(tree: Tree<Leaf>): Flat<Leaf> {
  const leaves: Leaf[] = [];
  const shape = visit(tree, leaves);
  return {
    leaves,
    structure: show(shape),
    paths: () => pathsOf(shape),
    rebuild<Other>(others: readonly Other[]) {
      let next = 0;
      return build(shape, () => others[next++] as Other);
    },
  };
}

/** 0 for a leaf, a list for an array, a list of pairs for an object. */
type Shape = 0 | { readonly a: Shape[] } | { readonly o: [key: string, Shape][] };

function visit<Leaf>(tree: Tree<Leaf>, leaves: Leaf[]): Shape {
  if (Array.isArray(tree)) return { a: tree.map((item) => visit(item, leaves)) };
  if (isPlainObject(tree)) {
    const keys = Object.keys(tree).sort();
    return { o: keys.map((key) => [key, visit(tree[key] as Tree<Leaf>, leaves)]) };
  }
  leaves.push(tree as Leaf);
  return 0;
}

function show(shape: Shape): string {
  if (shape === 0) return "*";
  if ("a" in shape) return `[${shape.a.map(show).join(", ")}]`;
  return `{${shape.o.map(([key, item]) => `${JSON.stringify(key)}: ${show(item)}`).join(", ")}}`;
}

function pathsOf(shape: Shape): (string | number)[][] {
  if (shape === 0) return [[]];
  const items: readonly (readonly [string | number, Shape])[] =
    "a" in shape ? shape.a.map((item, index) => [index, item]) : shape.o;
  return items.flatMap(([key, item]) => pathsOf(item).map((path) => [key, ...path]));
}

function build<Leaf>(shape: Shape, next: () => Leaf): Tree<Leaf> {
  if (shape === 0) return next();
  if ("a" in shape) return shape.a.map((item) => build(item, next));
  return Object.fromEntries(shape.o.map(([key, item]) => [key, build(item, next)]));
}
