import { expect, it } from "vitest";
import { CUSTOM_CALLS } from "../../src/graph/ops/custom-call.js";
import { OPS } from "../../src/graph/ops/index.js";
import { STRUCTURAL } from "../../src/graph/ops/structural.js";
import { findOp, operandCounts, TABLE } from "../../src/graph/table.js";
import { nearest } from "../../src/nearest.js";
import { thrown } from "./support.js";

it("has one row for a name", () => {
  const families = [OPS, STRUCTURAL, CUSTOM_CALLS].flatMap((family) => Object.keys(family));
  expect(Object.keys(TABLE)).toHaveLength(families.length);
});

it.each(Object.entries(TABLE))("has a sound row for %s", (_name, spec) => {
  expect(spec.doc).toMatch(/^\S.*\.$/s);
  spec.operands.slice(0, -1).forEach((operand) => {
    expect(operand).not.toMatch(/^\.\.\./);
  });
  // An optional operand comes after those that are needed.
  expect(spec.operands.join(" ")).not.toMatch(/\? [^ ]*[^? ]( |$)/);
  for (const { kind, values } of Object.values(spec.attributes)) {
    if (values !== undefined) expect(kind).toMatch(/^strings?$/);
  }
});

it("counts operands", () => {
  expect(operandCounts(findOp("add"))).toEqual({ min: 2, max: 2 });
  expect(operandCounts(findOp("clip"))).toEqual({ min: 1, max: 3 });
  expect(operandCounts(findOp("cond"))).toEqual({ min: 1, max: Number.POSITIVE_INFINITY });
});

it("suggests the nearest name, or none", () => {
  expect(thrown(() => findOp("sofmax")).message).toContain('did you mean "softmax"?');
  expect(thrown(() => findOp("zzzzzzzzz")).message).not.toContain("did you mean");
  expect(thrown(() => findOp("__proto__")).code).toBe("op_unknown");
  expect(nearest("ad", ["add", "abs"])).toBe("add");
  expect(nearest("x".repeat(10_000), ["x"])).toBeUndefined();
});
