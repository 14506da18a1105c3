import type { TensorType } from "../../src/tensor/dtype.js";
import { drawCustomCall } from "./custom-calls.js";
import { type DrawnNode, drawNode, type Known, OP_NAMES } from "./draw-node.js";
import type { Body, BodyNode, Ref } from "./recipe.js";
import type { Types } from "./types.js";

/** How a body is drawn. */
export interface BodyOptions {
  readonly nodes: number;
  /** Whether hooks, prints and calls stand between its nodes. */
  readonly customCalls: boolean;
}

/** Draws a straight function; undefined where none of its nodes was accepted. */
export function drawBody(types: Types, { nodes, customCalls }: BodyOptions): Body | undefined {
  const { random } = types;
  const body = new BodyDrawer();
  for (let count = random.below(3); count > 0; count--) body.parameter(types.anyType());
  for (let tries = nodes * 8; tries > 0 && body.nodes.length < nodes; tries--) {
    const custom = customCalls && body.known.length > 0 && random.chance(0.15);
    const node = custom
      ? drawCustomCall(random, body.known)
      : drawNode(types, random.pick(OP_NAMES), body.known);
    if (node === undefined) continue;
    const label = customCalls && random.chance(0.5) ? { label: `node.${body.nodes.length}` } : {};
    body.add({ ...node, ...label });
  }
  if (body.nodes.length === 0) return undefined;
  const made = body.known.filter(({ ref }) => "node" in ref);
  const results = random.some(made).map(({ ref }) => ref);
  const last = made.at(-1);
  if (results.length === 0 && last !== undefined) results.push(last.ref);
  return { parameters: body.parameters, nodes: body.nodes, results };
}

/** Draws a body of one node whose operands are all parameters; undefined where it was refused. */
export function drawSingle(types: Types, op: string): Body | undefined {
  const node = drawNode(types, op, []);
  if (node === undefined) return undefined;
  const body = new BodyDrawer();
  body.add(node);
  return {
    parameters: body.parameters,
    nodes: body.nodes,
    results: node.types.map((_, output) => ({ node: 0, output })),
  };
}

class BodyDrawer {
  readonly parameters: TensorType[] = [];
  readonly nodes: BodyNode[] = [];
  readonly known: Known[] = [];

  parameter(type: TensorType): Ref {
    const ref = { parameter: this.parameters.length };
    this.parameters.push(type);
    this.known.push({ ref, type });
    return ref;
  }

  add({ inputs, ...node }: DrawnNode): void {
    const refs = inputs.map((input) => {
      if (input === null) return null;
      return "dtype" in input ? this.parameter(input) : input.ref;
    });
    const index = this.nodes.length;
    this.nodes.push({ ...node, inputs: refs });
    node.types.forEach((type, output) => {
      this.known.push({ ref: { node: index, output }, type });
    });
  }
}
