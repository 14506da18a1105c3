import { encodeGraph } from "../../src/graph/encoding/canonical.js";
import type { Attribute, Graph, GraphFunction, GraphNode } from "../../src/graph/graph.js";
import type { AttributeKind, OpFamily } from "../../src/graph/ops/spec.js";
import { findOp, TABLE } from "../../src/graph/table.js";
import type { TensorType } from "../../src/tensor/dtype.js";

/** An op that exists only here: one optional attribute of every kind, named after it, and two with other names. */
export const TEST_OPS: OpFamily = {
  "test.kinds": {
    doc: "For the shared vectors of the canonical encoding.",
    operands: ["...operands"],
    attributes: Object.fromEntries(
      (
        [
          "bool",
          "bytes",
          "dtype",
          "float",
          "floats",
          "function",
          "functions",
          "int",
          "ints",
          "string",
          "strings",
          "types",
        ] as const
      ).map((kind) => [kind, { kind, optional: true, doc: kind }]),
    ),
  },
};

/** The table that the vectors are encoded with. */
export const VECTOR_TABLE: OpFamily = { ...TABLE, ...TEST_OPS };

const f32: TensorType = { dtype: "float32", shape: [] };

const kinds = (
  attributes: Record<string, Attribute>,
  more: Partial<GraphNode> = {},
): GraphNode => ({
  op: "test.kinds",
  inputs: [],
  attributes,
  outputs: 1,
  ...more,
});

const main = (nodes: GraphNode[], more: Partial<GraphFunction> = {}): Graph => ({
  functions: [{ name: "main", parameters: [], nodes, results: [], ...more }],
});

const intGraph = (...ints: (number | bigint)[]) => main(ints.map((int) => kinds({ int })));

/** The graphs of the vectors, by name. */
export const VECTOR_GRAPHS: Readonly<Record<string, Graph>> = {
  "smallest graph": main([]),
  "no functions": { functions: [] },
  "two parameters, two results": main([], {
    parameters: [
      { dtype: "bfloat16", shape: [2, 0, 65_536] },
      { dtype: "complex64", shape: [] },
    ],
    results: [1, 0, 1],
  }),
  "floats are eight raw bytes": main(
    [1, 0, -0, 0.1, -1.5, 5e-324, Number.MAX_VALUE, NaN, Infinity, -Infinity].map((float) =>
      kinds({ float }),
    ),
  ),
  "integers at the edges of every width": intGraph(
    ...[0, 127, 128, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32],
    ...[-1, -32, -33, -128, -129, -32_768, -32_769, -(2 ** 31), -(2 ** 31) - 1],
  ),
  "integers around 2^53 and of 64 bits": intGraph(
    ...[2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, -(2n ** 53n) - 1n],
    ...[2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n, -(2n ** 63n)],
  ),
  "every kind": main([
    kinds({
      types: [f32, { dtype: "uint8", shape: [3, 4] }],
      strings: ["a", "", "ü"],
      string: "text",
      ints: [1, -1, 300, 18_446_744_073_709_551_615n],
      int: 7,
      functions: [0, 1],
      function: 2,
      floats: [1, -0, NaN, Infinity],
      float: 2.5,
      dtype: "bfloat16",
      bytes: Uint8Array.of(0, 1, 254, 255),
      bool: true,
    }),
    kinds({ bool: false }),
  ]),
  "empty lists and texts": main([
    kinds({
      ints: [],
      floats: [],
      strings: [],
      functions: [],
      types: [],
      string: "",
      bytes: new Uint8Array(),
    }),
  ]),
  "labels and names beyond ASCII": main(
    [
      kinds({}, { label: "größe.層.0" }),
      kinds({ string: '\u0000 \n " \\ #{x} \u{1f3d7}\u{fe0f} é \u{10ffff}' }, { label: "" }),
    ],
    { name: "модель" },
  ),
  "lengths at the edges of every width": main([
    ...[31, 32, 255, 256].map((length) => kinds({ string: "x".repeat(length) })),
    ...[15, 16].map((length) => kinds({ ints: new Array<number>(length).fill(1) })),
    ...[255, 256].map((length) => kinds({ bytes: new Uint8Array(length).fill(7) })),
    kinds({}, { inputs: [], outputs: 0 }),
    kinds({}, { inputs: [], outputs: 200 }),
  ]),
  "names of parameters": {
    functions: [
      {
        name: "main",
        parameters: [f32, f32, f32],
        parameterNames: ["x", "layers.0.größe", '"\u0000'],
        nodes: [{ op: "call", inputs: [0], attributes: { function: 1 }, outputs: 1 }],
        results: [3],
      },
      { name: "f", parameters: [f32], parameterNames: ["y".repeat(32)], nodes: [], results: [0] },
      { name: "g", parameters: [f32], nodes: [], results: [0] },
    ],
  },
  "absent operands": main([kinds({}, { inputs: [0, -1, 1, -1] })], { parameters: [f32, f32] }),
  "constant, hook and call": main(
    [
      {
        op: "constant",
        inputs: [],
        attributes: { dtype: "uint8", shape: [2], data: Uint8Array.of(1, 2) },
        outputs: 1,
      },
      {
        op: "custom_call.hook",
        inputs: [0, 1],
        attributes: { id: new Uint8Array(16).fill(9), name: "both" },
        outputs: 2,
        label: "encoder.0",
      },
      {
        op: "custom_call.callback",
        inputs: [2],
        attributes: {
          id: new Uint8Array(16).fill(3),
          results: [{ dtype: "float16", shape: [5] }],
        },
        outputs: 1,
      },
    ],
    { parameters: [f32], results: [4, 3] },
  ),
  "control flow": {
    functions: [
      {
        name: "main",
        parameters: [f32],
        nodes: [
          { op: "while", inputs: [0], attributes: { predicate: 1, body: 2 }, outputs: 1 },
          { op: "for", inputs: [1], attributes: { body: 3, count: 1000 }, outputs: 1 },
        ],
        results: [2],
      },
      {
        name: "predicate",
        parameters: [f32],
        nodes: [
          {
            op: "constant",
            inputs: [],
            attributes: { dtype: "bool", shape: [], data: Uint8Array.of(0) },
            outputs: 1,
          },
        ],
        results: [1],
      },
      { name: "body", parameters: [f32], nodes: [], results: [0] },
      { name: "step", parameters: [{ dtype: "int32", shape: [] }, f32], nodes: [], results: [1] },
    ],
  },
};

/** The vectors as JSON: integers as decimal strings, floats as the hex of their bits, bytes as hex. */
export function vectorsJson(): unknown {
  return {
    ops: Object.fromEntries(
      Object.entries(TEST_OPS).map(([op, spec]) => [
        op,
        Object.fromEntries(Object.entries(spec.attributes).map(([name, row]) => [name, row.kind])),
      ]),
    ),
    vectors: Object.entries(VECTOR_GRAPHS).map(([name, graph]) => ({
      name,
      hex: Buffer.from(encodeGraph(graph, VECTOR_TABLE)).toString("hex"),
      graph: { functions: graph.functions.map(functionJson) },
    })),
  };
}

function functionJson(item: GraphFunction): unknown {
  return {
    name: item.name,
    parameters: item.parameters.map(typeJson),
    ...(item.parameterNames === undefined ? {} : { parameterNames: item.parameterNames }),
    nodes: item.nodes.map((node) => ({
      op: node.op,
      inputs: node.inputs,
      attributes: Object.fromEntries(
        Object.entries(node.attributes).map(([name, value]) => {
          const kind = findOp(node.op, {}, VECTOR_TABLE).attributes[name]?.kind as AttributeKind;
          return [name, { kind, value: attributeJson(kind, value) }];
        }),
      ),
      outputs: node.outputs,
      label: node.label ?? null,
    })),
    results: item.results,
  };
}

const typeJson = (type: TensorType): unknown => [type.dtype, type.shape];

function attributeJson(kind: AttributeKind, value: unknown): unknown {
  switch (kind) {
    case "int":
      return String(value);
    case "ints":
      return (value as unknown[]).map(String);
    case "float":
      return floatBits(value as number);
    case "floats":
      return (value as number[]).map(floatBits);
    case "bytes":
      return Buffer.from(value as Uint8Array).toString("hex");
    case "types":
      return (value as TensorType[]).map(typeJson);
    default:
      return value;
  }
}

function floatBits(value: number): string {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return bytes.toString("hex");
}
