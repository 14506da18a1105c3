import { Engine } from "../../src/engine/engine.js";
import type { Attributes, GraphNode } from "../../src/graph/graph.js";
import { withDefaults } from "../../src/graph/ops/defaults.js";
import { opSpec } from "../../src/graph/ops/index.js";
import { countOutputs, isCallOutputCount } from "../../src/graph/ops/outputs.js";
import { native } from "../../src/native.js";
import type { TensorType } from "../../src/tensor/dtype.js";
import type { TestTensor } from "./data.js";

/** How a call is run. */
export interface RunOptions {
  /** Whether the operands lie column by column in memory. */
  readonly strided?: boolean;
}

let started: Engine | undefined;

/** The engine that all calls of a test file run on. */
function engine(): Engine {
  started ??= Engine.create({ lanes: 1 });
  return started;
}

/** Runs a program of one op on an engine. */
export async function runOp(
  op: string,
  inputs: readonly (TestTensor | null)[],
  attributes: Attributes = {},
  options: RunOptions = {},
): Promise<TestTensor[]> {
  const present = inputs.filter((input) => input !== null);
  const nodes: GraphNode[] = [];
  let values = present.length;
  const add = (node: Pick<GraphNode, "op" | "inputs" | "attributes">, outputs = 1): number => {
    nodes.push({ ...node, outputs });
    values += outputs;
    return values - outputs;
  };
  const strided = (value: number): number => {
    const transposed = add({ op: "transpose", inputs: [value], attributes: {} });
    const columns = add({ op: "contiguous", inputs: [transposed], attributes: {} });
    return add({ op: "transpose", inputs: [columns], attributes: {} });
  };
  const operands = present.map((_, value) => (options.strided === true ? strided(value) : value));
  const call = inputs.map((input) => (input === null ? -1 : (operands.shift() as number)));

  const outputs = outputCount(op, inputs, attributes);
  const first = add({ op, inputs: call, attributes }, outputs);
  const program = engine().load({
    functions: [
      {
        name: op,
        parameters: present.map((input) => input.type),
        nodes,
        results: Array.from({ length: outputs }, (_, index) => first + index),
      },
    ],
  });
  try {
    const tensors = present.map((input) => engine().fromBytes(input.bytes, input.type));
    const run = engine().run(program, tensors);
    await run.done;
    const results = run.outputs.map(async (output) => ({
      type: output.type,
      // A copy: the tensor is freed.
      bytes: Uint8Array.from(await output.bytes()),
    }));
    const copied = await Promise.all(results);
    for (const tensor of [...tensors, ...run.outputs]) tensor.dispose();
    return copied;
  } finally {
    engine().unload(program);
  }
}

function outputCount(
  op: string,
  inputs: readonly (TestTensor | null)[],
  attributes: Attributes,
): number {
  const spec = opSpec(op);
  const outputs = spec?.outputs;
  if (outputs === "operands") return inputs.length;
  if (!isCallOutputCount(outputs)) return typeof outputs === "number" ? outputs : 1;
  // Not to be known where the call is one that the table refuses.
  try {
    return countOutputs(outputs, {
      op,
      inputs: inputs.map((input) => input?.type ?? null),
      attributes: spec === undefined ? attributes : withDefaults(spec, attributes),
    });
  } catch {
    return 1;
  }
}

/** The types that a call's outputs have, found without computing them. */
export function inferTypes(
  op: string,
  inputs: readonly (TestTensor | null)[],
  attributes: Attributes = {},
): TensorType[] {
  const types = inputs.map((input) => input?.type ?? null);
  const spec = opSpec(op);
  const complete = spec === undefined ? attributes : withDefaults(spec, attributes);
  return native().inferTypes(op, types, complete);
}

/** Names of the ops that the addon lowers. */
export function nativeOpNames(): string[] {
  return native().opNames();
}
