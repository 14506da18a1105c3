import type { Graph, GraphNode } from "../../src/graph/graph.js";
import { namedId } from "../../src/hooks/ids.js";
import type { Dtype, TensorType } from "../../src/tensor/dtype.js";

/** A graph of one function. */
export function graph(
  parameters: readonly TensorType[],
  nodes: readonly (Partial<GraphNode> & Pick<GraphNode, "op">)[],
  results: readonly number[],
): Graph {
  const full = nodes.map((node) => ({ inputs: [], attributes: {}, outputs: 1, ...node }));
  return { functions: [{ name: "main", parameters, nodes: full, results }] };
}

/** A scalar constant. */
export function constant(value: number, dtype: Dtype = "float32") {
  const data =
    dtype === "float32" ? Float32Array.of(value) : dtype === "int32" ? Int32Array.of(value) : null;
  if (data === null) throw new Error(`no constant of ${dtype}`);
  const attributes = { dtype, shape: [], data: new Uint8Array(data.buffer) };
  return { op: "constant", attributes };
}

/** A hook or print of some values. */
export function customCall(
  kind: "hook" | "print",
  name: string,
  inputs: readonly number[],
  label?: string,
) {
  return {
    op: `custom_call.${kind}`,
    inputs,
    attributes: { id: namedId(name), name },
    outputs: inputs.length,
    ...(label === undefined ? {} : { label }),
  };
}

/** A callback with some values, answered with values of the given types. */
export function callback(name: string, inputs: readonly number[], results: readonly TensorType[]) {
  return {
    op: "custom_call.callback",
    inputs,
    attributes: { id: namedId(name), name, results },
    outputs: results.length,
  };
}

/** x + 1 */
export function increment(shape: readonly number[] = [4]): Graph {
  const type: TensorType = { dtype: "float32", shape };
  return graph([type], [constant(1), { op: "add", inputs: [0, 1] }], [2]);
}

/** x + 1 with a hook "sum" on the result, labelled `layer.0.sum`, under a labelled node `layer.0.add`. */
export function hooked(shape: readonly number[] = [4]): Graph {
  const type: TensorType = { dtype: "float32", shape };
  return graph(
    [type],
    [
      constant(1),
      { op: "add", inputs: [0, 1], label: "layer.0.add" },
      customCall("hook", "sum", [2], "layer.0.sum"),
    ],
    [3],
  );
}

/** What a call "ask" is answered with, for x. */
export function asking(shape: readonly number[] = [4]): Graph {
  const type: TensorType = { dtype: "float32", shape };
  return graph([type], [callback("ask", [0], [type])], [1]);
}
