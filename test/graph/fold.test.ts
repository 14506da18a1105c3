import { describe, expect, it } from "vitest";
import { inferGraph, type TypedFunction } from "../../src/graph/checking/infer.js";
import { splitConstants } from "../../src/graph/fold.js";
import type { Attributes, Graph, GraphNode } from "../../src/graph/graph.js";
import { namedId } from "../../src/hooks/ids.js";
import { native } from "../../src/native.js";

const vector = { dtype: "float32", shape: [4] } as const;
const node = (op: string, inputs: readonly number[], attributes: Attributes = {}): GraphNode => ({
  op,
  inputs,
  attributes,
  outputs: 1,
  label: `${op} of ${inputs}`,
});
const range = node("arange", [], { start: 0, stop: 4, step: 1, dtype: "float32" });
const weights = { ...node("external", [], { ...vector, name: "w" }) };
const graph = (nodes: readonly GraphNode[], results: readonly number[]): Graph => ({
  functions: [{ name: "main", parameters: [vector], nodes, results }],
});

function split(whole: Graph, maxBytes = Number.POSITIVE_INFINITY) {
  const [typed] = inferGraph(whole, native()) as [TypedFunction];
  return splitConstants(whole, typed, maxBytes);
}

const opsOf = (part: Graph | undefined) => part?.functions[0]?.nodes.map(({ op }) => op);

describe("splitConstants", () => {
  it("puts an external, with the label, in the place of what depends on constants", () => {
    const parts = split(
      graph([range, weights, node("cos", [1]), node("multiply", [3, 2]), node("add", [0, 4])], [5]),
    );
    expect(opsOf(parts?.constant)).toEqual(["arange", "external", "cos", "multiply"]);
    expect(parts?.constant.functions[0]).toMatchObject({ parameters: [], results: [3] });
    expect(parts?.rest.functions[0]?.nodes).toEqual([
      { ...node("external", [], { ...vector, name: "folded.0" }), label: "multiply of 3,2" },
      { ...node("add", [0, 1]), label: "add of 0,4" },
    ]);
    expect(parts?.names).toEqual(["folded.0"]);
  });

  it("leaves constants, and what there is nothing of", () => {
    expect(split(graph([weights, node("add", [0, 1])], [2]))).toBeUndefined();
    expect(split(graph([node("cos", [0])], [1]))).toBeUndefined();
    expect(split(graph([weights], [1]))).toBeUndefined();
  });

  it("keeps hooks, with what needs them, in the rest", () => {
    const hook = node("custom_call.hook", [2], { id: namedId("seen"), name: "seen" });
    const parts = split(graph([weights, node("cos", [1]), hook, node("sin", [3])], [4]));
    expect(opsOf(parts?.constant)).toEqual(["external", "cos"]);
    expect(opsOf(parts?.rest)).toEqual(["external", "custom_call.hook", "sin"]);
  });

  it("goes back to values that are small enough", () => {
    const wide = node("broadcast_to", [2], { shape: [100, 4] });
    const nodes = [range, node("cos", [1]), wide, node("multiply", [3, 0])];
    expect(opsOf(split(graph(nodes, [4]))?.rest)).toEqual(["external", "multiply"]);
    expect(opsOf(split(graph(nodes, [4]), 100)?.rest)).toEqual([
      "external",
      "broadcast_to",
      "multiply",
    ]);
    expect(split(graph(nodes, [4]), 10)).toBeUndefined();
  });

  it("has names that no other external has", () => {
    const taken = { ...weights, attributes: { ...vector, name: "folded.0" } };
    const parts = split(graph([taken, node("cos", [1]), node("add", [0, 2])], [3]));
    expect(parts?.names).toEqual(["_folded.0"]);
  });
});
