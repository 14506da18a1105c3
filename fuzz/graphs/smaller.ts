import type { TensorType } from "../../src/tensor/dtype.js";
import { STYLES } from "./fill.js";
import type { Body, BodyNode, Recipe, Ref } from "./recipe.js";

/** Recipes that are almost a given one but smaller: what takes most away comes first. */
export function* smallerRecipes(recipe: Recipe): Generator<Recipe> {
  for (const wraps of withoutOne(recipe.wraps)) yield { ...recipe, wraps };
  for (const body of smallerBodies(recipe.body)) yield { ...recipe, body };
  if (recipe.subscriptions.length > 0) yield { ...recipe, subscriptions: [] };
  for (const subscriptions of withoutOne(recipe.subscriptions)) yield { ...recipe, subscriptions };
  yield* simplerFills(recipe);
}

const withoutOne = <T>(list: readonly T[]): T[][] =>
  list.map((_, index) => [...list.slice(0, index), ...list.slice(index + 1)]);

function* smallerBodies(body: Body): Generator<Body> {
  if (body.results.length > 1) {
    for (const result of body.results) yield tidy({ ...body, results: [result] });
  }
  const tidied = tidy(body);
  if (tidied.nodes.length + tidied.parameters.length < body.nodes.length + body.parameters.length) {
    yield tidied;
  }
  // Results that are values before the end, so that what comes after them goes.
  for (let node = 0; node < body.nodes.length - 1; node++) {
    yield tidy({ ...body, results: [{ node, output: 0 }] });
  }
  for (let node = body.nodes.length - 1; node >= 0; node--) yield cut(body, node);
  for (const results of withoutOne(body.results)) {
    if (results.length > 0) yield tidy({ ...body, results });
  }
  for (let node = 0; node < body.nodes.length; node++) yield* plainerNode(body, node);
  for (let parameter = 0; parameter < body.parameters.length; parameter++) {
    for (const type of plainerTypes(body.parameters[parameter] as TensorType)) {
      yield { ...body, parameters: body.parameters.with(parameter, type) };
    }
  }
}

/** The body without what no result needs. */
function tidy({ parameters, nodes, results }: Body): Body {
  const needed = new Set<number>();
  const used = new Set<number>();
  const need = (ref: Ref | null) => {
    if (ref === null) return;
    if ("parameter" in ref) used.add(ref.parameter);
    else if (!needed.has(ref.node)) {
      needed.add(ref.node);
      nodes[ref.node]?.inputs.forEach(need);
    }
  };
  results.forEach(need);
  const keptNodes = [...nodes.keys()].filter((node) => needed.has(node));
  const keptParameters = [...parameters.keys()].filter((parameter) => used.has(parameter));
  const moved = (ref: Ref): Ref =>
    "parameter" in ref
      ? { parameter: keptParameters.indexOf(ref.parameter) }
      : { node: keptNodes.indexOf(ref.node), output: ref.output };
  return {
    parameters: keptParameters.map((parameter) => parameters[parameter] as TensorType),
    nodes: keptNodes.map((index) => {
      const node = nodes[index] as BodyNode;
      return { ...node, inputs: node.inputs.map((ref) => ref && moved(ref)) };
    }),
    results: results.map(moved),
  };
}

/** The body with parameters in place of a node. */
function cut(body: Body, index: number): Body {
  const { types } = body.nodes[index] as BodyNode;
  const first = body.parameters.length;
  const moved = (ref: Ref): Ref => {
    if ("parameter" in ref || ref.node < index) return ref;
    if (ref.node > index) return { ...ref, node: ref.node - 1 };
    return { parameter: first + ref.output };
  };
  return tidy({
    parameters: [...body.parameters, ...types],
    nodes: body.nodes
      .filter((_, at) => at !== index)
      .map((node) => ({ ...node, inputs: node.inputs.map((ref) => ref && moved(ref)) })),
    results: body.results.map(moved),
  });
}

function* plainerNode(body: Body, index: number): Generator<Body> {
  const node = body.nodes[index] as BodyNode;
  const replaced = (changes: Partial<BodyNode>) => ({
    ...body,
    nodes: body.nodes.with(index, { ...node, ...changes }),
  });
  if (node.label !== undefined) {
    const { label: _, ...bare } = node;
    yield { ...body, nodes: body.nodes.with(index, bare) };
  }
  for (const name of Object.keys(node.attributes)) {
    const { [name]: _, ...attributes } = node.attributes;
    yield replaced({ attributes });
  }
  for (const [at, ref] of node.inputs.entries()) {
    if (ref !== null) yield tidy(replaced({ inputs: node.inputs.with(at, null) }));
  }
}

function* plainerTypes({ dtype, shape }: TensorType): Generator<TensorType> {
  if (shape.length > 0) yield { dtype, shape: [] };
  for (const sizes of withoutOne(shape)) yield { dtype, shape: sizes };
  for (const [axis, size] of shape.entries()) {
    for (const smaller of new Set([0, 1, 2, size >> 1, size - 1])) {
      if (smaller >= 0 && smaller < size) yield { dtype, shape: shape.with(axis, smaller) };
    }
  }
  if (dtype !== "float32") yield { dtype: "float32", shape };
}

function* simplerFills(recipe: Recipe): Generator<Recipe> {
  for (const [index, { style, seed }] of recipe.fills.entries()) {
    for (const simpler of STYLES.slice(0, STYLES.indexOf(style))) {
      yield { ...recipe, fills: recipe.fills.with(index, { style: simpler, seed }) };
    }
  }
}
