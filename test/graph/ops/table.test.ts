import { describe, expect, it } from "vitest";
import { isOp, OPS, opSpec, subjectDtype, supports } from "../../../src/graph/ops/index.js";
import type { OpSpec } from "../../../src/graph/ops/spec.js";
import { nativeOpNames } from "../../support/run-op.js";
import { CASES } from "./cases/index.js";

describe("the op table", () => {
  it("has the rows that the addon lowers", () => {
    expect(Object.keys(OPS).sort()).toEqual(nativeOpNames().sort());
  });

  it("has cases for every row", () => {
    expect(Object.keys(CASES).sort()).toEqual(Object.keys(OPS).sort());
  });

  it.each(Object.entries<OpSpec>(OPS))("%s is documented", (_name, spec) => {
    expect(spec.doc).toMatch(/^\S.*\.$/);
    for (const attribute of Object.values(spec.attributes)) {
      expect(attribute.doc).toMatch(/^\S.*\.$/);
    }
  });

  it.each(Object.entries<OpSpec>(OPS))("%s lists optional operands last", (_name, spec) => {
    const required = spec.operands.findLastIndex((name) => !/^\.\.\.|\?$/.test(name));
    const optional = spec.operands.findIndex((name) => name.endsWith("?"));
    expect(optional === -1 || optional > required).toBe(true);
  });

  it("looks rows up", () => {
    expect(isOp("add")).toBe(true);
    expect(isOp("toString")).toBe(false);
    expect(opSpec("add")).toBe(OPS.add);
    expect(opSpec("constructor")).toBeUndefined();
  });

  it("knows what no kernel does", () => {
    expect(supports("negative", "bool", "cpu")).toBe(false);
    expect(supports("negative", "int8", "cpu")).toBe(true);
    expect(supports("random.uniform", "float64", "cpu")).toBe(false);
  });

  it("judges a call by its first operand, past a key, or by the dtype it makes", () => {
    const key = { dtype: "uint32", shape: [2] } as const;
    const half = { dtype: "float16", shape: [3] } as const;
    const subject = (op: string, inputs: (typeof key | typeof half)[], attributes = {}) =>
      subjectDtype({ op, inputs, attributes });
    expect(subject("astype", [half], { dtype: "int8" })).toBe("float16");
    expect(subject("zeros", [], { shape: [], dtype: "int8" })).toBe("int8");
    expect(subject("zeros", [], { shape: [] })).toBeUndefined();
    expect(subject("random.normal", [key], { shape: [], dtype: "int8" })).toBe("int8");
    expect(subject("random.permutation", [key, half])).toBe("float16");
  });
});
