// biome-ignore-all lint/suspicious/noThenProperty: the name of an attribute
import { describe, expect, it } from "vitest";
import { validateGraph } from "../../../src/graph/checking/validate.js";
import type { Attributes, Graph } from "../../../src/graph/graph.js";
import { DEFAULT_LIMITS, type GraphLimits } from "../../../src/graph/limits.js";
import { fn, graph, node, thrown } from "../support.js";

const id = new Uint8Array(16);
const constant = (attributes: Attributes) => node("constant", [], attributes);
const f32 = { dtype: "float32", shape: [2] } as const;
const bytes = (length: number) => new Uint8Array(length);

/** A graph of every structural op, and some of the table. */
const valid: Graph = graph(
  fn(
    ["float32[2]", "bool[]"],
    [
      constant({ ...f32, data: bytes(8) }),
      node("constant_by_hash", [], { ...f32, hash: bytes(32) }),
      node("add", [0, 2]),
      node("clip", [4, -1, 3]),
      node("custom_call.hook", [4, 5], { id, name: "x" }, { outputs: 2 }),
      node("custom_call.print", [4], { id, precision: 3, limit: 10 }),
      node("custom_call.callback", [], { id, results: [f32, f32] }, { outputs: 2 }),
      node("call", [0], { function: 1 }),
      node("cond", [1, 0], { then: 1, else: 1 }),
      node("switch", [1, 0], { branches: [1, 1, 1] }),
      node("while", [0], { predicate: 2, body: 1 }),
      node("for", [0], { body: 3, count: 5 }),
    ],
    [14, 0],
    "main",
  ),
  fn(["float32[2]"], [], [0]),
  fn(["float32[2]"], [constant({ dtype: "bool", shape: [], data: bytes(1) })], [1]),
  fn(["int32[]", "float32[2]"], [], [1]),
);

it("takes a valid graph", () => {
  expect(() => validateGraph(valid)).not.toThrow();
});

it("takes names of parameters, in any function", () => {
  const named = (item: Graph["functions"][number]) => ({
    ...item,
    parameterNames: item.parameters.map((_, index) => "x".repeat(index + 1)),
  });
  expect(() => validateGraph(graph(...valid.functions.map(named)))).not.toThrow();
});

describe("refuses", () => {
  const named = (parameterNames: string[]) =>
    graph({ ...fn(["float32[2]", "bool[]"], [], [], "main"), parameterNames });
  const one = (...nodes: ReturnType<typeof node>[]) => graph(fn(["float32[2]"], nodes, [], "main"));

  it.each<[string, Graph, string, RegExp]>([
    [
      "fewer names than parameters",
      named(["x"]),
      "graph_invalid",
      /1 names of parameters; expected one for each of 2/,
    ],
    [
      "an empty name",
      named(["x", ""]),
      "graph_invalid",
      /name of parameter 1 is empty.*function "main"/,
    ],
    [
      "a name twice",
      named(["x\u001b", "x\u001b"]),
      "graph_invalid",
      /parameters 0 and 1 are both named "x\\u001b"/,
    ],
    ["a name that is no text", named(["x", "\ud800"]), "graph_invalid", /parameter 1 is no text/],
    [
      "a name that is too long",
      named(["x", "ü".repeat(2049)]),
      "limit_exceeded",
      /name of parameter 1 has 4098 bytes; expected at most 4096/,
    ],
    ["no functions", graph(), "graph_invalid", /no functions/],
    ["an unknown op", one(node("softmaxx", [0])), "op_unknown", /did you mean "softmax"/],
    ["an op named like a member of every object", one(node("toString")), "op_unknown", /toString/],
    [
      "too few operands",
      one(node("add", [0])),
      "arity_invalid",
      /add has 1 operands; expected 2 \(a, b\)/,
    ],
    ["too many operands", one(node("exp", [0, 0])), "arity_invalid", /expected 1 \(a\)/],
    [
      "too many of some optional",
      one(node("clip", [0, 0, 0, 0])),
      "arity_invalid",
      /expected \d to 3/,
    ],
    [
      "an absent operand that is needed",
      one(node("add", [0, -1])),
      "value_unknown",
      /operand 1 refers to value -1/,
    ],
    [
      "a reference to itself",
      one(node("exp", [1])),
      "value_unknown",
      /expected a value before it: 0 to 0/,
    ],
    ["a reference forward", one(node("exp", [2]), node("exp", [0])), "value_unknown", /value 2/],
    ["a fraction as a reference", one(node("exp", [0.5])), "value_unknown", /value 0.5/],
    [
      "a result that is not there",
      graph(fn([], [], [0])),
      "value_unknown",
      /result refers to value 0; expected no reference/,
    ],
    [
      "an unknown attribute",
      one(node("softmax", [0], { axess: [0] })),
      "attribute_unknown",
      /did you mean "axes"/,
    ],
    ["a missing attribute", one(node("astype", [0])), "attribute_missing", /"dtype" is missing/],
    [
      "an attribute of the wrong kind",
      one(node("softmax", [0], { axes: "0" as unknown as number[] })),
      "attribute_invalid",
      /"axes" is "0"; expected a list of integers/,
    ],
    [
      "an unknown dtype",
      one(node("astype", [0], { dtype: "float8" })),
      "attribute_invalid",
      /"float8"; expected one of bool/,
    ],
    [
      "a custom call that is not known",
      one(node("custom_call.hok", [0], { id })),
      "op_unknown",
      /no op "custom_call.hok", did you mean "custom_call.hook"/,
    ],
    [
      "two outputs of one",
      one(node("exp", [0], {}, { outputs: 2 })),
      "output_count_invalid",
      /exp has 2 outputs; expected 1/,
    ],
    [
      "a negative number of outputs",
      one(node("exp", [0], {}, { outputs: -1 })),
      "output_count_invalid",
      /-1/,
    ],
    [
      "a hook with other outputs than operands",
      one(node("custom_call.hook", [0], { id }, { outputs: 2 })),
      "output_count_invalid",
      /expected 1/,
    ],
    [
      "an id that is not 16 bytes",
      one(node("custom_call.hook", [0], { id: bytes(15) })),
      "custom_call_invalid",
      /15 bytes; expected 16/,
    ],
    [
      "a callback without result types",
      one(node("custom_call.callback", [0], { id }, { outputs: 0 })),
      "attribute_missing",
      /"results" is missing/,
    ],
    [
      "a hook with result types",
      one(node("custom_call.hook", [0], { id, results: [f32] })),
      "attribute_unknown",
      /no attribute "results"/,
    ],
    [
      "a print with a destination",
      one(node("custom_call.print", [0, 0], { id, destination: true }, { outputs: 2 })),
      "attribute_unknown",
      /no attribute "destination"/,
    ],
    [
      "a destination without values",
      one(node("custom_call.hook", [0], { id, destination: true })),
      "custom_call_invalid",
      /1 operands; expected values, then the destination/,
    ],
    [
      "a hook with a precision",
      one(node("custom_call.hook", [0], { id, precision: 3 })),
      "attribute_unknown",
      /"precision"/,
    ],
    [
      "a print with a negative limit",
      one(node("custom_call.print", [0], { id, limit: -1 })),
      "custom_call_invalid",
      /"limit" is -1/,
    ],
    [
      "a constant without bytes",
      one(constant({ ...f32 })),
      "attribute_missing",
      /"data" is missing/,
    ],
    [
      "a constant with data and hash",
      one(constant({ ...f32, data: bytes(8), hash: bytes(32) })),
      "attribute_unknown",
      /"hash"/,
    ],
    [
      "a constant of the wrong length",
      one(constant({ ...f32, data: bytes(7) })),
      "constant_invalid",
      /float32\[2\] has 7 bytes; expected 8/,
    ],
    [
      "a constant of absurd size",
      one(constant({ dtype: "float32", shape: [2 ** 31, 2 ** 31], data: bytes(8) })),
      "constant_invalid",
      /has 8 bytes/,
    ],
    [
      "a constant with a negative size",
      one(constant({ dtype: "float32", shape: [-1], data: bytes(0) })),
      "constant_invalid",
      /\[-1\]/,
    ],
    [
      "a hash of the wrong length",
      one(node("constant_by_hash", [], { ...f32, hash: bytes(20) })),
      "constant_invalid",
      /20 bytes; expected 32/,
    ],
    [
      "an external without a name",
      one(node("external", [], { ...f32, name: "" })),
      "external_invalid",
      /empty name/,
    ],
    [
      "an external with a negative size",
      one(node("external", [], { dtype: "float32", shape: [-1], name: "w" })),
      "external_invalid",
      /an external has the shape \[-1\]/,
    ],
    [
      "a bool that is 2",
      one(constant({ dtype: "bool", shape: [], data: Uint8Array.of(2) })),
      "constant_invalid",
      /0 or 1/,
    ],
    [
      "a function that is not there",
      one(node("call", [0], { function: 1 })),
      "function_unknown",
      /no function 1/,
    ],
    [
      "a function that calls itself",
      one(node("call", [0], { function: 0 })),
      "function_recursive",
      /function 0 refers to function 0/,
    ],
    [
      "a function that calls an earlier one",
      graph(fn([], []), fn([], []), fn([], [node("cond", [], { then: 1, else: 1 })])),
      "arity_invalid",
      /predicate/,
    ],
    [
      "mutual recursion",
      graph(
        fn([], []),
        fn([], [node("call", [], { function: 2 }, { outputs: 0 })]),
        fn([], [node("call", [], { function: 1 }, { outputs: 0 })]),
      ),
      "function_recursive",
      /function 2 refers to function 1/,
    ],
    [
      "a negative function",
      one(node("call", [0], { function: -1 })),
      "attribute_invalid",
      /number of a function/,
    ],
    [
      "another number of carries",
      graph(
        fn(["float32[2]"], [node("while", [0], { predicate: 1, body: 1 }, { outputs: 2 })]),
        fn(["float32[2]"], [], [0]),
      ),
      "output_count_invalid",
      /expected 1/,
    ],
    ["a parameter that is no type", graph(fn(["float32[-1]"], [])), "type_invalid", /parameter 0/],
    [
      "a label with a lone surrogate",
      one(node("exp", [0], {}, { label: "\udc00" })),
      "graph_invalid",
      /label/,
    ],
  ])("%s", (_name, value, code, message) => {
    const error = thrown(() => validateGraph(value));
    expect(error.message).toMatch(message);
    expect(error.code).toBe(code);
  });

  it.each<[keyof GraphLimits, number, RegExp]>([
    ["functions", 3, /4 functions; expected at most 3/],
    ["nodes", 12, /13 nodes/],
    ["expandedNodes", 12, /13 nodes once inlined/],
    ["values", 5, /\d+ values; expected at most 5/],
    ["items", 20, /\d+ items in its lists; expected at most 20/],
    ["expandedValues", 20, /\d+ operands and outputs once inlined; expected at most 20/],
    ["list", 2, /expected at most 2/],
    ["constantBytes", 8, /inline constants/],
    ["rank", 0, /float32\[2\]/],
    ["textBytes", 3, /4 bytes/],
  ])("more than the limit of %s", (name, limit, message) => {
    const error = thrown(() => validateGraph(valid, { ...DEFAULT_LIMITS, [name]: limit }));
    expect(error.code).toBe("limit_exceeded");
    expect(error.message).toMatch(message);
  });

  it("a small graph with very many values", () => {
    // 900 times 65,536 values in some 40 kB.
    const split = node("split", [0], { axis: 0, sections: 65_536 }, { outputs: 65_536 });
    const many = graph(fn(["float32[0]"], new Array(900).fill(split), [0]));
    const error = thrown(() => validateGraph(many));
    expect(error.code).toBe("limit_exceeded");
    expect(error.message).toMatch(/has 58982401 values; expected at most 1000000/);
  });

  it("a small graph with very many operands once inlined", () => {
    const call = node("call", new Array(60_000).fill(0), { function: 1 }, { outputs: 0 });
    const inner = fn(new Array(60_000).fill("float32[2]"), [node("concatenate", [])], []);
    const broad = { ...inner.nodes[0], inputs: Array.from({ length: 60_000 }, (_, i) => i) };
    const functions = [
      fn(["float32[2]"], new Array(9).fill(call), []),
      ...[2, 3].map((next) => ({
        ...inner,
        nodes: new Array(5).fill({ ...call, attributes: { function: next } }),
      })),
      { ...inner, nodes: [broad] },
    ];
    const error = thrown(() => validateGraph(graph(...(functions as never[]))));
    expect(error.code).toBe("limit_exceeded");
    expect(error.message).toMatch(/operands and outputs once inlined; expected at most 8000000/);
  });

  it("a small graph that would be huge once inlined", () => {
    const functions = Array.from({ length: 40 }, (_, index) =>
      fn(
        [],
        index === 39
          ? [node("arange", [], { start: 0, stop: 1 })]
          : [1, 2].map(() => node("call", [], { function: index + 1 }, { outputs: 0 })),
      ),
    );
    expect(thrown(() => validateGraph(graph(...functions))).code).toBe("limit_exceeded");
  });
});

it("says where", () => {
  const wrong = graph(
    fn([], [], [], "main"),
    fn(["float32[2]"], [node("exp", [0]), node("add", [0], {}, { label: "layer.1" })], [], "body"),
  );
  const error = thrown(() => validateGraph(wrong));
  expect(error.details).toMatchObject({ op: "add", label: "layer.1", function: "body", node: 1 });
  expect(error.message).toMatch(/\[op add, label "layer.1", node 1, function "body"\]$/);
});
