// biome-ignore-all lint/suspicious/noThenProperty: the name of an attribute
import { describe, expect, it } from "vitest";
import { inferGraph } from "../../../src/graph/checking/infer.js";
import { validateGraph } from "../../../src/graph/checking/validate.js";
import type { Graph } from "../../../src/graph/graph.js";
import { DEFAULT_LIMITS } from "../../../src/graph/limits.js";
import { inferTypes } from "../../../src/native.js";
import { formatType } from "../../../src/tensor/dtype.js";
import { fn, graph, node, thrown, type } from "../support.js";

const infer = (value: Graph) => {
  validateGraph(value);
  return inferGraph(value, { inferTypes });
};

describe("the types of values", () => {
  it("come from MLX for ops of the table", () => {
    const typed = infer(
      graph(
        fn(
          ["float32[2, 3]", "float16[3, 4]"],
          [
            node("matmul", [0, 1]),
            node("sum", [2], { axes: [-1], keepdims: true }),
            node("split", [2], { sections: 2, axis: 1 }, { outputs: 2 }),
          ],
          [3],
        ),
      ),
    );
    expect(typed[0]?.values.map(formatType)).toEqual([
      "float32[2, 3]",
      "float16[3, 4]",
      "float32[2, 4]",
      "float32[2, 1]",
      "float32[2, 2]",
      "float32[2, 2]",
    ]);
    expect(typed[0]?.results.map(formatType)).toEqual(["float32[2, 1]"]);
  });

  it("come from functions for control flow, however deep", () => {
    const typed = infer(
      graph(
        fn(
          ["float32[2]", "bool[]", "int64[]"],
          [
            node("call", [0], { function: 2 }),
            node("cond", [1, 0, 3], { then: 3, else: 3 }, { outputs: 2 }),
            node("switch", [2, 0], { branches: [2, 2] }),
            node("while", [0, 1], { predicate: 4, body: 5 }),
            node("for", [2, 0], { body: 1 }),
            node("for", [0], { body: 1, count: 3 }),
          ],
          [9],
        ),
        fn(
          ["int32[]", "float32[2]"],
          [node("call", [1], { function: 2 }), node("add", [0, 2])],
          [3],
        ),
        fn(["float32[2]"], [node("exp", [0])], [1]),
        fn(["float32[2]", "float32[2]"], [], [1, 0]),
        fn(["float32[2]", "bool[]"], [], [1]),
        fn(["float32[2]", "bool[]"], [], [0]),
      ),
    );
    expect(typed[0]?.values.slice(3).map(formatType)).toEqual(Array(7).fill("float32[2]"));
  });

  it("come from the node for constants and custom calls", () => {
    const id = new Uint8Array(16);
    const results = [type("int8[7]"), type("bool[]")];
    const typed = infer(
      graph(
        fn(
          ["float32[2]"],
          [
            node("constant", [], { dtype: "int8", shape: [3n, 0], data: new Uint8Array(0) }),
            node("custom_call.hook", [0, 1], { id }, { outputs: 2 }),
            node("custom_call.callback", [0], { id, results }, { outputs: 2 }),
          ],
        ),
      ),
    );
    expect(typed[0]?.values.slice(1).map(formatType)).toEqual([
      "int8[3, 0]",
      "float32[2]",
      "int8[3, 0]",
      "int8[7]",
      "bool[]",
    ]);
  });
});

describe("refuses", () => {
  const f = fn(["float32[2]"], [], [0], "same");
  const main = (parameters: string[], ...nodes: ReturnType<typeof node>[]) =>
    fn(parameters, nodes, [], "main");

  it.each<[string, Graph, string, RegExp]>([
    [
      "shapes that MLX refuses",
      graph(main(["float32[2]", "float32[3]"], node("add", [0, 1]))),
      "",
      /\(2\) and \(3\).*\[op add\(float32\[2\], float32\[3\]\), node 0, function "main"\]/s,
    ],
    [
      "a dtype that the device cannot do",
      graph(main(["float32[2]"], node("bitwise_and", [0, 0]))),
      "dtype_unsupported",
      /bitwise_and does not work on float32 on the cpu/,
    ],
    [
      "a call with other operands",
      graph(main(["float32[3]"], node("call", [0], { function: 1 })), f),
      "type_mismatched",
      /parameters are \(float32\[2\]\); expected \(float32\[3\]\)/,
    ],
    [
      "a predicate that is no bool",
      graph(main(["int32[]", "float32[2]"], node("cond", [0, 1], { then: 1, else: 1 })), f),
      "type_mismatched",
      /the predicate is int32\[\]; expected bool scalar/,
    ],
    [
      "a predicate that is no scalar",
      graph(main(["bool[1]", "float32[2]"], node("cond", [0, 1], { then: 1, else: 1 })), f),
      "type_mismatched",
      /bool\[1\]/,
    ],
    [
      "branches with other results",
      graph(
        main(["bool[]", "float32[2]"], node("cond", [0, 1], { then: 1, else: 2 })),
        f,
        fn(["float32[2]"], [node("sum", [0])], [1]),
      ),
      "type_mismatched",
      /results of else are \(float32\[\]\); expected \(float32\[2\]\), as of then/,
    ],
    [
      "a float index",
      graph(
        main(["float32[]"], node("switch", [0, 0], { branches: [1] })),
        fn(["float32[]"], [], [0]),
      ),
      "type_mismatched",
      /integer scalar/,
    ],
    [
      "no branches",
      graph(main(["int32[]"], node("switch", [0], { branches: [] }, { outputs: 0 }))),
      "attribute_invalid",
      /no branches/,
    ],
    [
      "a carry that changes its shape",
      graph(
        main(["float32[2]"], node("while", [0], { predicate: 1, body: 2 })),
        fn(["float32[2]"], [node("any", [0])], [1]),
        fn(["float32[2]"], [node("sum", [0])], [1]),
      ),
      "type_mismatched",
      /carry 0 changes from float32\[2\] to float32\[\]/,
    ],
    [
      "a carry that changes its dtype",
      graph(
        main(["float32[2]"], node("for", [0], { body: 1, count: 2 })),
        fn(["int32[]", "float32[2]"], [node("astype", [1], { dtype: "int8" })], [2]),
      ),
      "type_mismatched",
      /float32\[2\] to int8\[2\]/,
    ],
    [
      "a predicate function that gives no bool",
      graph(main(["float32[2]"], node("while", [0], { predicate: 1, body: 1 })), f),
      "type_mismatched",
      /predicate's results are \(float32\[2\]\); expected \(bool\[\]\)/,
    ],
    [
      "a body without the iteration",
      graph(main(["float32[2]"], node("for", [0], { body: 1, count: 2 })), f),
      "type_mismatched",
      /expected \(int32\[\], float32\[2\]\)/,
    ],
    [
      "more carries than operands",
      graph(
        main([], node("while", [], { predicate: 1, body: 1 })),
        fn([], [node("arange", [], { start: 0, stop: 1 })], [0]),
      ),
      "type_mismatched",
      /predicate/,
    ],
    [
      "a repeat without count",
      graph(
        main(["float32[2]"], node("for", [0], { body: 1 })),
        fn(["int32[]"], [node("exp", [0])], [1]),
      ),
      "type_mismatched",
      /the count is float32\[2\]/,
    ],
    [
      "a count beyond int32",
      graph(
        main(["float32[2]"], node("for", [0], { body: 1, count: 2 ** 31 })),
        fn(["int32[]", "float32[2]"], [], [1]),
      ),
      "attribute_invalid",
      /at most 2\^31/,
    ],
    [
      "a parameter of absurd size",
      graph(main(["float32[2147483647, 2147483647]"])),
      "value_too_large",
      /bytes/,
    ],
    [
      "a dimension beyond int32",
      graph(main(["int8[2147483648]"])),
      "value_too_large",
      /sizes up to 2147483647/,
    ],
    [
      "a result of absurd size",
      graph(main(["float32[1, 2000000]", "float32[2000000, 1]"], node("add", [0, 1]))),
      "value_too_large",
      /the result would be float32\[2000000, 2000000\].*\[op add/,
    ],
    [
      "a sum of sizes beyond int32",
      graph(main(["int8[2000000000]"], node("concatenate", [0, 0], { axis: 0 }))),
      "value_too_large",
      /./,
    ],
  ])("%s", (_name, value, code, message) => {
    const error = thrown(() => infer(value));
    expect(error.message).toMatch(message);
    if (code !== "") expect(error.code).toBe(code);
    else expect(error.code).not.toBe("");
  });

  it("another number of outputs than an op makes", () => {
    const wrong = graph(main(["float32[4]"], node("split", [0], { sections: 2 }, { outputs: 3 })));
    expect(thrown(() => inferGraph(wrong, { inferTypes })).code).toBe("output_count_invalid");
  });

  it("values beyond the byte limit", () => {
    const value = graph(main(["float32[1000]"]));
    const limits = { ...DEFAULT_LIMITS, valueBytes: 3999 };
    expect(thrown(() => inferGraph(value, { inferTypes, limits })).code).toBe("value_too_large");
  });
});

describe("derivatives", () => {
  // (x: f32[2], i: int32[], y: f16[]) -> (x, sum x)
  const f = fn(["float32[2]", "int32[]", "float16[]"], [node("sum", [0])], [0, 3], "f");
  const main = (op: string, inputs: string[], wrt: number[] | undefined, outputs: number) =>
    graph(
      fn(
        inputs,
        [
          node(
            op,
            inputs.map((_type, index) => index),
            wrt === undefined ? { function: 1 } : { function: 1, wrt },
            { outputs },
          ),
        ],
        [],
        "main",
      ),
      f,
    );
  const operands = ["float32[2]", "int32[]", "float16[]"];
  const made = (value: Graph, from: number) => infer(value)[0]?.values.slice(from).map(formatType);

  it("have the types of what they belong to", () => {
    const cotangents = ["float32[2]", "float32[]"];
    expect(made(main("vjp", [...operands, ...cotangents], [2, 0], 4), 5)).toEqual([
      "float32[2]",
      "float32[]",
      "float16[]",
      "float32[2]",
    ]);
    expect(made(main("jvp", [...operands, "float32[2]"], [0], 4), 4)).toEqual([
      "float32[2]",
      "float32[]",
      "float32[2]",
      "float32[]",
    ]);
  });

  it.each<[string, Graph, string, RegExp]>([
    [
      "by integers",
      main("vjp", [...operands, "float32[2]", "float32[]"], [1], 3),
      "derivative_unsupported",
      /argument 1 is int32\[\]; expected a floating or complex type \[op vjp/,
    ],
    [
      "by all arguments where one is an integer",
      main("jvp", operands, undefined, 4),
      "derivative_unsupported",
      /argument 1 is int32\[\]/,
    ],
    [
      "of integers",
      graph(
        fn(["int32[]"], [node("vjp", [0, 0], { function: 1, wrt: [] })]),
        fn(["int32[]"], [], [0]),
      ),
      "derivative_unsupported",
      /result 0 is int32\[\]/,
    ],
    [
      "by an argument that there is not",
      main("vjp", [...operands, "float32[2]", "float32[]"], [3], 3),
      "attribute_invalid",
      /"wrt" is \[3\]; expected different numbers below 3/,
    ],
    [
      "by an argument twice",
      main("vjp", [...operands, "float32[2]", "float32[]"], [0, 0], 4),
      "attribute_invalid",
      /"wrt" is \[0,0\]/,
    ],
    [
      "with other cotangents than results",
      main("vjp", [...operands, "float32[]", "float32[]"], [0], 3),
      "type_mismatched",
      /the cotangents are \(float32\[\], float32\[\]\); expected \(float32\[2\], float32\[\]\)/,
    ],
    [
      "with too few tangents",
      main("jvp", operands, [0], 4),
      "type_mismatched",
      /the tangents are \(\); expected \(float32\[2\]\)/,
    ],
    [
      "with other arguments",
      main("jvp", ["float32[3]", "int32[]", "float16[]", "float32[2]"], [0], 4),
      "type_mismatched",
      /the arguments are \(float32\[3\]/,
    ],
    [
      "with another number of outputs",
      main("jvp", operands, [], 3),
      "output_count_invalid",
      /expected 4/,
    ],
  ])("refuses derivatives %s", (_name, value, code, message) => {
    const error = thrown(() => infer(value));
    expect(error.message).toMatch(message);
    expect(error.code).toBe(code);
  });
});
