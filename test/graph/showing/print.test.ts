// biome-ignore-all lint/suspicious/noThenProperty: the name of an attribute
import { describe, expect, it } from "vitest";
import { inferGraph } from "../../../src/graph/checking/infer.js";
import { graphHash } from "../../../src/graph/encoding/canonical.js";
import { graphToDot } from "../../../src/graph/showing/dot.js";
import { graphToJson } from "../../../src/graph/showing/json.js";
import { graphToMermaid } from "../../../src/graph/showing/mermaid.js";
import { printGraph } from "../../../src/graph/showing/print.js";
import { inferTypes } from "../../../src/native.js";
import { toBytes } from "../../../src/tensor/values.js";
import { fn, graph, node, type } from "../support.js";

const example = graph(
  fn(
    ["float32[2]", "bool[]"],
    [
      node("constant", [], {
        dtype: "float32",
        shape: [2],
        data: toBytes([0.5, -0], type("float32[2]")),
      }),
      node("constant", [], { dtype: "int8", shape: [9], data: new Uint8Array(9) }),
      node("constant_by_hash", [], {
        dtype: "int8",
        shape: [9],
        hash: new Uint8Array(32).fill(0xab),
      }),
      node("clip", [0, -1, 2]),
      node("softmax", [5], { axes: [-1], precise: true }, { label: 'a "b"\u001b[31m\u202e' }),
      node(
        "custom_call.hook",
        [6, 1],
        { id: new Uint8Array(16).fill(1), name: "x" },
        { outputs: 2 },
      ),
      node("cond", [8, 7], { then: 1, else: 2 }),
    ],
    [9],
    "main",
  ),
  fn(["float32[2]"], [], [0], "branch"),
  fn(["float32[2]"], [node("astype", [0], { dtype: "float32" })], [1], "branch"),
);

const types = () =>
  inferGraph(example, {
    inferTypes,
  });

const ID = "01".repeat(16);

it("writes text, a node on a line", () => {
  expect(printGraph(example, types())).toBe(
    `func main(%0: float32[2], %1: bool[]) {
  %2 = constant float32[2] [0.5, -0]
  %3 = constant int8[9] ...
  %4 = constant_by_hash int8[9] sha256:abababababababab... (32 bytes)
  %5 = clip %0, _, %2 : float32[2]
  %6 = softmax %5 {axes = [-1], precise = true} : float32[2]  "a \\"b\\"\\u001b[31m\\u202e"
  %7, %8 = custom_call.hook %6, %1 {id = ${ID}, name = "x"} : float32[2], bool[]
  %9 = cond %8, %7 {else = @branch#2, then = @branch#1} : float32[2]
  return %9
}

func branch#1(%0: float32[2]) {
  return %0
}

func branch#2(%0: float32[2]) {
  %1 = astype %0 {dtype = float32} : float32[2]
  return %1
}
`,
  );
});

it("writes text without types where they are not known", () => {
  expect(printGraph(example)).toContain("  %5 = clip %0, _, %2\n");
});

it("shows the names of parameters", () => {
  const [item] = example.functions as [(typeof example.functions)[number]];
  const rest = example.functions.slice(1);
  const named = graph({ ...item, parameterNames: ["w.0", 'a "b"\u001b'] }, ...rest);
  const shown = /^func main\(%0 w\.0: float32\[2\], %1 "a \\"b\\"\\u001b": bool\[\]\) {$/m;
  expect(printGraph(named)).toMatch(shown);
  expect(graphToMermaid(named)).toContain('f0_p0(["%0 w.0: float32#91;2#93;"])');
  expect(graphToDot(named)).toContain('f0_p0 [shape=oval, label="%0 w.0: float32[2]"];');
  const [main] = JSON.parse(JSON.stringify(graphToJson(named))).functions;
  expect(main.parameters).toEqual([
    { value: 0, type: "float32[2]", name: "w.0" },
    { value: 1, type: "bool[]", name: 'a "b"\u001b' },
  ]);
});

describe("drawings", () => {
  it("in Mermaid have a subgraph for each function, and nothing that could end a text", () => {
    const text = graphToMermaid(example, types());
    expect(text).toMatch(/^flowchart TD\n {2}subgraph f0\["main"\]\n/);
    expect(text).toContain('    f0_p0(["%0: float32#91;2#93;"])');
    expect(text).toContain('    f0_p0 -->|"float32#91;2#93;"| f0_n3');
    expect(text).toContain('  f0_n6 -.->|"then"| f1');
    expect(text).toContain('    f0_n6 -->|"float32#91;2#93;"| f0_r');
    expect(text).toContain("a #34;b#34;#27;");
    for (const line of text.split("\n")) expect((line.match(/"/g) ?? []).length % 2).toBe(0);
  });

  it("in DOT have a cluster for each function, and escaped texts", () => {
    const text = graphToDot(example, types());
    expect(text).toContain("  subgraph cluster_f1 {");
    expect(text).toContain('    f0_p0 -> f0_n3 [label="float32[2]"];');
    expect(text).toContain('a \\"b\\" [31m');
    expect(text).toContain('f0_n6 -> f1_r [style=dashed, lhead=cluster_f1, label="then"];');
    expect(text.split("{").length - text.split("}").length).toBe(0);
  });
});

it("gives plain data", () => {
  const data = JSON.parse(JSON.stringify(graphToJson(example, types())));
  expect(data.hash).toBe(graphHash(example));
  expect(data.functions[0].nodes[4]).toEqual({
    op: "softmax",
    label: 'a "b"\u001b[31m\u202e',
    inputs: [5],
    outputs: [{ value: 6, type: "float32[2]" }],
    attributes: { axes: "[-1]", precise: "true" },
    functions: {},
  });
  expect(data.functions[0].nodes[6].functions).toEqual({ then: 1, else: 2 });
});
