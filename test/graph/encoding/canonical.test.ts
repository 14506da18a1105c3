import { readFileSync } from "node:fs";
import { decode } from "@msgpack/msgpack";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { VECTOR_GRAPHS, VECTOR_TABLE, vectorsJson } from "../../../scripts/generate/vectors.js";
import { decodeGraph, encodeGraph, graphHash } from "../../../src/graph/encoding/canonical.js";
import { GraphError } from "../../../src/graph/error.js";
import type { Attribute, Graph, GraphNode } from "../../../src/graph/graph.js";
import { DEFAULT_LIMITS } from "../../../src/graph/limits.js";
import { DTYPES } from "../../../src/tensor/dtype.js";
import { thrown } from "../support.js";

const source = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8");
const encode = (graph: Graph) => encodeGraph(graph, VECTOR_TABLE);
const decodeHex = (hex: string) =>
  decodeGraph(Buffer.from(hex.replaceAll(" ", ""), "hex"), DEFAULT_LIMITS, VECTOR_TABLE);

describe("the canonical encoding", () => {
  it("writes what was worked out by hand", () => {
    const graph: Graph = {
      functions: [
        {
          name: "f",
          parameters: [{ dtype: "bool", shape: [200] }],
          nodes: [
            {
              op: "test.kinds",
              inputs: [0, -1],
              attributes: { int: -33, float: -0, bool: true },
              outputs: 2,
              label: "a",
            },
          ],
          results: [1],
        },
      ],
    };
    const expected = [
      "82 a5 6461766974 01 a9 66756e6374696f6e73 91", // {"davit": 1, "functions": [
      "84 a4 6e616d65 a1 66", //   {"name": "f",
      "a5 6e6f646573 91 85", //     "nodes": [{
      "aa 61747472696275746573 83", //       "attributes": {
      "a4 626f6f6c c3", //         "bool": true,
      "a5 666c6f6174 c408 8000000000000000", //         "float": -0.0,
      "a3 696e74 d0df", //         "int": -33},
      "a6 696e70757473 92 00 ff", //       "inputs": [0, -1],
      "a5 6c6162656c a1 61", //       "label": "a",
      "a2 6f70 aa 746573742e6b696e6473", //       "op": "test.kinds",
      "a7 6f757470757473 02", //       "outputs": 2}],
      "aa 706172616d6574657273 91 92 a4 626f6f6c 91 ccc8", //     "parameters": [["bool", [200]]],
      "a7 726573756c7473 91 01", //     "results": [1]}]}
    ].join("");
    expect(Buffer.from(encode(graph)).toString("hex")).toBe(expected.replaceAll(" ", ""));
  });

  it.each(Object.entries(VECTOR_GRAPHS))("holds %s", (_name, graph) => {
    const bytes = encode(graph);
    const back = decodeGraph(bytes, DEFAULT_LIMITS, VECTOR_TABLE);
    expect(Buffer.from(encode(back))).toEqual(Buffer.from(bytes));
    expect(normalize(back)).toEqual(normalize(graph));
    // Any msgpack decoder can read it.
    const plain = decode(bytes, { useBigInt64: true }) as { davit: number; functions: unknown[] };
    expect(plain.davit).toBe(1);
    expect(plain.functions).toHaveLength(graph.functions.length);
  });

  it("agrees with the shared vectors", () => {
    const vectors = JSON.parse(source("test/vectors/canonical.json"));
    expect(vectors).toEqual(JSON.parse(JSON.stringify(vectorsJson())));
    for (const { hex } of vectors.vectors) {
      expect(Buffer.from(encode(decodeHex(hex))).toString("hex")).toBe(hex);
    }
  });

  it("names a graph by the SHA-256 of its bytes", () => {
    const graph = VECTOR_GRAPHS["every kind"] as Graph;
    const hash = graphHash(graph, VECTOR_TABLE);
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    expect(graphHash(VECTOR_GRAPHS["control flow"] as Graph)).not.toBe(hash);
  });

  it("leaves out the names of parameters where there are none", () => {
    const [bare, none, named] = [undefined, [], ["x"]].map((parameterNames) => {
      const [item] = main([]).functions as [Graph["functions"][number]];
      return Buffer.from(encode({ functions: [{ ...item, parameterNames }] }));
    }) as [Buffer, Buffer, Buffer];
    expect(none).toEqual(bare);
    const key = Buffer.from("\xafparameter_names\x91\xa1x", "latin1");
    const at = bare.indexOf("\xaaparameters", 0, "latin1");
    const count = bare.indexOf("\x84\xa4name", 0, "latin1");
    const expected = Buffer.concat([bare.subarray(0, at), key, bare.subarray(at)]);
    expected[count] = 0x85;
    expect(named).toEqual(expected);
  });

  it("does not depend on the order of attributes or on the kind of an integer", () => {
    const one = main([node({ int: 5n, bool: true })]);
    const two = main([node({ bool: true, int: 5 })]);
    expect(Buffer.from(encode(one))).toEqual(Buffer.from(encode(two)));
  });

  it("tells 0.0 from -0.0, but no NaN from another", () => {
    const bytes = (float: number) => Buffer.from(encode(main([node({ float })])));
    expect(bytes(0)).not.toEqual(bytes(-0));
    const nan = new Float64Array(new BigUint64Array([0xfff8000000000123n]).buffer)[0] as number;
    expect(bytes(nan)).toEqual(bytes(Number.NaN));
  });

  it.each([
    ["a lone surrogate", { string: "\ud800" }],
    ["a fraction", { int: 1.5 }],
    ["an unsafe number", { int: 2 ** 53 }],
    ["more than 64 bits", { int: 2n ** 64n }],
    ["less than 64 bits", { int: -(2n ** 63n) - 1n }],
    ["a string for a number", { float: "1" as unknown as number }],
    ["an unknown dtype", { dtype: "float8" }],
    ["a negative size", { types: [{ dtype: "float32", shape: [-1] }] }],
  ] as const)("refuses to write %s", (_name, attributes) => {
    const error = thrown(() => encode(main([node(attributes as Record<string, Attribute>)])));
    expect(error.code).toBe("attribute_invalid");
    expect(error.message).toContain(Object.keys(attributes)[0]);
  });
});

describe("decoding what is not canonical", () => {
  const open = "82 a5 6461766974 01 a9 66756e6374696f6e73";
  const withNode = (fields: string) =>
    `${open} 91 84 a4 6e616d65 a1 66 a5 6e6f646573 91 ${fields} aa 706172616d6574657273 90 a7 726573756c7473 90`;
  const inputs = "a6 696e70757473 90";
  const op = "a2 6f70 aa 746573742e6b696e6473";
  const attributes = "aa 61747472696275746573";

  it("reads the frame that the cases below spoil", () => {
    expect(decodeHex(withNode(`82 ${inputs} ${op}`)).functions[0]?.nodes).toHaveLength(1);
  });

  it.each([
    ["nothing", ""],
    ["a list", "90"],
    ["no version", "81 a9 66756e6374696f6e73 90"],
    ["no functions", "81 a5 6461766974 01"],
    ["a byte after the end", `${open} 90 00`],
    ["keys out of order", "82 a9 66756e6374696f6e73 90 a5 6461766974 01"],
    ["a key twice", "82 a5 6461766974 01 a5 6461766974 01"],
    ["an unknown key", `83 a5 6461766974 01 a9 66756e6374696f6e73 90 a1 7a 00`],
    ["a version of two bytes", `82 a5 6461766974 cc01 a9 66756e6374696f6e73 90`],
    ["a string header too wide", `82 d905 6461766974 01 a9 66756e6374696f6e73 90`],
    ["a list header too wide", `${open} dc0000`],
    ["a list longer than the bytes", `${open} ddffffffff`],
    ["a function that is nil", `${open} 91 c0`],
    ["a node without op", withNode(`81 ${inputs}`)],
    ["a node without inputs", withNode(`81 ${op}`)],
    ["empty attributes written out", withNode(`83 ${attributes} 80 ${inputs} ${op}`)],
    [
      "an empty list of names written out",
      `${open} 91 85 a4 6e616d65 a1 66 a5 6e6f646573 90 af 706172616d657465725f6e616d6573 90 aa 706172616d6574657273 90 a7 726573756c7473 90`,
    ],
    [
      "a name that is no text",
      `${open} 91 85 a4 6e616d65 a1 66 a5 6e6f646573 90 af 706172616d657465725f6e616d6573 91 01 aa 706172616d6574657273 90 a7 726573756c7473 90`,
    ],
    ["one output written out", withNode(`83 ${inputs} ${op} a7 6f757470757473 01`)],
    [
      "a float as a float",
      withNode(`83 ${attributes} 81 a5 666c6f6174 cb3ff0000000000000 ${inputs} ${op}`),
    ],
    [
      "a float of 4 bytes",
      withNode(`83 ${attributes} 81 a5 666c6f6174 c4043f800000 ${inputs} ${op}`),
    ],
    [
      "another NaN",
      withNode(`83 ${attributes} 81 a5 666c6f6174 c4087ff8000000000001 ${inputs} ${op}`),
    ],
    [
      "an int8 for a small negative",
      withNode(`83 ${attributes} 81 a3 696e74 d0ff ${inputs} ${op}`),
    ],
    ["a signed positive integer", withNode(`83 ${attributes} 81 a3 696e74 d17fff ${inputs} ${op}`)],
    [
      "text that is not UTF-8",
      withNode(`83 ${attributes} 81 a6 737472696e67 a1ff ${inputs} ${op}`),
    ],
    [
      "a bin header too wide",
      withNode(`83 ${attributes} 81 a5 6279746573 c5000101 ${inputs} ${op}`),
    ],
    ["an extension", withNode(`83 ${attributes} d40100 ${inputs} ${op}`)],
  ])("refuses %s", (_name, hex) => {
    const error = thrown(() => decodeHex(hex));
    expect(error.code).toBe("graph_invalid");
    expect(error.message).toMatch(/at byte \d+/);
  });

  it.each([
    ["an unknown op", withNode(`82 ${inputs} a2 6f70 a7 636f6e7374616e`), "op_unknown"],
    [
      "an unknown attribute",
      withNode(
        `83 ${attributes} 81 a4 696e7473 00 ${inputs} ${op}`.replace("696e7473", "696e747a"),
      ),
      "attribute_unknown",
    ],
    ["another version", "82 a5 6461766974 02 a9 66756e6374696f6e73 90", "version_unsupported"],
  ])("names %s", (_name, hex, code) => {
    expect(
      thrown(() => decodeHex(hex.replace("a7 636f6e7374616e", "a7 636f6e7374616e"))).code,
    ).toBe(code);
  });

  it("holds counts and texts against the limits before it reads on", () => {
    const graph = main([node({}), node({}), node({})]);
    const limited = (limits: Partial<typeof DEFAULT_LIMITS>) =>
      thrown(() => decodeGraph(encode(graph), { ...DEFAULT_LIMITS, ...limits }, VECTOR_TABLE)).code;
    expect(limited({ nodes: 2 })).toBe("limit_exceeded");
    expect(limited({ functions: 0 })).toBe("limit_exceeded");
    expect(limited({ textBytes: 3 })).toBe("limit_exceeded");
    expect(limited({ items: 3 })).toBe("limit_exceeded");
  });

  it("passes over deep nesting without a stack", () => {
    const deep = Buffer.concat([
      Buffer.from(
        `${open} 91 84 a4 6e616d65 a1 66 a5 6e6f646573 91 83 ${attributes}`.replaceAll(" ", ""),
        "hex",
      ),
      Buffer.alloc(2_000_000, 0x91),
    ]);
    expect(thrown(() => decodeGraph(deep)).code).toBe("graph_invalid");
  });
});

describe("any graph", () => {
  const text = fc.string({ unit: "grapheme", maxLength: 40 });
  const int = fc.oneof(
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
    fc.maxSafeInteger(),
    fc.integer({ min: -300, max: 300 }),
  );
  const float = fc.double();
  const type = fc.record({
    dtype: fc.constantFrom(...DTYPES),
    shape: fc.array(fc.nat(), { maxLength: 4 }),
  });
  const attributes = fc.record(
    {
      bool: fc.boolean(),
      bytes: fc.uint8Array({ maxLength: 300 }),
      dtype: fc.constantFrom(...DTYPES),
      float,
      floats: fc.array(float),
      function: fc.nat(),
      functions: fc.array(fc.nat()),
      int,
      ints: fc.array(int),
      string: text,
      strings: fc.array(text),
      types: fc.array(type),
    },
    { requiredKeys: [] },
  );
  const anyNode = fc.record(
    {
      op: fc.constant("test.kinds"),
      inputs: fc.array(fc.integer({ min: -1, max: 70_000 })),
      attributes,
      outputs: fc.nat(300),
      label: text,
    },
    { requiredKeys: ["op", "inputs", "attributes", "outputs"] },
  );
  const graph = fc.record({
    functions: fc.array(
      fc.record(
        {
          name: text,
          parameters: fc.array(type),
          parameterNames: fc.array(text, { minLength: 1 }),
          nodes: fc.array(anyNode, { maxLength: 4 }),
          results: fc.array(fc.nat()),
        },
        { requiredKeys: ["name", "parameters", "nodes", "results"] },
      ),
      { maxLength: 3 },
    ),
  }) as fc.Arbitrary<Graph>;

  it("comes back as it was", () => {
    fc.assert(
      fc.property(graph, (value) => {
        const bytes = encode(value);
        const back = decodeGraph(bytes, DEFAULT_LIMITS, VECTOR_TABLE);
        expect(normalize(back)).toEqual(normalize(value));
        expect(Buffer.compare(encode(back), bytes)).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  it("has one encoding: spoilt bytes are refused or are another graph's canonical bytes", () => {
    fc.assert(
      fc.property(graph, fc.nat(), fc.nat(255), fc.boolean(), (value, at, byte, cut) => {
        const bytes = encode(value);
        const index = at % bytes.length;
        const spoilt = cut ? bytes.slice(0, index) : bytes.with(index, byte);
        let back: Graph;
        try {
          back = decodeGraph(spoilt, DEFAULT_LIMITS, VECTOR_TABLE);
        } catch (error) {
          expect(error).toBeInstanceOf(GraphError);
          return;
        }
        expect(Buffer.compare(encode(back), spoilt)).toBe(0);
      }),
      { numRuns: 1000 },
    );
  });
});

function node(attributes: Record<string, Attribute>): GraphNode {
  return { op: "test.kinds", inputs: [], attributes, outputs: 1 };
}

function main(nodes: GraphNode[]): Graph {
  return { functions: [{ name: "main", parameters: [], nodes, results: [] }] };
}

/** A graph as plain data: bigints that a number can hold become numbers, bytes lists. */
function normalize(value: unknown): unknown {
  if (typeof value === "bigint") {
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }
  if (value instanceof Uint8Array) return [...value];
  if (Array.isArray(value)) return value.map(normalize);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  return Object.fromEntries(entries.map(([key, item]) => [key, normalize(item)]));
}
